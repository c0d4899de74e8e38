"""Memory for large bodies, shared by all requests: what one holds the others cannot, and who finds none is asked back.

A request takes as its body grows and gives everything back at its end. Where nothing is left it waits. If nothing moves
for `wait_s`, whoever came last gives way (503 with Retry-After), and its share lets the older ones go on: the oldest is
never asked to, so among requests that wait for each other one always gets through.
"""

from __future__ import annotations

import threading
import time

from replication.errors import Unavailable

KIB = 1024
# Up to here a body is not worth counting: a thousand workers hold 64 MiB of them at most.
FREE_BYTES = 64 * KIB
STRIDE = 1024 * KIB  # taken at a time, so that a body of sixteen megabytes asks sixteen times
LOOK_S = 0.05  # how often a request that waits looks whether it is its turn to give way
LONGEST_WAITS = 6  # times `wait_s`: clients do not wait for ever either, although others move on


class MemoryShort(Unavailable):
    """503: other requests hold what this one needs."""

    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("other requests hold the memory this one needs; send it again in a few seconds")


class Budget:
    """`total_bytes` for all requests together."""

    def __init__(self, total_bytes: int, wait_s: float = 2.0) -> None:
        self._total = total_bytes
        self._wait_s = wait_s
        self._free = total_bytes
        self._changed = threading.Condition()
        self._waiting: dict[int, int] = {}  # age → bytes wanted; a smaller age is older
        self._moved = time.monotonic()
        self._next = 0

    @property
    def held_bytes(self) -> int:
        """How much is held at the moment."""
        return self._total - self._free

    def open(self) -> Share:
        """Return a request's share, empty as yet."""
        with self._changed:
            self._next += 1
            return Share(self, self._next)

    def take(self, share: Share, size: int) -> None:
        """Give `size` bytes to a share. Raises `MemoryShort` after waiting."""
        # A request larger than everything there is gets everything there is, alone.
        with self._changed:
            size = min(size, self._total - share.held_bytes)
            if not self._may(share, size):
                self._wait(share, size)
            self._free -= size
            share.held_bytes += size

    def _may(self, share: Share, size: int) -> bool:
        return size <= self._free and (not self._waiting or share.age <= min(self._waiting))

    def _wait(self, share: Share, size: int) -> None:
        self._waiting[share.age] = size
        begun = time.monotonic()
        try:
            while not self._may(share, size):
                if self._must_yield(share, begun):
                    raise MemoryShort
                self._changed.wait(LOOK_S)
            self._moved = time.monotonic()
        finally:
            del self._waiting[share.age]
            self._changed.notify_all()

    def _must_yield(self, share: Share, begun: float) -> bool:
        now = time.monotonic()
        oldest_fits = self._waiting[min(self._waiting)] <= self._free  # it has only not woken up yet
        stuck = not oldest_fits and now - max(begun, self._moved) > self._wait_s
        return (stuck and share.age == max(self._waiting)) or now - begun > LONGEST_WAITS * self._wait_s

    def give(self, share: Share, size: int) -> None:
        """Take `size` bytes back from a share."""
        with self._changed:
            share.held_bytes -= size
            self._free += size
            self._changed.notify_all()


class Share:
    """What one request holds. Used by one thread at a time."""

    __slots__ = ("_budget", "_used", "age", "held_bytes")

    def __init__(self, budget: Budget, age: int) -> None:
        self._budget = budget
        self.age = age
        self.held_bytes = 0
        self._used = 0

    def grow(self, size: int) -> None:
        """Account for `size` more bytes. Raises `MemoryShort`."""
        self._used += size
        lacking = self._used - self.held_bytes
        if self._used > FREE_BYTES and lacking > 0:
            self._budget.take(self, -(-lacking // STRIDE) * STRIDE)

    def settle(self, size: int) -> None:
        """Account for `size` bytes instead of what was; more is taken, less is given back."""
        if size <= FREE_BYTES:
            size = 0
        if size < self.held_bytes:
            self._budget.give(self, self.held_bytes - size)
        self._used = size
        if size > self.held_bytes:
            self._budget.take(self, size - self.held_bytes)

    def close(self) -> None:
        """Give everything back. Again is no fault."""
        self.settle(0)
