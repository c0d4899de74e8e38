"""The note of a restored node, in node.db: when it was put back, and to what.

A node that was set back has forgotten what it said since: leaves of a log, receipts, codes. Whoever promises never to
take something back asks here before going on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from server.clocks.clock import timestamp
from server.minefeed import renew_epoch
from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS restorations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, made_at TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """One restore: `number` counts them from 1; what the node did between `made_at` and `at` it does not remember."""

    number: int
    at: datetime
    made_at: datetime


def restored_since(db: NodeDb, number: int = 0) -> list[Restored]:
    """Return the restores of this node after the `number`th, oldest first; empty for a node that was never set back."""
    db.ensure(SCHEMA)
    rows = db.rows("SELECT number, at, made_at FROM restorations WHERE number > ? ORDER BY number", (number,))
    return [
        Restored(row["number"], datetime.fromisoformat(row["at"]), datetime.fromisoformat(row["made_at"]))
        for row in rows
    ]


def note_restore(db: NodeDb, *, made_at: str, at: datetime) -> None:
    """Note a restore, and let nobody go on from a seq of `mine` that was told before it."""
    db.ensure(SCHEMA)
    renew_epoch(db)
    with db.transaction() as connection:
        connection.execute(
            "INSERT INTO restorations (at, made_at) VALUES (?, ?)", (timestamp(at.astimezone(UTC)), made_at)
        )
