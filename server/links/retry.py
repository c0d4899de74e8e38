"""When to try a neighbour again that did not answer: at first soon, then at least every dozen seconds, never in step.

The line of a commune comes back at some moment of some week, and dossiers should move within half a minute of it: the
longest wait here and the longest a connection is waited for (`neighbour.CONNECT_S`) stay below 30 s together. A try is
a handful of packets, some 60 bytes each. A hundred communes behind one mast that came back spread over that wait.
"""

from __future__ import annotations

from collections.abc import Callable

WAITS_S = (1.0, 2.0, 5.0, 10.0)
LONGEST_S = 15.0
SPREAD = 0.5


class Retry:
    """The waits after one failure after another. `random` returns numbers in [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def next_s(self, *, asked_s: float = 0.0) -> float:
        """Return how long to wait now. `asked_s` is what the neighbour asked for; it is kept, and spread upwards."""
        wait_s = WAITS_S[min(self._failures, len(WAITS_S) - 1)]
        self._failures += 1
        spread = 1 + SPREAD * (2 * self._random() - 1)
        return max(min(LONGEST_S, wait_s * spread), asked_s * (1 + SPREAD * self._random()))

    def reset(self) -> None:
        """Begin again with the shortest wait: the neighbour has answered."""
        self._failures = 0
