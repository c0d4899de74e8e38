"""What this node knows of an event's signature, in three values, and since when it has known the event.

    valid           the path to the root held when the event was first seen here
    indeterminate   it did not hold then, and would have at the time the author claims: nobody can tell (see `reason`)
    invalid         refused at the door, so never stored; or stored before a CRL told otherwise

The time of first admission is this node's proof that the signature existed by then (EN 319 102-1's proof of existence),
so an event seen before its signer was revoked stays valid. Kept in `node.db`: it can be computed from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from server.nodedb import NodeDb

Status = Literal["valid", "indeterminate", "invalid"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS admissions (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, admitted TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is empty for a plain "valid", else a word: "expired", "not_yet_valid", "revoked", "crl_stale"."""

    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """When this node first took an event, and what it thinks of the signature today."""

    admitted: datetime
    verdict: Verdict


class Admissions:
    """The admissions of one node."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        db.ensure(SCHEMA)

    def record(self, database: str, verdicts: Iterable[tuple[str, Verdict]], at: datetime) -> None:
        """Note events about to be stored; one that is noted already keeps its first time."""
        admitted = at.astimezone(UTC).isoformat()
        rows = [(database, doc_id, admitted, verdict.status, verdict.reason) for doc_id, verdict in verdicts]
        if not rows:
            return
        with self._db.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO admissions VALUES (?, ?, ?, ?, ?)", rows)

    def revise(self, database: str, verdicts: Iterable[tuple[str, Verdict]]) -> None:
        """Change what is thought of events, because a CRL came."""
        rows = [(verdict.status, verdict.reason, database, doc_id) for doc_id, verdict in verdicts]
        if not rows:
            return
        with self._db.transaction() as connection:
            connection.executemany(
                "UPDATE admissions SET status = ?, reason = ? WHERE database = ? AND doc_id = ?", rows
            )

    def with_reason(self, database: str, reason: str, after: str, limit: int) -> list[tuple[str, datetime]]:
        """Return up to `limit` (document, first admission) of a database whose verdict bears this word, by id, from
        the one after `after` on."""
        rows = self._db.rows(
            "SELECT doc_id, admitted FROM admissions WHERE database = ? AND reason = ? AND doc_id > ?"
            " ORDER BY doc_id LIMIT ?",
            (database, reason, after, limit),
        )
        return [(row["doc_id"], datetime.fromisoformat(row["admitted"])) for row in rows]

    def of(self, database: str, doc_id: str) -> Admission | None:
        """Return an event's admission, None for one this node never took."""
        row = self._db.row("SELECT * FROM admissions WHERE database = ? AND doc_id = ?", (database, doc_id))
        if row is None:
            return None
        return Admission(datetime.fromisoformat(row["admitted"]), Verdict(row["status"], row["reason"]))
