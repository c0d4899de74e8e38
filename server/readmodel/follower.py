"""Follows the changes feeds of every database of the store and keeps the tables up with them.

Writes of this process wake it at once (`notice`); writes of another process on the same store, or of CouchDB's own,
are found by looking every `LOOK_EVERY_S`. One page is one transaction: its rows and the new place in the feed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from replication.document import Seq
from replication.errors import NotFound
from replication.store import ZERO, Database, Store
from server.dossier import units
from server.errands import Errand, for_each
from server.intake.places import REGISTRY
from server.readmodel.eventpages import EventPages
from server.readmodel.evidence import EvidenceReader, Reach
from server.readmodel.filepages import FilePages
from server.readmodel.forgetting import renew_birth
from server.readmodel.rows import count_files
from server.readmodel.tables import Tables

PAGE = 500  # rows of a feed in one transaction: half a megabyte of events, some 50 ms
LOOK_EVERY_S = 5.0


class Listener(Protocol):
    """Whoever wants to know which dossiers changed. Called after the commit, in the follower's thread."""

    def __call__(self, streams: set[str]) -> None: ...


class Follower:
    """`start` runs it in a thread; `catch_up` does the same work in the caller's."""

    def __init__(
        self, store: Store, tables: Tables, events: EventPages, files: FilePages, evidence: EvidenceReader
    ) -> None:
        self._store = store
        self._tables = tables
        self._events = events
        self._files = files
        self._evidence = evidence
        self._reach: dict[str, Reach] = {}  # by database, how far our log went at the last look for leaves
        self._listeners: list[Listener] = []
        self._turn = threading.Lock()
        self.errand = Errand("readmodel", self._look, every_s=LOOK_EVERY_S)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners.append(listener)

    def notice(self, database: str) -> None:
        """Say that a database was written to."""
        self.errand.notice(database)

    def catch_up(self, database: str | None = None) -> None:
        """Read to the end of one database's feed, or of all. Returns when the tables hold everything."""
        with self._turn:
            for name in [database] if database else self._names():
                self._follow(name)

    def start(self) -> None:
        """Follow in a thread of its own."""
        self.errand.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self.errand.stop()

    def _look(self, told: Sequence[str]) -> None:
        """Catch up with each, whatever becomes of the others: they must not wait for a database that cannot be read."""
        for_each(told or self._names(), self.catch_up)
        if not told:
            self._tell(set())  # another process may have read a page that our listeners never heard of

    def _names(self) -> list[str]:
        return [name for name in self._store.names() if name == REGISTRY or units.unit_of_database(name)]

    def _follow(self, name: str) -> None:
        try:
            database = self._store.open(name)
        except NotFound:
            return
        since = self._place(database)
        while not self.errand.is_ending:
            page = database.changes(since, limit=PAGE)
            if not page.rows:
                break
            ids = [row.id for row in page.rows if not row.id.startswith("_design/")]
            self._take(database, ids, page.last_seq)
            since = page.last_seq
            if not page.pending:
                break
        self._look_for_leaves(database)

    def _look_for_leaves(self, database: Database) -> None:
        """Fold again what was read between its being stored and its leaf in our log. Our log reaches further then."""
        reach = self._evidence.reach(database.name)
        if reach == self._reach.get(database.name, ()):
            return
        sql = "SELECT stream FROM dossiers WHERE database = ? AND unlogged > 0"
        streams = {str(row["stream"]) for row in self._tables.rows(sql, (database.name,))}
        if streams:
            with self._tables.writing() as connection:
                self._events.refold(connection, database, streams)
            self._tell(streams)
        self._reach[database.name] = reach

    def _take(self, database: Database, ids: Sequence[str], last_seq: Seq) -> None:
        read: Callable[..., set[str]] = self._files.read if database.name.startswith("f-") else self._events.read
        with self._tables.writing() as connection:
            streams = read(connection, database, ids)
            count_files(connection, streams)
            connection.execute("UPDATE followed SET seq = ? WHERE database = ?", (last_seq, database.name))
        self._tell(streams)

    def _tell(self, streams: set[str]) -> None:
        for listener in self._listeners:
            listener(streams)

    def _place(self, database: Database) -> Seq:
        """Return where to go on. A database made anew under the old name is read from the start, its rows dropped."""
        instance = database.info().instance_start_time
        row = self._tables.row("SELECT instance, seq FROM followed WHERE database = ?", (database.name,))
        if row is not None and row["instance"] == instance:
            return Seq(row["seq"])
        with self._tables.writing() as connection:
            if row is not None:
                _drop_lines(connection, database.name)
            connection.execute("INSERT OR REPLACE INTO followed VALUES (?, ?, ?)", (database.name, instance, ZERO))
        return ZERO


def _drop_lines(connection: sqlite3.Connection, database: str) -> None:
    for table in ("events", "edges", "dossiers", "manifests", "awaited", "certificates", "verdicts"):
        connection.execute(f"DELETE FROM {table} WHERE database = ?", (database,))  # noqa: S608 - ours
    connection.execute("DELETE FROM file_refs WHERE stream NOT IN (SELECT stream FROM dossiers)")
    connection.execute("UPDATE file_refs SET whole = 0 WHERE database = ?", (database,))
    connection.execute("DELETE FROM found WHERE rowid NOT IN (SELECT number FROM dossiers)")
    renew_birth(connection)  # the numbers of `updates` that went may be given again
