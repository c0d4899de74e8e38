"""The tables of `readmodel.db`, and the connections to it.

One writer (the follower) and as many readers as there are threads: WAL lets them see the last commit while the next
is being made. `synchronous=NORMAL`: a power cut may cost the newest commits, and with them the place in the feed, so
they are read again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from replication.errors import StoreError
from replication.sqliteerrors import translated
from server.lock import one_at_a_time
from server.nodedb import whole

VERSION = 6  # another number in the file: it is dropped and computed anew

SCHEMA = """
-- Whoever remembers a number of `updates` remembers the birth too: in a file computed anew the numbers start again.
CREATE TABLE meta (birth TEXT NOT NULL);
INSERT INTO meta VALUES (lower(hex(randomblob(8))));
CREATE TABLE followed (database TEXT PRIMARY KEY, instance TEXT NOT NULL, seq TEXT NOT NULL);

CREATE TABLE events (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, id TEXT NOT NULL, stream TEXT NOT NULL, type TEXT NOT NULL,
    unit TEXT NOT NULL, actor TEXT NOT NULL, at TEXT NOT NULL, fingerprint TEXT NOT NULL, after TEXT NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX events_stream ON events (stream);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_type ON events (type, database);
CREATE INDEX events_fingerprint ON events (fingerprint);
CREATE INDEX events_after ON events (after) WHERE after <> '';

CREATE TABLE dossiers (
    number INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, database TEXT NOT NULL, unit TEXT NOT NULL,
    code TEXT NOT NULL, procedure TEXT NOT NULL, channel TEXT NOT NULL, owner TEXT NOT NULL,
    applicant TEXT NOT NULL, folded_name TEXT NOT NULL, status INTEGER NOT NULL, handover TEXT NOT NULL,
    due TEXT NOT NULL, submitted_at TEXT NOT NULL, accepted_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    updates INTEGER NOT NULL, received INTEGER NOT NULL, unreceipted INTEGER NOT NULL, conflicts INTEGER NOT NULL,
    doubtful INTEGER NOT NULL, held INTEGER NOT NULL, unlogged INTEGER NOT NULL, forwarded_to TEXT NOT NULL,
    files_total INTEGER NOT NULL DEFAULT 0, files_here INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0, bytes_here INTEGER NOT NULL DEFAULT 0);
CREATE INDEX dossiers_queue ON dossiers (unit, status, due, stream);
CREATE INDEX dossiers_status ON dossiers (status, due, stream);
CREATE INDEX dossiers_code ON dossiers (code) WHERE code <> '';
CREATE INDEX dossiers_owner ON dossiers (owner);
CREATE INDEX dossiers_updated ON dossiers (updates);
CREATE INDEX dossiers_held ON dossiers (unit) WHERE held > 0;
CREATE INDEX dossiers_unlogged ON dossiers (database) WHERE unlogged > 0;
CREATE INDEX dossiers_unreceipted ON dossiers (unit) WHERE unreceipted > 0;

-- rowid is dossiers.number: full-text tables find rows by rowid and by words, by nothing else.
CREATE VIRTUAL TABLE found USING fts5 (text, tokenize = 'unicode61');

-- Which dossier names which file; a file may be named by several. `preview_of` is "" for papers; `whole` says whether
-- all of the file is here.
CREATE TABLE file_refs (
    stream TEXT NOT NULL, event TEXT NOT NULL, manifest TEXT NOT NULL, sha256 TEXT NOT NULL, database TEXT NOT NULL,
    size INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, preview_of TEXT NOT NULL,
    whole INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, event, manifest)) WITHOUT ROWID;
CREATE INDEX file_refs_missing ON file_refs (database) WHERE whole = 0;
CREATE INDEX file_refs_manifest ON file_refs (database, manifest);
CREATE INDEX file_refs_sha256 ON file_refs (sha256);

-- `here` counts bytes; chunks have rows only while some of their file are missing.
CREATE TABLE manifests (
    database TEXT NOT NULL, manifest TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, here INTEGER NOT NULL,
    PRIMARY KEY (database, manifest)) WITHOUT ROWID;
CREATE TABLE awaited (
    database TEXT NOT NULL, chunk TEXT NOT NULL, manifest TEXT NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (database, chunk, manifest)) WITHOUT ROWID;

CREATE TABLE certificates (
    database TEXT NOT NULL, fingerprint TEXT NOT NULL, kind TEXT NOT NULL, urn TEXT NOT NULL, unit TEXT NOT NULL,
    subject TEXT NOT NULL, issuer BLOB NOT NULL, serial TEXT NOT NULL, begins TEXT NOT NULL, ends TEXT NOT NULL,
    key TEXT NOT NULL, issuer_key TEXT NOT NULL,
    PRIMARY KEY (database, fingerprint)) WITHOUT ROWID;
