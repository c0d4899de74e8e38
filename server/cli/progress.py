"""How a replication stands, on a terminal as one line that is redrawn, elsewhere as a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from replication.replicator import JobState, Progress
from server.links.troubles import explain_trouble

PLAIN_EVERY_S = 3.0
_BAR_CELLS = 24
_KIB = 1024


class ProgressLine:
    """Shows the progress of one link. `clock` is monotonic seconds."""

    def __init__(
        self, name: str, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic, width: int = 100
    ) -> None:
        self._name = name
        self._out = out or sys.stderr
        self._clock = clock
        self._width = width
        self._live = self._out.isatty()
        self._told_at = -PLAIN_EVERY_S
        self._told = ""

    def __call__(self, progress: Sequence[Progress]) -> None:
        """Show where `progress` stands; a plain line only if it says something else than the last one."""
        self.say(progress_text(progress), build_bar(progress))

    def say(self, text: str, bar: str = "") -> None:
        """Show a line of text."""
        if self._live:
            self._out.write(f"\r\x1b[K{f'{self._name}: {bar} {text}'[: self._width]}")
            self._out.flush()
            return
        if text != self._told and self._clock() - self._told_at >= PLAIN_EVERY_S:
            self._told, self._told_at = text, self._clock()
            print(f"{self._name}: {text}", file=self._out, flush=True)

    def end(self) -> None:
        """Leave the terminal's line."""
        if self._live:
            self._out.write("\r\x1b[K")
            self._out.flush()


def progress_text(progress: Sequence[Progress]) -> str:
    """Return one line: what is to go, how fast, how long, and what is wrong."""
    queued = sum(each.queued_docs for each in progress)
    parts = [f"{queued} documents to go" if queued else "everything is over there"]
    sizes = [each.queued_bytes for each in progress if each.queued_docs]
    if sizes and None not in sizes:
        parts.append(size_text(sum(size or 0 for size in sizes)))
    rate = max((each.rate_bps for each in progress), default=0)
    if rate:
        parts.append(f"{rate / 1000:.0f} kbit/s")
    etas = [each.eta_s for each in progress if each.queued_docs]
    if etas and None not in etas:
        parts.append(f"{duration_text(sum(eta or 0.0 for eta in etas))} left")
    if any(each.state is JobState.HELD for each in progress):
        parts.append("some of it waits for its hours or limit")
    error = next((each.last_error for each in progress if each.last_error), None)
    if error:
        parts.append(explain_line(error))
    return ", ".join(parts)


def explain_line(error: str) -> str:
    """Return an error of a link in plain words, with its own behind."""
    return f"{explain_trouble(error).said.en.rstrip('.')} ({error})"


def build_bar(progress: Sequence[Progress]) -> str:
    """Return a bar of how much of what is known is over there."""
    done = sum(each.docs_written for each in progress)
    total = done + sum(each.queued_docs for each in progress)
    cells = _BAR_CELLS if not total else int(_BAR_CELLS * done / total)
    share = 100 if not total else int(100 * done / total)
    return f"[{'#' * cells}{'-' * (_BAR_CELLS - cells)}] {share:3d} %"


def size_text(size: int) -> str:
    """Return a size: "12 KB", "1.4 MB"."""
    return f"{max(1, round(size / _KIB))} KB" if size < _KIB**2 else f"{size / _KIB**2:.1f} MB"


def duration_text(seconds: float) -> str:
    """Return a duration: "40 s", "3 min", "2 h 05 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
