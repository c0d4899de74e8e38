"""The newest revocation list of each CA from this unit up to the root, for phones. `GET /api/node` tells their numbers,
so that a list travels only when its number rose."""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Blueprint, Response, request

from server.errors import Missing
from server.node.assembly import Node

_WORTH_PACKING = 1400  # what fits into one packet is sent as it is


def crls_blueprint(node: Node) -> Blueprint:
    """Return `GET /crls/<key>`: DER (RFC 5280 §5), for whoever asks, by the key identifier of its CA in hex."""
    blueprint = Blueprint("crls", __name__)

    @blueprint.get("/crls/<key>")
    def newest(key: str) -> Response:
        crl = node.trust.lists(node.database).get(key)
        if crl is None:
            raise Missing(f"no revocation list of a CA with key {key[:40]!a} above {node.unit} is here")
        response = Response(crl.der, mimetype="application/pkix-crl")
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(crl.fingerprint)
        if len(crl.der) > _WORTH_PACKING and request.accept_encodings["gzip"] > 0:
            response.set_data(_packed(crl.der))
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.make_conditional(request)
        return response

    return blueprint


@lru_cache(maxsize=4)
def _packed(der: bytes) -> bytes:
    return gzip.compress(der, mtime=0)
