"""What time it is at the office, for hours and daily limits: a clock that neither stands still nor gives a day twice.

A box without a battery wakes in 1970, and one that ran ahead is set back. `NodeClock` then stands at the newest time it
has vouched for, which is right for signatures and wrong for "from 20:00": hours would never come. So while the system's
clock is behind, time goes on from that mark by the monotonic clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol


class VouchedClock(Protocol):
    """The part of `NodeClock` used here."""

    def now(self) -> datetime: ...

    def is_behind(self) -> bool: ...


class OfficeClock:
    """Time in UTC that always goes forward at about a second a second. `monotonic` is in seconds."""

    def __init__(self, clock: VouchedClock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._anchor: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the best guess at the present time, in UTC."""
        with self._lock:
            vouched = self._clock.now()
            if not self._clock.is_behind():
                self._anchor = None
                return vouched
            if self._anchor is None:
                self._anchor = (vouched, self._monotonic())
            begun, since = self._anchor
            return max(vouched, begun + timedelta(seconds=self._monotonic() - since))
