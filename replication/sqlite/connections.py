"""One writer and as many readers as there are callers at once, over one database file.

Writes wait in a queue. Whoever gets the writer's lock first carries out all that is waiting, in one transaction with
a savepoint each, so that many threads' small batches share one fsync. A call returns after that commit, never before.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from replication.errors import StoreError
from replication.sqlite.roster import Roster
from replication.sqlite.schema import connect
from replication.sqliteerrors import translated

T = TypeVar("T")
GROUP = 64  # bounds how long the first caller of a group waits for the last
IDLE_READERS = 4  # kept open of one database; the others close with the crowd that needed them


@dataclass
class _Job(Generic[T]):
    run: Callable[[sqlite3.Connection], T]
    result: T | None = None
    error: BaseException | None = None
    done: bool = False


@dataclass(eq=False)  # told apart by being another, as the roster must
class Connections:
    """The connections to one database file. `gone` says why there are none any more."""

    path: Path
    after_commit: Callable[[sqlite3.Connection], None] = lambda conn: None
    roster: Roster = field(default_factory=Roster)
    gone: StoreError | None = None
    _readers: list[sqlite3.Connection] = field(default_factory=list)
    _lent: int = 0
    _returned: threading.Condition = field(default_factory=threading.Condition)
    _writer: sqlite3.Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: deque[_Job[Any]] = field(default_factory=deque)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside one read transaction: all its statements see the same instant."""
        with translated(self.path):
            conn = self._take_reader()
            try:
                conn = conn or self._connect(writer=False)
                conn.execute("BEGIN")
                yield conn
            finally:
                self._return_reader(conn)

    def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `run` returned inside a write transaction, once that is durable.

        Raises what `run` raised (nothing of it is kept then), `StorageFull` when the disk is, and `Unavailable`
        when another process holds the file too long.
        """
        job = _Job(run)
        self._waiting.append(job)
        with self._lock:
            while not job.done:
                self._carry_out()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # set by _carry_out; T may be None

    def exclusively(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `run` returned on the writer outside any transaction, with all other writers kept out."""
        with self._lock, translated(self.path):
            return run(self._open_writer())

    def rest(self) -> None:
        """Close what nobody uses at the moment. The next call opens what it needs."""
        if self._lock.acquire(blocking=False):
            try:
                self._close_writer()
            finally:
                self._lock.release()
        with self._returned:
            self._close_readers(0)

    def close(self, reason: StoreError) -> None:
        """Close everything, once the calls under way have finished; later ones raise `reason`.

        After that this process has the file open nowhere. That matters to a deletion: a connection that is just being
        opened would otherwise join the old file with the WAL of a new one of the same name.
        """
        self.roster.forget(self)
        with self._lock:
            self.gone = reason
            self._close_writer()
        with self._returned:
            self._returned.wait_for(lambda: not self._lent)
            self._close_readers(0)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _close_readers(self, kept: int) -> None:
        while len(self._readers) > kept:
            self._readers.pop().close()

    def _take_reader(self) -> sqlite3.Connection | None:
        """Return an idle connection, None where the caller has to open one; either way it is to be returned."""
        with self._returned:
            self._check_open()
            self._lent += 1
            return self._readers.pop() if self._readers else None

    def _return_reader(self, conn: sqlite3.Connection | None) -> None:
        try:
            if conn is not None and conn.in_transaction:
                conn.execute("ROLLBACK")
        finally:
            with self._returned:
                self._lent -= 1
                if conn is not None:
                    self._readers.append(conn)
                self._close_readers(IDLE_READERS)
                self._returned.notify_all()

    def _check_open(self) -> None:
        if self.gone:
            raise type(self.gone)(self.gone.reason)

    def _open_writer(self) -> sqlite3.Connection:
        self._check_open()
        if self._writer is None:
            self._writer = self._connect(writer=True)
        return self._writer

    def _connect(self, *, writer: bool) -> sqlite3.Connection:
        for other in self.roster.note(self):
            other.rest()
        return connect(self.path, writer=writer)

    def _carry_out(self) -> None:
        """Run what is waiting in one transaction. The lock is held."""
        jobs = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP))]
        try:
            with translated(self.path):
                conn = self._open_writer()
                try:
                    conn.execute("BEGIN IMMEDIATE")
                    for job in jobs:
                        _run_in_savepoint(conn, job)
                    conn.execute("COMMIT")
                finally:
                    if conn.in_transaction:
                        conn.execute("ROLLBACK")
                self.after_commit(conn)
        except BaseException as exc:
            for job in jobs:
                job.error = job.error or exc
            if not isinstance(exc, StoreError):
                raise
        finally:
            for job in jobs:
                job.done = True


def _run_in_savepoint(conn: sqlite3.Connection, job: _Job[Any]) -> None:
    conn.execute("SAVEPOINT job")
    try:
        job.result = job.run(conn)
    except sqlite3.Error:
        raise  # a full disk or a broken file concerns the whole group
    except Exception as exc:
        job.error = exc
        conn.execute("ROLLBACK TO job")
    conn.execute("RELEASE job")
