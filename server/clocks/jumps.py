"""Jumps of the clock forward: noticed by a second clock that nobody can set, told, and not refused.

Time since the machine was switched on runs on through sleep and cannot be set. Where the wall clock has gone on further
than it by more than `JUMP`, somebody set it, or something did. What is signed then carries the new time; whether that
is the right one only a person knows, or a neighbour. So it is said until an operator answers for it (decision 0191).

Nothing is seen across a restart of the machine: it may have been off all the while. Neighbours' clocks show that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from server.nodedb import NodeDb

JUMP: Final = timedelta(minutes=5)
COMPARED_OVER: Final = timedelta(hours=1)  # so that ten steps of four minutes are one of forty

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS clock_steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT, expected TEXT NOT NULL, found TEXT NOT NULL, accepted INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS clock_compared (
    one INTEGER PRIMARY KEY CHECK (one = 1), wall TEXT NOT NULL, boot TEXT NOT NULL, up_s REAL NOT NULL);
"""

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds since the machine was switched on, sleep included, and which time of being on that is.

    `boot` is "" where the system does not name it: then clocks are compared within one run of the program only.
    """

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Jump:
    """One jump: by the second clock it was `expected`, the wall clock said `found`."""

    expected: datetime
    found: datetime

    @property
    def minutes(self) -> int:
        """How far, in whole minutes."""
        return round((self.found - self.expected).total_seconds() / 60)


def system_uptime() -> Uptime:
    """Return this machine's."""
    boot = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; elsewhere the monotonic clock may stop in sleep
    return Uptime(boot, time.monotonic() if clock is None else time.clock_gettime(clock))


class ClockJumps:
    """The jumps of one node's clock. `look` comes under `NodeClock`'s lock and writes nothing; `save` does, without."""

    def __init__(self, db: NodeDb, uptime: Callable[[], Uptime]) -> None:
        self._db = db
        self._uptime = uptime
        self._found: list[Jump] = []  # not written yet
        db.ensure(SCHEMA)
        row = db.row("SELECT wall, boot, up_s FROM clock_compared WHERE boot <> ''")
        self._compared: tuple[datetime, Uptime] | None = (
            (datetime.fromisoformat(row["wall"]), Uptime(row["boot"], row["up_s"])) if row else None
        )

    def look(self, wall: datetime) -> bool:
        """Compare the clocks, `wall` being what the system's says. Returns whether there is anything to `save`."""
        up = self._uptime()
        if self._compared is not None and self._compared[1].boot == up.boot:
            then, since = self._compared
            expected = then + timedelta(seconds=up.seconds - since.seconds)
            if wall - expected > JUMP:
                self._found.append(Jump(expected, wall))
            elif wall - then <= COMPARED_OVER:
                return False
        self._compared = (wall, up)
        return True

    def save(self) -> None:
        """Write what was found; what cannot be written, the disk being full, is kept for the next time."""
        found = [self._found.pop(0) for _ in range(len(self._found))]
        try:
            self._write(found)
        except BaseException:
            self._found[:0] = found
            raise

    def _write(self, found: list[Jump]) -> None:
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT INTO clock_steps (expected, found, accepted) VALUES (?, ?, 0)",
                [(jump.expected.isoformat(), jump.found.isoformat()) for jump in found],
            )
            if self._compared is not None:
                wall, up = self._compared
                connection.execute(
                    "INSERT OR REPLACE INTO clock_compared VALUES (1, ?, ?, ?)", (wall.isoformat(), up.boot, up.seconds)
                )

    def unanswered(self) -> list[Jump]:
        """Return the jumps that no operator has answered for, oldest first."""
        rows = self._db.rows("SELECT expected, found FROM clock_steps WHERE accepted = 0 ORDER BY number")
        return [Jump(datetime.fromisoformat(r["expected"]), datetime.fromisoformat(r["found"])) for r in rows]

    def accept(self, wall: datetime) -> None:
        """Take an operator's word that the clock is right now: `wall`."""
        self._compared = (wall, self._uptime())
        self.save()
        with self._db.transaction() as connection:
            connection.execute("UPDATE clock_steps SET accepted = 1")
