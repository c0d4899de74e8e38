"""The target's side of a pair: batches of revisions out, acknowledgements in, and the one bad document found."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from replication.errors import (
    LinkError,
    MissingStub,
    NotFound,
    StorageFull,
    StoreError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from replication.peers import Peer, Refusal, WriteAnswer
from replication.peers.bodies import Body, Torn
from replication.peers.channel import Broken
from replication.peers.pending import Pending
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.ledger import Parcel
from replication.replicator.wire import Pace, Wire

# To a target in this process: one transaction, one fsync.
LOCAL_BATCH_BYTES = 512 * 1024
LOCAL_BATCH_DOCS = 500
FIRST_GUESS_OF_COMPRESSION = 0.4  # JSON events of ~1 KB in tens; base64 of photos comes to 0.76
TRANSIENT_WAIT_S = 5.0
# A server that answers 500 to the same batch so often has a document in it that it cannot digest.
FAILURES_BEFORE_SPLIT = 3
# A single document is refused for good only after it was refused twice: the first time a bit may have flipped.
SENDS_BEFORE_REFUSED = 2
# Half-sent batches that wait to be told how to go on, while a new one fills the line.
MAX_TORN = 3


class Outcomes(Protocol):
    """Who hears what became of a parcel."""

    def written(self, parcel: Parcel) -> None:
        """It is durable over there."""

    def refused(self, parcel: Parcel, refusal: Refusal) -> None:
        """The target will not have it."""

    def uncertain(self, parcels: Sequence[Parcel]) -> None:
        """The link broke before the answer: they may be there or not."""

    def stubless(self, parcel: Parcel) -> None:
        """The target lacks an attachment that was sent as a stub: fetch it with all its bytes."""


@dataclass(slots=True, eq=False)
class _Batch:
    parcels: list[Parcel]
    failures: int = 0
    body: Body | None = None  # half sent, to go on


@dataclass(slots=True, eq=False)
class _Sent:
    batch: _Batch
    pending: Pending[WriteAnswer]
    begun: float


class Sender:
    """Parcels wait in `ready`; `send` makes a batch of them, `reap` hears the answers, in order."""

    def __init__(self, target: Peer, wire: Wire | None, pace: Pace, tally: Tally, outcomes: Outcomes) -> None:
        self._target = target
        self._wire = wire
        self._pace = pace
        self._tally = tally
        self._outcomes = outcomes
        self._ready: deque[Parcel] = deque()
        self._ahead: deque[Parcel] = deque()
        self._again: deque[_Batch] = deque()
        self._later: list[tuple[float, Parcel]] = []
        self._sent: deque[_Sent] = deque()
        self._compression = Ratio(FIRST_GUESS_OF_COMPRESSION)
        self.ready_bytes = 0

    @property
    def is_empty(self) -> bool:
        return not (self._ready or self._ahead or self._again or self._later or self._sent)

    @property
    def ahead(self) -> int:
        """How many parcels wait that go before all others."""
        return len(self._ahead)

    @property
    def in_flight(self) -> int:
        return len(self._sent)

    @property
    def compression(self) -> float:
        """What a byte becomes on the way to the target."""
        return self._compression.value if self._wire is not None else 1.0

    def wakes_at(self) -> float | None:
        """Return when a parcel put off may be tried again."""
        return min((due for due, _parcel in self._later), default=None)

    def batch_bytes(self, now: float) -> float:
        """Return the size of a batch before compression."""
        if self._wire is None:
            return LOCAL_BATCH_BYTES
        return self._wire.meter.up_batch_bytes(now) / self._compression.value

    def offer(self, parcels: Iterable[Parcel], *, first: bool = False) -> None:
        """Queue parcels, at the front if they are `first` (they were sent before)."""
        parcels = list(parcels)
        self.ready_bytes += sum(parcel.out.size for parcel in parcels)
        if first:
            self._ready.extendleft(reversed(parcels))
        else:
            self._ready.extend(parcels)

    def offer_ahead(self, parcels: Sequence[Parcel]) -> None:
        """Queue parcels before all others, behind those offered so before."""
        self.ready_bytes += sum(parcel.out.size for parcel in parcels)
        self._ahead.extend(parcels)

    def send(self, now: float, *, flush: bool) -> bool:
        """Send one batch if there is room and a full batch, or any with `flush`. Tell whether one went out."""
        self._bring_back(now)
        if self._wire is not None and not self._wire.may_write(now):
            return False
        batch = self._next_batch(now, flush)
        if batch is None:
            return False
        for parcel in batch.parcels:
            self._tally.resent_docs += 1 if parcel.sends and not (batch.body and batch.body.at) else 0
            parcel.sends += 1
        pending = self._target.bulk_docs([parcel.out for parcel in batch.parcels], batch.body)
        batch.body = None
        self._sent.append(_Sent(batch, pending, now))
        if self._wire is not None:
            self._wire.writes += 1
        return True

    def _bring_back(self, now: float) -> None:
        due = [parcel for at, parcel in self._later if at <= now]
        if due:
            self._later = [(at, parcel) for at, parcel in self._later if at > now]
            self.offer(due)

    def _next_batch(self, now: float, flush: bool) -> _Batch | None:
        if self._again and ((again := self._take_again()) or len(self._again) >= MAX_TORN):
            return again
        limit = self.batch_bytes(now)
        if not self._ahead and (not self._ready or (self.ready_bytes < limit and not flush)):
            return None
        parcels: list[Parcel] = []
        size = 0
        while (queue := self._ahead or self._ready) and len(parcels) < LOCAL_BATCH_DOCS:
            size += queue[0].out.size
            if parcels and size > limit:
                break
            parcels.append(queue.popleft())
        self.ready_bytes -= sum(parcel.out.size for parcel in parcels)
        return _Batch(parcels)

    def _take_again(self) -> _Batch | None:
        """Return a batch that can be sent again, None while all wait to be told how much of them is there."""
        for batch in list(self._again):
            if batch.body is not None and batch.body.is_waiting:
                continue
            self._again.remove(batch)
            if batch.body is None or batch.body.is_ready:
                return batch
            self._outcomes.uncertain(batch.parcels)
        return None

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        reaped = False
        while self._sent and self._sent[0].pending.done:
            sent = self._sent.popleft()
            if self._wire is not None:
                self._wire.writes -= 1
            self._take(sent, now)
            reaped = True
        return reaped

    def _take(self, sent: _Sent, now: float) -> None:
        batch = sent.batch
        try:
            answer = sent.pending.result()
        except LinkError as exc:
            if isinstance(exc, Broken):
                self._remember(batch, exc)
                if not exc.left:
                    for parcel in batch.parcels:
                        parcel.sends -= 1
            if isinstance(exc, Torn):
                batch.body = exc.body
                self._again.append(batch)
            elif isinstance(exc, Broken) and exc.never_left:
                self._again.append(batch)  # not all of it was sent, so none of it is there
            else:
                self._outcomes.uncertain(batch.parcels)
            self._pace.heed(exc, now, self._target)
        except (Unavailable, Unauthorized, NotFound, StorageFull) as exc:
            # It is the peer's state, not these documents.
            self._again.append(batch)
            self._pace.fault(exc, now, self._target)
        except StoreError as exc:
            self._isolate(batch, exc, now)
        else:
            self._measure(sent, answer, time.monotonic())
            self._settle(batch, answer, now)

    def _remember(self, batch: _Batch, torn: Broken) -> None:
        """Note what the request took, in case it is found to have arrived."""
        whole = torn.size + (torn.body.at if isinstance(torn, Torn) else 0)
        plain = sum(parcel.out.size for parcel in batch.parcels)
        for parcel in batch.parcels:
            parcel.wire_bytes = whole * parcel.out.size // plain

    def _measure(self, sent: _Sent, answer: WriteAnswer, now: float) -> None:
        self._tally.wire_out += answer.wire_bytes if self._wire is not None else 0
        self._pace.success(self._target)
        if self._wire is not None:
            plain = sum(parcel.out.size for parcel in sent.batch.parcels)
            self._compression.observe(answer.wire_bytes / plain)
            self._wire.meter.up.observe(answer.wire_bytes - answer.earlier_bytes, sent.begun, now)
            self._wire.meter.acknowledged()

    def _settle(self, batch: _Batch, answer: WriteAnswer, now: float) -> None:
        refusals = {(refusal.id, refusal.rev): refusal for refusal in answer.refusals}
        for parcel in batch.parcels:
            refusal = refusals.get((parcel.out.doc.id, parcel.out.doc.rev))
            if refusal is None:
                self._outcomes.written(parcel)
            elif refusal.transient:
                self._later.append((now + TRANSIENT_WAIT_S, parcel))
            elif refusal.error == MissingStub.error and parcel.out.has_stubs:
                self._outcomes.stubless(parcel)
            else:
                self._outcomes.refused(parcel, refusal)

    def _isolate(self, batch: _Batch, error: StoreError, now: float) -> None:
        """One bad document fails a whole batch at a plain peer: halve until it stands alone."""
        batch.failures += 1
        if error.status >= 500 and batch.failures < FAILURES_BEFORE_SPLIT:
            self._again.append(batch)
            self._pace.fault(error, now, self._target)
        elif len(batch.parcels) > 1:
            middle = len(batch.parcels) // 2
            self._again.append(_Batch(batch.parcels[:middle]))
            self._again.append(_Batch(batch.parcels[middle:]))
        else:
            self._judge(batch, batch.parcels[0], error)

    def _judge(self, batch: _Batch, parcel: Parcel, error: StoreError) -> None:
        if isinstance(error, MissingStub) and parcel.out.has_stubs:
            self._outcomes.stubless(parcel)
        elif parcel.sends < SENDS_BEFORE_REFUSED and not isinstance(error, TooLarge):
            self._again.append(batch)
        else:
            doc = parcel.out.doc
            self._outcomes.refused(parcel, Refusal(doc.id, doc.rev, error.error, error.reason))
