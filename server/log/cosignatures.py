"""Cosigned heads of logs, and what they say about a leaf: no later than one that covers it, no earlier than one before.

A cosigned head counts once the leaves under it are known here and make the root that was cosigned (`holds`). One whose
root is another (`contradicts`) is evidence of two histories, and proves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from server.log.origins import Origins
from server.log.pages import Cosigned
from server.nodedb import NodeDb

_LOG = logging.getLogger(__name__)

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_cosigned (
    log INTEGER NOT NULL, size INTEGER NOT NULL, witness TEXT NOT NULL, time INTEGER NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (log, size, witness)) WITHOUT ROWID;
"""
_OF = "FROM log_cosigned c JOIN log_origins o ON o.number = c.log WHERE o.origin = ?"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A head that `witness` cosigned (`note`) and that the pages of the log do not lead to."""

    size: int
    witness: str
    note: str


@dataclass(frozen=True, slots=True)
class Reach:
    """The leaves whose time a head of `size` leaves, cosigned at `time` (Unix seconds), may move: from `start` on up to
    `size` those that say they came later, from `size` up to `end` (None: all there are) those that say earlier."""

    start: int
    size: int
    end: int | None
    time: int


@dataclass(frozen=True, slots=True)
class Kept:
    """That an event is in the log that counts for it; `witness` is the unit that cosigned first, "" while none has."""

    witness: str = ""
    at: datetime | None = None


class Cosignatures:
    """The cosigned heads one node knows, of its own log and of others'."""

    def __init__(self, db: NodeDb, origins: Origins) -> None:
        self._db = db
        self._origins = origins
        db.ensure(SCHEMA)

    def take(self, cosigned: Cosigned, time_s: int, witness: str) -> None:
        """Note a head whose signatures have been checked; whether it holds is for `check` to say."""
        head = cosigned.checkpoint
        with self._db.transaction() as connection:
            number = self._origins.number(cosigned.origin)
            connection.execute(
                "INSERT OR IGNORE INTO log_cosigned VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
                (number, head.size, witness, time_s, head.root, cosigned.note),
            )

    def check(self, origin: str, root_at: Callable[[int], bytes | None]) -> tuple[list[Contradiction], list[Reach]]:
        """Compare heads with the tree, whose root at a size `root_at` returns as far as it is known here.

        Returns those that are found to contradict it, and which leaves those that hold from now on say something of.
        """
        number, contradictions, reaches = self._origins.number(origin), [], []
        sql = "SELECT * FROM log_cosigned WHERE log = ? AND state = 'waiting' ORDER BY size"
        for row in self._db.rows(sql, (number,)):
            root = root_at(row["size"])
            if root is None:
                continue
            holds = root == row["root"]
            if holds:
                reaches.append(self._reach(number, row["size"], row["time"]))
            else:
                _LOG.error("%s: %s cosigned another history of %d leaves", origin, row["witness"], row["size"])
                contradictions.append(Contradiction(row["size"], row["witness"], row["note"]))
            with self._db.transaction() as connection:
                connection.execute(
                    "UPDATE log_cosigned SET state = ? WHERE log = ? AND size = ? AND witness = ?",
                    ("holds" if holds else "contradicts", number, row["size"], row["witness"]),
                )
        return contradictions, reaches

    def _reach(self, number: int, size: int, time_s: int) -> Reach:
        """Leave out what heads that held before say as much of: covered no later, or not covered and no earlier."""
        row = self._db.row(
            "SELECT max(CASE WHEN time <= ?1 THEN size END) AS start, min(CASE WHEN time >= ?1 THEN size END) AS end"
            " FROM log_cosigned WHERE log = ?2 AND state = 'holds'",
            (time_s, number),
        )
        assert row is not None  # aggregates always give a row
        return Reach(row["start"] or 0, size, row["end"], time_s)

    def bounds(self, origin: str, number: int) -> tuple[int | None, int | None]:
        """Return (earliest time of a head that covers leaf `number`, latest time of one that does not), in Unix
        seconds; None where there is none."""
        row = self._db.row(
            "SELECT min(CASE WHEN c.size > ? THEN c.time END) AS ceiling,"
            f" max(CASE WHEN c.size <= ? THEN c.time END) AS floor {_OF} AND c.state = 'holds'",
            (number, number, origin),
        )
        assert row is not None  # aggregates always give a row
        return row["ceiling"], row["floor"]

    def kept(self, places: Sequence[tuple[str, int, int]]) -> Kept | None:
        """Return who cosigned first what covers a leaf at one of its places (origin, number, received), None if there
        is no place."""
        sql = f"SELECT c.witness, min(c.time) AS time {_OF} AND c.size > ? AND c.state = 'holds'"
        for origin, number, _ in places:
            row = self._db.row(sql, (origin, number))
            if row is not None and row["time"] is not None:
                return Kept(row["witness"], datetime.fromtimestamp(row["time"], UTC))
        return Kept() if places else None

    def is_any(self, origin: str) -> bool:
        """Say whether any head of a log is known to be cosigned."""
        return self._db.row(f"SELECT 1 {_OF} LIMIT 1", (origin,)) is not None

    def newest_size(self, origin: str, witness: str) -> int:
        """Return the size of the newest head of a log that the unit `witness` is known to have cosigned, 0 if none."""
        sql = f"SELECT max(c.size) AS size {_OF} AND c.witness = ? AND c.state = 'holds'"
        row = self._db.row(sql, (origin, witness))
        return int(row["size"] or 0) if row else 0

    def covering(self, origin: str, number: int) -> tuple[int, str] | None:
        """Return (size, note) of the first head of a log that covers leaf `number`, None if none does."""
        sql = f"SELECT c.size, c.note {_OF} AND c.size > ? AND c.state = 'holds' ORDER BY c.size LIMIT 1"
        row = self._db.row(sql, (origin, number))
        return (int(row["size"]), str(row["note"])) if row else None
