"""The names of logs, each under a small number: rows about a log's leaves are many, its name is long."""

from __future__ import annotations

from typing import Final

from server.nodedb import NodeDb

SCHEMA: Final = "CREATE TABLE IF NOT EXISTS log_origins (number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE);"


class Origins:
    """The names in `node.db`. Safe from several threads."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def number(self, origin: str) -> int:
        """Return the number of a log, which is given one if it has none."""
        with self._db.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO log_origins (origin) VALUES (?)", (origin,))
            row = connection.execute("SELECT number FROM log_origins WHERE origin = ?", (origin,)).fetchone()
            return int(row[0])
