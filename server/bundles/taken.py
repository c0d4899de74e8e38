"""What came in: frames stored, parts gone through, positions reached, and holes that are asked for again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import orjson

from replication.bundle import Envelope, FrameEntry
from replication.bundle.acknowledgement import MAX_BUNDLES, MAX_HOLES, Have, Hole
from replication.document import Seq
from replication.replicator.checkpoint import has_one_order, seq_number
from replication.store import ZERO
from server.bundles.positions import Reached, is_reached
from server.bundles.sent import digest_of
from server.bundles.tables import Book

Stretch = tuple[str, Seq, Seq]  # of a database, after the first position and up to the second
_POINTS_KEPT = 200  # of one database: a bundle may begin at any position an earlier one ended at


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
class Held:
    """Documents that came from the store `store` of `unit`, so that it has them; stored here by position `number`."""

    unit: str
    store: str
    database: str
    ids: Sequence[str]
    number: int


class Taken(Book):
    """Bundles taken in, and what we say of them."""

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
                    [(held.unit, held.store, held.database, digest_of(each), held.number) for each in held.ids],
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
        filled: Iterable[Stretch],
        refused: int,
        is_news: bool,
        carried: Reached,
    ) -> bool:
        """Note that a part was gone through to its end, what of it could not be read, and the stretches of which it
        brought everything (`filled`). Returns whether with it the whole bundle is in; then its positions count, if it
        begins at one that was reached before, by stick or link (`carried`)."""
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
            parts = self._whole(connection, envelope.id)
            self._close_holes(connection, store, filled, _spans(parts))
            self._count(connection, parts, carried)
            return bool(parts)

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
        """Return how far the databases of each store of `unit` have come, by store; restored nodes had several.

        Where more holes lie before a position than may be named, it is an earlier one that counts.
        """
        found: dict[str, dict[str, Have]] = {}
        rows = self._db.rows(
            "SELECT store, database, seq FROM bundle_points WHERE into_store = ? AND unit = ?"
            " ORDER BY store, database, number DESC",
            (self.store, unit),
        )
        for store, points in groupby(rows, key=lambda row: str(row["store"])):
            holes = self._holes(store)
            for row in points:
                point = Seq(row["seq"])
                before = tuple(hole for name, hole in holes if name == row["database"] and _may_precede(hole, point))
                if len(before) <= MAX_HOLES:
                    found.setdefault(store, {}).setdefault(row["database"], Have(point, before))
        return found

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

    def _close_holes(
        self, connection: sqlite3.Connection, store: str, filled: Iterable[Stretch], spans: Sequence[Stretch]
    ) -> None:
        """Close every hole that stretches lead through from its beginning to its end, and those within `spans`."""
        chains: dict[tuple[str, Seq], set[Seq]] = {}
        for database, since, until in filled:
            chains.setdefault((database, since), set()).add(until)
        newest = {database: self._newest(connection, store, database) for database, _, _ in spans}
        for database, hole in self._holes(store):
            if _covers(chains, database, hole) or any(
                _is_within(hole, span, newest[database]) for span in spans if span[0] == database
            ):
                connection.execute(
                    "DELETE FROM bundle_holes WHERE into_store = ? AND store = ? AND database = ? AND since = ?"
                    " AND until = ?",
                    (self.store, store, database, *hole),
                )

    def _newest(self, connection: sqlite3.Connection, store: str, database: str) -> int:
        """Return the number of the newest position reached in a database of another's store, 0 if there is none."""
        row = connection.execute(
            "SELECT max(number) FROM bundle_points WHERE into_store = ? AND store = ? AND database = ?",
            (self.store, store, database),
        ).fetchone()
        return row[0] or 0

    def _whole(self, connection: sqlite3.Connection, bundle: str) -> list[sqlite3.Row]:
        """Return the parts of a bundle, the last at the end, once all of them were gone through; none before."""
        parts = connection.execute(
            "SELECT * FROM bundle_parts WHERE into_store = ? AND id = ? ORDER BY part", (self.store, bundle)
        ).fetchall()
        return parts if parts[-1]["is_last"] and parts[-1]["part"] == len(parts) else []

    def _count(self, connection: sqlite3.Connection, parts: Sequence[sqlite3.Row], carried: Reached) -> None:
        """Move the positions of the databases in a whole bundle on."""
        for database, basis, until in _ends(parts):
            if self._continues(connection, parts[-1]["store"], database, basis, carried.get(database, ())):
                self._move(connection, parts[-1], database, until)

    def _continues(
        self, connection: sqlite3.Connection, store: str, database: str, basis: Seq, carried: Iterable[Seq]
    ) -> bool:
        """Say whether a bundle that begins at `basis` leaves no gap behind what is here."""
        if seq_number(basis) == 0 or is_reached(basis, carried):
            return True
        row = connection.execute(
            "SELECT 1 FROM bundle_points WHERE into_store = ? AND store = ? AND database = ? AND seq = ?",
            (self.store, store, database, basis),
        ).fetchone()
        return row is not None

    def _move(self, connection: sqlite3.Connection, part: sqlite3.Row, database: str, seq: Seq) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO bundle_points VALUES (?, ?, ?, ?, ?, ?)",
            (self.store, part["store"], part["unit"], database, seq, seq_number(seq)),
        )
        connection.execute(
            "DELETE FROM bundle_points WHERE into_store = ?1 AND store = ?2 AND database = ?3 AND number <"
            " (SELECT min(number) FROM (SELECT number FROM bundle_points WHERE into_store = ?1 AND store = ?2"
            " AND database = ?3 ORDER BY number DESC LIMIT ?4))",
            (self.store, part["store"], database, _POINTS_KEPT),
        )

    def _note_news(self, connection: sqlite3.Connection, unit: str, at: str) -> None:
        connection.execute("INSERT OR REPLACE INTO bundle_news VALUES (?, ?)", (unit, at))


def _ends(parts: Sequence[sqlite3.Row]) -> list[Stretch]:
    """Return from where to where a whole bundle goes in each database."""
    if not parts:
        return []
    basis, until = orjson.loads(parts[-1]["basis"]), orjson.loads(parts[-1]["until"])
    return [(database, Seq(basis.get(database, ZERO)), Seq(seq)) for database, seq in until.items()]


def _spans(parts: Sequence[sqlite3.Row]) -> list[Stretch]:
    """Return the stretches of which a whole bundle brought everything: none if anything of it could not be read."""
    return [] if any(part["damaged"] for part in parts) else _ends(parts)


def _is_within(hole: Hole, span: Stretch, newest: int) -> bool:
    """Say whether a hole lies in a stretch of its database, by numbers: of another epoch is only what its source has
    lost itself.

    Holes in CouchDB's feeds, which numbers do not order, are filled by what begins at the beginning and ends beyond
    the `newest` position known before: from there the next bundle brings whatever it may have left behind.
    """
    _, begin, end = span
    if not has_one_order(*hole, begin, end):
        return seq_number(begin) == 0 and newest <= seq_number(end)
    return seq_number(begin) <= seq_number(hole[0]) and seq_number(hole[1]) <= seq_number(end)


def _may_precede(hole: Hole, point: Seq) -> bool:
    """Say whether a hole may begin before a position; of CouchDB nothing tells that it does not."""
    return not has_one_order(hole[0], point) or seq_number(hole[0]) < seq_number(point)


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
