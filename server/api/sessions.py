"""The desk's session: an official proves with a token who they are, and gets a cookie for the pages.

The cookie opens pages; it signs nothing. Every step in a dossier is signed with the official's own key in the browser.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from server.clocks.clock import NodeClock
from server.nodedb import NodeDb
from server.tokens import Principal

COOKIE = "tram_session"
LIFE = timedelta(hours=12)  # a working day; the key is asked again the next morning

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    digest BLOB PRIMARY KEY, urn TEXT NOT NULL, unit TEXT NOT NULL, fingerprint TEXT NOT NULL, expires TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Session:
    """A session just begun; `id` goes into the cookie and is kept nowhere."""

    id: str
    expires: datetime


class Sessions:
    """The sessions of one node, by the hash of their ids: who reads `node.db` can use none of them."""

    def __init__(self, db: NodeDb, clock: NodeClock) -> None:
        self._db = db
        self._clock = clock
        db.ensure(SCHEMA)

    def begin(self, who: Principal) -> Session:
        """Return a new session."""
        session = Session(secrets.token_urlsafe(32), self._clock.now() + LIFE)
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE expires < ?", (self._now(),))
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (_digest(session.id), who.urn, who.unit, who.fingerprint, session.expires.isoformat()),
            )
        return session

    def find(self, session_id: str) -> Principal | None:
        """Return whose session this is, None for one that is unknown or over."""
        row = self._db.row(
            "SELECT * FROM sessions WHERE digest = ? AND expires > ?", (_digest(session_id), self._now())
        )
        return Principal("person", row["urn"], row["unit"], row["fingerprint"]) if row else None

    def end(self, session_id: str) -> None:
        """Forget a session."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (_digest(session_id),))

    def _now(self) -> str:
        return self._clock.now().astimezone(UTC).isoformat()


def _digest(session_id: str) -> bytes:
    return sha256(b"tram session\0" + session_id.encode("utf-8", "replace")).digest()
