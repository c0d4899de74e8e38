"""`Errand`: one task in a thread of its own, done whenever something was told and whenever it is due.

A node has a dozen of them: the read model, receipts, pages of the log, revocation lists. All live alike:

    start ──► wait ──► do what was told, or what is due ──► wait ──► … ──► stop: told and joined
                └───────── failed: in the journal and counted; what failed comes again after a pause

A failure never ends the thread and is never passed over in silence: `status` says how often it failed, and why the last
time. What failed waits apart, so that it holds up nothing else that is told; its pause doubles from `again_s` up to
`LONGEST_PAUSE_S`, so that a full disk is not asked ten times a second.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_LOG = logging.getLogger(__name__)

AGAIN_S: Final = 2.0
LONGEST_PAUSE_S: Final = 600.0

# Takes what was told since, in order, each once; empty when it is due. Returns in how many seconds it is due again,
# None for what was agreed (`every_s`).
Task = Callable[[Sequence[str]], float | None]


class Unfinished(Exception):
    """Some of what a task was told could not be done: `left`. The cause is that of the first."""

    def __init__(self, left: Sequence[str]) -> None:
        super().__init__(f"{len(left)} could not be done, among them {left[0]}")
        self.left = tuple(left)


def for_each(told: Iterable[str], do: Callable[[str], object]) -> None:
    """Do each, whatever becomes of the others. Raises `Unfinished` with those that failed."""
    left: list[str] = []
    first: Exception | None = None
    for each in told:
        try:
            do(each)
        except Exception as exc:
            first = first or exc
            left.append(each)
    if left:
        raise Unfinished(left) from first


@dataclass(frozen=True, slots=True)
class ErrandStatus:
    """How an errand stands. `runs` have ended; `complaint` is why it failed the last time, "" if it did not, and
    `failures` counts them."""

    name: str
    alive: bool
    runs: int
    failures: int
    complaint: str


@dataclass(slots=True)
class _Row:
    """Failures in a row of one kind of run: those that were due, or those that were told."""

    count: int = 0
    complaint: str = ""

    def pause_s(self, again_s: float) -> float:
        return min(again_s * float(2 ** min(self.count - 1, 20)), max(LONGEST_PAUSE_S, again_s))


class Errand:
    """A task with its thread. `notice` may be called from any thread, also before `start`."""

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        every_s: float = math.inf,
        again_s: float = AGAIN_S,
        at_once: bool = True,
        expected: tuple[type[Exception], ...] = (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`every_s` after it was due it is due again; for the first time at the start, unless `at_once` is False.
        `expected` are failures that a sentence tells of; of any other the journal gets the trace. `tell` hears, in the
        thread, the complaint of every time it was due, "" when all went well."""
        self.name = name
        self._task = task
        self._every_s = every_s
        self._again_s = again_s
        self._at_once = at_once
        self._expected = expected
        self._tell = tell
        self._wake = threading.Condition()
        self._told: dict[str, None] = {}
        self._left: dict[str, None] = {}  # what failed, and comes again at `_left_at`
        self._left_at = self._due = math.inf
        self._when_due, self._when_told = _Row(), _Row()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._runs = self._failures = 0

    def start(self) -> None:
        """Begin, in a daemon thread."""
        self._ending = False
        self._due = time.monotonic() + (0.0 if self._at_once else self._every_s)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the task it is at; returns when it has ended."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def notice(self, *what: str) -> None:
        """Tell of something, which the task is handed soon; of something told twice before that, once."""
        with self._wake:
            self._told.update(dict.fromkeys(what))
            self._wake.notify_all()

    def hurry(self) -> None:
        """Let it be due now."""
        with self._wake:
            self._due = time.monotonic()
            self._wake.notify_all()

    @property
    def is_ending(self) -> bool:
        """Whether `stop` was called: a long task looks here between its parts."""
        return self._ending

    @property
    def complaint(self) -> str:
        """Why the task failed the last time, "" if it did not."""
        return self._when_due.complaint or self._when_told.complaint

    def status(self) -> ErrandStatus:
        """Return how it stands."""
        alive = self._thread is not None and self._thread.is_alive()
        return ErrandStatus(self.name, alive, self._runs, self._failures, self.complaint)

    # Inside

    def _run(self) -> None:
        try:
            while (told := self._wait()) is not None:
                self._do(told)
        except BaseException:  # no failure of a task comes here: this module has a defect, or the interpreter is ending
            _LOG.critical("%s has ended; restart the node", self.name, exc_info=True)
            raise

    def _wait(self) -> list[str] | None:
        """Return what was told, an empty list if it is due, None when it is to end."""
        with self._wake:
            while not self._ending:
                now = time.monotonic()
                if now >= self._due:
                    self._due = now + self._every_s
                    return []
                if now >= self._left_at:
                    self._told, self._left, self._left_at = self._left | self._told, {}, math.inf
                if self._told:
                    told, self._told = list(self._told), {}
                    return told
                self._wake.wait(min(self._due - now, self._left_at - now, threading.TIMEOUT_MAX))
            return None

    def _do(self, told: list[str]) -> None:
        self._attempt(told)
        self._runs += 1

    def _attempt(self, told: list[str]) -> None:
        try:
            due_in_s = self._task(told)
        except Exception as exc:
            if not self._ending:
                self._note_failure(told, exc)
            return
        if not told:
            self._when_due = _Row()
            self._tell("")
        elif not self._left:
            self._when_told = _Row()
        if due_in_s is not None:
            with self._wake:
                self._due = time.monotonic() + due_in_s

    def _note_failure(self, told: list[str], exc: Exception) -> None:
        left = exc.left if isinstance(exc, Unfinished) else told
        row = self._when_told if left else self._when_due
        cause = exc.__cause__ if isinstance(exc, Unfinished) and exc.__cause__ is not None else exc
        self._failures += 1
        row.count += 1
        pause_s = row.pause_s(self._again_s)
        if not isinstance(cause, self._expected):
            _LOG.error("%s failed; again in %.0f s", self.name, pause_s, exc_info=cause)
        elif str(cause) != row.complaint:
            _LOG.warning("%s waits, again in %.0f s: %s", self.name, pause_s, cause)
        row.complaint = str(cause) or type(cause).__name__
        at = time.monotonic() + pause_s
        with self._wake:
            if left:
                self._left.update(dict.fromkeys(left))
                self._left_at = at
            else:
                self._due = at
        if not left:
            self._tell(row.complaint)
