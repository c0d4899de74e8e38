"""One request: its path, query and body within the limits, and the doors it may knock at."""

from __future__ import annotations

import io
import itertools
import threading
import time
import zlib
from collections.abc import Iterator
from typing import IO, Any

from replication import dictionaries
from replication.access import Access, Credentials
from replication.dictionaries import UnknownDictionary
from replication.errors import BadContentType, BadRequest, TooLarge
from replication.http import bodies
from replication.http.budget import Share
from replication.http.errors import RequestTimeout
from replication.http.limits import Limits
from replication.http.query import parse_query
from replication.jsontext import parse_json
from replication.store import Database

PIECE = 64 * 1024
# The server sets this event when it stops, so that feeds that wait can end; a server without it never stops early.
STOPPING = "tram.stopping"
_NEVER = threading.Event()
TOO_LARGE = "the request entity is too large"
JSON_MARKS = (b",", b":", b"[", b"{")
BAD_GZIP = "Request body is not properly gzipped."


class Exchange:
    """What a handler knows of its request. `parts` are the decoded path segments, `root` what stands before them."""

    __slots__ = ("_credentials", "_query", "access", "environ", "limits", "method", "parts", "root", "share")

    def __init__(
        self, environ: dict[str, Any], parts: list[str], root: str, access: Access, limits: Limits, share: Share
    ) -> None:
        self.environ = environ
        self.parts = parts
        self.root = root
        self.access = access
        self.limits = limits
        self.share = share  # of the memory for large bodies; given back when the answer is out
        method: str = environ["REQUEST_METHOD"]
        self.method = "GET" if method == "HEAD" else method  # the answer's body is dropped at the end
        self._credentials: Credentials | None = None
        self._query: dict[str, str] | None = None

    @property
    def credentials(self) -> Credentials:
        if self._credentials is None:
            env = self.environ
            self._credentials = Credentials(env.get("HTTP_AUTHORIZATION", ""), env.get("HTTP_COOKIE", ""), env)
        return self._credentials

    @property
    def sender(self) -> str:
        """Who the credentials say is asking, in which store; nobody in particular has no name. For what is kept apart
        by sender."""
        return f"{self.access.uuid} {self.access.session(self.credentials).name or ''}"

    @property
    def query(self) -> dict[str, str]:
        if self._query is None:
            self._query = parse_query(self.environ.get("QUERY_STRING", ""), self.limits.max_query_fields)
        return self._query

    @property
    def stopping(self) -> threading.Event:
        """Set once the server stops; feeds end then."""
        stopping: threading.Event = self.environ.get(STOPPING, _NEVER)
        return stopping

    def open(self) -> Database:
        """Return the database the path names. Raises what `Access.open` raises."""
        return self.access.open(self.parts[0], self.credentials)

    def header(self, name: str) -> str | None:
        """Return a request header, None where it is absent."""
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        value: str | None = self.environ.get(key)
        return value

    def absolute(self, *segments: str) -> str:
        """Return the absolute URL of already quoted path segments below this request's root."""
        scheme = self.environ.get("HTTP_X_FORWARDED_PROTO") or self.environ.get("wsgi.url_scheme", "http")
        host = self.environ.get("HTTP_X_FORWARDED_HOST") or self.environ.get("HTTP_HOST")
        if not host:
            host = f"{self.environ.get('SERVER_NAME', 'localhost')}:{self.environ.get('SERVER_PORT', '80')}"
        return f"{'https' if scheme == 'https' else 'http'}://{host}{self.root}/{'/'.join(segments)}"

    # Bodies

    def require_json_type(self) -> None:
        """Raise `BadContentType` unless the body says it is JSON, as CouchDB asks of every POST."""
        content_type = self.environ.get("CONTENT_TYPE", "")
        if content_type != "application/json" and content_type.partition(";")[0].strip().lower() != "application/json":
            raise BadContentType("Content-Type must be application/json")

    def json(self) -> Any:
        """Return the JSON body, inflated where it came gzipped. Raises `BadRequest`, `TooLarge`, `BadContentType`."""
        return parse_json(self.body(), max_depth=self.limits.max_json_depth)

    def json_object(self, *, or_empty: bool = False, most: int | None = None) -> dict[str, Any]:
        """Return the body, which must be an object; with `or_empty` no body at all is `{}`. Raises as `body`."""
        raw = self.body(most)
        if or_empty and not raw.strip():
            return {}
        value = parse_json(raw, max_depth=self.limits.max_json_depth)
        if not isinstance(value, dict):
            raise BadRequest("Request body must be a JSON object")
        return value

    def body(self, most: int | None = None) -> bytes:
        """Return the whole body of a request that is JSON or a form, inflated where it came gzipped.

        Raises `TooLarge` beyond `most` bytes, `max_json` if that is None, and for a text that would swell beyond
        measure as values.
        """
        bound = self.limits.max_json if most is None else most
        announced = self.environ.get("CONTENT_LENGTH") or ""
        if announced.isdecimal() and int(announced) > bound:
            raise TooLarge(TOO_LARGE)
        pieces = self.held_pieces(self.decoded_pieces())
        first = next(pieces, b"")
        second = next(pieces, None)
        raw = first if second is None else self._join(first, second, pieces, bound)
        self.share.grow((self.limits.json_swell - 1) * len(raw))
        if len(raw) > self.limits.max_json_marks and sum(map(raw.count, JSON_MARKS)) > self.limits.max_json_marks:
            raise TooLarge(
                f"the JSON has more than {self.limits.max_json_marks} commas, colons and brackets; send less at a time"
            )
        return raw

    def _join(self, first: bytes, second: bytes, pieces: Iterator[bytes], bound: int) -> bytes:
        whole = io.BytesIO()  # hands its bytes over without a second copy
        for piece in itertools.chain((first, second), pieces):
            if whole.tell() + len(piece) > bound:
                raise TooLarge(TOO_LARGE)
            whole.write(piece)
        return whole.getvalue()

    def held_pieces(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield pieces that whoever takes them keeps: memory is taken for each. Raises `MemoryShort`."""
        for piece in pieces:
            self.share.grow(len(piece))
            yield piece

    def drop_body(self) -> None:
        """Read and forget the body, so that the next request on this connection begins where it should."""
        for _ in self.pieces():
            pass

    def decoded_pieces(self) -> Iterator[bytes]:
        """Yield the body as its sender wrote it, gunzipped piece by piece within `max_inflated_body`."""
        coding = self.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
        if coding == "identity":
            return self.pieces()
        if coding == dictionaries.CODING:
            return self._unpacked_pieces()
        if coding != "gzip":
            raise BadContentType(f"{coding} is not a supported content encoding.")
        return _gunzip(self.pieces(), self.limits.max_inflated_body)

    def _unpacked_pieces(self) -> Iterator[bytes]:
        """Yield the body of a dcz request (RFC 9842 §5). Raises `BadContentType` for a dictionary we lack."""
        body = b"".join(self.held_pieces(self.pieces()))
        try:
            yield dictionaries.decompress(body, dictionaries.default_shelf(), self.limits.max_inflated_body)
        except UnknownDictionary as exc:
            raise BadContentType(f"{exc.reason}; send gzip") from exc

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it came over the wire, in pieces of at most 64 KiB.

        Raises `TooLarge` beyond `max_body` (before reading, where the length is announced), `BadRequest` for a
        body that ends early and `RequestTimeout` for one that trickles.
        """
        announced = self.environ.get("CONTENT_LENGTH")
        if self.environ.get("HTTP_TRANSFER_ENCODING"):
            return self._chunked_pieces()
        if not announced:
            return iter(())
        try:
            length = int(announced)
        except ValueError:
            raise BadRequest("Content-Length is no number") from None
        if length > self.limits.max_body:
            raise TooLarge(TOO_LARGE)
        pieces = self._counted_pieces(length)
        name = self.environ.get("HTTP_TRAM_BODY")
        return pieces if name is None else bodies.collect(self.sender, name, pieces)

    def _counted_pieces(self, left: int) -> Iterator[bytes]:
        stream, pace = self._stream(), _Pace(self.limits)
        while left > 0:
            piece = stream.read(min(left, PIECE))
            if not piece:
                raise BadRequest(f"the request body ended {left} bytes early; send it again")
            left -= len(piece)
            pace.count(len(piece))
            yield piece

    def _chunked_pieces(self) -> Iterator[bytes]:
        stream, pace, total = self._stream(), _Pace(self.limits), 0
        while piece := stream.read(PIECE):
            total += len(piece)
            if total > self.limits.max_body:
                raise TooLarge(TOO_LARGE)
            pace.count(len(piece))
            yield piece

    def _stream(self) -> IO[bytes]:
        stream: IO[bytes] = self.environ["wsgi.input"]
        return stream


class _Pace:
    """Refuses bodies that trickle: after a grace they must keep a least rate on average."""

    __slots__ = ("_begun", "_grace", "_rate", "_total")

    def __init__(self, limits: Limits) -> None:
        self._begun, self._total = time.monotonic(), 0
        self._grace, self._rate = limits.body_grace_s, limits.min_body_rate

    def count(self, size: int) -> None:
        self._total += size
        late = time.monotonic() - self._begun - self._grace
        if late > 0 and self._total < late * self._rate:
            raise RequestTimeout("the request body comes too slowly; send it again in smaller requests")


def _gunzip(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    decoder, total = zlib.decompressobj(wbits=31), 0
    begun = False  # inside a gzip member; several may follow one another (RFC 1952 §2.2)
    for raw in pieces:
        left = raw
        while left:
            begun = True
            try:
                out = decoder.decompress(left, PIECE)
            except zlib.error:
                raise BadRequest(BAD_GZIP) from None
            total += len(out)
            if total > limit:
                raise TooLarge(f"the request body unpacks to more than {limit} bytes")
            left = decoder.unconsumed_tail or decoder.unused_data
            if decoder.eof:
                decoder, begun = zlib.decompressobj(wbits=31), False
            if out:
                yield out
    if begun:
        raise BadRequest(BAD_GZIP)
