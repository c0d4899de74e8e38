"""What is remembered of a link over restarts: last success, last error and since when, and a few facts by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS link_state (name TEXT PRIMARY KEY, last_success TEXT, last_error TEXT, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS link_facts (
    link TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (link, name)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KeptState:
    """How a link stood last. Times are RFC 3339, `since` is of the present error or of being well."""

    last_success: str | None = None
    last_error: str | None = None
    since: str = ""


class LinkState:
    """The memory of one link, in `node.db`."""

    def __init__(self, db: NodeDb, link: str) -> None:
        db.ensure(SCHEMA)
        self._db = db
        self._link = link

    def read(self) -> KeptState:
        """Return how the link stood last."""
        row = self._db.row("SELECT * FROM link_state WHERE name = ?", (self._link,))
        return KeptState(row["last_success"], row["last_error"], row["since"]) if row else KeptState()

    def note(self, last_success: str | None, error: str | None) -> None:
        """Keep how the link stands, if that differs from what is kept. None for `last_success` leaves the old one."""
        kept = self.read()
        if kept.since and kept.last_error == error and last_success in (None, kept.last_success):
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        since = kept.since if kept.since and kept.last_error == error else now
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO link_state VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " last_success = coalesce(excluded.last_success, last_success), last_error = excluded.last_error,"
                " since = excluded.since",
                (self._link, last_success, error, since),
            )

    def facts(self) -> Mapping[str, str]:
        """Return what `set_facts` kept, by name."""
        rows = self._db.rows("SELECT name, value FROM link_facts WHERE link = ?", (self._link,))
        return {row["name"]: row["value"] for row in rows}

    def set_facts(self, **facts: str) -> None:
        """Keep values by name, all at once."""
        rows = [(self._link, name, value) for name, value in facts.items()]
        with self._db.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO link_facts VALUES (?, ?, ?)", rows)
