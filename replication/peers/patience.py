"""How long a line may be silent while an answer is due, by the silences on it that ended well.

    limit = factor · max(least, 3 · round trip, 2 · longest silence that a byte has ended), at most `most_s`

A silence counts from the last byte that moved, either way: what the kernel and the path still hold, the way there and
back and the peer's work are all in it, whatever they are. The longest is forgotten slowly, a twentieth with each
answer. `factor` doubles each time a line is given up, and falls a tenth with each answer: a peer that only thinks for
long is waited for after a few tries. Until enough is measured `most_s` holds.
"""

from __future__ import annotations

from dataclasses import dataclass

# A peer short of memory lets us wait for two seconds before it asks us back, and a segment lost twice takes three
# (RFC 6298 §5).
LEAST_S = 5.0
ROUND_TRIPS = 3
SILENCES = 2
ANSWERS_TO_KNOW = 4
FORGET = 0.95
CALM = 0.9


@dataclass(slots=True)
class Patience:
    """Of one line, over its connections."""

    most_s: float
    least_s: float = LEAST_S
    _longest_s: float = 0.0
    _answers: int = 0
    _factor: float = 1.0

    def limit_s(self, rtt_s: float) -> float:
        """Return how long no byte may move; `rtt_s` is 0 as long as it is unknown."""
        if self._answers < ANSWERS_TO_KNOW:
            return self.most_s
        expected_s = max(self.least_s, ROUND_TRIPS * rtt_s, SILENCES * self._longest_s)
        return min(self.most_s, self._factor * expected_s)

    def heard(self, silence_s: float) -> None:
        """A byte ended a silence so long."""
        self._longest_s = max(silence_s, self._longest_s)

    def answered(self) -> None:
        """An answer is whole."""
        self._answers += 1
        self._longest_s *= FORGET
        self._factor = max(1.0, self._factor * CALM)

    def lost(self) -> None:
        """The line was given up."""
        self._factor = min(2 * self._factor, max(1.0, self.most_s / self.least_s))
