"""What a node remembers of bundles, in `node.db`: written, taken in, acknowledged, carried for others.

All that is said about positions of another's store counts for one store of ours (`into`): a store that was restored or
made anew has not got what its predecessor had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from replication.bundle import Acknowledgement, Envelope, FrameEntry, parse_acknowledgement
from replication.bundle.acknowledgement import MAX_BUNDLES, MAX_HOLES, MAX_STORES, Have, Hole
from replication.document import Seq
from replication.replicator.checkpoint import seq_number
from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS bundle_out (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, seq INTEGER NOT NULL, created TEXT NOT NULL, previous TEXT NOT NULL,
    name TEXT NOT NULL, parts INTEGER NOT NULL, bytes INTEGER NOT NULL, documents INTEGER NOT NULL,
    dossiers INTEGER NOT NULL, until BLOB NOT NULL, state TEXT NOT NULL, acknowledged TEXT, UNIQUE (unit, seq));
CREATE TABLE IF NOT EXISTS bundle_said (
    unit TEXT PRIMARY KEY, at TEXT NOT NULL, store TEXT NOT NULL, body BLOB NOT NULL);
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
_HELD = "SELECT 1 FROM bundle_held WHERE unit = ? AND store = ? AND database = ?"
_POINTS_KEPT = 200  # of one database: a bundle may begin at any position an earlier one ended at


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle this node wrote. `state` is "writing", "written" or "failed"; `acknowledged` when its destination said
    that it took it whole, None before. `until` is how far each database goes."""

    id: str
    unit: str
    seq: int
    created: str
    previous: str
    name: str
    parts: int
    bytes: int
    documents: int
    dossiers: int
    until: Mapping[str, str]
    state: str
    acknowledged: str | None


@dataclass(frozen=True, slots=True)
class TakenPart:
    """A part that was gone through to its end. `damaged` frames could not be read, `refused` documents not taken."""

    id: str
    part: int
    unit: str
    seq: int
    is_last: bool
    taken: str
    damaged: int
    refused: int


@dataclass(frozen=True, slots=True)
class Carried:
    """A part kept for another node, in `relay/` of the home."""

    id: str
    part: int
    source: str
    target: str
    seq: int
    expires: str
    max_hops: int
    hops: int
    name: str
    bytes: int
    carried: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """Documents that came from the store `store` of `unit`, so that it has them; stored here by position `number`."""

    unit: str
    store: str
    database: str
    ids: Sequence[str]
    number: int


