"""`/api/enrolments`: a phone or desk asks for a certificate; officials see who waits, and approve by signing."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from server.api.bodies import member, read_json
from server.api.drafting import draft_approval
from server.api.speaker import Speakers
from server.enrolment import Enrolment
from server.node.assembly import Node
from server.pki.documents import der_to_base64, to_base64


def enrolments_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("enrolments", __name__)

    @blueprint.post("/enrolments")
    def ask() -> tuple[Response, int]:
        found = node.people.ask(member(read_json(), "request", str))
        return jsonify(_answer(node, found)), 201 if found.state == "issued" else 202

    @blueprint.get("/enrolments/<thumbprint>")
    def state(thumbprint: str) -> Response:
        return jsonify(_answer(node, node.people.state(thumbprint)))

    @blueprint.get("/enrolments")
    def waiting() -> Response:
        speakers.official()
        return jsonify(pending=[_for_officials(each) for each in node.people.enrolments.pending()])

    @blueprint.post("/enrolments/<thumbprint>/drafts")
    def draft(thumbprint: str) -> Response:
        speaker = speakers.official()
        again = read_json().get("again") or ""
        return jsonify(draft_approval(node, speaker, thumbprint, again=str(again)).value())

    @blueprint.post("/enrolments/<thumbprint>/refusal")
    def refuse(thumbprint: str) -> Response:
        speakers.official()
        reason = member(read_json(), "reason", str)
        return jsonify(_answer(node, node.people.enrolments.refuse(thumbprint, reason, node.clock.now())))

    return blueprint


def _answer(node: Node, found: Enrolment) -> dict[str, Any]:
    """What the phone is told. Whoever knows the thumbprint knows the key; nothing personal is in here."""
    value: dict[str, Any] = {"thumbprint": found.thumbprint, "code": found.code, "state": found.state}
    if found.state == "issued" and found.certificate is not None:
        value["revoked"] = node.revoking.is_revoked(found.certificate)
        value["subject"] = found.subject
        value["certificate"] = der_to_base64(found.certificate)
        value["chain"] = [to_base64(each) for each in node.home.chain()]
    if found.state == "refused":
        value["reason"] = found.reason
    return value


def _for_officials(found: Enrolment) -> dict[str, Any]:
    return {
        "thumbprint": found.thumbprint,
        "code": found.code,
        "name": found.name,
        "kind": found.kind,
        "asked": found.asked,
        **found.private,
    }
