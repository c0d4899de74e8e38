"""What is known of an event beside the event itself: when it existed by, and when its signer's certificate ended.

An author's `at` is a claim. What others signed proves more: the home node's log, the parent's cosignature, an RFC 3161
token, a node's receipt that builds on the event. The earliest of them counts. All of it comes from documents that
replicate, so two nodes with the same documents judge alike.

All of these say that the event existed *by* then. From below it is bounded by `after`: a checkpoint that the author had
seen was there before the event was. So the time of an event lies between the two, whatever its author's clock says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from server.dossier.event import StoredEvent
from server.dossier.granting import is_issued_by_node
from server.dossier.order import Order, bits
from server.dossier.times import format_time, parse_time

# Clocks of tablets are minutes wrong, and a node's log takes an event when it arrives.
TOLERANCE: Final = timedelta(minutes=15)

# Doubts that do not touch whether the signature was made in time.
STALE = "crl_stale"


class Proofs(Protocol):
    """Evidence about events, by event id. Each method answers None or "" where nothing is known."""

    def proven_at(self, event: str) -> datetime | None:
        """Return the earliest time, aware, by which the event is proven to have existed."""
        ...

    def ends_at(self, event: str) -> datetime | None:
        """Return when its signer's certificate ended: revoked or expired, whichever came first."""
        ...

    def doubt_of(self, event: str) -> str:
        """Return why this node could not tell whether the signature was made in time: "revoked", "expired",
        "not_yet_valid", or "crl_stale" where its revocation list was out of date."""
        ...

    def seen_at(self, checkpoint: str) -> datetime | None:
        """Return the time of a log checkpoint that an event names in `after`: it was signed no earlier."""
        ...

    def is_logged(self, event: str) -> bool:
        """Say whether the log of the unit that owns the dossier is known to hold the event. That log takes events as
        they arrive, so once it has spoken a claim that lies long before its time is no honest clock's."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """`Proofs` from plain mappings. Without any: every time is the author's claim."""

    times: Mapping[str, datetime] = field(default_factory=dict)
    ends: Mapping[str, datetime] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    checkpoints: Mapping[str, datetime] = field(default_factory=dict)
    logged: Collection[str] = frozenset()

    def proven_at(self, event: str) -> datetime | None:
        return self.times.get(event)

    def ends_at(self, event: str) -> datetime | None:
        return self.ends.get(event)

    def doubt_of(self, event: str) -> str:
        return self.doubts.get(event, "")

    def seen_at(self, checkpoint: str) -> datetime | None:
        return self.checkpoints.get(checkpoint)

    def is_logged(self, event: str) -> bool:
        return event in self.logged


NOTHING: Final = Evidence()


@dataclass(frozen=True, slots=True)
class EventTime:
    """The times of one event, as events write them; "" where there is none.

    `shown` is what rights are judged by: the proven time, or while nothing proves one the claim, but not before
    `not_before`, the time of the checkpoint that the author had seen. `provisional` says that it may still become
    earlier, because the owner's log has not been seen to hold the event. `differs` says that the claim cannot be
    right, and never has to be taken back: it lies further than `TOLERANCE` after what is proven, before the checkpoint,
    or before the time at which the owner's log took the event.
    """

    claimed: str
    proven: str
    not_before: str
    shown: str
    provisional: bool
    differs: bool

    def value(self) -> dict[str, object]:
        """The JSON object of the times."""
        return {
            "claimed": self.claimed,
            "proven": self.proven,
            "not_before": self.not_before,
            "shown": self.shown,
            "provisional": self.provisional,
            "differs": self.differs,
        }


def event_times(order: Order, proofs: Proofs) -> tuple[EventTime, ...]:
    """Return the times of each event of an order.

    Whatever a node of the unit or above signed proves all that it builds on; a node's own events prove themselves.
    """
    proven: list[datetime | None] = [proofs.proven_at(stored.id) for stored in order.events]
    for i, stored in enumerate(order.events):
        if is_issued_by_node(stored.event):
            at = parse_time(stored.event.at)
            for j in bits(order.past[i] | 1 << i):
                proven[j] = earliest((proven[j], at))
    return tuple(_times(stored, at, proofs) for stored, at in zip(order.events, proven, strict=True))


def earliest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest of some times, None if there is none."""
    return min((at for at in times if at is not None), default=None)


def _times(stored: StoredEvent, proven: datetime | None, proofs: Proofs) -> EventTime:
    event = stored.event
    seen = proofs.seen_at(event.after) if event.after else None
    claimed = parse_time(event.at)
    is_settled = proofs.is_logged(stored.id) or (proven is not None and is_issued_by_node(event))
    too_early = seen is not None and seen - claimed > TOLERANCE
    too_late = proven is not None and claimed - proven > TOLERANCE
    dated_back = proven is not None and is_settled and proven - claimed > TOLERANCE
    return EventTime(
        claimed=event.at,
        proven=format_time(proven) if proven else "",
        not_before=format_time(seen) if seen else "",
        shown=format_time(proven or max(claimed, seen or claimed)),
        provisional=not is_settled,
        differs=too_early or too_late or dated_back,
    )
