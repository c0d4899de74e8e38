"""The node's clock, which never goes back.

A commune PC with an empty CMOS battery wakes up in 2009, and a virtual machine rolled back to a snapshot wakes up
last week. The newest instant this node has vouched for is kept in `node.db`; time read here is never earlier than it,
and while the system's clock is behind it the node signs no receipts (INTEGRITY, threat 14). A jump forward is told
(`server.clocks.jumps`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from server.clocks.jumps import ClockJumps, Uptime, system_uptime
from server.nodedb import NodeDb

SCHEMA = "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), high_water TEXT NOT NULL);"

PERSIST_EVERY = timedelta(minutes=1)  # an fsync a minute; after a crash the mark is at most that old
TOLERATED = timedelta(minutes=5)  # NTP steps a clock back by seconds, people by hours


def system_now() -> datetime:
    """Return the system's time, in UTC."""
    return datetime.now(UTC)


class NodeClock:
    """Time for verifying and signing."""

    def __init__(
        self,
        db: NodeDb,
        now: Callable[[], datetime] = system_now,
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        self._db = db
        self._now = now
        self._lock = threading.Lock()
        db.ensure(SCHEMA)
        row = db.row("SELECT high_water FROM clock")
        self._mark = datetime.fromisoformat(row["high_water"]) if row else datetime.min.replace(tzinfo=UTC)
        self._persisted = self._mark
        self.jumps = ClockJumps(db, uptime)

    def now(self) -> datetime:
        """Return the time in UTC, whole seconds, never earlier than any time returned before, also by earlier runs
        (to `PERSIST_EVERY`)."""
        with self._lock:
            system = self._now().replace(microsecond=0)
            found = system >= self._mark and self.jumps.look(system)
            self._mark = mark = max(self._mark, system)
            is_due = mark - self._persisted >= PERSIST_EVERY
            if is_due:
                self._persisted = mark
        # Written without the lock: a thread that holds the file's may be asking for the time.
        if is_due:
            self._persist(mark)
        if found:
            self.jumps.save()
        return mark

    def is_behind(self) -> bool:
        """Say whether the system's clock stands more than `TOLERATED` before a time this node has vouched for."""
        with self._lock:
            return self._mark - self._now() > TOLERATED

    def accept_system(self) -> None:
        """Take the system's time as true, though it is earlier or had jumped: somebody looked."""
        with self._lock:
            self._mark = self._persisted = mark = self._now().replace(microsecond=0)
        self._persist(mark)
        self.jumps.accept(mark)

    def _persist(self, mark: datetime) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO clock (one, high_water) VALUES (1, ?)"
                " ON CONFLICT DO UPDATE SET high_water = excluded.high_water",
                (mark.isoformat(),),
            )


def timestamp(at: datetime) -> str:
    """Return an instant as events write it: RFC 3339, UTC, whole seconds, "Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
