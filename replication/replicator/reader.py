"""The source's side of a pair: the feed, what of it is missing over there, and the revisions themselves.

Stretches ─► rows ─► Questions ─► missing ─► AtHand, or Fetching ─► sender
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from replication.document import DocId, Rev, Seq
from replication.peers import FeedAnswer, Peer
from replication.peers.pending import Pending
from replication.replicator.at_hand import AtHand
from replication.replicator.batching import Ratio
from replication.replicator.fetching import Fetching, Refused
from replication.replicator.figures import Tally
from replication.replicator.ledger import Item, Ledger, Parcel, Want
from replication.replicator.questions import Questions
from replication.replicator.sender import Sender
from replication.replicator.stretches import Stretches
from replication.replicator.wire import Pace, Wire
from replication.store import ZERO

# Above this share of documents that are here already, the feed is read without them.
KNOWN_SHARE_TO_ASK = 0.2
FIRST_GUESS_OF_DOC_BYTES = 1500.0


class Covers(Protocol):
    """Says whether a row is carried ahead of the feed; `came`: its document came along with it."""

    def __call__(self, item: Item, *, came: bool) -> bool: ...


class Reader:
    """Each `turn` starts at most one call; `reap` takes answers and hands parcels to the sender."""

    def __init__(
        self,
        source: Peer,
        target: Peer,
        wire: Wire | None,
        sender: Sender,
        ledger: Ledger,
        pace: Pace,
        tally: Tally,
        refused: Refused,
        covers: Covers,
    ) -> None:
        self._wire = wire
        self._sender = sender
        self._ledger = ledger
        self._tally = tally
        self._covers = covers
        self._doc_bytes = Ratio(FIRST_GUESS_OF_DOC_BYTES)
        self._at_hand = AtHand()
        self._stretches = Stretches(source, wire, pace, tally, self._doc_bytes)
        self._questions = Questions(target, ledger, pace, tally, self._at_hand, self._want)
        self._fetching = Fetching(source, wire, sender, ledger, pace, tally, self._doc_bytes, refused)
        self._doubtful_rows = 0

    def begin(
        self, since: Seq, *, doubtful_rows: int, page: Pending[FeedAnswer] | None = None, at_end: bool = False
    ) -> None:
        """Read on from `since`. The first `doubtful_rows` may be over there already. `page` was asked for earlier."""
        self._stretches.begin(since, page, at_end=at_end)
        self._doubtful_rows = doubtful_rows
        # Later on much of the news is our own, come back: whether it is shows in the first rows.
        self._questions.known_share = Ratio(0.0 if since == ZERO else 1.0)

    @property
    def feed_seq(self) -> Seq:
        """Where the feed is read on."""
        return self._stretches.seq

    @property
    def at_end(self) -> bool:
        """Has the feed been read to its end?"""
        return self._stretches.at_end

    @property
    def pending_rows(self) -> int:
        """How many rows follow what was read, as the source last said."""
        return self._stretches.pending_rows

    @property
    def is_empty(self) -> bool:
        return self._questions.is_empty and self._fetching.is_empty and not self._stretches.is_reading

    @property
    def doc_wire_bytes(self) -> float | None:
        """What a document takes on the line, by those seen so far; None before the first."""
        if not self._doc_bytes.measured:
            return None
        return self._doc_bytes.value * (1.0 if self._wire is not None else self._sender.compression)

    @property
    def nothing_coming(self) -> bool:
        """Is the sender to send what it has, because no more will join it soon?"""
        return self._fetching.is_empty

    def allow_s(self, stretch_s: float) -> None:
        """Let the line carry one stretch of the feed for so long."""
        self._stretches.stretch_s = stretch_s

    def look_again(self) -> None:
        """Read the feed on: there is news."""
        self._stretches.at_end = False

    def doubt(self, parcels: Sequence[Parcel]) -> None:
        """Ask about parcels whose acknowledgement was lost; they are kept, and sent again only if missing."""
        self._questions.doubt(parcels)

    def refetch(self, parcel: Parcel) -> None:
        """Fetch a revision again, with the bytes of all its attachments."""
        self._fetching.want(Want(parcel.want.item, parcel.want.rev), first=True)

    def claim(self, doc_id: DocId) -> Item | None:
        """Give up a row that was read and not begun with; None where there is none."""
        return self._questions.claim(doc_id) or self._fetching.claim(doc_id)

    def give_back(self, item: Item) -> None:
        """Take a row again that was claimed."""
        self._questions.add_first(item)

    def turn(self, now: float, *, held: bool = False) -> bool:
        """Start one call if there is need and room. Tell whether one was started, or rows were sorted.

        While `held` nothing is asked for that brings documents over a line."""
        may_fetch = self._wire is None or not held
        return self.sort_rows() or (may_fetch and self._fetching.turn(now)) or self._read_feed(now, bare=held)

    def sort_rows(self) -> bool:
        """Find out what of the rows read is missing at the target, or start to. Tell whether anything was done."""
        return self._questions.turn()

    def _read_feed(self, now: float, *, bare: bool) -> bool:
        if self._questions.waiting + self._fetching.waiting >= self._fetching.docs_at_once(now):
            return False
        return self._stretches.turn(now, with_docs=self._takes_docs() and not bare)

    def _takes_docs(self) -> bool:
        """Are the documents to come with the feed, because they are surely missing at the target?"""
        if self._wire is None or self._doubtful_rows > 0 or self._ledger.anything_ahead:
            return False
        return self._questions.known_share.value <= KNOWN_SHARE_TO_ASK

    def _want(self, item: Item, revs: list[Rev], ancestors: tuple[Rev, ...]) -> None:
        """Have what is missing sent, from what is at hand where it is."""
        for rev in revs:
            if (sent := self._at_hand.take_doubted(item, rev)) is not None:
                self._sender.offer([sent], first=True)
            elif (brought := self._at_hand.take_brought(item, rev)) is not None:
                self._sender.offer([brought])
            else:
                self._fetching.want(Want(item, rev, ancestors))

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        was_reading = self._stretches.is_reading
        answer = self._stretches.reap(now)
        if answer is not None:
            self._take_rows(answer)
        read = was_reading and not self._stretches.is_reading
        asked, fetched = self._questions.reap(now), self._fetching.reap(now)
        return read or asked or fetched

    def _take_rows(self, answer: FeedAnswer) -> None:
        self._at_hand.bring(answer.docs)
        items = self._ledger.add(answer.page, doubtful=self._doubtful_rows > 0)
        self._doubtful_rows = max(0, self._doubtful_rows - len(items))
        self._questions.add(item for item in items if self._is_ours(item) and item.ask)
        self._tally.docs += len(items)
        if self.at_end:
            self._ledger.forget_ahead()

    def _is_ours(self, item: Item) -> bool:
        """Is a row not on its way by name?"""
        if not self._covers(item, came=self._at_hand.is_brought(item)):
            return True
        for rev in item.leaves:
            self._at_hand.take_brought(item, rev)
        return False
