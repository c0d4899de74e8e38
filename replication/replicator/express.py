"""Documents somebody waits for: carried ahead of the feed, by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replication.document import Doc, DocId
from replication.errors import LinkError, NotAPeer, NotFound, StoreError, Unauthorized, Unavailable
from replication.peers import NO_SEQ, Outgoing, Peer, ReadAnswer
from replication.peers.pending import Pending
from replication.replicator.ledger import Item, Ledger, Parcel, Want
from replication.replicator.sender import Sender
from replication.replicator.wire import Pace, Wire
from replication.store import GetRequest

Wanted = Callable[[], Sequence[DocId]]
# A photograph is some fifty chunks; what is wanted beyond that is asked for when these are through.
MAX_WANTED = 500
MAX_FETCH_DOCS = 8


@dataclass(slots=True, eq=False)
class _Fetched:
    pending: Pending[ReadAnswer]
    items: list[Item]


class Express:
    """Asks `wanted` which ids to carry first, fetches them from the source and hands them to the sender.

    An id is tried once; one the source does not have is tried again after `wake`. Whatever goes wrong with a document
    here is left to the feed, which names it. `ledger` knows what went, so the feed does not send it again.
    """

    def __init__(
        self, wanted: Wanted | None, source: Peer, wire: Wire | None, sender: Sender, ledger: Ledger, pace: Pace
    ) -> None:
        self._wanted = wanted
        self._source = source
        self._wire = wire
        self._sender = sender
        self._ledger = ledger
        self._pace = pace
        self._queue: OrderedDict[DocId, Item] = OrderedDict()
        self._fetched: _Fetched | None = None
        self._tried: set[DocId] = set()
        self._unknown: set[DocId] = set()
        self._fetch_limit = MAX_FETCH_DOCS
        self._dry = False  # asked, and there was nothing new

    @property
    def is_empty(self) -> bool:
        """Is nothing of what was named still to be fetched?"""
        return not self._queue and self._fetched is None

    def wake(self) -> None:
        """Something may have changed: ask again, also for what the source did not have."""
        self._dry = False
        self._tried -= self._unknown
        self._unknown.clear()

    def cover(self, items: Sequence[Item]) -> list[Item]:
        """Return those rows of the feed that are the reader's; the others are on their way by name."""
        return [item for item in items if not self._covers(item)]

    def _covers(self, item: Item) -> bool:
        if item.id in self._queue:
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
        if self._wanted is None or self._fetched is not None or self._sender.ahead:
            return False
        if not self._queue and not self._ask(self._wanted, claim):
            return False
        if self._wire is not None and not self._wire.may_read(now):
            return False
        count = min(self._fetch_limit, len(self._queue))
        items = [self._queue.popitem(last=False)[1] for _ in range(count)]
        self._fetched = _Fetched(self._source.bulk_get([GetRequest(item.id, None) for item in items]), items)
        if self._wire is not None:
            self._wire.reads += 1
        return True

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
        """Take the answer if it has come. Tell whether it has. `give_back` takes rows that are the feed's after all."""
        if self._fetched is None or not self._fetched.pending.done:
            return False
        fetched, self._fetched = self._fetched, None
        if self._wire is not None:
            self._wire.reads -= 1
        try:
            answer = fetched.pending.result()
        except (LinkError, Unavailable, Unauthorized, NotFound) as exc:
            self._put_back(fetched.items)
            if not isinstance(exc, LinkError) or isinstance(exc, NotAPeer):
                self._pace.fault(exc, now)
        except StoreError:
            self._narrow(fetched.items, give_back)
        else:
            self._fetch_limit = MAX_FETCH_DOCS
            came = len(answer.rows)
            for item, docs in zip(fetched.items[:came], answer.rows, strict=True):
                self._take(item, [doc for doc in docs if isinstance(doc, Doc)], give_back)
            self._put_back(fetched.items[came:])
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
        self._sender.offer_ahead(parcels)
        if item.ask or not docs:
            self._leave(item, give_back)
