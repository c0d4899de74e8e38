"""What is remembered of a link over restarts: last success, last error and since when, a few facts by name, and which
store each unit was found to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS link_state (name TEXT PRIMARY KEY, last_success TEXT, last_error TEXT, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS link_facts (
    link TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (link, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_stores (unit TEXT PRIMARY KEY, store TEXT NOT NULL) WITHOUT ROWID;
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


class FarStores:
    """The uuid of the store that a link of ours found at each unit last; a restored or cloned one has another."""

    def __init__(self, db: NodeDb) -> None:
        db.ensure(SCHEMA)
        self._db = db

    def of(self, unit: str) -> str:
        """Return it, "" if no link of ours ever got there."""
        row = self._db.row("SELECT store FROM link_stores WHERE unit = ?", (unit,))
        return str(row["store"]) if row else ""

    def note(self, unit: str, store: str) -> None:
        """Keep it, if it differs from what is kept."""
        if self.of(unit) != store:
            with self._db.transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO link_stores VALUES (?, ?)", (unit, store))
