"""Revisions that are wanted, until the source has given them and the sender has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, LinkError, NotFound, StoreError, TooLarge, Unauthorized, Unavailable
from replication.peers import Outgoing, Peer, ReadAnswer, Refusal
from replication.peers.pending import Pending
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.ledger import Item, Ledger, Parcel, Want
from replication.replicator.sender import Sender
from replication.replicator.wire import Pace, Wire
from replication.store import GetRequest, MissingRev

MAX_FETCH_DOCS = 200
# From a store in this process, where a call costs nothing: so many photos fit in memory whatever their size.
MAX_LOCAL_FETCH_DOCS = 20
# Until the size of documents is known: two file chunks take 11 s at 64 kbit/s, six may never fit between two cuts.
FIRST_FETCH_DOCS = 2
GONE = frozenset({"missing", "not_found", "deleted"})

Refused = Callable[[Item, Rev, Refusal], None]


@dataclass(slots=True, eq=False)
class _Fetched:
    pending: Pending[ReadAnswer]
    wants: list[Want]
    begun: float


class Fetching:
    """`wire` is the source's, None where it is in this process. `doc_bytes` is what a document takes, learnt here and
    by whoever shares it; `refused` is told what the source cannot give."""

    def __init__(
        self,
        source: Peer,
        wire: Wire | None,
        sender: Sender,
        ledger: Ledger,
        pace: Pace,
        tally: Tally,
        doc_bytes: Ratio,
        refused: Refused,
    ) -> None:
        self._source = source
        self._wire = wire
        self._sender = sender
        self._ledger = ledger
        self._pace = pace
        self._tally = tally
        self._doc_bytes = doc_bytes
        self._refused = refused
        self._wanted: deque[Want] = deque()
        self._fetched: deque[_Fetched] = deque()
        self._limit = MAX_FETCH_DOCS if wire is None else FIRST_FETCH_DOCS

    @property
    def is_empty(self) -> bool:
        return not (self._wanted or self._fetched)

    @property
    def waiting(self) -> int:
        """How many revisions are not asked for yet."""
        return len(self._wanted)

    def want(self, want: Want, *, first: bool = False) -> None:
        """Fetch a revision when its turn comes, or `first`."""
        if first:
            self._wanted.appendleft(want)
        else:
            self._wanted.append(want)

    def claim(self, doc_id: DocId) -> Item | None:
        """Give up a row whose revisions are not asked for yet; they are to be asked about again. None if none is."""
        wants = [want for want in self._wanted if want.item.id == doc_id and not want.atts_since]
        for want in wants:
            self._wanted.remove(want)
            want.item.ask.append(want.rev)
        return wants[0].item if wants else None

    def turn(self, now: float) -> bool:
        """Ask for one batch, if there is need and room. Tell whether one was asked for."""
        room = self._wire is None or self._wire.may_read(now)
        if not self._wanted or not room or self._sender.ready_bytes > 2 * self._sender.batch_bytes(now):
            return False
        count = min(self.docs_at_once(now), self._limit, len(self._wanted))
        wants = [self._wanted.popleft() for _ in range(count)]
        requests = [GetRequest(want.item.id, want.rev, want.atts_since or None) for want in wants]
        self._fetched.append(_Fetched(self._source.bulk_get(requests), wants, now))
        if self._wire is not None:
            self._wire.reads += 1
        return True

    def docs_at_once(self, now: float) -> int:
        """Return how many documents make one batch."""
        if self._wire is not None:
            size, most = self._wire.meter.down_batch_bytes(now), MAX_FETCH_DOCS
        else:
            size, most = self._sender.batch_bytes(now), MAX_LOCAL_FETCH_DOCS
        return int(max(1, min(most, size / max(1.0, self._doc_bytes.value))))

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        reaped = False
        while self._fetched and self._fetched[0].pending.done:
            fetched = self._fetched.popleft()
            if self._wire is not None:
                self._wire.reads -= 1
            self._take(fetched, now)
            reaped = True
        return reaped

    def _take(self, fetched: _Fetched, now: float) -> None:
        try:
            answer = fetched.pending.result()
        except LinkError as exc:
            self._wanted.extendleft(reversed(fetched.wants))
            self._pace.heed(exc, now, self._source)
        except (Unavailable, Unauthorized, NotFound) as exc:
            self._wanted.extendleft(reversed(fetched.wants))
            self._pace.fault(exc, now, self._source)
        except StoreError as exc:
            self._isolate(fetched.wants, exc, now)
        else:
            self._measure(fetched, answer)
            self._limit = min(MAX_FETCH_DOCS, self._limit * 2)
            came = len(answer.rows)
            for want, docs in zip(fetched.wants[:came], answer.rows, strict=True):
                self._take_revisions(want, docs)
            self._wanted.extendleft(reversed(fetched.wants[came:]))

    def _isolate(self, wants: list[Want], error: StoreError, now: float) -> None:
        """Fetch fewer at a time until the one that cannot be read stands alone."""
        if len(wants) > 1:
            self._limit = len(wants) // 2
            self._wanted.extendleft(reversed(wants))
            if not isinstance(error, BadRequest | TooLarge):
                self._pace.fault(error, now, self._source)
            return
        want = wants[0]
        self._refused(want.item, want.rev, Refusal(want.item.id, want.rev, error.error, error.reason))

    def _measure(self, fetched: _Fetched, answer: ReadAnswer) -> None:
        self._pace.success(self._source)
        if self._wire is not None:
            self._tally.wire_in += answer.wire_bytes
            self._doc_bytes.observe(answer.wire_bytes / len(answer.rows))
            self._wire.read(answer.wire_bytes, fetched.begun)

    def _take_revisions(self, want: Want, docs: list[Doc | MissingRev]) -> None:
        parcels = []
        for doc in docs:
            if isinstance(doc, Doc):
                parcels.append(Parcel(want, Outgoing(doc)))
            elif doc.reason not in GONE:
                self._refused(want.item, want.rev, Refusal(doc.id, doc.rev, "unreadable", doc.reason))
        if not parcels:
            self._ledger.settle(want.item, want.rev)  # purged or compacted since the feed was read
        elif self._wire is None:
            self._doc_bytes.observe(parcels[0].out.size)
        self._sender.offer(parcels)
