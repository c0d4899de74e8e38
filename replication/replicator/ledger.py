"""The rows of a feed between being read and being settled, in feed order: what may be called acknowledged, and when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from replication.document import DocId, Rev, Seq, parse_rev
from replication.peers import NO_SEQ, Outgoing
from replication.store import ChangesPage


@dataclass(slots=True, eq=False)
class Item:
    """One row. `open`: its revisions not settled yet; `ask`: those to be looked for in a `_revs_diff` first.

    `doubtful`: the target may have it already, so ask even where new documents are sent unasked.
    """

    seq: Seq
    id: DocId
    leaves: tuple[Rev, ...]
    open: set[Rev] = field(default_factory=set)
    ask: list[Rev] = field(default_factory=list)
    doubtful: bool = False

    @property
    def is_new_and_single(self) -> bool:
        """One leaf of the first generation: for an immutable document all there will ever be."""
        return len(self.leaves) == 1 and parse_rev(self.leaves[0])[0] == 1


@dataclass(slots=True, eq=False)
class Want:
    """A revision to fetch. Attachments the target has with one of `atts_since` may come as stubs."""

    item: Item
    rev: Rev
    atts_since: tuple[Rev, ...] = ()


@dataclass(slots=True, eq=False)
class Parcel:
    """A revision fetched for `want`; `sends` counts how often it went out, `wire_bytes` is its part of a request whose
    answer was lost."""

    want: Want
    out: Outgoing
    sends: int = 0
    wire_bytes: int = 0


class Ledger:
    """Append pages, settle revisions in any order, and take the seq up to which everything is settled."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        # What goes ahead of the feed: None when it is settled, else the rows that have met it since.
        self._ahead: dict[tuple[DocId, Rev], list[Item] | None] = {}

    @property
    def is_empty(self) -> bool:
        return not self._items

    @property
    def open_docs(self) -> int:
        """How many documents are not settled yet."""
        return sum(1 for item in self._items if item.open)

    def add(self, page: ChangesPage, *, doubtful: bool) -> list[Item]:
        """Note the rows of a page and return them as items with everything open."""
        items = [
            Item(row.seq, row.id, row.leaves, set(row.leaves), list(row.leaves), doubtful=doubtful) for row in page.rows
        ]
        self._items.extend(items)
        for item in items if self._ahead else ():
            self._meet(item)
        # The end of the page: rows without a seq of their own are covered by it, and so is a page without rows.
        self._items.append(Item(page.last_seq, DocId(""), ()))
        return items

    def settle(self, item: Item, rev: Rev) -> None:
        """Note that nothing more is to be done for one revision, in whatever row it stands."""
        item.open.discard(rev)
        key = item.id, rev
        met = self._ahead.get(key)
        if met:
            for row in met:
                row.open.discard(rev)
            del self._ahead[key]
        elif met is not None:
            self._ahead[key] = None

    def go_ahead(self, doc_id: DocId, rev: Rev) -> None:
        """Note that a revision is carried before the feed names it: its row will have nothing to do."""
        self._ahead.setdefault((doc_id, rev), [])

    @property
    def anything_ahead(self) -> bool:
        """Was something carried that the feed has not named yet?"""
        return bool(self._ahead)

    def is_settled_ahead(self, doc_id: DocId, rev: Rev) -> bool:
        """Was the revision carried before, and is nothing more to be done for it?"""
        return self._ahead.get((doc_id, rev), ()) is None

    def forget_ahead(self) -> None:
        """The feed has been read to its end: what was carried and not named by now will not be."""
        self._ahead = {key: rows for key, rows in self._ahead.items() if rows is not None}

    def _meet(self, item: Item) -> None:
        """Take out of a row what went ahead of it."""
        for rev in item.leaves:
            if (item.id, rev) not in self._ahead:
                continue
            item.ask.remove(rev)
            rows = self._ahead[item.id, rev]
            if rows is None:
                item.open.discard(rev)
                del self._ahead[item.id, rev]
            else:
                rows.append(item)

    def advance(self) -> Seq | None:
        """Forget the settled rows at the front and return the last seq among them, None if it did not move."""
        reached = None
        while self._items and not self._items[0].open:
            seq = self._items.popleft().seq
            reached = seq if seq != NO_SEQ else reached
        return reached

    def items(self) -> Iterable[Item]:
        """Yield the rows not forgotten yet."""
        return iter(self._items)
