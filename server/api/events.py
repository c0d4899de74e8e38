"""`POST /api/events`: one signed event, from a desk or a phone, through the door into its unit's database."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from crypto.errors import CryptoError
from crypto.event import parse_signed_event
from server.api.bodies import read_json
from server.api.people import carry_out
from server.api.speaker import Speakers
from server.dossier import units
from server.dossier.documents import event_doc
from server.dossier.erasing import STOPS
from server.dossier.event import parse_event
from server.errors import NotAllowed, Refused
from server.intake.source import Source
from server.node.assembly import Node


def events_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("events", __name__)

    @blueprint.post("/events")
    def post() -> tuple[Response, int]:
        speaker = speakers.current()
        fields = read_json()
        event = parse_event(fields.get("event"))
        if event.actor != speaker.urn:
            raise NotAllowed(f"you are {speaker.urn}, the event is by {event.actor}; everybody posts their own")
        try:
            signed = parse_signed_event(fields)
        except CryptoError as exc:
            raise Refused("malformed", str(exc)) from exc
        database = units.database_name(event.unit)
        if database not in node.store.names():
            raise Refused("wrong_database", f"this node does not hold the dossiers of {event.unit}")
        node.copier.ensure_credentials(database, signed.fingerprint)
        result = node.intake.admit(database, [event_doc(fields)], source=Source("person", speaker.urn))[0]
        if result.error is not None:
            code, _, reason = result.error.reason.partition(": ")
            raise Refused(code, reason)
        node.model.follower.catch_up(database)
        if event.type == "enrol.approved" and event.unit == node.unit:
            node.people.settle(event.body["thumbprint"])
        if event.type.startswith("role.") and event.unit == node.unit:
            node.people.spread_roles()
        if event.type == "enrol.revoked":
            carry_out(node)
        if event.type == "erasure.confirmed":
            node.erasing.notice({event.stream})
        if event.type in STOPS:
            node.erasure_gate.check_in_time(event.body["of"])
        return jsonify(ok=True, id=result.id, rev=result.rev), 201

    return blueprint
