"""`/api/ca-requests`: a unit below asks for a CA certificate over the link, and fetches it once a person approved.

Nobody signs in: the request proves its own key, the certificate is public, and approving is done at this node's console
(`tram ca pending`, `tram ca approve`), where the CA's key is.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from server.api.bodies import member, read_json
from server.node.assembly import Node
from server.pki.request import MAX_REQUEST_BYTES
from server.pki.requests import Asked


def authorities_blueprint(node: Node) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("authorities", __name__)

    @blueprint.post("/ca-requests")
    def ask() -> tuple[Response, int]:
        token = member(read_json(limit_bytes=2 * MAX_REQUEST_BYTES), "request", str)
        found = node.unit_requests.ask(token.encode("ascii", "replace"), node.clock.now())
        return jsonify(_answer(found)), 201 if found.state == "issued" else 202

    @blueprint.get("/ca-requests/<thumbprint>")
    def state(thumbprint: str) -> Response:
        return jsonify(_answer(node.unit_requests.get(thumbprint)))

    return blueprint


def _answer(found: Asked) -> dict[str, Any]:
    value: dict[str, Any] = {
        "thumbprint": found.request.thumbprint,
        "unit": found.request.unit,
        "code": found.request.code,
        "state": found.state,
    }
    if found.answer is not None:
        value["answer"] = found.answer.decode("ascii")
    if found.state == "refused":
        value["reason"] = found.reason
    return value
