"""One shape for every refusal over HTTP: `{"error": <stable word>, "reason": <for people>}` and a status that fits."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from crypto.errors import CryptoError, TooLarge, UntrustedChain
from replication.errors import StoreError
from server.errors import ServerError, TooMany

_LOG = logging.getLogger(__name__)

# Flask's own refusals (unknown route, wrong method, body too long), in CouchDB's words.
_WORDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "too_large",
    415: "bad_content_type",
    416: "requested_range_not_satisfiable",
    429: "too_many",
    503: "service_unavailable",
}


def error_response(status: int, error: str, reason: str, headers: dict[str, str] | None = None) -> Response:
    """Return the response for one refusal."""
    body = json.dumps({"error": error, "reason": reason}, ensure_ascii=False) + "\n"
    return Response(body, status, headers, mimetype="application/json")


def register_errors(app: Flask) -> None:
    """Make every exception that leaves a view an answer in the one shape."""
    app.register_error_handler(ServerError, _server_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(CryptoError, _crypto_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _server_error(exc: ServerError) -> Response:
    headers = {"Retry-After": str(exc.retry_after_s)} if isinstance(exc, TooMany) else {}
    if exc.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return error_response(exc.status, exc.error, exc.reason, headers)


def _store_error(exc: StoreError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if exc.status == 401 else {}
    return error_response(exc.status, exc.error, exc.reason, headers)


def _crypto_error(exc: CryptoError) -> Response:
    if isinstance(exc, TooLarge):
        return error_response(413, "too_large", str(exc))
    if isinstance(exc, UntrustedChain):
        return error_response(403, "untrusted_chain", str(exc))
    return error_response(400, "malformed", str(exc))


def _http_error(exc: HTTPException) -> Response:
    status = exc.code or 500
    headers = {"Allow": ", ".join(sorted(getattr(exc, "valid_methods", None) or []))} if status == 405 else {}
    reason = exc.description or exc.name
    return error_response(status, _WORDS.get(status, exc.name.lower().replace(" ", "_")), reason, headers)


def _unexpected(exc: Exception) -> Response:
    _LOG.error("unexpected error in a view", exc_info=exc)
    return error_response(500, "internal_server_error", "the node failed; its log says why")
