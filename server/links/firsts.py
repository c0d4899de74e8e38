"""Dossiers an official has put to the front of the line ("Gửi hồ sơ này trước"), until it is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.errors import Refused
from server.nodedb import NodeDb

MOST = 50  # if everything is first, nothing is
LASTS = timedelta(days=7)  # nobody remembers to take it back

SCHEMA = """
CREATE TABLE IF NOT EXISTS pushed_first (stream TEXT PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class First:
    """One dossier at the front: since when (RFC 3339) and by whom."""

    stream: str
    at: str
    by: str


class Firsts:
    """The dossiers that go first at one node, in the order they were asked for."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def add(self, stream: str, *, by: str, at: datetime) -> int:
        """Put a dossier to the front, behind those that are there; returns its place, from 1.

        Asked again it keeps its place. Raises `Refused("too_many_first")`.
        """
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM pushed_first WHERE at < ?", ((at - LASTS).isoformat(),))
            if len(self.all()) >= MOST and not self.place(stream):
                raise Refused(
                    "too_many_first",
                    f"Đã có {MOST} hồ sơ được gửi trước; bỏ ưu tiên một hồ sơ đã / {MOST} dossiers go first already;"
                    " take one back first",
                )
            connection.execute("INSERT OR IGNORE INTO pushed_first VALUES (?, ?, ?)", (stream, at.isoformat(), by))
        return self.place(stream)

    def remove(self, stream: str) -> None:
        """Take a dossier's precedence back; nothing happens if it has none."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM pushed_first WHERE stream = ?", (stream,))

    def all(self) -> list[First]:
        """Return the dossiers that go first, in their order."""
        rows = self._db.rows("SELECT stream, at, by FROM pushed_first ORDER BY at, rowid")
        return [First(row["stream"], row["at"], row["by"]) for row in rows]

    def place(self, stream: str) -> int:
        """Return a dossier's place in the line, from 1; 0 if it has none."""
        return next((place for place, first in enumerate(self.all(), 1) if first.stream == stream), 0)
