"""`/api/bundles`: nodes tell one another what came by stick."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.api.bodies import read_json
from server.api.speaker import Speakers
from server.bundles import acks, online
from server.errors import NotAllowed
from server.node.assembly import Node


def bundles_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return `POST /bundles/acknowledgements`; from now on the node exchanges them with whom it meets."""
    blueprint = Blueprint("bundles", __name__)
    online.attach(node)

    @blueprint.post("/bundles/acknowledgements")
    def acknowledge() -> Response:
        speaker = speakers.current()
        if speaker.who.kind != "node":
            raise NotAllowed("nodes acknowledge bundles, people do not")
        return jsonify(online.answer(node, speaker.who.unit, read_json(limit_bytes=acks.MAX_BYTES)))

    return blueprint
