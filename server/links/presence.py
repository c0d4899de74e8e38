"""Which neighbours come by themselves: seen by the requests that their nodes make of our databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A quiet link asks for news every 50 s and patiently waits 20 s more for the answer (`replicator.watcher`); one that
# was cut tries again within half a minute.
PRESENT_S = 100.0


class Presence:
    """By unit, when its node last asked for a database here. Safe from several threads; `clock` is a steady one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def note(self, unit: str) -> None:
        """Hear that a node, which proved who it is, asked for a database."""
        with self._lock:
            self._seen[unit] = self._clock()

    def is_at_work(self, unit: str) -> bool:
        """Say whether a unit's node runs a link of its own to us, by what it asked in the last `PRESENT_S`."""
        with self._lock:
            seen = self._seen.get(unit)
        return seen is not None and self._clock() - seen < PRESENT_S
