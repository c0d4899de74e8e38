"""How many bytes to send at a time over a link that keeps breaking.

A batch of B bytes costs h bytes of headers, and a cut loses half a batch on average. With rate R (bytes/s that were
acknowledged) and T seconds between cuts, the share lost is h/B + B/(2·T·R), least at

    B* = sqrt(2·h·T·R)          10 KB at 32 kbit/s, 15 KB at 64 kbit/s, 29 KB at 256 kbit/s for T = 30 s

Bytes are compressed bytes. Around that, AIMD as in TCP: half after a failed batch, a tenth more after a good one.
"""

from __future__ import annotations

import math

HEADER_BYTES = 450  # request line, headers, the end of a gzip stream, the dictionary it has to learn again
MIN_BATCH_BYTES = 1536
MAX_BATCH_BYTES = 256 * 1024
INITIAL_RATE = 4000.0  # bytes/s, 32 kbit/s: starting small costs one round trip, starting big may cost a cut
INITIAL_UP_TIME_S = 30.0
LATEST_WEIGHT = 0.3
MIN_FACTOR = 1 / 16


def build_batch_bytes(rate: float, between_cuts_s: float) -> float:
    """Return B* clamped to [1.5 KB, 256 KB] and to a quarter of what a time between two cuts can carry."""
    best = math.sqrt(2 * HEADER_BYTES * between_cuts_s * rate)
    return max(MIN_BATCH_BYTES, min(best, MAX_BATCH_BYTES, between_cuts_s * rate / 4))


class Rate:
    """Acknowledged bytes a second, as the quotient of two moving averages: answers that come in twos do no harm."""

    def __init__(self) -> None:
        self._bytes = INITIAL_RATE
        self._seconds = 1.0
        self._last_end = 0.0
        self.measured = False

    @property
    def value(self) -> float:
        return self._bytes / self._seconds

    def observe(self, size: int, begun: float, ended: float) -> None:
        """Note that `size` bytes, begun to be sent at `begun`, were acknowledged at `ended` (monotonic seconds)."""
        seconds = max(1e-4, ended - max(begun, self._last_end))
        self._last_end = ended
        if not self.measured:
            self._bytes, self._seconds, self.measured = float(size), seconds, True
            return
        self._bytes += LATEST_WEIGHT * (size - self._bytes)
        self._seconds += LATEST_WEIGHT * (seconds - self._seconds)


class LinkMeter:
    """What is known of one link: its rate each way, the time between cuts, and how batches have fared."""

    def __init__(self, now: float) -> None:
        self.up = Rate()
        self.down = Rate()
        self._between_cuts_s = INITIAL_UP_TIME_S  # a guess, until the first cut
        self._was_cut = False
        self._up_since = now
        self._factor = 1.0

    def connected(self, now: float) -> None:
        """Note that the link stands (again)."""
        self._up_since = now

    def cut(self, now: float, *, lost_batch: bool) -> None:
        """Note that the link broke; `lost_batch`: with data under way."""
        up_s = max(1.0, now - self._up_since)
        self._between_cuts_s += (LATEST_WEIGHT if self._was_cut else 1.0) * (up_s - self._between_cuts_s)
        self._was_cut = True
        if lost_batch:
            self._factor = max(MIN_FACTOR, self._factor / 2)

    def acknowledged(self) -> None:
        """Note that a batch arrived whole."""
        self._factor = min(1.0, self._factor * 1.1)

    def between_cuts_s(self, now: float) -> float:
        """Return the expected time between cuts; a link that holds longer than that is believed to."""
        return max(self._between_cuts_s, now - self._up_since)

    def up_batch_bytes(self, now: float) -> float:
        """Return how many compressed bytes to send at once."""
        return max(MIN_BATCH_BYTES, self._factor * build_batch_bytes(self.up.value, self.between_cuts_s(now)))

    def down_batch_bytes(self, now: float) -> float:
        """Return how many bytes to ask for at once."""
        return max(MIN_BATCH_BYTES, self._factor * build_batch_bytes(self.down.value, self.between_cuts_s(now)))


class Ratio:
    """Moving average of a quotient such as compressed to plain bytes."""

    def __init__(self, initial: float) -> None:
        self.value = initial
        self.measured = False

    def observe(self, value: float) -> None:
        self.measured = True
        self.value += LATEST_WEIGHT * (value - self.value)
