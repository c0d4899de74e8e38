"""`/<db>/_tram/digest`: whether two databases hold the same, and where not, in a few kilobytes (decision 0091).

    GET                                200  ETag: "<root>"   {"scan":"1f3a…","docs":1000000,"root":"<43 base64url>"}
    If-None-Match: "<root>"            304  both hold the same

    POST {"scan":"1f3a…","marks":["","a7"],"rows":["a7f3"]}
         {"scan":"1f3a…","docs":1000000,"marks":{"":"<base64 of 256×8 bytes>",…},"rows":{"<id>":["<leaf>",…],…}}

A question costs one reading of the feed, a page at a time: nobody waits for it but who asked. Its marks are kept for
the questions that follow and name `scan`. While a long reading lasts the answer begins with line breaks, which JSON
allows.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response

from replication.audit.digest import DEEPEST, Digest, Rows, parse_prefix, pick
from replication.errors import BadRequest, TooLarge, Unavailable
from replication.http.answers import answer_bytes, is_known, not_modified, stream
from replication.http.exchange import Exchange
from replication.jsontext import dump_json
from replication.store import ZERO, ChangeRow, Database

PAGE = 2000
MAX_PREFIXES = 256
MAX_ROWS = 10_000
BEAT_S = 2.0  # well below what peers take for a dead line
TURN_S = 10.0  # how long a question waits for the one before it
KEPT = 4  # readings remembered, half a megabyte each
KEPT_S = 300.0


class Scans:
    """Readings made lately, by a name only those know who were told it. One is made at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Digest]] = OrderedDict()
        self._lock = threading.Lock()
        self.turn = threading.Lock()

    def keep(self, digest: Digest) -> str:
        """Return the name of a new reading."""
        name = secrets.token_hex(8)
        with self._lock:
            self._kept[name] = (time.monotonic() + KEPT_S, digest)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return name

    def find(self, name: object) -> Digest | None:
        """Return a reading that is still kept."""
        with self._lock:
            held = self._kept.get(name) if isinstance(name, str) else None
        return held[1] if held is not None and held[0] > time.monotonic() else None


_SCANS = Scans()


def walk(database: Database) -> Iterator[tuple[ChangeRow, ...]]:
    """Yield the whole feed in pages. Each is a transaction of its own: a writer never waits for more than one."""
    since = ZERO
    while (page := database.changes(since, limit=PAGE)).rows:
        yield page.rows
        since = page.last_seq


def root(x: Exchange) -> Response:
    """`GET /db/_tram/digest`."""
    database, digest = x.open(), Digest()

    def build() -> bytes:
        name = _SCANS.keep(digest)
        return dump_json({"scan": name, "docs": digest.docs, "root": _text(digest.root)}) + b"\n"

    begun = _Reading(database, [digest.add], build)
    if not begun.run(BEAT_S):
        return stream(x, begun.rest(), gzip=False)
    etag = f'"{_text(digest.root)}"'
    if is_known(x, etag):
        return not_modified(etag)
    return answer_bytes(x, begun.body, 200, {"ETag": etag})


def look(x: Exchange) -> Response:
    """`POST /db/_tram/digest`: marks under prefixes, and the documents under others."""
    x.require_json_type()
    database, body = x.open(), x.json_object()
    marks, rows = _parse_prefixes(body, "marks"), frozenset(_parse_prefixes(body, "rows"))
    if any(len(prefix) >= DEEPEST for prefix in marks):
        raise BadRequest(f"marks stand under prefixes shorter than {DEEPEST} bytes; ask for rows")
    known = _SCANS.find(body.get("scan"))
    digest, found = known or Digest(), Rows()
    takers: list[Callable[[tuple[ChangeRow, ...]], None]] = [] if known else [digest.add]
    if rows:
        takers.append(lambda page: _collect(found, page, rows))

    def build() -> bytes:
        value = {"docs": digest.docs, "marks": {prefix.hex(): _base64(digest.marks(prefix)) for prefix in marks}}
        scan = body["scan"] if known else _SCANS.keep(digest)
        return dump_json({"scan": scan, **value, "rows": found}) + b"\n"

    if not takers:
        return answer_bytes(x, build())
    begun = _Reading(database, takers, build)
    return answer_bytes(x, begun.body) if begun.run(BEAT_S) else stream(x, begun.rest(), gzip=False)


def _collect(found: Rows, page: tuple[ChangeRow, ...], prefixes: frozenset[bytes]) -> None:
    found.update(pick(page, prefixes))
    if len(found) > MAX_ROWS:
        raise TooLarge(f"more than {MAX_ROWS} documents are under these prefixes; ask for fewer or for longer ones")


def _parse_prefixes(body: dict[str, Any], member: str) -> list[bytes]:
    listed = body.get(member, [])
    if not isinstance(listed, list) or len(listed) > MAX_PREFIXES:
        raise BadRequest(f"{member} must be an array of at most {MAX_PREFIXES} prefixes")
    return [parse_prefix(text) for text in listed]


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class _Reading:
    """One reading of a feed, which may pause. `body` is the answer once `run` returned True."""

    def __init__(
        self,
        database: Database,
        takers: list[Callable[[tuple[ChangeRow, ...]], None]],
        build: Callable[[], bytes],
    ) -> None:
        self._pages = walk(database)
        self._takers = takers
        self._build = build
        self.body = b""

    def run(self, for_s: float) -> bool:
        """Read on for so long; return whether the end was reached. Raises `Unavailable` while others are read."""
        if not _SCANS.turn.acquire(timeout=TURN_S):
            raise Unavailable("another database is being compared; ask again in a minute")
        try:
            until = time.monotonic() + for_s
            for page in self._pages:
                for take in self._takers:
                    take(page)
                if time.monotonic() > until:
                    return False
        finally:
            _SCANS.turn.release()
        self.body = self._build()
        return True

    def rest(self) -> Iterator[bytes]:
        """Yield line breaks while there is more to read, and then the answer."""
        yield b"\n"
        while not self.run(BEAT_S):
            yield b"\n"
        yield self.body
