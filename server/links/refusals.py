"""What neighbours would not take from us, or we not from them: kept until somebody has looked.

The replicator passes a refused document once and goes on; its checkpoint does not come back to it. So this list, not
the link's progress, is where a document that one side holds and the other refuses can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from replication.peers import Refusal
from server.nodedb import NodeDb

MOST = 1000  # a neighbour of another version may refuse everything; the newest thousand tell why

SCHEMA = """
CREATE TABLE IF NOT EXISTS refusals (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, link TEXT NOT NULL, pair TEXT NOT NULL, doc_id TEXT NOT NULL,
    reason TEXT NOT NULL, UNIQUE (link, pair, doc_id));
"""


@dataclass(frozen=True, slots=True)
class KeptRefusal:
    """One refused document: over which link and pair ("here → there"), when last, and the refusing side's words."""

    at: str
    link: str
    pair: str
    doc_id: str
    reason: str


class Refusals:
    """The refusals of one node's links."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def note(self, link: str, pair: str, refusal: Refusal, at: datetime) -> None:
        """Keep a refusal; the same document over the same pair again replaces the older one."""
        row = (at.astimezone(UTC).isoformat(timespec="seconds"), link, pair, refusal.id, refusal.reason[:500])
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO refusals (at, link, pair, doc_id, reason) VALUES (?, ?, ?, ?, ?)", row
            )
            connection.execute("DELETE FROM refusals WHERE number <= (SELECT max(number) FROM refusals) - ?", (MOST,))

    def count(self, link: str = "") -> int:
        """Return how many are kept, of one link if it is named."""
        row = self._db.row("SELECT count(*) FROM refusals WHERE ?1 IN ('', link)", (link,))
        return int(row[0]) if row else 0

    def newest(self, limit: int = 20) -> list[KeptRefusal]:
        """Return the newest, newest first."""
        rows = self._db.rows(
            "SELECT at, link, pair, doc_id, reason FROM refusals ORDER BY number DESC LIMIT ?", (limit,)
        )
        return [KeptRefusal(*row) for row in rows]
