"""The node's clock, which never goes back.

A commune PC with an empty CMOS battery wakes up in 2009, and a virtual machine rolled back to a snapshot wakes up
last week. The newest instant this node has vouched for is kept in `node.db`; time read here is never earlier than it,
and while the system's clock is behind it the node signs no receipts (INTEGRITY, threat 14).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from server.nodedb import NodeDb

SCHEMA = "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), high_water TEXT NOT NULL);"

PERSIST_EVERY = timedelta(minutes=1)  # an fsync a minute; after a crash the mark is at most that old
TOLERATED = timedelta(minutes=5)  # NTP steps a clock back by seconds, people by hours


def system_now() -> datetime:
    """Return the system's time, in UTC."""
    return datetime.now(UTC)


class NodeClock:
    """Time for verifying and signing."""

    def __init__(self, db: NodeDb, now: Callable[[], datetime] = system_now) -> None:
        self._db = db
        self._now = now
        self._lock = threading.Lock()
        db.ensure(SCHEMA)
        row = db.row("SELECT high_water FROM clock")
        self._mark = datetime.fromisoformat(row["high_water"]) if row else datetime.min.replace(tzinfo=UTC)
        self._persisted = self._mark

    def now(self) -> datetime:
        """Return the time in UTC, whole seconds, never earlier than any time returned before, also by earlier runs
        (to `PERSIST_EVERY`)."""
        with self._lock:
            self._mark = max(self._mark, self._now().replace(microsecond=0))
            if self._mark - self._persisted >= PERSIST_EVERY:
                self._persist()
            return self._mark

    def is_behind(self) -> bool:
        """Say whether the system's clock stands more than `TOLERATED` before a time this node has vouched for."""
        with self._lock:
            return self._mark - self._now() > TOLERATED

    def accept_system(self) -> None:
        """Take the system's time as true though it is earlier: somebody looked, and the clock had run ahead."""
        with self._lock:
            self._mark = self._now().replace(microsecond=0)
            self._persist()

    def _persist(self) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO clock (one, high_water) VALUES (1, ?)"
                " ON CONFLICT DO UPDATE SET high_water = excluded.high_water",
                (self._mark.isoformat(),),
            )
        self._persisted = self._mark


def timestamp(at: datetime) -> str:
    """Return an instant as events write it: RFC 3339, UTC, whole seconds, "Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
