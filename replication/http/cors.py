"""Cross-origin requests of browsers (the Fetch standard's CORS protocol), with CouchDB's lists of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response

ALLOWED_METHODS = "GET, HEAD, POST, PUT, DELETE, COPY, OPTIONS"
ALLOWED_HEADERS = (
    "accept, accept-language, authorization, content-encoding, content-language, content-length, content-type, "
    "destination, expires, if-match, if-none-match, last-modified, origin, pragma, range, x-couch-full-commit, "
    "x-couch-id, x-couch-persist, x-couchdb-www-authenticate, x-http-method-override, x-requested-with"
)
EXPOSED_HEADERS = (
    "accept-ranges, cache-control, content-length, content-range, content-type, etag, location, server, "
    "x-couch-request-id, x-couch-update-newrev, x-couchdb-body-time"
)
PREFLIGHT_AGE_S = 600


@dataclass(frozen=True, slots=True)
class Cors:
    """Which origins may read answers. `*` among `origins` is any; with `credentials` the origin is named, never `*`."""

    origins: tuple[str, ...] = ()
    credentials: bool = False

    def headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers an answer to `origin` carries; none where there is no origin or it is not allowed."""
        if not origin or not ("*" in self.origins or origin in self.origins):
            return {}
        out = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
        if self.credentials:
            out["Access-Control-Allow-Credentials"] = "true"
        return out

    def preflight(self, environ: Mapping[str, str]) -> Response | None:
        """Return the answer to a preflight OPTIONS request, None where the request is none we answer."""
        allowed = self.headers(environ.get("HTTP_ORIGIN"))
        if not allowed or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
            return None
        del allowed["Access-Control-Expose-Headers"]
        allowed |= {
            "Access-Control-Allow-Methods": ALLOWED_METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_AGE_S),
            "Vary": "Origin",
        }
        return Response(status=204, headers=allowed)


NO_CORS = Cors()
OPEN_CORS = Cors(origins=("*",), credentials=True)
