"""`node.db`: what a node must remember and never replicates, in one SQLite file.

Each concern owns its tables and hands its schema to `NodeDb.ensure`: enrolment, sessions, dossier codes, quarantine,
sync state, the clock's high-water mark, what became visible to whom. One connection serves all threads, one at a
time: every use is a few rows, and `synchronous=FULL` makes the commit the cost. Other processes (`tram user add`
beside a running server) use the same file through SQLite's own locks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from replication.sqliteerrors import translated

_BUSY_MS = 10_000  # another process holds the write lock for one commit, not for ten seconds


class NodeDb:
    """The file, open. All calls are safe from several threads; what a `transaction` did is fsynced when it ends.

    What cannot be written raises what the stores raise: `StorageFull`, `Unavailable` while another process holds the
    file for longer than anybody should, `StoreError`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with translated(path), ExitStack() as failing:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            failing.callback(self._connection.close)
            self._connection.row_factory = sqlite3.Row
            path.chmod(0o600)
            for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            failing.pop_all()

    def ensure(self, schema: str) -> None:
        """Create the tables of `schema` that are not there (every statement says IF NOT EXISTS)."""
        with self._lock, translated(self._path):
            self._connection.executescript(schema)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock for the block; commit at its end, roll back if it raises. Blocks may nest: the outermost
        commits."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            with translated(self._path), whole(self._connection):
                yield self._connection

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(sql, arguments).fetchall()

    def row(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query, None if there is none."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, arguments).fetchone()
            return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@contextmanager
def whole(connection: sqlite3.Connection) -> Iterator[None]:
    """Do the block in one transaction of `connection`, which commits at its end and rolls back if anything raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk, for one, makes SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise
