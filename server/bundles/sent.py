"""What this node wrote, and what the units it wrote for said they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson

from replication.bundle import Acknowledgement, Envelope, parse_acknowledgement
from replication.document import Seq
from replication.replicator.checkpoint import seq_number
from server.bundles.tables import Book

_HELD = "SELECT 1 FROM bundle_held WHERE unit = ? AND store = ? AND database = ?"


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


class Sent(Book):
    """Bundles written, and words heard."""

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

    def awaits(self, unit: str) -> bool:
        """Say whether a bundle to `unit` has not been acknowledged yet."""
        return (
            self._db.row(
                "SELECT 1 FROM bundle_out WHERE unit = ? AND state = 'written' AND acknowledged IS NULL", (unit,)
            )
            is not None
        )

    # What others said

    def hear(self, unit: str, said: Acknowledgement, carried: Mapping[str, Seq], now: str) -> int:
        """Take the word of the node of `unit` about what it has; an older word than the last is left. Returns how many
        bundles are acknowledged newly.

        A word of a time to come counts as of `now`: a clock that had jumped and was put right must be heard again.
        `carried` is how far links have carried each database by now: its word counts more until they carry further.
        """
        with self._db.transaction() as connection:
            row = connection.execute("SELECT at, store FROM bundle_said WHERE unit = ?", (unit,)).fetchone()
            if row is not None and row["store"] == said.store and row["at"] > said.at:
                return 0
            connection.execute(
                "INSERT OR REPLACE INTO bundle_said VALUES (?, ?, ?, ?)",
                (unit, min(said.at, now), said.store, orjson.dumps(said.value())),
            )
            connection.execute("DELETE FROM bundle_marks WHERE unit = ?", (unit,))
            connection.executemany(
                "INSERT INTO bundle_marks VALUES (?, ?, ?)", [(unit, name, seq) for name, seq in carried.items()]
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
        return lambda doc_id: self._db.row(sql, (*key, digest_of(doc_id))) is not None

    def said(self, unit: str) -> Acknowledgement | None:
        """Return the last word of the node of `unit`, None if it never said one."""
        row = self._db.row("SELECT body FROM bundle_said WHERE unit = ?", (unit,))
        return parse_acknowledgement(orjson.loads(row["body"])) if row else None

    def marks(self, unit: str) -> dict[str, Seq]:
        """Return how far links had carried each database when the last word of `unit` was heard."""
        rows = self._db.rows("SELECT database, seq FROM bundle_marks WHERE unit = ?", (unit,))
        return {row["database"]: Seq(row["seq"]) for row in rows}

    def met(self, unit: str, store: str) -> None:
        """Note that the node of `unit` and ours have told each other which stores they keep; its is `store`."""
        with self._db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO bundle_met VALUES (?, ?, ?)", (unit, self.store, store))

    def has_met(self, unit: str, store: str) -> bool:
        """Say whether our present store and that of `unit` were told; "" for `store` where no link has seen it."""
        row = self._db.row("SELECT ours, theirs FROM bundle_met WHERE unit = ?", (unit,))
        return row is not None and row["ours"] == self.store and store in ("", row["theirs"])


def digest_of(doc_id: str) -> bytes:
    """Return under which mark a document is remembered."""
    return sha256(doc_id.encode("utf-8")).digest()[:16]
