"""How much of the machine a verification takes, and whom it tells how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[str, int, int], None]


def _silent(database: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Effort:
    """`processes` check a database of at least `from_documents`, smaller ones are done before a process has started.
    `on_progress(database, done, total)` is called after each thousand documents."""

    processes: int = 1
    from_documents: int = 20_000
    on_progress: OnProgress = _silent


def whole_machine(on_progress: OnProgress = _silent) -> Effort:
    """Return the effort that uses every core this process may run on."""
    return Effort(processes=len(os.sched_getaffinity(0)), on_progress=on_progress)
