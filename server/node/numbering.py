"""Official dossier codes: one sequence per agency and day, no number twice, one code per dossier for good.

A node put back from a backup has forgotten the codes of the hours since, and without a link nobody tells it. For the
rest of that day it counts on from 10,000 and the second of the day at which it was put back: above all numbers of a
normal day, and above those it gave after an earlier restore of the same day, since nobody gives out one a second.
"""

from __future__ import annotations

from datetime import datetime

from server.backup.restored import restored_since
from server.dossier.codes import DossierCode, build_dossier_code, is_dossier_code, parse_dossier_code
from server.dossier.times import VIETNAM
from server.nodedb import NodeDb

SCHEMA = """
CREATE TABLE IF NOT EXISTS codes (
    stream TEXT PRIMARY KEY, agency TEXT NOT NULL, day TEXT NOT NULL, number INTEGER NOT NULL, code TEXT NOT NULL,
    UNIQUE (agency, day, number));
"""

# The first number after a restore at midnight; seven digits are free (docs/decisions/0197).
AFTER_RESTORE = 10_000


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
        forgotten = self._forgotten(day)
        with self._db.transaction() as connection:
            known = connection.execute("SELECT code FROM codes WHERE stream = ?", (stream,)).fetchone()
            if known:
                return DossierCode(known["code"])
            given = connection.execute(
                "SELECT coalesce(max(number), 0) FROM codes WHERE agency = ? AND day = ?", (unit, day)
            ).fetchone()[0]
            in_events = parse_dossier_code(signed).number if is_dossier_code(signed) else 0
            number = max(given, in_events, forgotten) + 1
            code = build_dossier_code(unit, received_at, number)
            connection.execute("INSERT INTO codes VALUES (?, ?, ?, ?, ?)", (stream, unit, day, number, code))
        return code

    def _forgotten(self, day: str) -> int:
        """Return a number that none of those this node gave out on a day and does not remember is above."""
        restores = [each.at.astimezone(VIETNAM) for each in restored_since(self._db)]
        floors = [
            AFTER_RESTORE + at.hour * 3600 + at.minute * 60 + at.second
            for at in restores
            if at.strftime("%Y-%m-%d") == day
        ]
        return max(floors, default=0)
