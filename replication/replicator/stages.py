"""What the documents of a pair pass through, from the feed of its source to the target's acknowledgement.

feed ─► rows ─► asked or not ─► fetched ─► batch ─► acknowledged ─► settled in feed order
        Ledger  ───────── Reader ─────────  Sender                  Ledger
"""

from __future__ import annotations

from collections.abc import Sequence

from replication.document import Rev, Seq
from replication.peers import Endpoint, Refusal
from replication.replicator.express import Express
from replication.replicator.figures import Tally
from replication.replicator.ledger import Item, Ledger, Parcel
from replication.replicator.opening import EVERY_ROW, Opened
from replication.replicator.pair import Pair
from replication.replicator.reader import Reader
from replication.replicator.sender import Sender
from replication.replicator.stretches import STRETCH_S
from replication.replicator.wire import Pace, Wire


class Stages:
    """`wires` are the source's and the target's, None for a side in this process. `stretch_s`: how long the line may
    carry one stretch of the feed."""

    def __init__(self, pair: Pair, wires: tuple[Wire | None, Wire | None], pace: Pace, tally: Tally) -> None:
        self._wires = wires
        self._tally = tally
        self._ledger = Ledger()
        self._sender = Sender(pair.target, wires[1], pace, tally, self)
        self._express = Express(
            pair.express, pair.source, pair.target, wires[0], self._sender, self._ledger, pace, tally
        )
        self._reader = Reader(
            pair.source,
            pair.target,
            wires[0],
            self._sender,
            self._ledger,
            pace,
            tally,
            self._refuse,
            self._express.covers,
        )
        self.stretch_s = STRETCH_S

    def begin(self, opened: Opened) -> None:
        """Read on where both sides are known to have got."""
        self._reader.begin(opened.since, doubtful_rows=opened.doubtful_rows, page=opened.page, at_end=opened.at_end)
        # What was under way when a run ended is little; where every row is in doubt, nobody knows what was sent.
        self._express.doubt(self._wires[1] is not None and opened.doubtful_rows == EVERY_ROW)

    @property
    def feed_seq(self) -> Seq:
        """Where the feed is read on."""
        return self._reader.feed_seq

    @property
    def at_end(self) -> bool:
        """Has the feed been read to its end?"""
        return self._reader.at_end

    @property
    def is_caught_up(self) -> bool:
        """Is everything the feed held settled?"""
        parts = (self._reader, self._sender, self._ledger, self._express)
        return self._reader.at_end and all(part.is_empty for part in parts)

    def look_again(self) -> None:
        """Read the feed on: there is news."""
        self._reader.look_again()

    def wake(self) -> None:
        """Something may have changed: ask again which documents go ahead."""
        self._express.wake()

    @property
    def line(self) -> Endpoint | None:
        """A connection beside the wires, while one is open."""
        return self._express.line

    def pump(self) -> None:
        """Move bytes on that connection."""
        self._express.pump()

    def hang_up(self) -> None:
        """End that connection."""
        self._express.hang_up()

    def wakes_at(self) -> float | None:
        """Return when something put off may be tried again."""
        return self._sender.wakes_at()

    def carry(self, now: float, *, held: bool) -> bool:
        """Start one call for documents, as far as the gate is open. Tell whether one was started, or rows sorted."""
        self._reader.allow_s(self.stretch_s)
        if held:
            return self._reader.turn(now, held=True)
        return (
            self._express.turn(now, self._reader.claim)
            or self._sender.send(now, flush=False)
            or self._reader.turn(now)
            or self._sender.send(now, flush=self._may_flush())
        )

    def _may_flush(self) -> bool:
        """A batch that is not full goes out when nothing would join it soon."""
        return self._reader.nothing_coming or self._wires[1] is None

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        # All three: a cut breaks calls of each, and they belong back in their queues before anything is sent.
        taken = [
            self._sender.reap(now),
            self._express.reap(now, self._reader.give_back),
            self._reader.reap(now),
        ]
        return any(taken)

    def store_what_came(self, now: float) -> None:
        """After a cut, with the target in this process: store what had come, before a line is tried again."""
        while self._reader.sort_rows() or self._sender.send(now, flush=True):
            self.reap(now)

    def advance(self) -> Seq | None:
        """Return the seq up to which everything is settled now, None if it did not move."""
        return self._ledger.advance()

    # Outcomes of the sender

    def written(self, parcel: Parcel) -> None:
        self._tally.written()
        self._ledger.settle(parcel.want.item, parcel.want.rev)

    def refused(self, parcel: Parcel, refusal: Refusal) -> None:
        self._refuse(parcel.want.item, parcel.want.rev, refusal)

    def uncertain(self, parcels: Sequence[Parcel]) -> None:
        self._reader.doubt(parcels)

    def stubless(self, parcel: Parcel) -> None:
        self._reader.refetch(parcel)

    def _refuse(self, item: Item, rev: Rev, refusal: Refusal) -> None:
        self._tally.refuse(refusal)
        self._ledger.settle(item, rev)

    # What is left

    def queued_docs(self) -> int:
        """How many documents are known and not settled."""
        return self._ledger.open_docs + (0 if self._reader.at_end else self._reader.pending_rows)

    def queued_bytes(self, docs: int) -> int | None:
        """Estimate what so many documents will take on the line, None before one was seen."""
        if not docs and self._reader.at_end:
            return 0
        each = self._reader.doc_wire_bytes
        return None if each is None else int(docs * each)
