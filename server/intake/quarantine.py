"""What intake refused, kept with its evidence: the bytes as they came, who brought them, when, and why not.

A refusal is not the end of a document: a certificate that comes a day later may make it welcome (`waiting_for`), and a
person may have to see what was sent. Each source may fill at most `SOURCE_BYTES`; beyond that its oldest evidence
makes room, so that one hostile peer can fill neither the disk nor another's place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson

from replication.document import Doc
from replication.wire import parse_document, render_document
from server.nodedb import NodeDb

SOURCE_BYTES = 16 * 1024 * 1024  # about 16,000 events, or 400 chunks
LARGEST_KEPT = 64 * 1024  # of one document; the start of a larger one is evidence enough

SCHEMA = """
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL, database TEXT NOT NULL, doc_id TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
    waiting_for TEXT, evidence BLOB NOT NULL, whole INTEGER NOT NULL, arrived TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    UNIQUE (source, database, doc_id, code, evidence));
CREATE INDEX IF NOT EXISTS quarantine_source ON quarantine (source, id);
CREATE INDEX IF NOT EXISTS quarantine_waiting ON quarantine (database, waiting_for) WHERE waiting_for IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One refused document. `evidence` is JSON in CouchDB's form; `whole` says whether all of it was kept."""

    id: int
    source: str
    database: str
    doc_id: str
    code: str
    reason: str
    evidence: bytes
    whole: bool
    arrived: str
    times: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document and why it was refused. `waiting_for` is the key of what would make it good, None if nothing would."""

    doc: Doc
    code: str
    reason: str
    waiting_for: str | None = None


class Quarantine:
    """The quarantine of one node, in its `node.db`."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def hold(self, refused: Sequence[Refusal], *, database: str, source: str, at: datetime) -> None:
        """Keep what one source brought and was refused, in one durable step. The same document from the same source
        for the same reason counts up `times`."""
        if not refused:
            return
        arrived = at.astimezone(UTC).isoformat(timespec="seconds")
        with self._db.transaction() as connection:
            for each in refused:
                self._insert(connection, each, database, source, arrived)
            self._make_room(connection, source)

    def _insert(
        self, connection: sqlite3.Connection, refusal: Refusal, database: str, source: str, arrived: str
    ) -> None:
        evidence = _evidence(refusal.doc)
        whole = len(evidence) <= LARGEST_KEPT
        connection.execute(
            "INSERT INTO quarantine (source, database, doc_id, code, reason, waiting_for, evidence, whole, arrived)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET times = times + 1, reason = excluded.reason,"
            " waiting_for = excluded.waiting_for",
            (
                source,
                database,
                refusal.doc.id[:512],
                refusal.code,
                refusal.reason,
                refusal.waiting_for if whole else None,
                evidence[:LARGEST_KEPT],
                whole,
                arrived,
            ),
        )

    def wanted(self) -> list[tuple[str, str]]:
        """Return (database, key) of every certificate that something waits for (`UnknownCertificate.waiting_for`)."""
        sql = "SELECT DISTINCT database, waiting_for FROM quarantine WHERE waiting_for IS NOT NULL"
        return [(row[0], row[1]) for row in self._db.rows(sql)]

    def waiting(self, database: str, keys: Sequence[str]) -> list[Held]:
        """Return what waits in `database` for one of `keys` (`UnknownCertificate.waiting_for`), oldest first."""
        marks = ",".join("?" * len(keys))
        sql = f"SELECT * FROM quarantine WHERE database = ? AND waiting_for IN ({marks}) ORDER BY id"  # noqa: S608 - marks
        return [_held(row) for row in self._db.rows(sql, (database, *keys))]

    def all(self, *, limit: int = 100, offset: int = 0) -> list[Held]:
        """Return what is held, newest first."""
        rows = self._db.rows("SELECT * FROM quarantine ORDER BY id DESC LIMIT ? OFFSET ?", (limit, offset))
        return [_held(row) for row in rows]

    def count(self) -> int:
        """Return how many documents are held."""
        row = self._db.row("SELECT count(*) FROM quarantine")
        return int(row[0]) if row else 0

    def release(self, held_id: int) -> None:
        """Forget one entry: it was admitted after all."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM quarantine WHERE id = ?", (held_id,))

    def forget_stream(self, database: str, stream: str) -> None:
        """Forget what was held of a stream: it was erased, and evidence of it is the same personal data."""
        with self._db.transaction() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(
                "DELETE FROM quarantine WHERE database = ? AND doc_id >= ? AND doc_id < ?",
                (database, f"{stream}:", f"{stream};"),
            )
            connection.execute("PRAGMA secure_delete = OFF")

    def _make_room(self, connection: sqlite3.Connection, source: str) -> None:
        held = connection.execute(
            "SELECT id, length(evidence) FROM quarantine WHERE source = ? ORDER BY id DESC", (source,)
        )
        total = 0
        for row_id, size in held:
            total += size
            if total > SOURCE_BYTES:
                connection.execute("DELETE FROM quarantine WHERE source = ? AND id <= ?", (source, row_id))
                return


def _evidence(doc: Doc) -> bytes:
    """Return the document as CouchDB writes it, with history and bytes, so that it can be offered again.

    Attachments are kept as they came: what says it is gzip may be anything, and is not unpacked here.
    """
    as_it_came = {name: replace(each, encoding=None) for name, each in doc.attachments.items()}
    return render_document(replace(doc, attachments=as_it_came), revs=True, data=True)


def parse_evidence(held: Held) -> Doc:
    """Return the document that was refused. Raises `BadRequest` where the evidence is no document."""
    return parse_document(orjson.loads(held.evidence), new_edits=False)


def _held(row: sqlite3.Row) -> Held:
    return Held(
        id=row["id"],
        source=row["source"],
        database=row["database"],
        doc_id=row["doc_id"],
        code=row["code"],
        reason=row["reason"],
        evidence=row["evidence"],
        whole=bool(row["whole"]),
        arrived=row["arrived"],
        times=row["times"],
    )
