"""What the threads of a serving node could not do: kept in `node.db`, so that `tram doctor` beside it sees the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.clocks.clock import timestamp
from server.nodedb import NodeDb

# The parts that complain.
STAMPS, LISTS = "timestamps", "lists"

SCHEMA = """
CREATE TABLE IF NOT EXISTS complaints (part TEXT PRIMARY KEY, since TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a part complains of now, and since when it has had something to complain of without a break."""

    since: datetime
    text: str


class Complaints:
    """The complaints of one node."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def tell(self, part: str, text: str, at: datetime) -> None:
        """Note what a part complains of, "" that it is content. Writes only what changes."""
        known = self.of(part)
        if text == (known.text if known else ""):
            return
        with self._db.transaction() as connection:
            if text:
                connection.execute(
                    "INSERT INTO complaints VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text",
                    (part, timestamp(at), text[:500]),
                )
            else:
                connection.execute("DELETE FROM complaints WHERE part = ?", (part,))

    def of(self, part: str) -> Complaint | None:
        """Return what a part complains of, None if it is content."""
        row = self._db.row("SELECT since, text FROM complaints WHERE part = ?", (part,))
        return Complaint(datetime.fromisoformat(row["since"]), row["text"]) if row else None