CREATE INDEX certificates_fingerprint ON certificates (fingerprint);
CREATE INDEX certificates_urn ON certificates (urn);
CREATE INDEX certificates_serial ON certificates (database, serial);
CREATE INDEX certificates_key ON certificates (database, key) WHERE kind = 'ca';
CREATE INDEX certificates_issuer ON certificates (database, issuer_key);

-- What the lists revoke, and the certificates that stop before their own end by it: those named, and all below a CA
-- that is. From `at` on their signatures do not count; `revoked_at` is when the CA said so.
CREATE TABLE revocations (
    database TEXT NOT NULL, issuer BLOB NOT NULL, serial TEXT NOT NULL, at TEXT NOT NULL, revoked_at TEXT NOT NULL,
    PRIMARY KEY (database, issuer, serial)) WITHOUT ROWID;
CREATE TABLE endings (
    database TEXT NOT NULL, fingerprint TEXT NOT NULL, at TEXT NOT NULL, revoked_at TEXT NOT NULL,
    PRIMARY KEY (database, fingerprint)) WITHOUT ROWID;

CREATE TABLE names (
    subject TEXT NOT NULL, at TEXT NOT NULL, event TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (subject, at, event)) WITHOUT ROWID;

-- What later events of streams that are no dossiers build on: whatever is not here as `prev` is a head.
CREATE TABLE edges (database TEXT NOT NULL, stream TEXT NOT NULL, prev TEXT NOT NULL,
    PRIMARY KEY (database, stream, prev)) WITHOUT ROWID;
CREATE TABLE approvals (
    thumbprint TEXT NOT NULL, subject TEXT NOT NULL, unit TEXT NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (thumbprint, event)) WITHOUT ROWID;

CREATE TABLE verdicts (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, stream TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX verdicts_stream ON verdicts (stream);
"""


class Tables:
    """The file, open. `writing` is one transaction at a time; readers never wait for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._write_lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        # A command beside a starting node: neither may take away the file that the other has just made and opened.
        with one_at_a_time(path.with_name(path.name + "-lock")), _translated(path), ExitStack() as failing:
            self._drop_if_old()
            self._writer = self._connect()
            failing.callback(self._writer.close)
            if not self._writer.execute("PRAGMA user_version").fetchone()[0]:
                self._writer.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            failing.pop_all()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write transaction for the block; committed at its end, rolled back if it raises. Blocks may nest.

        Raises what the stores raise where the file cannot be written, `StorageFull` first of all.
        """
        with self._write_lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            with _translated(self._path), whole(self._writer):
                yield self._writer

    def rows(self, sql: str, arguments: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query, as of the last commit."""
        with _translated(self._path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
            try:
                return connection.execute(sql, arguments).fetchall()
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def row(self, sql: str, arguments: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query, None if there is none."""
        found = self.rows(sql, arguments)
        return found[0] if found else None

    def overwrite(self) -> None:
        """Move everything from the write-ahead log into the file, so that what was deleted is in neither."""
        with self._write_lock:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections."""
        with self._write_lock:
            self._closed = True
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        with ExitStack() as failing:
            failing.callback(connection.close)
            connection.row_factory = sqlite3.Row
            for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-4000"):
                connection.execute(f"PRAGMA {pragma}")
            failing.pop_all()
        return connection

    def _drop_if_old(self) -> None:
        """Delete a file of another version, or one that is no database any more."""
        if not self._path.exists():
            return
        try:
            with closing(sqlite3.connect(self._path)) as probe:
                known = probe.execute("PRAGMA user_version").fetchone()[0]
                probe.execute("SELECT name FROM sqlite_schema").fetchall()
        except sqlite3.DatabaseError as exc:
            if not _is_damage(exc):
                raise
            known = -1
        if known not in (0, VERSION):
            drop(self._path)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """As the store's own, but for damage: what is computed needs no backup."""
    with translated(path):
        try:
            yield
        except sqlite3.DatabaseError as exc:
            if _is_damage(exc):
                reason = f"{path.name} is damaged ({exc}); stop the node and have it computed anew: tram rebuild DIR"
                raise StoreError(reason) from exc
            raise


def _is_damage(exc: sqlite3.DatabaseError) -> bool:
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def drop(path: Path) -> None:
    """Delete the read model's file and what SQLite keeps beside it."""
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)