class Ledger:
    """The tables. `store` is the uuid of our present store."""

    def __init__(self, db: NodeDb, store: str) -> None:
        self._db = db
        self.store = store
        db.ensure(SCHEMA)

    # Written

    def begin(self, envelope: Envelope, previous: str, name: str) -> None:
        """Note a bundle before its first byte is written, so that its number is never given again."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO bundle_out VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, '{}', 'writing', NULL)",
                (envelope.id, envelope.target, envelope.seq, envelope.created, previous, name),
            )

    def finish(
        self, bundle: str, *, parts: int, size: int, documents: int, dossiers: int, until: Mapping[str, Seq]
    ) -> None:
        """Note that a bundle is on the medium whole."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE bundle_out SET parts = ?, bytes = ?, documents = ?, dossiers = ?, until = ?, state = 'written'"
                " WHERE id = ?",
                (parts, size, documents, dossiers, orjson.dumps(dict(until)), bundle),
            )

    def fail(self, bundle: str) -> None:
        """Note that a bundle did not come about."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE bundle_out SET state = 'failed' WHERE id = ?", (bundle,))

    def next_seq(self, unit: str) -> int:
        """Return the number of the next bundle to `unit`."""
        row = self._db.row("SELECT max(seq) FROM bundle_out WHERE unit = ?", (unit,))
        return (row[0] or 0) + 1 if row else 1

    def written(self, unit: str = "", limit: int = 50) -> list[Written]:
        """Return the newest bundles, those to `unit` if one is named, newest first."""
        rows = self._db.rows(
            "SELECT * FROM bundle_out WHERE (?1 = '' OR unit = ?1) ORDER BY created DESC, seq DESC LIMIT ?2",
            (unit, limit),
        )
        return [Written(**{**dict(row), "until": orjson.loads(row["until"])}) for row in rows]

    # What others said

    def hear(self, unit: str, said: Acknowledgement) -> int:
        """Take the word of the node of `unit` about what it has; an older word than the last is left. Returns how many
        bundles are acknowledged newly."""
        with self._db.transaction() as connection:
            row = connection.execute("SELECT at, store FROM bundle_said WHERE unit = ?", (unit,)).fetchone()
            if row is not None and row["store"] == said.store and row["at"] > said.at:
                return 0
            connection.execute(
                "INSERT OR REPLACE INTO bundle_said VALUES (?, ?, ?, ?)",
                (unit, said.at, said.store, orjson.dumps(said.value())),
            )
            for database, have in said.have.get(self.store, {}).items():
                connection.execute(
                    "DELETE FROM bundle_held WHERE unit = ? AND (store <> ? OR (database = ? AND number <= ?))",
                    (unit, said.store, database, seq_number(have.seq)),
                )
            marks = ",".join("?" * len(said.bundles))
            sql = f"UPDATE bundle_out SET acknowledged = ? WHERE acknowledged IS NULL AND unit = ? AND id IN ({marks})"  # noqa: S608 - marks
            return connection.execute(sql, (said.at, unit, *said.bundles)).rowcount

    def holds(self, unit: str, store: str, database: str) -> Callable[[str], bool]:
        """Return what says whether a document of `database` came from that store of `unit`."""
        key = (unit, store, database)
        if self._db.row(f"{_HELD} LIMIT 1", key) is None:
            return lambda _: False
        sql = f"{_HELD} AND doc = ?"
        return lambda doc_id: self._db.row(sql, (*key, _digest(doc_id))) is not None

    def said(self, unit: str) -> Acknowledgement | None:
        """Return the last word of the node of `unit`, None if it never said one."""
        row = self._db.row("SELECT body FROM bundle_said WHERE unit = ?", (unit,))
        return parse_acknowledgement(orjson.loads(row["body"])) if row else None

    # Taken in

    def done_frames(self, bundle: str, part: int) -> frozenset[int]:
        """Return the frames of a part that are stored."""
        rows = self._db.rows(
            "SELECT frame FROM bundle_frames WHERE into_store = ? AND id = ? AND part = ?", (self.store, bundle, part)
        )
        return frozenset(row[0] for row in rows)

    def frame_done(self, bundle: str, part: int, frame: int, held: Held | None = None) -> None:
        """Note that a frame's documents are stored durably, and that their sender need not get them back."""
        with self._db.transaction() as connection:
            if held is not None:
                connection.executemany(
                    "INSERT OR IGNORE INTO bundle_held VALUES (?, ?, ?, ?, ?)",
                    [(held.unit, held.store, held.database, _digest(each), held.number) for each in held.ids],
                )
            connection.execute(
                "INSERT OR IGNORE INTO bundle_frames VALUES (?, ?, ?, ?)", (self.store, bundle, part, frame)
            )

    def part_done(
        self,
        envelope: Envelope,
        *,
        store: str,
        is_last: bool,
        basis: Mapping[str, Seq],
        until: Mapping[str, Seq],
        taken: str,
        damaged: Sequence[FrameEntry],
        refused: int,
        is_news: bool,
    ) -> bool:
        """Note that a part was gone through to its end, and what of it could not be read. Returns whether with it the
        whole bundle is in; then its positions count."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO bundle_parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.store,
                    envelope.id,
                    envelope.part,
                    envelope.source,
                    store,
                    envelope.seq,
                    is_last,
                    orjson.dumps(dict(basis)),
                    orjson.dumps(dict(until)),
                    taken,
                    len(damaged),
                    refused,
                ),
            )
            for frame in damaged:
                if frame.since != frame.until:  # notes, and documents asked for by name, have no place in the feed
                    self._open_hole(connection, store, frame)
            if is_news:  # an acknowledgement alone is not acknowledged: that would never end
                self._note_news(connection, envelope.source, taken)
            return self._count(connection, envelope.id)

    def close_holes(self, store: str, stretches: Iterable[tuple[str, Seq, Seq]]) -> None:
        """Close every hole that `stretches` (database, since, until) cover from its beginning to its end."""
        chains: dict[tuple[str, Seq], set[Seq]] = {}
        for database, since, until in stretches:
            chains.setdefault((database, since), set()).add(until)
        with self._db.transaction() as connection:
            for database, hole in self._holes(store):
                if _covers(chains, database, hole):
                    connection.execute(
                        "DELETE FROM bundle_holes WHERE into_store = ? AND store = ? AND database = ? AND since = ?"
                        " AND until = ?",
                        (self.store, store, database, *hole),
                    )

    def taken_parts(self, limit: int = 50) -> list[TakenPart]:
        """Return the newest parts that were taken in, newest first."""
        rows = self._db.rows(
            "SELECT id, part, unit, seq, is_last, taken, damaged, refused FROM bundle_parts WHERE into_store = ?"
            " ORDER BY taken DESC, seq DESC, part DESC LIMIT ?",
            (self.store, limit),
        )
        return [TakenPart(**{**dict(row), "is_last": bool(row["is_last"])}) for row in rows]

    def is_taken(self, bundle: str, part: int) -> bool:
        """Say whether a part was gone through with nothing damaged."""
        row = self._db.row(
            "SELECT damaged FROM bundle_parts WHERE into_store = ? AND id = ? AND part = ?", (self.store, bundle, part)
        )
        return row is not None and not row["damaged"]

    def highest_seq(self, unit: str, besides: str) -> int:
        """Return the highest number of a bundle from `unit`, other than the bundle `besides`; 0 if there is none."""
        row = self._db.row(
            "SELECT max(seq) FROM bundle_parts WHERE into_store = ? AND unit = ? AND id <> ?",
            (self.store, unit, besides),
        )
        return (row[0] or 0) if row else 0

    # What we say

    def have(self, unit: str) -> dict[str, dict[str, Have]]:
        """Return how far the databases of each store of `unit` have come, by store; restored nodes had several."""
        found: dict[str, dict[str, Have]] = {}
        rows = self._db.rows(
            "SELECT store, database, seq, max(number) FROM bundle_points WHERE into_store = ? AND unit = ?"
            " GROUP BY store, database",
            (self.store, unit),
        )
        for row in rows:
            holes = tuple(hole for database, hole in self._holes(row["store"]) if database == row["database"])
            found.setdefault(row["store"], {})[row["database"]] = Have(Seq(row["seq"]), holes)
        return dict(list(found.items())[-MAX_STORES:])

    def whole_bundles(self, unit: str) -> list[str]:
        """Return the ids of bundles from `unit` that are in whole, the newest first."""
        rows = self._db.rows(
            "SELECT id FROM bundle_parts p WHERE into_store = ?1 AND unit = ?2 AND is_last AND"
            " part = (SELECT count(*) FROM bundle_parts q WHERE q.into_store = ?1 AND q.id = p.id)"
            " AND NOT EXISTS (SELECT 1 FROM bundle_parts q WHERE q.into_store = ?1 AND q.id = p.id AND q.damaged)"
            " ORDER BY seq DESC LIMIT ?3",
            (self.store, unit, MAX_BUNDLES),
        )
        return [row[0] for row in rows]

    def has_news(self, unit: str) -> bool:
        """Say whether bundles came from `unit` since we last told it what we have."""
        return self._db.row("SELECT 1 FROM bundle_news WHERE unit = ?", (unit,)) is not None

    def told(self, unit: str, said_at: str) -> None:
        """Note that `unit` has heard what we had at `said_at`."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM bundle_news WHERE unit = ? AND since <= ?", (unit, said_at))

    def awaits(self, unit: str) -> bool:
        """Say whether a bundle to `unit` has not been acknowledged yet."""
        return (
            self._db.row(
                "SELECT 1 FROM bundle_out WHERE unit = ? AND state = 'written' AND acknowledged IS NULL", (unit,)
            )
            is not None
        )

    # Carried for others

    def keep(self, part: Carried, taken: str) -> None:
        """Note a part that lies in `relay/`."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO bundle_relay VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    part.id,
                    part.part,
                    part.source,
                    part.target,
                    part.seq,
                    part.expires,
                    part.max_hops,
                    part.hops,
                    part.name,
                    part.bytes,
                    taken,
                ),
            )

    def kept(self) -> list[Carried]:
        """Return the parts kept for others, in the order of their bundles."""
        rows = self._db.rows(
            "SELECT id, part, source, target, seq, expires, max_hops, hops, name, bytes, carried FROM bundle_relay"
            " ORDER BY source, target, seq, part"
        )
        return [Carried(**dict(row)) for row in rows]

    def carried_on(self, part: Carried, at: str) -> None:
        """Note that a part was put on a stick for its next stop."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE bundle_relay SET carried = ? WHERE id = ? AND part = ?", (at, part.id, part.part)
            )

    def drop(self, part: Carried) -> None:
        """Forget a part kept for another."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM bundle_relay WHERE id = ? AND part = ?", (part.id, part.part))

    # Inside

    def _open_hole(self, connection: sqlite3.Connection, store: str, frame: FrameEntry) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO bundle_holes VALUES (?, ?, ?, ?, ?)",
            (self.store, store, frame.database, frame.since, frame.until),
        )

    def _holes(self, store: str) -> list[tuple[str, Hole]]:
        rows = self._db.rows(
            "SELECT database, since, until FROM bundle_holes WHERE into_store = ? AND store = ?", (self.store, store)
        )
        return [(row["database"], (Seq(row["since"]), Seq(row["until"]))) for row in rows]

    def _count(self, connection: sqlite3.Connection, bundle: str) -> bool:
        """If every part of a bundle is in, move the positions of its databases on."""
        parts = connection.execute(
            "SELECT * FROM bundle_parts WHERE into_store = ? AND id = ? ORDER BY part", (self.store, bundle)
        ).fetchall()
        last = parts[-1]
        if not last["is_last"] or last["part"] != len(parts):
            return False
        basis, until = orjson.loads(last["basis"]), orjson.loads(last["until"])
        for database, seq in until.items():
            if self._continues(connection, last["store"], database, basis.get(database, "0")):
                self._move(connection, last, database, seq)
        return True

    def _continues(self, connection: sqlite3.Connection, store: str, database: str, basis: str) -> bool:
        """Say whether a bundle that begins at `basis` leaves no gap behind what is here."""
        holes = connection.execute(
            "SELECT count(*) FROM bundle_holes WHERE into_store = ? AND store = ? AND database = ?",
            (self.store, store, database),
        ).fetchone()[0]
        if holes > MAX_HOLES:
            return False  # too many to name: the next bundle begins where this one did
        if seq_number(Seq(basis)) == 0:
            return True
        row = connection.execute(
            "SELECT 1 FROM bundle_points WHERE into_store = ? AND store = ? AND database = ? AND seq = ?",
            (self.store, store, database, basis),
        ).fetchone()
        return row is not None

    def _move(self, connection: sqlite3.Connection, part: sqlite3.Row, database: str, seq: Any) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO bundle_points VALUES (?, ?, ?, ?, ?, ?)",
            (self.store, part["store"], part["unit"], database, seq, seq_number(Seq(seq))),
        )
        connection.execute(
            "DELETE FROM bundle_points WHERE into_store = ?1 AND store = ?2 AND database = ?3 AND number <"
            " (SELECT min(number) FROM (SELECT number FROM bundle_points WHERE into_store = ?1 AND store = ?2"
            " AND database = ?3 ORDER BY number DESC LIMIT ?4))",
            (self.store, part["store"], database, _POINTS_KEPT),
        )

    def _note_news(self, connection: sqlite3.Connection, unit: str, at: str) -> None:
        connection.execute("INSERT OR REPLACE INTO bundle_news VALUES (?, ?)", (unit, at))


def _digest(doc_id: str) -> bytes:
    return sha256(doc_id.encode("utf-8")).digest()[:16]


def _covers(chains: Mapping[tuple[str, Seq], set[Seq]], database: str, hole: Hole) -> bool:
    """Say whether stretches lead from the beginning of a hole to its end."""
    reached, waiting = {hole[0]}, [hole[0]]
    while waiting:
        for until in chains.get((database, waiting.pop()), ()):
            if until == hole[1]:
                return True
            if until not in reached:
                reached.add(until)
                waiting.append(until)
    return False
