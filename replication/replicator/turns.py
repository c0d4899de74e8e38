"""Whose turn it is on a line that several share: by priority, with a floor for the last in line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

# 1 in 8: an eighth of the line is enough to see photos move, and costs events 14 %.
FLOOR_EVERY = 8


class Sharing(Protocol):
    """Something that shares a line; smaller priorities go first."""

    last_turn: int

    @property
    def priority(self) -> int: ...


S = TypeVar("S", bound=Sharing)


class Turns:
    """Who goes first, by what was sent before: a chunk as large as three batches stands for three turns, so that the
    floor is a share of the line whatever its rate."""

    def __init__(self) -> None:
        self._count = 0
        self._credit = 0.0  # of the last in line; at 1 it goes first

    def order(self, sharing: Sequence[S]) -> list[S]:
        """Return who may go, in order: those served longest ago first among equals; in each eighth batch the other way
        round."""
        sign = -1 if self._is_floor else 1
        return sorted(sharing, key=lambda each: (sign * each.priority, each.last_turn))

    def note(self, one: Sharing, sharing: Sequence[Sharing], batches: float) -> None:
        """Note that one of them had a turn worth so many batches."""
        self._count += 1
        one.last_turn = self._count
        batches = max(1.0, batches)
        if self._is_floor:
            self._credit -= min(batches, FLOOR_EVERY)
        elif one.priority < max(each.priority for each in sharing):
            self._credit = min(1.0, self._credit + batches / (FLOOR_EVERY - 1))

    @property
    def _is_floor(self) -> bool:
        return self._credit >= 1.0 - 1e-9  # seven sevenths
