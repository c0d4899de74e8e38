"""The source's side of a pair: the feed, what of it is missing over there, and the revisions themselves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replication.document import Doc, DocId, Rev, Seq
from replication.errors import (
    BadRequest,
    LinkError,
    NotAPeer,
    NotFound,
    StoreError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from replication.peers import FeedAnswer, Outgoing, Peer, ReadAnswer, Refusal
from replication.peers.pending import Pending
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.ledger import Item, Ledger, Parcel, Want
from replication.replicator.sender import Sender
from replication.replicator.wire import Pace, Wire
from replication.store import ZERO, GetRequest, MissingRev, RevsDiff

LOCAL_FEED_LIMIT = 200
# A stretch of the feed with its documents: so much of the line's time, less where others are more urgent. What has come
# is kept when the line breaks, so a long one costs nothing but the patience of those behind it.
STRETCH_S = 20.0
# A pair that shares the line with no other pull keeps nobody waiting: a round trip less often.
LONE_STRETCH_S = 60.0
# An answer is held until it is whole: 4 MB on the line are up to 16 MB of JSON.
MAX_STRETCH_BYTES = 4 * 1024 * 1024
LEAST_STRETCH_S = 4.0
FIRST_STRETCH_DOCS = 8
STRETCH_GROWTH = 8
MAX_STRETCH_DOCS = 2000
# Above this share of documents that are here already, the feed is read without them.
KNOWN_SHARE_TO_ASK = 0.2
FEED_ROW_BYTES = 120  # of a row without a seq
MAX_ROWS_ASKED = 100  # ~44 bytes a row when compressed
MAX_FETCH_DOCS = 200
# From a store in this process, where a call costs nothing: so many photos fit in memory whatever their size.
MAX_LOCAL_FETCH_DOCS = 20
# Until the size of documents is known: two file chunks take 11 s at 64 kbit/s, six may never fit between two cuts.
FIRST_FETCH_DOCS = 2
FIRST_GUESS_OF_DOC_BYTES = 1500.0
# Above this share missing, asking about new documents costs more than sending them (CouchDB's own threshold).
MISSING_SHARE_TO_SKIP = 0.95
ROWS_BEFORE_SKIPPING = 100
GONE = frozenset({"missing", "not_found", "deleted"})


@dataclass(slots=True, eq=False)
class _Asked:
    pending: Pending[dict[DocId, RevsDiff]]
    items: list[tuple[Item, list[Rev]]]


@dataclass(slots=True, eq=False)
class _Feed:
    pending: Pending[FeedAnswer]
    begun: float
    with_docs: bool


@dataclass(slots=True, eq=False)
class _Fetched:
    pending: Pending[ReadAnswer]
    wants: list[Want]
    begun: float


class Reader:
    """Each `turn` starts at most one call; `reap` takes answers and hands parcels to the sender."""

    def __init__(
        self,
        source: Peer,
        target: Peer,
        wires: tuple[Wire | None, Wire | None],
        sender: Sender,
        ledger: Ledger,
        pace: Pace,
        tally: Tally,
        refused: Callable[[Item, Rev, Refusal], None],
        cover: Callable[[Sequence[Item]], list[Item]],
    ) -> None:
        self._source = source
        self._target = target
        self._source_wire, self._target_wire = wires
        self._sender = sender
        self._ledger = ledger
        self._pace = pace
        self._tally = tally
        self._refused = refused
        self._cover = cover
        self._unsorted: deque[Item] = deque()
        self._wanted: deque[Want] = deque()
        self._feed: _Feed | None = None
        self._brought: dict[tuple[DocId, Rev], Doc] = {}
        self._known_share = Ratio(0.0)
        self._stretch_limit = FIRST_STRETCH_DOCS
        self.stretch_s = STRETCH_S
        self._asked: deque[_Asked] = deque()
        self._fetched: deque[_Fetched] = deque()
        self._held: dict[tuple[DocId, Rev], Parcel] = {}
        self._doc_bytes = Ratio(FIRST_GUESS_OF_DOC_BYTES)
        self._fetch_limit = MAX_FETCH_DOCS if self._source_wire is None else FIRST_FETCH_DOCS
        self._doubtful_rows = 0
        self._missing_share = Ratio(0.0)
        self._rows_asked = 0
        self.feed_seq = Seq("0")
        self.at_end = False
        self.pending_rows = 0

    def begin(
        self, since: Seq, *, doubtful_rows: int, page: Pending[FeedAnswer] | None = None, at_end: bool = False
    ) -> None:
        """Read on from `since`. The first `doubtful_rows` may be over there already. `page` was asked for earlier."""
        self.feed_seq = since
        self._doubtful_rows = doubtful_rows
        self._feed = _Feed(page, time.monotonic(), with_docs=False) if page is not None else None
        self.at_end = at_end
        # Later on much of the news is our own, come back: whether it is shows in the first rows.
        self._known_share = Ratio(0.0 if since == ZERO else 1.0)

    @property
    def is_empty(self) -> bool:
        return not (self._unsorted or self._wanted or self._feed or self._asked or self._fetched)

    @property
    def doc_wire_bytes(self) -> float | None:
        """What a document takes on the line, by those seen so far; None before the first."""
        if not self._doc_bytes.measured:
            return None
        return self._doc_bytes.value * (1.0 if self._source_wire is not None else self._sender.compression)

    @property
    def nothing_coming(self) -> bool:
        """Is the sender to send what it has, because no more will join it soon?"""
        return not (self._wanted or self._fetched)

    def doubt(self, parcels: list[Parcel]) -> None:
        """Ask about parcels whose acknowledgement was lost; they are kept, and sent again only if missing."""
        for parcel in reversed(parcels):
            item, rev = parcel.want.item, parcel.want.rev
            self._held[item.id, rev] = parcel
            item.doubtful = True
            item.ask.append(rev)
            if item not in self._unsorted:
                self._unsorted.appendleft(item)

    def refetch(self, parcel: Parcel) -> None:
        """Fetch a revision again, with the bytes of all its attachments."""
        self._wanted.appendleft(Want(parcel.want.item, parcel.want.rev))

    def claim(self, doc_id: DocId) -> Item | None:
        """Give up a row that was read and not begun with; None where there is none."""
        for item in self._unsorted:
            if item.id == doc_id and not item.doubtful:
                self._unsorted.remove(item)
                return item
        wants = [want for want in self._wanted if want.item.id == doc_id and not want.atts_since]
        for want in wants:
            self._wanted.remove(want)
            want.item.ask.append(want.rev)
        return wants[0].item if wants else None

    def give_back(self, item: Item) -> None:
        """Take a row again that was claimed."""
        self._unsorted.appendleft(item)

    # One call at a time

    def turn(self, now: float, *, held: bool = False) -> bool:
        """Start one call if there is need and room. Tell whether one was started, or rows were sorted.

        While `held` nothing is asked for that brings documents over a line."""
        may_fetch = self._source_wire is None or not held
        return self.sort_rows() or (may_fetch and self._fetch(now)) or self._read_feed(now, bare=held)

    def sort_rows(self) -> bool:
        """Find out what of the rows read is missing at the target, or start to. Tell whether anything was done."""
        return self._sort() or self._ask()

    def _read_feed(self, now: float, *, bare: bool) -> bool:
        if self.at_end or self._feed is not None or len(self._unsorted) + len(self._wanted) >= self._fetch_docs(now):
            return False
        with_docs = self._takes_docs() and not bare
        if with_docs and not self._room_for_stretch():
            return False
        limit = self._stretch_docs() if with_docs else self._feed_limit(now)
        self._feed = _Feed(self._source.feed(self.feed_seq, limit, docs=with_docs), now, with_docs)
        if with_docs and self._source_wire is not None:
            self._source_wire.reads += 1
        return True

    def _takes_docs(self) -> bool:
        """Are the documents to come with the feed, because they are surely missing at the target?"""
        if self._source_wire is None or self._doubtful_rows > 0 or self._ledger.anything_ahead:
            return False
        return self._known_share.value <= KNOWN_SHARE_TO_ASK

    def _room_for_stretch(self) -> bool:
        """One stretch travels while the next pair's waits: the line is never idle, and priority keeps its meaning."""
        return self._source_wire is None or self._source_wire.reads < 2

    def _stretch_docs(self) -> int:
        assert self._source_wire is not None
        size = min(self._source_wire.meter.down.value * self.stretch_s, MAX_STRETCH_BYTES)
        fitting = size / max(1.0, self._doc_bytes.value)
        return int(max(1, min(fitting, self._stretch_limit, MAX_STRETCH_DOCS)))

    def _feed_limit(self, now: float) -> int:
        if self._source_wire is None:
            return LOCAL_FEED_LIMIT
        return int(max(20, min(500, self._source_wire.meter.down_batch_bytes(now) / FEED_ROW_BYTES)))

    def _sort(self) -> bool:
        """Send rows that need no question on to be fetched."""
        moved = False
        while self._unsorted and not self._must_ask(self._unsorted[0]):
            item = self._unsorted.popleft()
            self._want(item, item.ask, ())
            item.ask = []
            moved = True
        return moved

    def _must_ask(self, item: Item) -> bool:
        if self._target_wire is None or not item.is_new_and_single:
            return True
        if not item.doubtful:
            return False
        certain = self._missing_share.value > MISSING_SHARE_TO_SKIP and self._rows_asked >= ROWS_BEFORE_SKIPPING
        return (item.id, item.leaves[0]) in self._held or not certain

    def _ask(self) -> bool:
        if not self._unsorted or len(self._asked) >= 2:
            return False
        items: list[tuple[Item, list[Rev]]] = []
        wanted: dict[DocId, list[Rev]] = {}
        while self._unsorted and len(items) < MAX_ROWS_ASKED and self._must_ask(self._unsorted[0]):
            if self._unsorted[0].id in wanted:
                break  # changed again since its first row: a question names each document once
            item = self._unsorted.popleft()
            items.append((item, item.ask))
            wanted[item.id] = item.ask
            item.ask = []
        pending = self._target.revs_diff(wanted)
        self._asked.append(_Asked(pending, items))
        return True

    def _want(self, item: Item, revs: list[Rev], ancestors: tuple[Rev, ...]) -> None:
        for rev in revs:
            held = self._held.pop((item.id, rev), None)
            brought = self._brought.pop((item.id, rev), None)
            if held is not None:
                self._sender.offer([held], first=True)
            elif brought is not None:
                self._sender.offer([Parcel(Want(item, rev), Outgoing(brought))])
            else:
                self._wanted.append(Want(item, rev, ancestors))

    def _fetch(self, now: float) -> bool:
        room = self._source_wire is None or self._source_wire.may_read(now)
        if not self._wanted or not room or self._sender.ready_bytes > 2 * self._sender.batch_bytes(now):
            return False
        count = min(self._fetch_docs(now), self._fetch_limit, len(self._wanted))
        wants = [self._wanted.popleft() for _ in range(count)]
        requests = [GetRequest(want.item.id, want.rev, want.atts_since or None) for want in wants]
        self._fetched.append(_Fetched(self._source.bulk_get(requests), wants, now))
        if self._source_wire is not None:
            self._source_wire.reads += 1
        return True

    def _fetch_docs(self, now: float) -> int:
        """Return how many documents make one batch."""
        if self._source_wire is not None:
            size = self._source_wire.meter.down_batch_bytes(now)
        else:
            size = self._sender.batch_bytes(now)
        most = MAX_FETCH_DOCS if self._source_wire is not None else MAX_LOCAL_FETCH_DOCS
        return int(max(1, min(most, size / max(1.0, self._doc_bytes.value))))

    # Answers

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        reaped = False
        if self._feed is not None and self._feed.pending.done:
            feed, self._feed = self._feed, None
            if feed.with_docs and self._source_wire is not None:
                self._source_wire.reads -= 1
            self._take_page(feed, now)
            reaped = True
        while self._asked and self._asked[0].pending.done:
            self._take_diff(self._asked.popleft(), now)
            reaped = True
        while self._fetched and self._fetched[0].pending.done:
            fetched = self._fetched.popleft()
            if self._source_wire is not None:
                self._source_wire.reads -= 1
            self._take_docs(fetched, now)
            reaped = True
        return reaped

    def _take_page(self, feed: _Feed, now: float) -> None:
        try:
            answer = feed.pending.result()
        except LinkError as exc:
            self._heed(exc, now)  # asked for again on the next connection
            return
        except StoreError as exc:
            self._pace.fault(exc, now)
            return
        self._pace.success()
        page = answer.page
        if feed.with_docs:
            self._measure_feed(feed, answer)
        items = self._ledger.add(page, doubtful=self._doubtful_rows > 0)
        self._doubtful_rows = max(0, self._doubtful_rows - len(items))
        self._unsorted.extend(item for item in self._cover(items) if item.ask)
        self._tally.docs += len(items)
        self.feed_seq = page.last_seq
        self.pending_rows = page.pending
        self.at_end = page.pending == 0 or not items
        if self.at_end:
            self._ledger.forget_ahead()

    def _measure_feed(self, feed: _Feed, answer: FeedAnswer) -> None:
        self._brought.update(answer.docs)
        self._tally.wire_in += answer.wire_bytes
        if self._source_wire is None or not answer.page.rows:
            return
        self._doc_bytes.observe(answer.wire_bytes / len(answer.page.rows))
        if not answer.torn:
            self._source_wire.meter.down.observe(answer.wire_bytes, feed.begun, time.monotonic())
            self._source_wire.meter.acknowledged()
            self._stretch_limit = min(MAX_STRETCH_DOCS, self._stretch_limit * STRETCH_GROWTH)

    def _heed(self, error: LinkError, now: float) -> None:
        """A cut is the run's business; JSON of the wrong shape comes over a sound line, and again if asked at once."""
        if isinstance(error, NotAPeer):
            self._pace.fault(error, now)

    def _take_diff(self, asked: _Asked, now: float) -> None:
        try:
            diff = asked.pending.result()
        except LinkError as exc:
            self._ask_again(asked)
            self._heed(exc, now)
            return
        except BadRequest:
            # An id the target cannot even read: sending will single it out.
            diff = {item.id: RevsDiff(tuple(revs)) for item, revs in asked.items}
        except StoreError as exc:
            self._ask_again(asked)
            self._pace.fault(exc, now)
            return
        for item, revs in asked.items:
            self._sort_out(item, revs, diff.get(item.id, RevsDiff(())))

    def _sort_out(self, item: Item, revs: list[Rev], diff: RevsDiff) -> None:
        missing = [rev for rev in revs if rev in set(diff.missing)]
        self._tally.checked += len(revs)
        self._tally.missing += len(missing)
        self._rows_asked += 1
        self._missing_share.observe(len(missing) / max(1, len(revs)))
        for rev in revs:
            self._known_share.observe(0.0 if rev in missing else 1.0)
            if rev not in missing:
                if (held := self._held.pop((item.id, rev), None)) is not None:
                    self._tally.arrived(held.wire_bytes)
                self._brought.pop((item.id, rev), None)
                self._ledger.settle(item, rev)
        self._want(item, missing, diff.possible_ancestors)

    def _ask_again(self, asked: _Asked) -> None:
        for item, revs in reversed(asked.items):
            item.ask.extend(revs)
            if item not in self._unsorted:
                self._unsorted.appendleft(item)

    def _take_docs(self, fetched: _Fetched, now: float) -> None:
        try:
            answer = fetched.pending.result()
        except LinkError as exc:
            self._wanted.extendleft(reversed(fetched.wants))
            self._heed(exc, now)
        except (Unavailable, Unauthorized, NotFound) as exc:
            self._wanted.extendleft(reversed(fetched.wants))
            self._pace.fault(exc, now)
        except StoreError as exc:
            self._isolate(fetched.wants, exc, now)
        else:
            self._measure(fetched, answer)
            self._fetch_limit = min(MAX_FETCH_DOCS, self._fetch_limit * 2)
            came = len(answer.rows)
            for want, docs in zip(fetched.wants[:came], answer.rows, strict=True):
                self._take_revisions(want, docs)
            self._wanted.extendleft(reversed(fetched.wants[came:]))

    def _isolate(self, wants: list[Want], error: StoreError, now: float) -> None:
        """Fetch fewer at a time until the one that cannot be read stands alone."""
        if len(wants) > 1:
            self._fetch_limit = len(wants) // 2
            self._wanted.extendleft(reversed(wants))
            if not isinstance(error, BadRequest | TooLarge):
                self._pace.fault(error, now)
            return
        want = wants[0]
        self._refused(want.item, want.rev, Refusal(want.item.id, want.rev, error.error, error.reason))

    def _measure(self, fetched: _Fetched, answer: ReadAnswer) -> None:
        self._pace.success()
        if self._source_wire is not None:
            self._tally.wire_in += answer.wire_bytes
            self._doc_bytes.observe(answer.wire_bytes / len(answer.rows))
            self._source_wire.meter.down.observe(answer.wire_bytes, fetched.begun, time.monotonic())
            self._source_wire.meter.acknowledged()

    def _take_revisions(self, want: Want, docs: list[Doc | MissingRev]) -> None:
        parcels = []
        for doc in docs:
            if isinstance(doc, Doc):
                parcels.append(Parcel(want, Outgoing(doc)))
            elif doc.reason not in GONE:
                self._refused(want.item, want.rev, Refusal(doc.id, doc.rev, "unreadable", doc.reason))
        if not parcels:
            self._ledger.settle(want.item, want.rev)  # purged or compacted since the feed was read
        elif self._source_wire is None:
            self._doc_bytes.observe(parcels[0].out.size)
        self._sender.offer(parcels)
