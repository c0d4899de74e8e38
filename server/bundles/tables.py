"""The tables of bundles in `node.db`.

All that is said about positions of another's store counts for one store of ours (`into_store`): a store that was
restored or made anew has not got what its predecessor had.
"""

from __future__ import annotations

from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS bundle_out (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, seq INTEGER NOT NULL, created TEXT NOT NULL, previous TEXT NOT NULL,
    name TEXT NOT NULL, parts INTEGER NOT NULL, bytes INTEGER NOT NULL, documents INTEGER NOT NULL,
    dossiers INTEGER NOT NULL, until BLOB NOT NULL, state TEXT NOT NULL, acknowledged TEXT, UNIQUE (unit, seq));
CREATE TABLE IF NOT EXISTS bundle_said (
    unit TEXT PRIMARY KEY, at TEXT NOT NULL, store TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS bundle_marks (
    unit TEXT NOT NULL, database TEXT NOT NULL, seq TEXT NOT NULL, PRIMARY KEY (unit, database)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle_met (unit TEXT PRIMARY KEY, ours TEXT NOT NULL, theirs TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bundle_parts (
    into_store TEXT NOT NULL, id TEXT NOT NULL, part INTEGER NOT NULL, unit TEXT NOT NULL, store TEXT NOT NULL,
    seq INTEGER NOT NULL, is_last INTEGER NOT NULL, basis BLOB NOT NULL, until BLOB NOT NULL, taken TEXT NOT NULL,
    damaged INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (into_store, id, part));
CREATE TABLE IF NOT EXISTS bundle_frames (
    into_store TEXT NOT NULL, id TEXT NOT NULL, part INTEGER NOT NULL, frame INTEGER NOT NULL,
    PRIMARY KEY (into_store, id, part, frame)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle_points (
    into_store TEXT NOT NULL, store TEXT NOT NULL, unit TEXT NOT NULL, database TEXT NOT NULL, seq TEXT NOT NULL,
    number INTEGER NOT NULL, PRIMARY KEY (into_store, store, database, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle_holes (
    into_store TEXT NOT NULL, store TEXT NOT NULL, database TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL,
    PRIMARY KEY (into_store, store, database, since, until)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle_held (
    unit TEXT NOT NULL, store TEXT NOT NULL, database TEXT NOT NULL, doc BLOB NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (unit, store, database, doc)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle_news (unit TEXT PRIMARY KEY, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bundle_relay (
    id TEXT NOT NULL, part INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, seq INTEGER NOT NULL,
    expires TEXT NOT NULL, max_hops INTEGER NOT NULL, hops INTEGER NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL,
    taken TEXT NOT NULL, carried TEXT, PRIMARY KEY (id, part));
"""


class Book:
    """The tables, open. `store` is the uuid of our present store."""

    def __init__(self, db: NodeDb, store: str) -> None:
        self._db = db
        self.store = store
        db.ensure(SCHEMA)
