"""How long to wait before trying again, ever longer, spread so that peers do not march in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Of a line: soon and often for ten seconds, then ever later. Most cuts of a weak link last seconds, and every second of
# waiting is capacity lost; a try costs 60 bytes.
STEPS_S = (0.2, *[0.25] * 40, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
SPREAD = 0.25


class Backoff:
    """`random` returns numbers in [0, 1); the last of `steps` (seconds) is the longest delay."""

    def __init__(self, random: Callable[[], float], steps: Sequence[float] = STEPS_S) -> None:
        self._random = random
        self._steps = steps
        self._step = 0

    def next_s(self) -> float:
        """Return the next delay, and step on."""
        delay = self._steps[min(self._step, len(self._steps) - 1)]
        self._step += 1
        return min(self._steps[-1], delay * (1 + SPREAD * (2 * self._random() - 1)))

    def reset(self) -> None:
        """Begin again with the shortest delay: the peer has answered."""
        self._step = 0
