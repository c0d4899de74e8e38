"""Checkpoints that authors can have seen: the ends of pages, which travel, and so are known to every tier.

An event names one in `after`. A checkpoint is named by the content id of its text: "sha256-" and the base64url of the
SHA-256 of its three lines (docs/formats/log.md). Its time is that of the newest leaf under it: the log's node had taken
that event when it signed, so it signed no earlier, and nobody has seen the checkpoint before.

A head is noted when its page is proven here. Which nodes know which heads is therefore a function of the documents in
the unit's database, as it is for proven times.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from crypto.hashing import sha256_id
from crypto.logcert import parse_log_origin
from crypto.note import Checkpoint
from server.dossier import units
from server.log.origins import Origins
from server.nodedb import NodeDb

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_heads (
    name TEXT PRIMARY KEY, log INTEGER NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log_heads_newest ON log_heads (log, at, size);
"""


def head_name(checkpoint: Checkpoint) -> str:
    """Return the name under which an event's `after` knows a checkpoint."""
    return sha256_id(checkpoint.to_text().encode())


class Heads:
    """The heads one node knows. `began_empty`: this node never kept any before, so pages have to be read again."""

    def __init__(self, db: NodeDb, origins: Origins) -> None:
        self._db = db
        self._origins = origins
        self.began_empty = db.row("SELECT 1 FROM sqlite_master WHERE name = 'log_heads'") is None
        db.ensure(SCHEMA)

    def note(self, checkpoint: Checkpoint, at: int) -> str:
        """Note a head whose newest leaf is of the Unix time `at`. Returns its name."""
        name = head_name(checkpoint)
        with self._db.transaction() as connection:
            number = self._origins.number(checkpoint.origin)
            connection.execute(
                "INSERT OR IGNORE INTO log_heads VALUES (?, ?, ?, ?)", (name, number, checkpoint.size, at)
            )
        return name

    def seen_at(self, database: str, name: str) -> datetime | None:
        """Return the time of the head `name` if it is one of the log of the unit that owns a database, else None."""
        row = self._db.row(
            "SELECT o.origin, h.at FROM log_heads h JOIN log_origins o ON o.number = h.log WHERE h.name = ?", (name,)
        )
        if row is None or parse_log_origin(row["origin"])[0] != units.unit_of_database(database):
            return None
        return datetime.fromtimestamp(row["at"], UTC)

    def newest(self, unit: str, now: datetime) -> str:
        """Return the name of the newest head of a unit's log, "" if none is known.

        One that is later than `now` is passed over: some clock ran ahead when it was made, and whoever named it would
        seem to date back.
        """
        sql = "SELECT at, size, name FROM log_heads WHERE log = ? AND at <= ? ORDER BY at DESC, size DESC LIMIT 1"
        found = [self._db.row(sql, (number, int(now.timestamp()))) for number in self._logs_of(unit)]
        newest = max((tuple(row) for row in found if row is not None), default=(0, 0, ""))
        return str(newest[2])

    def _logs_of(self, unit: str) -> list[int]:
        rows = self._db.rows("SELECT number, origin FROM log_origins")
        return [row["number"] for row in rows if parse_log_origin(row["origin"])[0] == unit]
