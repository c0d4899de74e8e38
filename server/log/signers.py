"""Which certificates of log keys a node has seen sign: its own log's, and those of units above.

Phones ask for them to check proofs by themselves. Documents name the certificates by thumbprint, a note on its own
names only logs; so what was proven once is remembered here.
"""

from __future__ import annotations

from collections.abc import Mapping

from server.dossier import units
from server.nodedb import NodeDb
from server.pki.directory import Directory

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_signers (
    database TEXT NOT NULL, unit TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (database, fingerprint));
"""
MOST = 32  # eight levels of units, each with a renewed certificate or three


class LogSigners:
    """The certificates of log keys, by the database in which they signed."""

    def __init__(self, db: NodeDb, directory: Directory) -> None:
        self._db = db
        self._directory = directory
        db.ensure(SCHEMA)

    def is_empty(self) -> bool:
        """Say whether none has been noted, as in a home that is older than this table."""
        return self._db.row("SELECT 1 FROM log_signers LIMIT 1") is None

    def note(self, database: str, signers: Mapping[str, str]) -> None:
        """Remember whose certificates (thumbprint to unit) were proven to sign in a database."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO log_signers VALUES (?, ?, ?)",
                [(database, unit, fingerprint) for fingerprint, unit in signers.items()],
            )

    def certificates(self, unit: str) -> list[tuple[str, bytes]]:
        """Return (unit, DER) of the log keys of a unit and of those above that signed in its database, newest first."""
        database = units.database_name(unit)
        sql = "SELECT unit, fingerprint FROM log_signers WHERE database = ? ORDER BY rowid DESC LIMIT ?"
        found = []
        for row in self._db.rows(sql, (database, 8 * MOST)):
            der = self._directory.leaf(database, row["fingerprint"])
            if der is not None and units.is_within(unit, row["unit"]):
                found.append((str(row["unit"]), der))
        return found[:MOST]
