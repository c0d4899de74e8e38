"""One endpoint as a run uses it: what is under way on it, and what has been learnt about its link."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from replication.errors import LinkCut, LinkError, NotAPeer, ReplicationError, StoreError
from replication.peers import Busy, Endpoint, Peer
from replication.replicator.backoff import Backoff
from replication.replicator.batching import LinkMeter

# Two keep a slow line busy: one travels while the other's answer does. More are needed where the line holds more
# than a batch, and each one more is uncertain after a cut.
MIN_IN_FLIGHT = 2
MAX_IN_FLIGHT = 8
# After a refusal a try may cost a whole batch, where one on a line that was cut costs 60 bytes.
FAULT_STEPS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class SetBack(LinkCut):
    """The server behind `endpoint` may have lost what it acknowledged: go on from what both sides remember."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(f"{endpoint.label} began anew or was set back; asking what it still has")
        self.endpoint = endpoint


@dataclass(slots=True, eq=False)
class Wire:
    """Counts the data requests under way, over all pairs that share the endpoint."""

    endpoint: Endpoint
    meter: LinkMeter
    writes: int = 0
    reads: int = 0
    _stretches: int = 0  # of feeds, with their documents; they are among the reads
    _stretch_until: float = 0.0  # when they will have come, at the measured rate

    def may_write(self, now: float) -> bool:
        """Is there room for another batch? Only when the last one has left us: then priority means something."""
        window = self._window(self.meter.up.value, self.meter.up_batch_bytes(now))
        return self.writes < window and self.endpoint.unsent_bytes == 0

    def may_read(self, now: float) -> bool:
        """Is there room to ask for more?"""
        return self.reads < self._window(self.meter.down.value, self.meter.down_batch_bytes(now))

    def expect_stretch(self, size: float, now: float) -> None:
        """Note that a stretch of a feed of about `size` bytes was asked for."""
        self.reads += 1
        self._stretches += 1
        self._stretch_until = max(now, self._stretch_until) + size / max(1.0, self.meter.down.value)

    def end_stretch(self) -> None:
        """Note that nothing more comes of a stretch."""
        self.reads -= 1
        self._stretches -= 1
        if not self._stretches:
            self._stretch_until = 0.0

    def stretch_left_s(self, now: float) -> float:
        """Return how long stretches of feeds will fill the line, by what is known of them; `inf` beyond that."""
        if not self._stretches:
            return 0.0
        return self._stretch_until - now if now < self._stretch_until else math.inf

    def read(self, wire_bytes: int, begun: float) -> None:
        """Note that an answer of so many bytes, asked for at `begun`, came whole."""
        self.meter.down.observe(wire_bytes, begun, time.monotonic())
        self.meter.acknowledged()

    def _window(self, rate: float, batch_bytes: float) -> int:
        held_by_line = rate * self.endpoint.rtt_s / batch_bytes
        return min(MAX_IN_FLIGHT, MIN_IN_FLIGHT + int(held_by_line))


class Pace:
    """When a pair may go on, and why it may not. Its faults never hold up another pair."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.not_before = 0.0
        self.last_error: str | None = None
        self._backoff = Backoff(random, FAULT_STEPS_S)
        self._blamed: Peer | None = None

    def fault(self, error: ReplicationError, now: float, peer: Peer | None = None) -> None:
        """Wait as long as the peer asked for, or a little longer after each fault in a row. None: it may be either."""
        wait_s = error.retry_after_s if isinstance(error, Busy) else self._backoff.next_s()
        self.not_before = max(self.not_before, now + wait_s)
        self.last_error = explain(error)
        self._blamed = peer

    def heed(self, error: LinkError, now: float, peer: Peer) -> None:
        """A cut is the run's business; JSON of the wrong shape comes over a sound line, and again if asked at once."""
        if isinstance(error, NotAPeer):
            self.fault(error, now, peer)

    def success(self, peer: Peer | None = None) -> None:
        """`peer` has done as it was asked, None: both have. That the source can be read mends no full target."""
        if peer is None or self._blamed is None or peer is self._blamed:
            self._backoff.reset()
            self.last_error = self._blamed = None


def explain(error: ReplicationError) -> str:
    """Return the error in words for people: who said what."""
    if isinstance(error, StoreError):
        return f"the peer answered {error.status} {error.error}: {error.reason}"
    return str(error)
