"""The Flask side: one view that takes every request to its handler, and errors in one shape."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, cast

from flask import Blueprint, Flask, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter
from werkzeug.wsgi import ClosingIterator

from replication.access import Access
from replication.errors import BadRequest, ReplicationError, StoreError, Unavailable
from replication.http.answers import answer_error
from replication.http.budget import Budget, Share
from replication.http.cors import NO_CORS, OPEN_CORS, Cors
from replication.http.errors import UriTooLong
from replication.http.exchange import Exchange
from replication.http.limits import Limits
from replication.http.query import parse_path
from replication.http.routes import dispatch

_log = logging.getLogger(__name__)
METHODS = ("GET", "PUT", "POST", "DELETE", "COPY", "OPTIONS", "PATCH")
# CouchDB's words for what Flask refuses before a handler sees it.
_WORDS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    414: "too_long",
    415: "bad_content_type",
    416: "requested_range_not_satisfiable",
    500: "internal_server_error",
    501: "not_implemented",
    503: "service unavailable",
}


class _Lines(PathConverter):
    """A path with line breaks in it: ids may hold any character, and werkzeug's own stops at them."""

    regex = r"(?s:[^/].*?)"


def create_app(access: Access, *, limits: Limits | None = None, cors: Cors = OPEN_CORS) -> Flask:
    """Return a WSGI application that is a CouchDB peer over `access` and nothing else."""
    app = Flask("replication.http", static_folder=None)
    app.register_blueprint(protocol_blueprint(access, limits=limits, cors=cors))
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_crash)
    return app


def protocol_blueprint(
    access: Access, *, limits: Limits | None = None, cors: Cors = NO_CORS, name: str = "protocol"
) -> Blueprint:
    """Return the protocol's routes for an application that has other pages too.

    Register it with any `url_prefix`: `GET <prefix>/` is CouchDB's welcome, `<prefix>/db/doc` a document. Errors
    of its routes are answered by the view itself, so the application's own error pages stay its own.
    """
    blueprint = Blueprint(name, __name__)
    prefixes: list[str] = []
    bounds = limits or Limits()
    budget = Budget(bounds.shared_memory, bounds.shared_wait_s)

    def remember_prefix(state: BlueprintSetupState) -> None:
        prefixes.append((state.url_prefix or "").rstrip("/"))
        state.app.url_map.converters["lines"] = _Lines

    def view(**_: Any) -> Response:
        environ = request.environ
        root = environ.get("SCRIPT_NAME", "") + _find_prefix(prefixes, environ.get("PATH_INFO", ""))
        share = budget.open()
        response = _respond(environ, root, access, bounds, cors, share)
        if share.held_bytes or not isinstance(response.response, list):  # what is streamed may still take some
            body = cast("Iterable[bytes]", response.response)  # werkzeug allows text too; no answer here is made of it
            response.response = ClosingIterator(body, share.close)
        for header, value in cors.headers(environ.get("HTTP_ORIGIN")).items():
            response.headers[header] = value
        return response

    blueprint.record(remember_prefix)
    for endpoint, rule in (("root", "/"), ("path", "/<lines:path>")):
        # merge_slashes would answer "a//b" with a redirect; CouchDB reads it as "a/b".
        blueprint.add_url_rule(
            rule, endpoint, view, methods=METHODS, merge_slashes=False, provide_automatic_options=False
        )
    return blueprint


def _find_prefix(prefixes: list[str], path: str) -> str:
    return next((prefix for prefix in prefixes if path == prefix or path.startswith(prefix + "/")), "")


def _respond(environ: dict[str, Any], root: str, access: Access, limits: Limits, cors: Cors, share: Share) -> Response:
    exchange = None
    try:
        if environ["REQUEST_METHOD"] == "OPTIONS" and (preflight := cors.preflight(environ)) is not None:
            return preflight
        exchange = Exchange(environ, parse_path(_raw_path(environ, root, limits)), root, access, limits, share)
        return dispatch(exchange)
    except StoreError as error:
        return answer_error(exchange, error)
    except (ConnectionError, TimeoutError) as error:
        # The client is gone, or its line stands still: no news for the log on a weak link, and no fault of the request.
        _log.debug("%s %s: %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), error)
        return answer_error(exchange, Unavailable("the rest of the request did not come; send it again"))
    except ReplicationError as error:
        return answer_error(exchange, StoreError(str(error)))
    except Exception:
        _log.exception("%s %s failed", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
        return answer_error(exchange, _crash())


def _raw_path(environ: dict[str, Any], root: str, limits: Limits) -> str:
    """Return the path below `root` as it came over the wire: once decoded, `%2F` and `/` are the same."""
    raw: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ["PATH_INFO"]
    if len(raw) > limits.max_uri:
        raise UriTooLong
    path = raw.partition("?")[0]
    if not path.startswith(root):
        raise BadRequest("invalid_url_encoding")
    return path[len(root) :]


def _crash() -> StoreError:
    return StoreError("The server failed while answering; its log says why.")


def _answer_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    refusal = StoreError(
        error.description or error.name, error=_WORDS.get(status, error.name.lower().replace(" ", "_"))
    )
    refusal.status = status
    return answer_error(None, refusal)


def _answer_crash(error: Exception) -> Response:
    _log.error("request failed", exc_info=error)
    return answer_error(None, _crash())
