"""The way to one CouchDB server, through the `couchdb` client's `Resource` and `Session`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from couchdb import http as couch_http

from replication.couch.answers import is_failover, parse_refusal
from replication.couch.pool import NoCache, Pool, Refused
from replication.errors import BadRequest, StoreError, Unavailable
from replication.jsontext import dump_json, parse_json

ANSWER_S = 120.0  # a large batch on slow flash, or an index being built; not a network's delay
ANSWER_DEPTH = 1024  # what the parser can do; documents in an answer lie four levels deep
JSON_TYPE = "application/json"

Params = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a status below 300. `repeated`: a first attempt broke off, and may have been heard as well."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    repeated: bool = False

    def json(self) -> Any:
        """Return the body's value. Raises `Unavailable` when it is not JSON, so not CouchDB's."""
        try:
            return parse_json(self.body, max_depth=ANSWER_DEPTH)
        except BadRequest as exc:
            raise Unavailable(f"CouchDB's answer could not be read as JSON ({exc}): is something in between?") from exc


class Link:
    """Requests to one server, from any thread. `url` may carry user and password, percent-encoded."""

    def __init__(self, url: str) -> None:
        self.origin, credentials = parse_url(url)
        self._pool = Pool()
        session = couch_http.Session(retryable_errors=())  # who may repeat is decided here
        session.cache = NoCache()
        session.connection_pool = self._pool
        session.user_agent = "tram"
        self._resource = couch_http.Resource(self.origin, session)
        self._resource.credentials = credentials  # its own parser stumbles over "@" and ":" in a password

    def request(
        self,
        method: str,
        path: Sequence[str],
        body: bytes | None = None,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
        answer_s: float = ANSWER_S,
    ) -> Answer:
        """Return the answer to one request; `path` lists segments, not yet quoted.

        With `repeat` the request is sent once more when the connection breaks, or when what answers says that a node of
        the cluster just went away: only for what does no harm twice.
        Raises the `StoreError` that CouchDB's refusal means, and `Unavailable` when there is no answer.
        """
        sent = {"Content-Type": JSON_TYPE, **(headers or {})} if body is not None else dict(headers or {})
        arguments: dict[str, Any] = {"headers": sent, **(params or {})}
        if body is not None:
            arguments["body"] = body
        for last in (False, True) if repeat else (True,):
            try:
                status, got, content = self._exchange(method, path, arguments, answer_s)
                return Answer(status, got, content, repeated=repeat and last)
            except Refused as refused:
                if last or not is_failover(refused.status, refused.body):
                    raise self._read_refusal(refused) from None
            except TimeoutError as exc:  # whatever holds CouchDB up would hold up a second request
                raise self._unreachable(exc) from exc
            except (OSError, HTTPException) as exc:
                if last:
                    raise self._unreachable(exc) from exc
        raise AssertionError("the loop returns or raises")

    def json(
        self,
        method: str,
        path: Sequence[str],
        value: object = None,
        *,
        repeat: bool = False,
        params: Params | None = None,
    ) -> Any:
        """Send a JSON value (None: no body) and return the answer's. Raises as `request` does."""
        body = None if value is None else dump_json(value)
        return self.request(method, path, body, params=params, repeat=repeat).json()

    def close(self) -> None:
        """Close all connections; requests under way fail with `Unavailable`."""
        self._pool.close()

    def _exchange(
        self, method: str, path: Sequence[str], arguments: Mapping[str, Any], answer_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        call = getattr(self._resource, method.lower())
        reusable = False
        self._pool.begin(answer_s)
        try:
            status, headers, data = call(list(path), **arguments)
            content = b"" if data is None else data.read()
        except Refused:
            reusable = True
            raise
        finally:
            self._pool.end(self.origin, reusable=reusable)
        return status, headers, content

    def _read_refusal(self, refused: Refused) -> StoreError:
        if refused.status < 400:
            return Unavailable(
                f"{self.origin} redirects to {refused.location[:200]!r}: give the address of CouchDB itself"
            )
        return parse_refusal(refused.status, refused.body)

    def _unreachable(self, exc: Exception) -> Unavailable:
        what = str(exc) or type(exc).__name__
        return Unavailable(f"CouchDB at {self.origin} does not answer ({what}): start it, or correct its address")


def parse_url(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return (address without credentials, (user, password) or None). Raises `BadRequest` for other than http(s)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadRequest("the address of CouchDB must look like http://user:password@host:5984")
    origin = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return origin, None
    return origin, (unquote(parts.username), unquote(parts.password or ""))
