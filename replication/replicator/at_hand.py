"""Revisions that need not be fetched: sent before a cut and doubted since, or brought along by the feed."""

from __future__ import annotations

from collections.abc import Mapping

from replication.document import Doc, DocId, Rev
from replication.peers import Outgoing
from replication.replicator.ledger import Item, Parcel, Want

Key = tuple[DocId, Rev]


class AtHand:
    """Each is taken once: when it is known whether the target lacks it."""

    def __init__(self) -> None:
        self._doubted: dict[Key, Parcel] = {}
        self._brought: dict[Key, Doc] = {}

    def keep(self, parcel: Parcel) -> None:
        """Keep what was sent; whether it arrived will be asked."""
        self._doubted[parcel.want.item.id, parcel.want.rev] = parcel

    def bring(self, docs: Mapping[Key, Doc]) -> None:
        """Keep documents that came with rows of the feed."""
        self._brought.update(docs)

    def is_brought(self, item: Item) -> bool:
        """Did its only revision come along with the feed?"""
        return len(item.leaves) == 1 and (item.id, item.leaves[0]) in self._brought

    def is_doubted(self, item: Item, rev: Rev) -> bool:
        """Was it sent, and the answer lost?"""
        return (item.id, rev) in self._doubted

    def take_doubted(self, item: Item, rev: Rev) -> Parcel | None:
        """Return what was sent before, None if it was not."""
        return self._doubted.pop((item.id, rev), None)

    def take_brought(self, item: Item, rev: Rev) -> Parcel | None:
        """Return what the feed has brought, ready to be sent, None if it did not."""
        doc = self._brought.pop((item.id, rev), None)
        return Parcel(Want(item, rev), Outgoing(doc)) if doc is not None else None

    def drop(self, item: Item, rev: Rev) -> Parcel | None:
        """Forget a revision that is over there; return it if it was sent before."""
        self._brought.pop((item.id, rev), None)
        return self.take_doubted(item, rev)
