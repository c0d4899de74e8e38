"""The order of a stream's events: causes first, ties by hash.

    a ── b ── d          past(d) = {a, b, c}: everything its author had seen, directly or not
      └─ c ──┘           b and c are parallel: neither is in the other's past

`order` is the one topological order in which, whenever several events could come next, the one with the smallest id
does. One exception: a withdrawal lets everything parallel go first, so that it never depends on chance whether a
citizen's withdrawal or an official's decision made at the same time is told first. Sets of events are bits of one
integer, bit i for `order[i]`, so that a past costs a few machine words.

An event that names one not here yet is waiting, and so is all that builds on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from server.dossier.event import EventId, StoredEvent

_LATE = frozenset({"dossier.withdrawn"})


@dataclass(frozen=True, slots=True)
class Order:
    """A stream's events in order. `past[i]` is the set of what `events[i]` builds on, without itself.

    `parents[i]` are the direct ones that are here, as indexes. `waiting` is the set of events that lack a cause;
    `missing` are the ids nobody here has. `heads` are the ids nothing complete builds on: what a new event names.
    """

    events: tuple[StoredEvent, ...]
    index: dict[str, int]
    past: tuple[int, ...]
    parents: tuple[tuple[int, ...], ...]
    waiting: int
    missing: tuple[EventId, ...]
    heads: tuple[EventId, ...]

    def is_parallel(self, one: int, other: int) -> bool:
        """Say whether neither event is in the past of the other."""
        return one != other and not (self.past[one] >> other & 1 or self.past[other] >> one & 1)


def arrange(events: Iterable[StoredEvent]) -> Order:
    """Return the events in order. Copies of one event count once; the order they come in does not matter."""
    by_id = {stored.id: stored for stored in events}
    ordered = tuple(_topological(by_id))
    index: dict[str, int] = {stored.id: i for i, stored in enumerate(ordered)}
    past: list[int] = []
    parents: list[tuple[int, ...]] = []
    waiting = 0
    missing: set[EventId] = set()
    for i, stored in enumerate(ordered):
        causes = 0
        for name in stored.event.prev:
            cause = index.get(name)
            if cause is None:
                missing.add(name)
                waiting |= 1 << i
            else:
                causes |= past[cause] | 1 << cause
                waiting |= (waiting >> cause & 1) << i
        past.append(causes)
        parents.append(tuple(index[name] for name in stored.event.prev if name in index))
    return Order(
        ordered, index, tuple(past), tuple(parents), waiting, tuple(sorted(missing)), _heads(ordered, past, waiting)
    )


def bits(members: int) -> Iterator[int]:
    """Yield the indexes in a set, lowest first."""
    while members:
        lowest = members & -members
        yield lowest.bit_length() - 1
        members ^= lowest


def _heads(ordered: tuple[StoredEvent, ...], past: list[int], waiting: int) -> tuple[EventId, ...]:
    covered = 0
    for i, causes in enumerate(past):
        if not waiting >> i & 1:
            covered |= causes
    return tuple(sorted(s.id for i, s in enumerate(ordered) if not (covered | waiting) >> i & 1))


def _topological(by_id: dict[EventId, StoredEvent]) -> Iterator[StoredEvent]:
    """Kahn's algorithm with a heap. Hashes cannot form a circle, so every event comes out."""
    causes_left = {name: sum(p in by_id for p in stored.event.prev) for name, stored in by_id.items()}
    effects: dict[str, list[EventId]] = {}
    for name, stored in by_id.items():
        for cause in stored.event.prev:
            effects.setdefault(cause, []).append(name)
    ready = [_key(by_id[name]) for name, count in causes_left.items() if count == 0]
    heapify(ready)
    while ready:
        name = heappop(ready)[1]
        yield by_id[name]
        for effect in effects.get(name, ()):
            causes_left[effect] -= 1
            if causes_left[effect] == 0:
                heappush(ready, _key(by_id[effect]))


def _key(stored: StoredEvent) -> tuple[bool, EventId]:
    return stored.event.type in _LATE, stored.id
