"""What an audit asks of either side, whoever it is: marks of a feed that is read here, or of a digest made there."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import orjson

from replication.audit.digest import DIGEST_FEATURE, FANOUT, MARK_BYTES, Digest, Rows, pick
from replication.document import DocId, Rev
from replication.errors import LinkCut, NotAPeer, StoreError
from replication.peers import Busy, Endpoint, Peer
from replication.peers.answers import parse_json
from replication.peers.channel import Exchange
from replication.peers.listing import NOT_MODIFIED
from replication.peers.pending import Mapped, Pending
from replication.peers.wire import build_path
from replication.store import ZERO, ChangeRow

T = TypeVar("T")
PAGE = 1000
TRIES = 5
PUMP_S = 0.5
WAIT_S = 2.0
_THE_SAME = object()  # both sides hold the same: 304


class Stopped(StoreError):
    """The audit was told to end before it was through."""


class Side(Protocol):
    """One database. `docs` and `root` are known once `begin` has returned; `makes_digest` where they are made there."""

    makes_digest: bool
    docs: int
    root: bytes

    def begin(self, other_root: bytes | None) -> None:
        """Find out `docs` and `root`; equal to `other_root` costs the least."""

    def marks(self, prefixes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return `Digest.marks` under each prefix."""

    def rows(self, prefixes: Sequence[bytes]) -> Rows:
        """Return the documents under the prefixes, as they are now."""


class Asking:
    """Asks a peer and waits for the answer, over cuts, at most `TRIES` times in a row. Raises `Stopped`."""

    def __init__(self, endpoint: Endpoint | None, stop: threading.Event) -> None:
        self._endpoint = endpoint
        self._stop = stop

    def __call__(self, call: Callable[[], Pending[T]]) -> T:
        for left in reversed(range(TRIES)):
            if self._stop.is_set():
                raise Stopped("the audit was stopped")
            try:
                return self._once(call)
            except NotAPeer:
                raise
            except LinkCut:
                wait_s = WAIT_S
                if not left:
                    raise
            except Busy as error:
                wait_s = error.retry_after_s
                if not left:
                    raise
            self._stop.wait(wait_s)
        raise AssertionError("the last try returns or raises")

    def _once(self, call: Callable[[], Pending[T]]) -> T:
        if self._endpoint is None:
            return call().result()
        self._endpoint.connect()
        pending = call()
        while not pending.done:
            if self._stop.is_set():
                raise Stopped("the audit was stopped")
            self._endpoint.pump(PUMP_S)
        return pending.result()


class FeedSide:
    """A side whose feed is read here: a database of this process, or a small one behind a plain CouchDB.

    Rows that came over a line are kept, because reading them again would cost it twice.
    """

    def __init__(self, peer: Peer, ask: Asking) -> None:
        self._peer = peer
        self._ask = ask
        self._kept: list[ChangeRow] | None = None if peer.endpoint is None else []
        self._digest = Digest()
        self.makes_digest = False
        self.docs, self.root = 0, b""

    def begin(self, other_root: bytes | None) -> None:
        for page in self._walk():
            self._digest.add(page)
            if self._kept is not None:
                self._kept.extend(page)
        self.docs, self.root = self._digest.docs, self._digest.root

    def _walk(self) -> Iterator[tuple[ChangeRow, ...]]:
        since = ZERO
        while True:
            asked = since
            page = self._ask(partial(self._peer.feed, asked, PAGE, docs=False)).page
            if not page.rows:
                return
            yield page.rows
            since = page.last_seq

    def marks(self, prefixes: Sequence[bytes]) -> dict[bytes, bytes]:
        return {prefix: self._digest.marks(prefix) for prefix in prefixes}

    def rows(self, prefixes: Sequence[bytes]) -> Rows:
        wanted = frozenset(prefixes)
        if self._kept is not None:
            return pick(self._kept, wanted)
        found: Rows = {}
        for page in self._walk():
            found.update(pick(page, wanted))
        return found


class DigestSide:
    """A side behind a server of ours, which makes the digest itself."""

    def __init__(self, endpoint: Endpoint, database: str, ask: Asking) -> None:
        self._endpoint = endpoint
        self._target = f"{build_path(database)}/_tram/digest"
        self._ask = ask
        self._scan = ""
        self.makes_digest = True
        self.docs, self.root = 0, b""

    def begin(self, other_root: bytes | None) -> None:
        known = {} if other_root is None else {"If-None-Match": f'"{_text(other_root)}"'}
        value = self._ask(lambda: Mapped(self._endpoint.request("GET", self._target, headers=known), _parse))
        if value is _THE_SAME and other_root is not None:
            self.root = other_root
            return
        try:
            self._scan, self.docs = str(value["scan"]), int(value["docs"])
            self.root = base64.urlsafe_b64decode(value["root"] + "=")
        except (TypeError, KeyError, ValueError) as exc:
            raise NotAPeer("the answer is no digest") from exc

    def marks(self, prefixes: Sequence[bytes]) -> dict[bytes, bytes]:
        value = self._look(marks=prefixes)
        try:
            found = {prefix: base64.b64decode(value["marks"][prefix.hex()]) for prefix in prefixes}
        except (TypeError, KeyError, ValueError) as exc:
            raise NotAPeer("the answer holds no marks") from exc
        if any(len(marks) != MARK_BYTES * FANOUT for marks in found.values()):
            raise NotAPeer(f"the answer does not hold {FANOUT} marks of {MARK_BYTES} bytes for each prefix")
        return found

    def rows(self, prefixes: Sequence[bytes]) -> Rows:
        value = self._look(rows=prefixes)
        try:
            return {DocId(doc_id): tuple(Rev(str(rev)) for rev in revs) for doc_id, revs in value["rows"].items()}
        except (TypeError, KeyError, AttributeError) as exc:
            raise NotAPeer("the answer lists no documents") from exc

    def _look(self, *, marks: Sequence[bytes] = (), rows: Sequence[bytes] = ()) -> Any:
        question = {"scan": self._scan, "marks": [p.hex() for p in marks], "rows": [p.hex() for p in rows]}
        body = orjson.dumps(question)
        return self._ask(lambda: Mapped(self._endpoint.request("POST", self._target, body, large=True), _parse))


def _parse(exchange: Exchange) -> Any:
    """Return the answer's value, or `_THE_SAME`. Raises `Busy` while another database is read there."""
    return _THE_SAME if exchange.answer.status == NOT_MODIFIED else parse_json(exchange.answer)


def _text(root: bytes) -> str:
    return base64.urlsafe_b64encode(root).rstrip(b"=").decode("ascii")


def open_side(peer: Peer, ask: Asking, plain_limit: int) -> Side | str:
    """Return the side of a peer, or why there is none: a plain CouchDB whose feed is too long to be read over a line.

    The feed costs some 130 bytes a document and leaf there, so `plain_limit` documents cost 130 times as many bytes.
    """
    ask(peer.identity)
    if peer.endpoint is None:
        return FeedSide(peer, ask)
    if DIGEST_FEATURE in peer.endpoint.features:
        return DigestSide(peer.endpoint, peer.name, ask)
    docs = ask(peer.summary).doc_count
    if docs > plain_limit:
        return f"{peer.label} has no digest and {docs} documents, more than the {plain_limit} that may be listed"
    return FeedSide(peer, ask)
