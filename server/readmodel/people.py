"""People as the read model knows them: names, keys, and who approved which."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from server.dossier import units
from server.dossier.folding import fold_text
from server.readmodel.tables import Tables

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A certificate of a person in one database. Times are RFC 3339; `revoked` is when it stopped counting by the lists
    that are here, "" if none names it."""

    fingerprint: str
    database: str
    unit: str
    begins: str
    ends: str
    revoked: str


@dataclass(frozen=True, slots=True)
class Approval:
    """An `enrol.approved` that counts: for whom, by whom, and its id."""

    subject: str
    author: str
    event: str


class PeopleQueries:
    """Reads the tables; answers are as of the follower's last commit."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._folded: tuple[int, list[tuple[str, str, str]]] = (-1, [])

    def keys_of(self, subject: str, unit: str) -> tuple[PersonKey, ...]:
        """Return the certificates a unit has given a person (a URN), as its own database holds them, newest first."""
        rows = self._tables.rows(
            "SELECT c.fingerprint, c.database, c.unit, c.begins, c.ends, coalesce(r.at, '') FROM certificates c"
            " LEFT JOIN revocations r ON r.database = c.database AND r.issuer = c.issuer AND r.serial = c.serial"
            " WHERE c.urn = ? AND c.unit = ? AND c.database = ? AND c.kind = 'person'"
            " ORDER BY c.begins DESC, c.fingerprint",
            (subject, unit, units.database_name(unit)),
        )
        return tuple(PersonKey(*row) for row in rows)

    def approvals(self, thumbprint: str, unit: str) -> tuple[Approval, ...]:
        """Return the approvals of the key with this RFC 7638 thumbprint by a unit.

        One whose signature is in doubt here is none: a revoked key may have dated it back, and a CA's word cannot wait
        for a leader's review.
        """
        rows = self._tables.rows(
            "SELECT a.subject, e.actor, a.event FROM approvals a JOIN events e ON e.id = a.event"
            " LEFT JOIN verdicts v ON v.database = e.database AND v.doc_id = e.doc_id"
            " WHERE a.thumbprint = ? AND a.unit = ? AND e.database = ? AND v.doc_id IS NULL ORDER BY a.event",
            (thumbprint, unit, units.database_name(unit)),
        )
        return tuple(Approval(*row) for row in rows)

    def count_of(self, *types: str) -> int:
        """Return how many events of these types there are: another number means that there is something new."""
        marks = ",".join("?" * len(types))
        row = self._tables.row(f"SELECT count(*) FROM events WHERE type IN ({marks})", types)  # noqa: S608 - marks
        return int(row[0]) if row else 0

    def events_by(self, fingerprint: str, database: str) -> tuple[str, ...]:
        """Return the document ids of the events in a database that were signed under a certificate."""
        rows = self._tables.rows(
            "SELECT doc_id FROM events WHERE fingerprint = ? AND database = ?", (fingerprint, database)
        )
        return tuple(row[0] for row in rows)

    def named(self, text: str, limit: int) -> tuple[tuple[str, str], ...]:
        """Return (URN, newest name) of people whose name has every word of `text`, each from its start, tones and
        diacritics apart; by name."""
        words = _WORD.findall(fold_text(text[:200]))
        if not words:
            return ()
        found = [
            (urn, name)
            for folded, urn, name in self._names()
            if all(any(part.startswith(word) for part in folded.split()) for word in words)
        ]
        return tuple(found[:limit])

    def _names(self) -> list[tuple[str, str, str]]:
        """Return (folded name, URN, name) of everybody, by name. Names only grow, so their number tells what is new."""
        row = self._tables.row("SELECT count(*) FROM names")
        count = int(row[0]) if row else 0
        with self._lock:
            if self._folded[0] != count:
                rows = self._tables.rows("SELECT subject, name, max(at) FROM names GROUP BY subject ORDER BY name")
                self._folded = (count, [(fold_text(each[1]), each[0], each[1]) for each in rows])
            return self._folded[1]
