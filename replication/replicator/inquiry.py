"""Documents that are to go ahead of the feed, of which it is asked first whether the target has them.

Needed where nobody remembers what was sent: after a move to another engine, a restore, or a bundle between two that
never met. What a cut left uncertain is not asked about here; see `Questions`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replication.document import DocId, Rev
from replication.errors import BadRequest, LinkError, StoreError
from replication.peers import Peer
from replication.peers.pending import Pending
from replication.replicator.figures import Tally
from replication.replicator.ledger import Ledger, Parcel
from replication.replicator.wire import Pace
from replication.store import RevsDiff

MAX_IN_HAND = 64  # 2 MB, were all of them the largest chunks (32 KiB)


@dataclass(frozen=True, slots=True)
class _Asked:
    pending: Pending[dict[DocId, RevsDiff]]
    parcels: list[Parcel]


class Inquiry:
    """What the target has is settled, what is missing is handed out by `reap`."""

    def __init__(self, target: Peer, ledger: Ledger, pace: Pace, tally: Tally) -> None:
        self._target = target
        self._ledger = ledger
        self._pace = pace
        self._tally = tally
        self._waiting: list[Parcel] = []
        self._asked: deque[_Asked] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._asked

    @property
    def is_full(self) -> bool:
        """Is as much in hand as memory is to hold?"""
        return len(self._waiting) + sum(len(each.parcels) for each in self._asked) >= MAX_IN_HAND

    def take(self, parcels: Iterable[Parcel]) -> None:
        """Have these asked about at the next turn."""
        self._waiting.extend(parcels)

    def turn(self) -> bool:
        """Ask about what waits. Tell whether a call was started."""
        if not self._waiting:
            return False
        parcels, self._waiting = self._waiting, []
        wanted: dict[DocId, list[Rev]] = {}
        for parcel in parcels:
            wanted.setdefault(parcel.out.doc.id, []).append(parcel.want.rev)
        self._asked.append(_Asked(self._target.revs_diff(wanted), parcels))
        return True

    def reap(self, now: float) -> list[Parcel] | None:
        """Return the documents that are missing over there; None while there is no answer. Where there will be none,
        by the peer's fault or the line's, they are asked about again."""
        if not self._asked or not self._asked[0].pending.done:
            return None
        asked = self._asked.popleft()
        try:
            diff = asked.pending.result()
        except LinkError as exc:
            self._pace.heed(exc, now, self._target)
        except BadRequest:
            return asked.parcels  # an id the target cannot even read: sending will single it out
        except StoreError as exc:
            self._pace.fault(exc, now, self._target)
        else:
            self._pace.success(self._target)
            return self._sort_out(asked.parcels, diff)
        self._waiting.extend(asked.parcels)
        return []

    def _sort_out(self, parcels: list[Parcel], diff: Mapping[DocId, RevsDiff]) -> list[Parcel]:
        missing = []
        for parcel in parcels:
            if parcel.want.rev in diff.get(parcel.out.doc.id, RevsDiff(())).missing:
                missing.append(parcel)
            else:
                self._ledger.settle(parcel.want.item, parcel.want.rev)
        self._tally.checked += len(parcels)
        self._tally.missing += len(missing)
        return missing
