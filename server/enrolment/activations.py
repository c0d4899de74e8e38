"""Activation codes: the office's word beforehand. Whoever brings one is enrolled at once, as the person it stands for.

Codes work once, end, and are stored as hashes.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from server.enrolment.request import Request
from server.errors import Refused, TooMany
from server.nodedb import NodeDb

LIFE = timedelta(days=7)
WRONG_CODES_PER_HOUR = 20  # 60 bits of code: guessing is hopeless anyway, this stops the noise

SCHEMA = """
CREATE TABLE IF NOT EXISTS activations (
    digest BLOB PRIMARY KEY, subject TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, expires TEXT NOT NULL,
    used_by TEXT);
CREATE TABLE IF NOT EXISTS activation_makers (digest BLOB PRIMARY KEY, maker TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activation_failures (at TEXT NOT NULL);
"""

# Crockford's letters: none that is taken for another.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_READ = str.maketrans("OIL", "011", "- ")


class Activations:
    """The activation codes of one node."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def make(self, *, subject: str, name: str, kind: str, now: datetime, maker: str = "") -> str:
        """Return a new code that enrols `subject` (a URN) once, within a week: "7KQ2-M4XR-9TDB". `maker` is the URN of
        the official who had it made, "" for the console."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO activations VALUES (?, ?, ?, ?, ?, NULL)",
                (_digest(code), subject, name, kind, _time(now + LIFE)),
            )
            if maker:
                connection.execute("INSERT INTO activation_makers VALUES (?, ?)", (_digest(code), maker))
        return "-".join((code[:4], code[4:8], code[8:]))

    def use(self, code: str, request: Request, now: datetime) -> tuple[str, str]:
        """Return (subject URN, name) a code stands for, and count it as used by this key.

        The same key may come again with it: its first answer may have been lost. Raises `Refused("bad_activation")`,
        in the same words for a code that is wrong, used, of another kind, or over; `TooMany` after many wrong ones.
        """
        self._check_failures(now)
        with self._db.transaction() as connection:
            row = connection.execute("SELECT * FROM activations WHERE digest = ?", (_digest(code),)).fetchone()
            good = (
                row is not None
                and row["expires"] > _time(now)
                and row["kind"] == request.kind
                and row["used_by"] in (None, request.thumbprint)
            )
            if good:
                connection.execute(
                    "UPDATE activations SET used_by = ? WHERE digest = ?", (request.thumbprint, row["digest"])
                )
                return str(row["subject"]), str(row["name"])
            connection.execute("INSERT INTO activation_failures VALUES (?)", (_time(now),))
        raise Refused("bad_activation", "this activation code is wrong, used, or over; ask for a new one at the office")

    def maker_of(self, thumbprint: str) -> str:
        """Return the URN of the official who had the code made that this key brought, "" for the console or none."""
        row = self._db.row(
            "SELECT m.maker FROM activations a JOIN activation_makers m USING (digest) WHERE a.used_by = ?",
            (thumbprint,),
        )
        return str(row["maker"]) if row else ""

    def _check_failures(self, now: datetime) -> None:
        hour_ago = _time(now - timedelta(hours=1))
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM activation_failures WHERE at < ?", (hour_ago,))
            failures = connection.execute("SELECT count(*) FROM activation_failures").fetchone()[0]
        if failures >= WRONG_CODES_PER_HOUR:
            raise TooMany("too many wrong activation codes in the last hour", retry_after_s=3600)


def _digest(code: str) -> bytes:
    normal = code.upper().translate(_AS_READ)
    return hmac.new(b"tram activation code", normal.encode("utf-8", "replace"), sha256).digest()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
