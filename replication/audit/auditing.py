"""One audit from end to end: both sides are opened, compared from the root downwards, and repaired."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from replication.audit.digest import DEEPEST, FANOUT, Rows, differing
from replication.audit.sides import Asking, Side, open_side
from replication.document import Doc, DocId, Rev
from replication.peers import Endpoint, HttpPeer, Outgoing, Peer, Refusal, Traffic
from replication.store import GetRequest

Method = Literal["digest", "feed", "skipped"]
# A bucket of so few documents is listed: that is cheaper than another question about it.
FEW_DOCS = 32
PREFIXES = 64  # of one question
REPAIR_DOCS = 20  # of one batch: some thirty kilobytes of events, fewer where a document is large
REPAIR_BYTES = 256 * 1024
STALL_S = 60.0
DIFFERING_LIMIT = 5_000
PLAIN_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found and did.

    `method`: "digest" where at least one side is asked for its digest, "feed" where feeds were compared, "skipped" with
    the `reason`. `missing` are the documents of which the target lacked a leaf the source has, `extra` the other way
    round; `repaired` those of them that were brought over, `refusals` what a side would not store. Not `complete`:
    there was more than `limit`, so audit again. `bytes_out` and `bytes_in` count whole connections, headers too.
    """

    label: str
    method: Method
    docs_source: int = 0
    docs_target: int = 0
    missing: tuple[DocId, ...] = ()
    extra: tuple[DocId, ...] = ()
    repaired: tuple[DocId, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    complete: bool = True
    reason: str | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    requests: int = 0
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether both sides were compared and held the same."""
        return self.method != "skipped" and self.complete and not self.missing and not self.extra


def audit(
    source: Peer,
    target: Peer,
    *,
    repair: bool = True,
    both_ways: bool = False,
    limit: int = DIFFERING_LIMIT,
    plain_limit: int = PLAIN_LIMIT,
    stop: threading.Event | None = None,
) -> AuditReport:
    """Compare two databases, repair what differs, and return what was found. Blocks until it is through.

    `source` and `target` are a `Pair`'s peers. A peer behind an `Endpoint` is asked over a connection of the audit's
    own (`Endpoint.sibling`), whose bytes count into the same `Traffic`; so a link may be running meanwhile.
    `limit` bounds the differing documents handled in one call. A peer without a digest (a plain CouchDB) has its feed
    read if it holds at most `plain_limit` documents, else the audit is "skipped". `stop` ends it early.

    Raises the `StoreError` a side refuses with, `LinkCut` when a peer stays unreachable, `NotAPeer` for a stranger and
    `Stopped`. What was repaired by then stays.
    """
    with _Audit(source, target, stop or threading.Event(), limit) as running:
        return running.run(repair, both_ways, plain_limit)


@dataclass
class _Found:
    """The differing documents as each side has them."""

    source: Rows = field(default_factory=dict)
    target: Rows = field(default_factory=dict)
    complete: bool = True

    def __len__(self) -> int:
        return len(self.source.keys() | self.target.keys())


class _Audit:
    def __init__(self, source: Peer, target: Peer, stop: threading.Event, limit: int) -> None:
        self._source, self._target = _apart(source), _apart(target)
        self._asks = {id(peer): Asking(peer.endpoint, stop) for peer in (self._source, self._target)}
        self._limit = limit
        self._begun = time.monotonic()
        self._before = self._count()
        self._refusals: list[Refusal] = []
        self._repaired: list[DocId] = []

    def __enter__(self) -> _Audit:
        return self

    def __exit__(self, *_: object) -> None:
        for endpoint in self._endpoints():
            endpoint.close()

    def _endpoints(self) -> list[Endpoint]:
        return [peer.endpoint for peer in (self._source, self._target) if peer.endpoint is not None]

    def _count(self) -> Traffic:
        traffics = {id(endpoint.traffic): endpoint.traffic for endpoint in self._endpoints()}.values()
        return Traffic(
            sum(traffic.bytes_out for traffic in traffics),
            sum(traffic.bytes_in for traffic in traffics),
            sum(traffic.requests for traffic in traffics),
        )

    def run(self, repair: bool, both_ways: bool, plain_limit: int) -> AuditReport:
        sides: list[Side] = []
        for peer in (self._source, self._target):
            side = open_side(peer, self._asks[id(peer)], plain_limit)
            if isinstance(side, str):
                return self._report("skipped", reason=side)
            sides.append(side)
        method: Method = "digest" if any(side.makes_digest for side in sides) else "feed"
        # The one that is read here first: its root lets the other say "the same" in one line.
        first, second = sorted(sides, key=lambda side: side.makes_digest)
        first.begin(None)
        second.begin(first.root)
        if first.root == second.root:
            return self._report(method, docs=(first.docs, first.docs))
        found = self._compare(sides[0], sides[1])
        missing = self._lacking(self._target, found.source)
        extra = self._lacking(self._source, found.target)
        if repair:
            self._bring(self._source, self._target, missing)
            if both_ways:
                self._bring(self._target, self._source, extra)
        return self._report(
            method,
            docs=(sides[0].docs, sides[1].docs),
            missing=tuple(missing),
            extra=tuple(extra),
            complete=found.complete,
        )

    def _report(
        self,
        method: Method,
        *,
        docs: tuple[int, int] = (0, 0),
        missing: tuple[DocId, ...] = (),
        extra: tuple[DocId, ...] = (),
        complete: bool = True,
        reason: str | None = None,
    ) -> AuditReport:
        now = self._count()
        return AuditReport(
            label=f"{self._source.label} → {self._target.label}",
            method=method,
            docs_source=docs[0],
            docs_target=docs[1],
            missing=missing,
            extra=extra,
            repaired=tuple(self._repaired),
            refusals=tuple(self._refusals),
            complete=complete,
            reason=reason,
            bytes_out=now.bytes_out - self._before.bytes_out,
            bytes_in=now.bytes_in - self._before.bytes_in,
            requests=now.requests - self._before.requests,
            seconds=round(time.monotonic() - self._begun, 3),
        )

    # Comparing

    def _compare(self, source: Side, target: Side) -> _Found:
        found, prefixes, each = _Found(), [b""], max(source.docs, target.docs)
        for _ in range(DEEPEST):
            if each <= FEW_DOCS:
                break
            prefixes, each = self._descend(source, target, prefixes), each // FANOUT
        for begin in range(0, len(prefixes), PREFIXES):
            if len(found) >= self._limit:
                found.complete = False
                break
            self._list(source, target, prefixes[begin : begin + PREFIXES], found)
        return found

    def _descend(self, source: Side, target: Side, prefixes: Sequence[bytes]) -> list[bytes]:
        deeper: list[bytes] = []
        for begin in range(0, len(prefixes), PREFIXES):
            some = prefixes[begin : begin + PREFIXES]
            mine, theirs = source.marks(some), target.marks(some)
            for prefix in some:
                deeper += differing(prefix, mine[prefix], theirs[prefix])
        return deeper

    def _list(self, source: Side, target: Side, prefixes: Sequence[bytes], found: _Found) -> None:
        mine, theirs = source.rows(prefixes), target.rows(prefixes)
        for doc_id in mine.keys() | theirs.keys():
            if mine.get(doc_id) != theirs.get(doc_id):
                found.source.update({doc_id: mine[doc_id]} if doc_id in mine else {})
                found.target.update({doc_id: theirs[doc_id]} if doc_id in theirs else {})

    def _lacking(self, peer: Peer, rows: Rows) -> dict[DocId, tuple[Rev, ...]]:
        """Return those revisions of `rows` that a side does not know, by document in the order of ids."""
        lacking: dict[DocId, tuple[Rev, ...]] = {}
        ids = sorted(rows)
        for begin in range(0, len(ids), FANOUT):
            wanted = {doc_id: rows[doc_id] for doc_id in ids[begin : begin + FANOUT]}
            diff = self._asks[id(peer)](partial(peer.revs_diff, wanted))
            lacking |= {doc_id: diff[doc_id].missing for doc_id in wanted if doc_id in diff}
        return lacking

    # Repair

    def _bring(self, source: Peer, target: Peer, lacking: dict[DocId, tuple[Rev, ...]]) -> None:
        requests = [GetRequest(doc_id, rev) for doc_id, revs in lacking.items() for rev in revs]
        begin = 0
        while begin < len(requests):
            wanted = requests[begin : begin + REPAIR_DOCS]
            read = self._asks[id(source)](partial(source.bulk_get, wanted))
            begin += len(read.rows)  # fewer than asked where the line broke in the middle
            self._write(target, [Outgoing(doc) for row in read.rows for doc in row if isinstance(doc, Doc)])

    def _write(self, target: Peer, docs: list[Outgoing]) -> None:
        while docs:
            size, count = 0, 0
            while count < len(docs) and (not count or size + docs[count].size <= REPAIR_BYTES):
                size, count = size + docs[count].size, count + 1
            batch, docs = docs[:count], docs[count:]
            answer = self._asks[id(target)](partial(target.bulk_docs, batch))
            self._refusals += answer.refusals
            refused = {refusal.id for refusal in answer.refusals}
            self._repaired += dict.fromkeys(out.doc.id for out in batch if out.doc.id not in refused)


def _apart(peer: Peer) -> Peer:
    """Return the same peer over a connection of its own."""
    if peer.endpoint is None:
        return peer
    return HttpPeer(peer.endpoint.sibling(stall_s=STALL_S), peer.name)
