"""Official dossier codes: one sequence per agency and day, no number twice, one code per dossier for good."""

from __future__ import annotations

from datetime import datetime

from server.dossier.codes import DossierCode, build_dossier_code, is_dossier_code, parse_dossier_code
from server.dossier.times import VIETNAM
from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS codes (
    stream TEXT PRIMARY KEY, agency TEXT NOT NULL, day TEXT NOT NULL, number INTEGER NOT NULL, code TEXT NOT NULL,
    UNIQUE (agency, day, number));
"""


class Numbering:
    """The codes a node has given out, in `node.db`."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def allocate(self, stream: str, unit: str, received_at: datetime, *, signed: str = "") -> DossierCode:
        """Return the dossier's code, given out durably before this returns.

        Asked again for the same dossier it is the same code, also on another day: a draft that was not signed today may
        be signed tomorrow, and the number on a slip must not change. A number that was never used stays unused.
        `signed` is the highest code of that agency and day in signed events: `node.db` may be younger than they are,
        after a restore.
        """
        day = received_at.astimezone(VIETNAM).strftime("%Y-%m-%d")
        with self._db.transaction() as connection:
            known = connection.execute("SELECT code FROM codes WHERE stream = ?", (stream,)).fetchone()
            if known:
                return DossierCode(known["code"])
            given = connection.execute(
                "SELECT coalesce(max(number), 0) FROM codes WHERE agency = ? AND day = ?", (unit, day)
            ).fetchone()[0]
            number = max(given, parse_dossier_code(signed).number if is_dossier_code(signed) else 0) + 1
            code = build_dossier_code(unit, received_at, number)
            connection.execute("INSERT INTO codes VALUES (?, ?, ?, ?, ?)", (stream, unit, day, number, code))
        return code
