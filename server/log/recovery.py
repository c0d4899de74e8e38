"""A log that may have forgotten leaves: it waits, and goes on under its next name.

A home put back from a backup, or one whose `node.db` was lost, does not know what it said since: leaves, heads,
receipts. Were it to go on, it would show a second history under the same name, and that is what fraud looks like. So

    at the start      a restore that is noted (`server.backup.restored`), or a log key without a log: the log waits.
                      Events are taken and noted; no leaf, no head, no receipt
    the unit above    says which heads it knows, generation by generation; the log goes on under the first name that
                      nobody has used (docs/decisions/0190)
    an operator       `tram doctor --accept-restore`: goes on under the next name by that person's word, where the unit
                      above is out of reach for long, or there is none
    a copied home     has no note of its restore; that the unit above knows more leaves than are here ends this name
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from server.backup.restored import restored_since
from server.clocks.clock import timestamp
from server.errors import Refused
from server.log.log import NodeLog
from server.log.offers import Answer
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

Cause = Literal["restored", "lost"]
MOST_GENERATIONS: Final = 1000

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_recovery (
    one INTEGER PRIMARY KEY CHECK (one = 1), settled INTEGER NOT NULL, cause TEXT NOT NULL, since TEXT NOT NULL,
    made_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_accepted (generation INTEGER PRIMARY KEY, at TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why the log waits, and since when. `made_at` is the time of the backup that was put back, None where it is not
    known."""

    cause: Cause
    since: datetime
    made_at: datetime | None


class Recovery:
    """What becomes of one node's log after a loss. Safe from several threads."""

    def __init__(self, db: NodeDb, log: NodeLog, *, had_key: bool) -> None:
        """`had_key`: the log's key was in the home before this start, so there may have been a log."""
        self._db = db
        self._log = log
        self._had_key = had_key
        db.ensure(SCHEMA)
        with db.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO log_recovery VALUES (1, 0, '', '', '')")

    # At the start

    def look(self, now: datetime) -> None:
        """Let the log wait if it may have lost leaves. Call it before the log is opened."""
        restores = restored_since(self._db, self._row()[0])
        if restores:
            with self._db.transaction() as connection:
                connection.execute("UPDATE log_recovery SET settled = ?", (restores[-1].number,))
                self._wait("restored", restores[-1].at, timestamp(restores[-1].made_at))
        elif self._had_key and not self._log.is_begun() and self._log.holds_events():
            self._wait("lost", now, "")

    def _wait(self, cause: Cause, since: datetime, made_at: str) -> None:
        _LOG.error("the log waits (%s): it may have said more than it remembers", cause)
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE log_recovery SET cause = ?, since = ?, made_at = ?", (cause, timestamp(since), made_at)
            )
            if self._log.is_begun():
                self._log.set_state("waiting")
            else:
                self._log.begin("waiting")

    # Asking

    def waiting(self) -> Waiting | None:
        """Return why the log waits, None if it does not."""
        _, cause, since, made_at = self._row()
        if not cause:
            return None
        made = datetime.fromisoformat(made_at) if made_at else None
        return Waiting("restored" if cause == "restored" else "lost", datetime.fromisoformat(since), made)

    def is_accepted(self, generation: int) -> bool:
        """Say whether a generation was begun by an operator's word."""
        return self._db.row("SELECT 1 FROM log_accepted WHERE generation = ?", (generation,)) is not None

    # Going on

    def hear(self, ask: Callable[[int], Answer], now: datetime) -> None:
        """Go on by what the unit above knows. `ask` returns the head of a generation that it cosigned last.

        After a noted restore the log always goes on under another name, also where the unit above knows no more than
        is here: receipts may have been given out after the last head it saw. Raises what asking raises, `CryptoError`
        and `Refused("contradiction")` for heads that are not this log's.
        """
        waited = self.waiting()
        may_stay = waited is None or waited.cause == "lost"  # where nobody knows more than is here
        for _ in range(MOST_GENERATIONS):
            head = self._log.head()
            answer = ask(head.generation)
            if answer.size > head.size:
                self._log.check_loss(answer.known)
            elif may_stay:
                break
            self._log.begin_next("waiting")
            may_stay = True
        else:
            raise Refused("contradiction", f"the unit above claims to know {MOST_GENERATIONS} generations of this log")
        self._go_on(waited, now)

    def accept(self, now: datetime) -> int:
        """Go on under the next name because an operator says so. Returns its generation.

        Raises `Refused("not_waiting")` for a log that does not wait.
        """
        waited = self.waiting()
        if waited is None:
            raise Refused("not_waiting", "the log does not wait for anything; nothing was changed")
        with self._db.transaction() as connection:
            generation = self._log.begin_next("waiting")
            connection.execute("INSERT OR REPLACE INTO log_accepted VALUES (?, ?)", (generation, timestamp(now)))
        self._go_on(waited, now)
        return generation

    # Inside

    def _go_on(self, waited: Waiting | None, now: datetime) -> None:
        """Open the log: a lost one for all that is stored, since nothing of it has a leaf."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE log_recovery SET cause = '', since = '', made_at = ''")
            if self._log.head().state == "waiting":
                self._log.set_state("adopting" if waited is not None and waited.cause == "lost" else "open")
        self._log.open(now)

    def _row(self) -> tuple[int, str, str, str]:
        row = self._db.row("SELECT settled, cause, since, made_at FROM log_recovery")
        assert row is not None  # written when the tables were
        return row["settled"], row["cause"], row["since"], row["made_at"]
