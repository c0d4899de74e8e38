"""Which events were erased here for good: the door takes them no more, whoever brings them.

They answer as what is here already does (a success, and nothing is stored), so that no link stalls on them. Files are
not turned away: the same scan may come anew with another dossier, before the event that names it (decision 0126).
Kept in `node.db`; a restored copy of it learns the same again from the erasure events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from crypto.hashing import parse_sha256_id
from server.nodedb import NodeDb

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS erased (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, event BLOB NOT NULL, of TEXT NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS erased_event ON erased (event);
"""
_MARKS_AT_ONCE: Final = 500


class Erased:
    """The erased events of one node."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def note(self, database: str, doc_ids: Iterable[str], of: str) -> None:
        """Turn events away from now on, by the erasure with the id `of`. Durable when it returns."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)",
                [(database, each, parse_sha256_id(each.rpartition(":")[2]), of) for each in doc_ids],
            )

    def among(self, database: str, doc_ids: Sequence[str]) -> set[str]:
        """Return those of some documents that were erased."""
        found: set[str] = set()
        for start in range(0, len(doc_ids), _MARKS_AT_ONCE):
            some = doc_ids[start : start + _MARKS_AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT doc_id FROM erased WHERE database = ? AND doc_id IN ({marks})"  # noqa: S608 - question marks
            found |= {str(row["doc_id"]) for row in self._db.rows(sql, (database, *some))}
        return found
