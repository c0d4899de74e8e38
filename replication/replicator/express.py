"""Documents somebody waits for: carried ahead of the feed, by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replication.document import Doc, DocId
from replication.errors import LinkError, NotAPeer, NotFound, StoreError, Unauthorized, Unavailable
from replication.peers import NO_SEQ, Endpoint, Outgoing, Peer, ReadAnswer
from replication.peers.pending import Pending
from replication.replicator.figures import Tally
from replication.replicator.inquiry import Inquiry
from replication.replicator.lane import Lane
from replication.replicator.ledger import Item, Ledger, Parcel, Want
from replication.replicator.sender import Sender
from replication.replicator.wire import Pace, Wire
from replication.store import GetRequest

Wanted = Callable[[], Sequence[DocId]]
# A photograph is some fifty chunks; what is wanted beyond that is asked for when these are through.
MAX_WANTED = 500
MAX_FETCH_DOCS = 8
# What comes sooner than this on the connection there is, is not worth another: greeting one takes a round trip or two.
LANE_FROM_S = 3.0


@dataclass(slots=True, eq=False)
class _Fetched:
    pending: Pending[ReadAnswer]
    items: list[Item]
    wire: Wire | None  # on which it counts; None in this process, and on the lane


class Express:
    """Asks `wanted` which ids to carry first, fetches them from the source and hands them to the sender.

    Where a stretch of the feed fills the line for longer, they are asked for on a connection of their own.
    An id is tried once; one the source does not have is tried again after `wake`. Whatever goes wrong with a document
    here is left to the feed, which names it. `ledger` knows what went, so the feed does not send it again. While it is
    not known what the target has, it is asked about them first.
    """

    def __init__(
        self,
        wanted: Wanted | None,
        source: Peer,
        target: Peer,
        wire: Wire | None,
        sender: Sender,
        ledger: Ledger,
        pace: Pace,
        tally: Tally,
    ) -> None:
        self._wanted = wanted
        self._source = source
        self._inquiry = Inquiry(target, ledger, pace, tally)
        self._in_doubt = False
        self._wire = wire
        self._sender = sender
        self._ledger = ledger
        self._pace = pace
        self._lane = Lane(source.endpoint, source.name) if source.endpoint is not None else None
        self._queue: OrderedDict[DocId, Item] = OrderedDict()
        self._fetched: _Fetched | None = None
        self._tried: set[DocId] = set()
        self._unknown: set[DocId] = set()
        self._fetch_limit = MAX_FETCH_DOCS
        self._dry = False  # asked, and there was nothing new

    @property
    def is_empty(self) -> bool:
        """Is nothing of what was named still to be fetched, or asked about?"""
        return not self._queue and self._fetched is None and self._inquiry.is_empty

    def doubt(self, in_doubt: bool) -> None:
        """Say whether the target may have documents that nobody remembers having sent."""
        self._in_doubt = in_doubt

    def wake(self) -> None:
        """Something may have changed: ask again, also for what the source did not have."""
        self._dry = False
        self._tried -= self._unknown
        self._unknown.clear()

    @property
    def line(self) -> Endpoint | None:
        """The connection of its own, while it has one."""
        return self._lane.line if self._lane is not None else None

    def pump(self) -> None:
        """Move bytes on the connection of its own."""
        if self._lane is not None:
            self._lane.pump()

    def hang_up(self) -> None:
        """End the connection of its own; what was asked for there is asked for again."""
        if self._lane is not None:
            self._lane.close()

    def covers(self, item: Item, *, came: bool) -> bool:
        """Is this row of the feed on its way by name, and not the reader's? `came`: its document came along with the
        row, so that it need not be asked for any more."""
        if item.id in self._queue:
            if came:
                del self._queue[item.id]
                return False
            self._queue[item.id] = item
            return True
        if self._fetched is not None:
            for index, other in enumerate(self._fetched.items):
                if other.id == item.id:
                    self._fetched.items[index] = item
                    return True
        return False

    def turn(self, now: float, claim: Callable[[DocId], Item | None]) -> bool:
        """Fetch what is wanted next, if there is room. Tell whether a call was started.

        `claim` takes a row that was read and not begun with out of the reader's hands.
        """
        if self._inquiry.turn():
            return True
        if self._wanted is None or self._fetched is not None or self._sender.ahead or self._inquiry.is_full:
            return False
        if not self._queue and not self._ask(self._wanted, claim):
            return False
        way = self._find_way(now)
        if way is None:
            return False
        source, wire = way
        count = min(self._fetch_limit, len(self._queue))
        items = [self._queue.popitem(last=False)[1] for _ in range(count)]
        self._fetched = _Fetched(source.bulk_get([GetRequest(item.id, None) for item in items]), items, wire)
        if wire is not None:
            wire.reads += 1
        return True

    def _find_way(self, now: float) -> tuple[Peer, Wire | None] | None:
        """Return whom to ask and the wire it counts on; None while there is no room."""
        if self._wire is None:
            return self._source, None
        if self._lane is not None and self._wire.stretch_left_s(now) > LANE_FROM_S:
            beside = self._lane.open(now)
            if beside is not None:
                return beside, None
        return (self._source, self._wire) if self._wire.may_read(now) else None

    def _ask(self, wanted: Wanted, claim: Callable[[DocId], Item | None]) -> bool:
        if self._dry:
            return False
        for doc_id in wanted():
            if doc_id not in self._tried and len(self._queue) < MAX_WANTED:
                self._tried.add(doc_id)
                self._queue[doc_id] = claim(doc_id) or Item(NO_SEQ, doc_id, ())
        self._dry = not self._queue
        return not self._dry

    def reap(self, now: float, give_back: Callable[[Item], None]) -> bool:
        """Take the answers that have come. Tell whether any has. `give_back` takes rows that are the feed's."""
        missing = self._inquiry.reap(now)
        self._sender.offer_ahead(missing or [])
        return self._reap_fetched(now, give_back) or missing is not None

    def _reap_fetched(self, now: float, give_back: Callable[[Item], None]) -> bool:
        if self._fetched is None or not self._fetched.pending.done:
            return False
        fetched, self._fetched = self._fetched, None
        if fetched.wire is not None:
            fetched.wire.reads -= 1
        try:
            answer = fetched.pending.result()
        except (LinkError, Unavailable, Unauthorized, NotFound) as exc:
            self._put_back(fetched.items)
            if not isinstance(exc, LinkError) or isinstance(exc, NotAPeer):
                self._pace.fault(exc, now, self._source)
        except StoreError:
            self._narrow(fetched.items, give_back)
        else:
            self._pace.success(self._source)
            self._fetch_limit = MAX_FETCH_DOCS
            came = len(answer.rows)
            for item, docs in zip(fetched.items[:came], answer.rows, strict=True):
                self._take(item, [doc for doc in docs if isinstance(doc, Doc)], give_back)
            self._put_back(fetched.items[came:])
        if not self._queue:
            self.hang_up()
        return True

    def _put_back(self, items: Sequence[Item]) -> None:
        for item in reversed(items):
            self._queue[item.id] = item
            self._queue.move_to_end(item.id, last=False)

    def _narrow(self, items: list[Item], give_back: Callable[[Item], None]) -> None:
        """One document that cannot be read spoils the answer: fetch one at a time, and leave that one to the feed."""
        if len(items) > 1:
            self._fetch_limit = 1
            self._put_back(items)
        else:
            self._leave(items[0], give_back)

    def _leave(self, item: Item, give_back: Callable[[Item], None]) -> None:
        if item.leaves:
            give_back(item)
        else:
            self._unknown.add(item.id)

    def _take(self, item: Item, docs: Sequence[Doc], give_back: Callable[[Item], None]) -> None:
        parcels = []
        for doc in docs:
            if doc.rev is not None and not self._ledger.is_settled_ahead(doc.id, doc.rev):
                parcels.append(Parcel(Want(item, doc.rev), Outgoing(doc)))
                if doc.rev in item.ask:
                    item.ask.remove(doc.rev)
                elif doc.rev not in item.open:
                    self._ledger.go_ahead(doc.id, doc.rev)
        if self._in_doubt or item.doubtful:
            self._inquiry.take(parcels)
        else:
            self._sender.offer_ahead(parcels)
        if item.ask or not docs:
            self._leave(item, give_back)
