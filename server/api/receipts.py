"""The citizen's receipt and the full proof of an event, for whoever may see its dossier."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from crypto import base64url
from server.api.origin import own_host
from server.api.speaker import Speaker, Speakers
from server.errors import Missing
from server.log.receipt import qr_svg
from server.node.assembly import Node


def receipts_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return `GET /receipts/<event>`, `/receipts/<event>/qr` and `/receipts/<event>/proof`."""
    blueprint = Blueprint("receipts", __name__)

    def code_of(event_id: str, speaker: Speaker) -> str:
        stream = node.model.queries.stream_of_event(event_id)
        if stream is None:
            raise Missing("there is no such event here, or it is not yours to see")
        return speakers.dossier_row(stream, speaker).code or stream[:8]

    @blueprint.get("/receipts/<event>")
    def receipt(event: str) -> Response:
        issued = node.receipt_desk.issue(event, code_of(event, speakers.current()), host=own_host())
        return jsonify(
            receipt=base64url.encode(issued.data),
            url=issued.url,
            origin=issued.receipt.origin,
            size=issued.receipt.size,
            issued=issued.receipt.issued,
        )

    @blueprint.get("/receipts/<event>/qr")
    def qr(event: str) -> Response:
        issued = node.receipt_desk.issue(event, code_of(event, speakers.current()), host=own_host())
        return Response(qr_svg(issued.url), mimetype="image/svg+xml")

    @blueprint.get("/receipts/<event>/proof")
    def proof(event: str) -> Response:
        code = code_of(event, speakers.current())
        response = Response(node.receipt_desk.proof(event), mimetype="text/plain")
        response.headers["Content-Disposition"] = f'attachment; filename="{code}.tlog-proof"'
        return response

    return blueprint
