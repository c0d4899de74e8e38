"""Events on their way into the log: noted before the documents are stored, gone when their leaves are written.

What a crash left between the two is found here. See `server.log.log` for the steps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from replication.document import DocId
from replication.store import AllDocsQuery, Store
from server.dossier import units
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX
from server.intake.places import REGISTRY
from server.nodedb import NodeDb

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_intents (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, received INTEGER NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
"""
AT_ONCE: Final = 2000
_NOT_EVENTS: Final = (CERTIFICATE_PREFIX, CRL_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX, "_design/")

Intent = tuple[str, str, int]  # database, document id, when it was received (Unix seconds)


class Intents:
    """The intents of one node."""

    def __init__(self, db: NodeDb, store: Store) -> None:
        self._db = db
        self._store = store
        db.ensure(SCHEMA)

    def note(self, connection: sqlite3.Connection, intents: Iterable[Intent]) -> None:
        """Note intents in the caller's transaction; one that is noted keeps its time."""
        connection.executemany("INSERT OR IGNORE INTO log_intents VALUES (?, ?, ?)", intents)

    def drop(self, connection: sqlite3.Connection, database: str, doc_ids: Sequence[str]) -> None:
        """Forget intents in the caller's transaction."""
        sql = "DELETE FROM log_intents WHERE database = ? AND doc_id = ?"
        connection.executemany(sql, [(database, each) for each in doc_ids])

    def received(self, connection: sqlite3.Connection, database: str, doc_id: str) -> int | None:
        """Return when an event was received (Unix seconds), None if there is no intent."""
        sql = "SELECT received FROM log_intents WHERE database = ? AND doc_id = ?"
        row = connection.execute(sql, (database, doc_id)).fetchone()
        return int(row["received"]) if row is not None else None

    def count(self) -> int:
        """Return how many there are."""
        row = self._db.row("SELECT count(*) AS n FROM log_intents")
        return int(row["n"]) if row else 0

    def batches(self) -> Iterator[list[Intent]]:
        """Yield all intents by time, database and id, some at a time; they may be dropped meanwhile."""
        sql = "SELECT * FROM log_intents WHERE (received, database, doc_id) > (?, ?, ?) ORDER BY 3, 1, 2 LIMIT ?"
        place: tuple[int, str, str] = (-1, "", "")
        while rows := self._db.rows(sql, (*place, AT_ONCE)):
            place = (rows[-1]["received"], rows[-1]["database"], rows[-1]["doc_id"])
            yield [(row["database"], row["doc_id"], row["received"]) for row in rows]

    def note_everything(self, now: datetime) -> None:
        """Note every stored event, with the time of its admission where that is known."""
        for name in self._event_databases():
            for ids in self._event_ids(name):
                intents = [(name, each, self._admitted(name, each, now)) for each in ids]
                with self._db.transaction() as connection:
                    self.note(connection, intents)

    def is_any_stored(self) -> bool:
        """Say whether the store holds any event."""
        return any(ids for name in self._event_databases() for ids in self._event_ids(name))

    def held(self, batch: Sequence[Intent]) -> set[tuple[str, str]]:
        """Return (database, document id) of those whose documents are in the store."""
        by_database: dict[str, list[str]] = {}
        for database, doc_id, _ in batch:
            by_database.setdefault(database, []).append(doc_id)
        return {(name, each) for name, ids in by_database.items() for each in self._held(name, ids)}

    def _held(self, database: str, doc_ids: Sequence[str]) -> set[str]:
        rows = self._store.open(database).all_docs(AllDocsQuery(keys=tuple(doc_ids))).rows
        return {str(DocId(row.id)) for row in rows if row.rev is not None and not row.deleted}

    def _event_databases(self) -> list[str]:
        return [
            name
            for name in self._store.names()
            if name == REGISTRY or (name.startswith("u-") and units.unit_of_database(name))
        ]

    def _event_ids(self, name: str) -> Iterator[list[str]]:
        database, start = self._store.open(name), ""
        while True:
            page = database.all_docs(AllDocsQuery(start=start, limit=AT_ONCE)).rows
            yield [row.id for row in page if not row.id.startswith(_NOT_EVENTS)]
            if len(page) < AT_ONCE:
                return
            start = page[-1].id + "\0"

    def _admitted(self, database: str, doc_id: str, now: datetime) -> int:
        sql = "SELECT admitted FROM admissions WHERE database = ? AND doc_id = ?"
        row = self._db.row(sql, (database, doc_id))
        return int((datetime.fromisoformat(row["admitted"]) if row else now).timestamp())
