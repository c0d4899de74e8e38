"""Bytes a link has carried since midnight, by class, kept over restarts and written sparingly.

A count is written to `node.db` when another 256 KiB have gone, when a minute has passed, and when the link ends: a
power cut may forget that much, and a card that wears out by writing is not written for each batch. What cannot be
written, the disk being full, is counted here until it can.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime

from replication.errors import StoreError
from server.links.allowance import Kind
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

WRITE_BYTES = 256 * 1024
WRITE_S = 60.0
KEPT_DAYS = 62

SCHEMA = """
CREATE TABLE IF NOT EXISTS link_spending (
    link TEXT NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (link, day, kind))
    WITHOUT ROWID;
"""


class Spending:
    """The counts of one link. `now` is the present time; its own zone decides which day it is."""

    def __init__(
        self, db: NodeDb, link: str, now: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        db.ensure(SCHEMA)
        self._db = db
        self._link = link
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._day: date | None = None
        self._written: dict[Kind, int] = {}
        self._fresh: dict[Kind, int] = {}
        self._written_at = monotonic()

    def add(self, kind: Kind, size: int) -> None:
        """Count bytes that went over the wire just now."""
        with self._lock:
            self._turn_day()
            self._fresh[kind] = self._fresh.get(kind, 0) + size
            if sum(self._fresh.values()) >= WRITE_BYTES or self._monotonic() - self._written_at >= WRITE_S:
                self._write()

    def today(self) -> dict[Kind, int]:
        """Return the bytes of each class since midnight."""
        with self._lock:
            self._turn_day()
            return {kind: self._written.get(kind, 0) + self._fresh.get(kind, 0) for kind in Kind}

    def flush(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            self._turn_day()
            self._write()

    def _turn_day(self) -> None:
        """Begin with what is kept of the present day, once a day."""
        day = self._now().date()
        if day == self._day:
            return
        if self._day is not None:
            self._write()
        self._written, self._day = read_day(self._db, self._link, day), day

    def _write(self) -> None:
        """Write what is fresh; what cannot be written stays so, and counts for the day on which it can."""
        self._written_at = self._monotonic()
        if self._day is None or not any(self._fresh.values()):
            return
        rows = [(self._link, self._day.isoformat(), kind.value, size) for kind, size in self._fresh.items() if size]
        try:
            with self._db.transaction() as connection:
                # Added, not replaced: `tram sync` may count beside a server that has ended a moment ago.
                connection.executemany(
                    "INSERT INTO link_spending VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
                    rows,
                )
                # By number, not by age: a clock that jumped ahead for a day must not cost the counts of the others.
                connection.execute(
                    "DELETE FROM link_spending WHERE link = ?1 AND day NOT IN"
                    " (SELECT DISTINCT day FROM link_spending WHERE link = ?1 ORDER BY day DESC LIMIT ?2)",
                    (self._link, KEPT_DAYS),
                )
        except StoreError as exc:
            _LOG.warning("the bytes of link %s cannot be written down yet: %s", self._link, exc)
            return
        for kind, size in self._fresh.items():
            self._written[kind] = self._written.get(kind, 0) + size
        self._fresh = {}


def read_day(db: NodeDb, link: str, day: date) -> dict[Kind, int]:
    """Return the bytes of each class that are written down for one day."""
    db.ensure(SCHEMA)
    rows = db.rows("SELECT kind, bytes FROM link_spending WHERE link = ? AND day = ?", (link, day.isoformat()))
    return {Kind(row["kind"]): row["bytes"] for row in rows}


def read_days(db: NodeDb, link: str, limit: int = 14) -> list[tuple[str, Mapping[Kind, int]]]:
    """Return (day, bytes by class) of the newest days, newest first."""
    db.ensure(SCHEMA)
    rows = db.rows("SELECT DISTINCT day FROM link_spending WHERE link = ? ORDER BY day DESC LIMIT ?", (link, limit))
    return [(row["day"], read_day(db, link, date.fromisoformat(row["day"]))) for row in rows]
