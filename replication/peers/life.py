"""Which life of a server answers. A new one may have forgotten what it acknowledged: it may be a backup brought up.

Our servers say it with their answers (`Tram-Life`). Several processes behind one address each have their own; that is
seen when lives that ended keep coming back, and from then on nothing is concluded.
"""

from __future__ import annotations

HEADER = "tram-life"
MAX_LENGTH = 64
# An answer of the old life may be read after the first of the new one: one connection is slower than another.
RETURNS_OF_MANY = 3
MAX_PAST = 100


class Life:
    """One for all connections to a server; several threads tell it what they hear, one asks."""

    def __init__(self) -> None:
        self._known: str | None = None
        self._seen: str | None = None
        self._past: set[str] = set()
        self._returns = 0

    @property
    def is_told(self) -> bool:
        """Does the server say which life it is in?"""
        return self._seen is not None

    @property
    def is_over(self) -> bool:
        """Has a life begun since the last `accept` that has told us nothing yet?"""
        return self._seen != self._known and self._returns < RETURNS_OF_MANY

    def hear(self, life: str | None) -> None:
        """Take note of the life an answer names, None where it names none."""
        if life is None or life == self._seen or len(life) > MAX_LENGTH:
            return
        if self._seen is None:
            self._known = life
        elif life in self._past:
            self._returns += 1
            return
        elif len(self._past) < MAX_PAST:
            self._past.add(self._seen)
        self._seen = life

    def accept(self) -> None:
        """What was known of the earlier life is let go."""
        self._known = self._seen
