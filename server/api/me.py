"""`GET /api/me`: what phones ask about themselves: roles held here, and what will be doubtful about what they sign."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from server.api.speaker import Speakers
from server.node.assembly import Node
from server.trust.signing import record_doubts


def me_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the route. That a certificate ends soon phones see for themselves; what is on record they cannot."""
    blueprint = Blueprint("me", __name__)

    @blueprint.get("/me")
    def me() -> Response:
        speaker = speakers.current()
        doubts = record_doubts(
            node.trust,
            node.issuance,
            database=node.database,
            fingerprint=speaker.who.fingerprint,
            at=node.clock.now(),
        )
        return jsonify(
            subject=speaker.urn,
            name=node.model.queries.name_of(speaker.urn),
            roles=list(speaker.roles),
            warnings=[each.value() for each in doubts],
        )

    return blueprint
