"""One pair of databases being replicated: the feed of one, the writes of the other, and the notes between them.

A job never waits. A run asks it for `turn`s, each starting at most one call or taking the answers that came, and
pumps the wires in between; so several jobs share one connection and none can hold up the others.

    feed ─► rows ─► asked or not ─► fetched ─► batch ─► acknowledged ─► settled in feed order ─► noted
            Ledger  ───────── Reader ─────────  Sender                  Ledger                   Journal
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from replication.document import DocId, Rev, Seq
from replication.errors import StoreError, Unavailable
from replication.peers import Endpoint, Peer, Refusal, Traffic
from replication.replicator.batching import Rate
from replication.replicator.express import Express
from replication.replicator.figures import JobState, Progress, Tally
from replication.replicator.identity import Direction
from replication.replicator.journal import Journal
from replication.replicator.ledger import Item, Ledger, Parcel
from replication.replicator.opening import Opened, Opening
from replication.replicator.reader import LEAST_STRETCH_S, LONE_STRETCH_S, STRETCH_S, Reader
from replication.replicator.sender import Sender
from replication.replicator.state import CheckpointState
from replication.replicator.wire import Pace, Wire
from replication.store import ZERO


class Turn(Enum):
    """What a turn did: nothing to do or no room; something small or local; a call that carries documents."""

    NOTHING = 0
    STEP = 1
    DATA = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """What to replicate. Smaller `priority` goes first on a shared link. `state` None keeps notes in memory only.

    `express` names documents to carry ahead of the feed, most wanted first. It is called in the thread of the run when
    those named before are through, and after `Link.wake`; ids the source does not have are passed over.
    """

    source: Peer
    target: Peer
    state: CheckpointState
    priority: int = 0
    create_target: bool = True
    express: Callable[[], Sequence[DocId]] | None = None

    @property
    def direction(self) -> Direction:
        """A pull brings documents from elsewhere to us; everything else is a push."""
        return "pull" if self.source.endpoint is not None and self.target.endpoint is None else "push"

    @property
    def label(self) -> str:
        return f"{self.source.label} → {self.target.label}"


class Job:
    """`wires` are the source's and the target's, None for a side in this process."""

    def __init__(self, pair: Pair, wires: tuple[Wire | None, Wire | None], random: Callable[[], float]) -> None:
        self.pair = pair
        self.tally = Tally()
        self.pace = Pace(random)
        self.continuous = False
        self.last_turn = 0
        self.held_until = 0.0  # the gate is closed until then (monotonic); `inf` until woken
        self.traffic = Traffic()
        self._wires = wires
        self._ledger = Ledger()
        self._sender = Sender(pair.target, wires[1], self.pace, self.tally, self)
        self._express = Express(pair.express, pair.source, wires[0], self._sender, self._ledger, self.pace)
        self._reader = Reader(
            pair.source,
            pair.target,
            wires,
            self._sender,
            self._ledger,
            self.pace,
            self.tally,
            self._refuse,
            self._express.cover,
        )
        self.is_alone = False
        self._opening = Opening(pair.source, pair.target, pair.state, pair.direction, create_target=pair.create_target)
        self._journal: Journal | None = None
        self._refused_openings = 0
        self._last_success: float | None = None
        self.fatal: StoreError | None = None
        self.link_error: str | None = None

    @property
    def is_alone(self) -> bool:
        """Does no other pair pull over the same line?"""
        return self._reader.stretch_s == LONE_STRETCH_S

    @is_alone.setter
    def is_alone(self, alone: bool) -> None:
        shared = max(LEAST_STRETCH_S, STRETCH_S / (1 + max(0, self.pair.priority)))
        self._reader.stretch_s = LONE_STRETCH_S if alone else shared

    # What the run asks

    @property
    def endpoints(self) -> list[Endpoint]:
        return [wire.endpoint for wire in self._wires if wire is not None]

    @property
    def feed_seq(self) -> Seq:
        """Where the feed is read on; whoever waits for news of the source waits from here."""
        return self._reader.feed_seq

    @property
    def is_waiting_for_news(self) -> bool:
        """Has the feed been read to its end?"""
        return self._journal is not None and self._reader.at_end

    @property
    def is_settled(self) -> bool:
        """Is everything the feed held over there, and written down?"""
        if self._journal is None or self._journal.is_writing:
            return False
        published = self._journal.is_published or self._journal.last_error is not None or self._is_fresh()
        return published and self._is_caught_up()

    def _is_fresh(self) -> bool:
        """An empty source that was never replicated: nothing is worth writing down."""
        return self.tally.docs == 0 and self._journal is not None and self._journal.since == "0"

    def _is_caught_up(self) -> bool:
        parts = (self._reader, self._sender, self._ledger, self._express)
        return self._reader.at_end and all(part.is_empty for part in parts)

    def cut(self, why: str) -> None:
        """Say that the connection is lost. Calls under way are broken and taken back at the next turn."""
        self.link_error = why
        if self._journal is None:
            self._opening.restart()

    def take_back(self, now: float) -> None:
        """After a cut: take what had come, and store it where that needs no line, before another is tried."""
        if self._journal is None:
            return
        self._reap(now)
        if self._wires[1] is None:
            while self._reader.sort_rows() or self._sender.send(now, flush=True):
                self._reap(now)
        self._note()

    @property
    def activity(self) -> int:
        """A number that stays the same while nothing is read or written."""
        return self.tally.docs + self.tally.docs_written + self.tally.refused

    @property
    def reached(self) -> Seq:
        """Up to where everything is acknowledged."""
        return self._journal.since if self._journal is not None else ZERO

    def vouch(self, seq: Seq | None, reached: Seq | None) -> None:
        """Say how far the database over there has got, if it is certain that it is as our last note left it, and how
        far this pair had got then."""
        self._opening.vouch(seq, reached)

    def poke(self) -> None:
        """Say that the source has news."""
        self._reader.at_end = False

    def wake(self) -> None:
        """Something may have changed: the gate and whoever names express documents are asked again."""
        self.held_until = 0.0
        self._express.wake()

    def wakes_at(self) -> float | None:
        """Return when to ask for a turn again though nothing arrives, None for never."""
        now = time.monotonic()
        times = [at for at in (self.pace.not_before, self.held_until) if now < at < math.inf]
        later = self._sender.wakes_at()
        return min([*times, *([later] if later is not None else [])], default=None)

    def turn(self, now: float) -> Turn:
        """Take answers, or start one call."""
        if self._journal is None:
            return Turn.NOTHING if now < self.pace.not_before else self._open(now)
        if self._reap(now):
            self._note()
            return Turn.STEP
        if now < self.pace.not_before:
            return Turn.NOTHING
        if self._journal.is_due(now) and self._journal.publish(now):
            return Turn.STEP
        load = self._load()
        if self._carry(now):
            return Turn.DATA if self._load() > load else Turn.STEP
        return self._rest(now)

    def _carry(self, now: float) -> bool:
        """Start one call for documents, as far as the gate is open. Tell whether one was started, or rows sorted."""
        if now < self.held_until:
            return self._reader.turn(now, held=True)
        return (
            self._express.turn(now, self._reader.claim)
            or self._sender.send(now, flush=False)
            or self._reader.turn(now)
            or self._sender.send(now, flush=self._may_flush())
        )

    def _load(self) -> int:
        """Count the calls under way that carry documents over a wire."""
        return sum(wire.writes + wire.reads for wire in self._wires if wire is not None)

    def _may_flush(self) -> bool:
        """A batch that is not full goes out when nothing would join it soon."""
        return self._reader.nothing_coming or self._wires[1] is None

    def _open(self, now: float) -> Turn:
        try:
            opened = self._opening.turn()
        except StoreError as exc:
            self._refused_openings += 1
            # The second time in a row it is no accident of the line.
            self.fatal = exc if self._refused_openings > 1 and not isinstance(exc, Unavailable) else None
            self.pace.fault(exc, now)
            self._opening = Opening(
                self.pair.source,
                self.pair.target,
                self.pair.state,
                self.pair.direction,
                create_target=self.pair.create_target,
            )
            return Turn.STEP
        if opened is None:
            return Turn.NOTHING
        self.fatal = None
        self._refused_openings = 0
        self.pace.success()
        self._begin(opened)
        return Turn.STEP

    def _begin(self, opened: Opened) -> None:
        self._journal = Journal(self.pair.source, self.pair.target, self.pair.state, opened, self.tally)
        self._reader.begin(opened.since, doubtful_rows=opened.doubtful_rows, page=opened.page, at_end=opened.at_end)

    def _reap(self, now: float) -> bool:
        assert self._journal is not None
        # All three: a cut breaks calls of each, and they belong back in their queues before anything is sent.
        taken = [
            self._sender.reap(now),
            self._express.reap(now, self._reader.give_back),
            self._reader.reap(now),
            self._journal.reap(now),
        ]
        return any(taken)

    def _note(self) -> None:
        assert self._journal is not None
        reached = self._ledger.advance()
        if reached is not None and reached != self._journal.since:
            self._journal.reached(reached)

    def _rest(self, now: float) -> Turn:
        """With nothing left to do: write the logs once, then note that all is quiet."""
        assert self._journal is not None
        if not self._is_caught_up() or self._journal.is_writing:
            return Turn.NOTHING
        if not self._is_fresh() and self._journal.publish(now):
            return Turn.STEP
        self._journal.rest()
        return Turn.NOTHING

    # Outcomes of the sender

    def written(self, parcel: Parcel) -> None:
        self.tally.docs_written += 1
        self._last_success = time.time()
        self._ledger.settle(parcel.want.item, parcel.want.rev)

    def refused(self, parcel: Parcel, refusal: Refusal) -> None:
        self._refuse(parcel.want.item, parcel.want.rev, refusal)

    def uncertain(self, parcels: Sequence[Parcel]) -> None:
        self._reader.doubt(list(parcels))

    def stubless(self, parcel: Parcel) -> None:
        self._reader.refetch(parcel)

    def _refuse(self, item: Item, rev: Rev, refusal: Refusal) -> None:
        self.tally.refuse(refusal)
        self._ledger.settle(item, rev)

    # How it stands

    def progress(self, now: float) -> Progress:
        """Return how the pair stands, for people."""
        up, down = (wire.meter if wire is not None else None for wire in reversed(self._wires))
        rate = up.up if up is not None else down.down if down is not None else None
        state = self._state(now)
        queued_docs = self._ledger.open_docs + (0 if self._reader.at_end else self._reader.pending_rows)
        queued_bytes = self._queued_bytes(queued_docs)
        return Progress(
            label=self.pair.label,
            state=state,
            queued_docs=queued_docs,
            docs_written=self.tally.docs_written,
            refused=self.tally.refused,
            bytes_out=self.tally.wire_out,
            bytes_in=self.tally.wire_in,
            rate_bps=int(rate.value * 8) if rate is not None and rate.measured else 0,
            last_success=self._last_success,
            last_error=self.link_error or self.pace.last_error,
            queued_bytes=queued_bytes,
            eta_s=_time_left(state, queued_bytes, rate),
            held_s=self.held_until - now if state is JobState.HELD else None,
        )

    def _queued_bytes(self, docs: int) -> int | None:
        """Estimate what so many documents will take on the line from those seen so far."""
        if not docs and self._journal is not None and self._reader.at_end:
            return 0
        each = self._reader.doc_wire_bytes
        return None if each is None or self._journal is None else int(docs * each)

    def _state(self, now: float) -> JobState:
        if self.link_error is not None:
            return JobState.CUT
        if now < self.pace.not_before:
            return JobState.WAITING
        if self._journal is None:
            return JobState.STARTING
        if not self._is_caught_up():
            return JobState.HELD if now < self.held_until else JobState.SENDING
        return JobState.IDLE if self.continuous else JobState.DONE


def _time_left(state: JobState, size: int | None, rate: Rate | None) -> float | None:
    if size == 0:
        return 0.0
    moving = state in (JobState.STARTING, JobState.SENDING) and rate is not None and rate.measured
    return size / rate.value if moving and size is not None and rate is not None else None
