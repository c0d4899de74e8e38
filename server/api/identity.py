"""What anybody may ask a node: who it is, what time it is, what it takes in; and nodes introduce themselves."""

from __future__ import annotations

import base64
import binascii
from importlib.metadata import version

from flask import Blueprint, Response, jsonify, request

from crypto import keys
from server.api.bodies import member, read_json
from server.dossier.times import format_time
from server.errors import Refused
from server.node.assembly import Node
from server.pki.documents import to_base64

VERSION = version("tram")
MAX_INTRODUCTION_BYTES = 64 * 1024


def identity_blueprint(node: Node) -> Blueprint:
    """Return `GET /node`, `GET /catalogue`, `POST /introductions`."""
    blueprint = Blueprint("identity", __name__)

    @blueprint.get("/node")
    def who() -> Response:
        now = node.clock.now()
        return jsonify(
            unit=node.unit,
            name=node.home.settings.name,
            urn=node.signer.urn,
            time=format_time(now),
            checkpoint=node.proofs.heads.newest(node.unit, now),
            certificate=to_base64(node.signer.certificate),
            chain=[to_base64(each) for each in node.home.chain()],
            crls={key: str(crl.number) for key, crl in node.trust.lists(node.database).items()},
            jwk=keys.public_to_jwk(node.signer.public_key),
            version=VERSION,
        )

    @blueprint.get("/catalogue")
    def catalogue() -> Response:
        found = node.model.catalogue()
        response = Response(found.json, mimetype="application/json")
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(found.version)
        if request.accept_encodings["gzip"] > 0:
            response.set_data(found.gzipped)
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.make_conditional(request)
        return response

    @blueprint.post("/introductions")
    def introduce() -> Response:
        chain = member(read_json(limit_bytes=MAX_INTRODUCTION_BYTES), "chain", list)
        try:
            ders = [base64.b64decode(each, validate=True) for each in chain]
        except (binascii.Error, ValueError, TypeError) as exc:
            raise Refused("schema", '"chain" is a list of certificates, DER in base64', member="chain") from exc
        signer = node.peers.introduce(ders, node.clock.now())
        return jsonify(ok=True, urn=signer.subject_urn)

    return blueprint
