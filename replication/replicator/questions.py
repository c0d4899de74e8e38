"""Rows of the feed until it is known what of them is missing over there: asked with `_revs_diff`, or taken for granted.

A new document of one revision is almost surely missing at the target, so it is sent unasked, until a row is doubtful.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from replication.document import DocId, Rev
from replication.errors import BadRequest, LinkError, StoreError
from replication.peers import Peer
from replication.peers.pending import Pending
from replication.replicator.at_hand import AtHand
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.ledger import Item, Ledger, Parcel
from replication.replicator.wire import Pace
from replication.store import RevsDiff

MAX_ROWS_ASKED = 100  # ~44 bytes a row when compressed
MAX_UNDER_WAY = 2
# Above this share missing, asking about new documents costs more than sending them (CouchDB's own threshold).
MISSING_SHARE_TO_SKIP = 0.95
ROWS_BEFORE_SKIPPING = 100

# Told what of a row is missing, and which ancestors of it the target has.
Missing = Callable[[Item, list[Rev], tuple[Rev, ...]], None]


@dataclass(slots=True, eq=False)
class _Asked:
    pending: Pending[dict[DocId, RevsDiff]]
    items: list[tuple[Item, list[Rev]]]


class Questions:
    """`missing` is told of each row what is to be sent. `known_share` is how much of what was asked about lately was
    over there already."""

    def __init__(
        self, target: Peer, ledger: Ledger, pace: Pace, tally: Tally, at_hand: AtHand, missing: Missing
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._pace = pace
        self._tally = tally
        self._at_hand = at_hand
        self._missing = missing
        self._rows: deque[Item] = deque()
        self._asked: deque[_Asked] = deque()
        self._missing_share = Ratio(0.0)
        self._rows_asked = 0
        self.known_share = Ratio(0.0)

    @property
    def is_empty(self) -> bool:
        return not (self._rows or self._asked)

    @property
    def waiting(self) -> int:
        """How many rows are not asked about yet."""
        return len(self._rows)

    def add(self, items: Iterable[Item]) -> None:
        """Take rows behind those that are here."""
        self._rows.extend(items)

    def add_first(self, item: Item) -> None:
        """Take a row before all others."""
        self._rows.appendleft(item)

    def claim(self, doc_id: DocId) -> Item | None:
        """Give up a row that was not begun with; None where there is none. Whoever takes a doubtful one has to ask."""
        for item in self._rows:
            if item.id == doc_id and not any(self._at_hand.is_doubted(item, rev) for rev in item.ask):
                self._rows.remove(item)
                return item
        return None

    def doubt(self, parcels: Iterable[Parcel]) -> None:
        """Ask about parcels whose acknowledgement was lost; they are kept, and sent again only if missing."""
        for parcel in reversed(list(parcels)):
            item = parcel.want.item
            self._at_hand.keep(parcel)
            item.doubtful = True
            self._ask_later(item, [parcel.want.rev])

    def turn(self) -> bool:
        """Sort rows that need no question, or start one. Tell whether anything was done."""
        return self._sort() or self._ask()

    def _sort(self) -> bool:
        moved = False
        while self._rows and not self._must_ask(self._rows[0]):
            item = self._rows.popleft()
            revs, item.ask = item.ask, []
            self._missing(item, revs, ())
            moved = True
        return moved

    def _must_ask(self, item: Item) -> bool:
        if self._target.endpoint is None or not item.is_new_and_single:
            return True
        if not item.doubtful:
            return False
        certain = self._missing_share.value > MISSING_SHARE_TO_SKIP and self._rows_asked >= ROWS_BEFORE_SKIPPING
        return self._at_hand.is_doubted(item, item.leaves[0]) or not certain

    def _ask(self) -> bool:
        if not self._rows or len(self._asked) >= MAX_UNDER_WAY:
            return False
        items: list[tuple[Item, list[Rev]]] = []
        wanted: dict[DocId, list[Rev]] = {}
        while self._rows and len(items) < MAX_ROWS_ASKED and self._must_ask(self._rows[0]):
            if self._rows[0].id in wanted:
                break  # changed again since its first row: a question names each document once
            item = self._rows.popleft()
            items.append((item, item.ask))
            wanted[item.id] = item.ask
            item.ask = []
        self._asked.append(_Asked(self._target.revs_diff(wanted), items))
        return True

    def reap(self, now: float) -> bool:
        """Take the answers that have come. Tell whether there were any."""
        reaped = False
        while self._asked and self._asked[0].pending.done:
            self._take(self._asked.popleft(), now)
            reaped = True
        return reaped

    def _take(self, asked: _Asked, now: float) -> None:
        try:
            diff = asked.pending.result()
        except LinkError as exc:
            self._ask_again(asked)
            self._pace.heed(exc, now, self._target)
            return
        except BadRequest:
            # An id the target cannot even read: sending will single it out.
            diff = {item.id: RevsDiff(tuple(revs)) for item, revs in asked.items}
        except StoreError as exc:
            self._ask_again(asked)
            self._pace.fault(exc, now, self._target)
            return
        else:
            self._pace.success(self._target)
        for item, revs in asked.items:
            self._sort_out(item, revs, diff.get(item.id, RevsDiff(())))

    def _sort_out(self, item: Item, revs: list[Rev], diff: RevsDiff) -> None:
        missing = [rev for rev in revs if rev in set(diff.missing)]
        self._tally.checked += len(revs)
        self._tally.missing += len(missing)
        self._rows_asked += 1
        self._missing_share.observe(len(missing) / max(1, len(revs)))
        for rev in revs:
            self.known_share.observe(0.0 if rev in missing else 1.0)
            if rev not in missing:
                if (sent := self._at_hand.drop(item, rev)) is not None:
                    self._tally.arrived(sent.wire_bytes)
                self._ledger.settle(item, rev)
        self._missing(item, missing, diff.possible_ancestors)

    def _ask_again(self, asked: _Asked) -> None:
        for item, revs in reversed(asked.items):
            self._ask_later(item, revs)

    def _ask_later(self, item: Item, revs: list[Rev]) -> None:
        """Have revisions asked about before all others."""
        item.ask.extend(revs)
        if item not in self._rows:
            self._rows.appendleft(item)
