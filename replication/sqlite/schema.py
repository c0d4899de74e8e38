"""The tables of one database file, and how its connections are opened.

docs        one row a document, keyed by its newest seq: the feed is a scan of this table.
            `tree` is NULL while the document has one known revision, which is nearly always.
bodies      what was stored for a revision, packed; `docs.body` and the nodes of `docs.tree` point here.
blobs       attachments by SHA-256 of their stored bytes, counted; the bytes apart in `blob_data`,
            so that a count changes without rewriting them.
gaps        per 1,024 seqs, how many no longer have a document: what makes `pending` quick.
localdocs   in the same file, so that a restore takes documents and checkpoints back together.
state       counters, written in the transaction that changes them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from replication.errors import Unavailable
from replication.sqlite.files import sync_file
from replication.sqlite.seqs import build_epoch, build_instance_start

APPLICATION_ID = 0x5472616D  # "Tram"
SCHEMA_VERSION = 2  # 2: bodies may be packed (`replication.sqlite.packing`); the tables are those of 1
GAP_BLOCK = 1024
BUSY_TIMEOUT_MS = 10_000

_TABLES = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL, instance_start TEXT NOT NULL,
    update_seq INTEGER NOT NULL, purge_seq INTEGER NOT NULL,
    doc_count INTEGER NOT NULL, del_count INTEGER NOT NULL,
    revs_limit INTEGER NOT NULL, security BLOB NOT NULL
);
CREATE TABLE epochs (ord INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, from_seq INTEGER NOT NULL);
CREATE TABLE docs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rev TEXT NOT NULL, deleted INTEGER NOT NULL,
    body INTEGER NOT NULL, tree BLOB
);
CREATE INDEX docs_deleted ON docs (id) WHERE deleted = 1;
CREATE INDEX docs_edited ON docs (seq) WHERE tree IS NOT NULL;
CREATE TABLE bodies (body INTEGER PRIMARY KEY, json BLOB NOT NULL, atts BLOB);
CREATE TABLE blobs (blob INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, refs INTEGER NOT NULL);
CREATE TABLE blob_data (blob INTEGER PRIMARY KEY REFERENCES blobs ON DELETE CASCADE, data BLOB NOT NULL);
CREATE TABLE gaps (block INTEGER PRIMARY KEY, vacated INTEGER NOT NULL);
CREATE TABLE localdocs (id TEXT PRIMARY KEY, rev INTEGER NOT NULL, body BLOB NOT NULL);
"""


def create_database(path: Path) -> str:
    """Write an empty database, fsync it once, and return the epoch it begins with.

    `path` must not exist yet; the caller makes it visible afterwards.
    """
    conn = sqlite3.connect(path, isolation_level=None)
    try:
        # Nobody sees this file before it is whole, so one fsync at the end does for the dozen SQLite would ask for.
        conn.execute("PRAGMA synchronous = OFF")
        # Before the first table: the page size and auto_vacuum of a file cannot change later. Small pages, because
        # ids are hashes: each insert touches a page of their index somewhere, and the WAL takes whole pages.
        conn.execute("PRAGMA page_size = 4096")
        conn.execute("PRAGMA auto_vacuum = INCREMENTAL")
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            conn.execute(statement)
        epoch = build_epoch()
        conn.execute("INSERT INTO state VALUES (1, ?, ?, 0, 0, 0, 0, 1000, '{}')", (epoch, build_instance_start()))
        conn.execute("INSERT INTO epochs VALUES (1, ?, 0)", (epoch,))
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        conn.execute("COMMIT")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        conn.close()
    sync_file(path)
    return epoch


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """Return a connection to an existing database, usable from any one thread at a time.

    Raises `Unavailable` for a file that is not ours or was written by a newer version.
    """
    conn = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )
    try:
        version = _check_file(conn, path)
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA temp_store = MEMORY")
        # KiB, and one cache per connection. What a reader misses is in the system's cache, a page for a microsecond.
        conn.execute(f"PRAGMA cache_size = -{8192 if writer else 1024}")
        if writer:
            # FULL: a commit returns after the WAL is on the disk, so acknowledged survives a power cut.
            conn.execute("PRAGMA synchronous = FULL")
            conn.execute("PRAGMA journal_size_limit = 16777216")
            # Pages: 16 MB. Each fold writes all the scattered pages of the id index again, so not every 4 MB.
            conn.execute("PRAGMA wal_autocheckpoint = 4000")
            if version < SCHEMA_VERSION:  # older programs must not open what we are about to write
                conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        else:
            conn.execute("PRAGMA query_only = ON")
    except BaseException:
        conn.close()
        raise
    return conn


def _check_file(conn: sqlite3.Connection, path: Path) -> int:
    """Return the version of a file that is ours."""
    application = conn.execute("PRAGMA application_id").fetchone()[0]
    version: int = conn.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version > SCHEMA_VERSION:
        raise Unavailable(
            f"{path.name} is not a database this program can open: got application {application:#x} version {version}, "
            f"expected {APPLICATION_ID:#x} version up to {SCHEMA_VERSION}. Open it with the version that wrote it."
        )
    return version
