"""One endpoint as a run uses it: what is under way on it, and what has been learnt about its link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from replication.errors import ReplicationError, StoreError
from replication.peers import Busy, Endpoint
from replication.peers.pending import Pending, T
from replication.replicator.backoff import Backoff
from replication.replicator.batching import LinkMeter

MAX_IN_FLIGHT = 3


@dataclass(slots=True, eq=False)
class Wire:
    """Counts the data requests under way, over all pairs that share the endpoint."""

    endpoint: Endpoint
    meter: LinkMeter
    writes: int = 0
    reads: int = 0
    max_in_flight: int = MAX_IN_FLIGHT

    def may_write(self) -> bool:
        """Is there room for another batch? Only when the last one has left us: then priority means something."""
        return self.writes < self.max_in_flight and self.endpoint.unsent_bytes == 0

    def may_read(self) -> bool:
        """Is there room to ask for more?"""
        return self.reads < self.max_in_flight


@dataclass(slots=True, eq=False)
class Flight(Generic[T]):
    """A call under way, what it carries, and when it began (monotonic seconds)."""

    pending: Pending[T]
    begun: float


class Pace:
    """When a pair may go on, and why it may not. Its faults never hold up another pair."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.not_before = 0.0
        self.last_error: str | None = None
        self._backoff = Backoff(random)

    def fault(self, error: ReplicationError, now: float) -> None:
        """Wait as long as the peer asked for, or a little longer after each fault in a row."""
        wait_s = error.retry_after_s if isinstance(error, Busy) else self._backoff.next_s()
        self.not_before = max(self.not_before, now + wait_s)
        self.last_error = explain(error)

    def success(self) -> None:
        self._backoff.reset()
        self.last_error = None


def explain(error: ReplicationError) -> str:
    """Return the error in words for people: who said what."""
    if isinstance(error, StoreError):
        return f"the peer answered {error.status} {error.error}: {error.reason}"
    return str(error)
