"""What this node knows about a stream's events beside them, for the fold: `server.dossier.proofs.Proofs`.

Times come from the log (`LogTimes`), ends from certificates and revocation lists: documents that replicate, so that
nodes agree. What this node thought when an event came is a doubt, and counts only while nothing proves the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from server.dossier.proofs import STALE, Evidence
from server.dossier.rules import IRREVERSIBLE
from server.intake.verdict import Admissions
from server.readmodel.tables import Tables

Reach = tuple[tuple[int, int], ...]  # (generation, size) of each

_MARKS_AT_ONCE = 500
_SELECT = (
    "SELECT e.id, e.doc_id, e.type, e.after, c.ends, n.at AS ended, v.reason AS doubt FROM events e"
    " LEFT JOIN certificates c ON c.database = e.database AND c.fingerprint = e.fingerprint"
    " LEFT JOIN endings n ON n.database = e.database AND n.fingerprint = e.fingerprint"
    " LEFT JOIN verdicts v ON v.database = e.database AND v.doc_id = e.doc_id"
)


class ProvenTime(Protocol):
    """A time by which an event existed."""

    @property
    def at(self) -> datetime:
        """The instant, aware."""
        ...

    @property
    def is_logged(self) -> bool:
        """Whether the log of the database's unit is known to hold the event."""
        ...


class LogTimes(Protocol):
    """What the transparency logs, cosignatures and time-stamps prove about events."""

    def earliest(self, database: str, event_id: str) -> ProvenTime | None:
        """Return the earliest proof of an event's existence in documents of `database`, None if there is none."""
        ...

    def seen_at(self, database: str, checkpoint: str) -> datetime | None:
        """Return the time of a checkpoint of the log of a database's unit, by its name; None if it is not known."""
        ...

    def reach(self, database: str) -> Reach:
        """Return how far this node's own log goes, if it is the one that counts for a database; () if it is not. What
        other logs prove a listener is told; our own has an event's leaf a moment after the event is stored."""
        ...


class EvidenceReader:
    """Reads evidence from the tables, from the node's admissions, and from the log once one is set."""

    def __init__(self, tables: Tables, admissions: Admissions) -> None:
        self._tables = tables
        self._admissions = admissions
        self.log: LogTimes | None = None

    def of(self, database: str, streams: Sequence[str], connection: sqlite3.Connection | None = None) -> Evidence:
        """Return the evidence about all events of some streams. `connection` is the follower's, which sees rows that
        are not committed yet."""
        return self._read(database, self._rows(f"{_SELECT} WHERE e.stream IN ", database, streams, connection))

    def of_documents(self, database: str, doc_ids: Sequence[str]) -> Evidence:
        """Return the evidence about some events: a unit's own stream has one for everybody who was ever enrolled."""
        return self._read(database, self._rows(f"{_SELECT} WHERE e.doc_id IN ", database, doc_ids))

    def _read(self, database: str, rows: Iterable[sqlite3.Row]) -> Evidence:
        times: dict[str, datetime] = {}
        ends: dict[str, datetime] = {}
        doubts: dict[str, str] = {}
        seen: dict[str, datetime] = {}
        logged: set[str] = set()
        for row in rows:
            event = row["id"]
            proven = self.log.earliest(database, event) if self.log else None
            if proven is not None:
                times[event] = proven.at
                if proven.is_logged:
                    logged.add(event)
            if self.log and row["after"] and row["after"] not in seen:
                found = self.log.seen_at(database, row["after"])
                if found is not None:
                    seen[row["after"]] = found
            known = [datetime.fromisoformat(each) for each in (row["ends"], row["ended"]) if each]
            if known:
                ends[event] = min(known)
            if row["doubt"] is not None:
                doubts[event] = row["doubt"]
            elif row["type"] in IRREVERSIBLE and self._is_stale(database, row["doc_id"]):
                doubts[event] = STALE
        return Evidence(times, ends, doubts, seen, logged)

    def reach(self, database: str) -> Reach:
        """As `LogTimes.reach`; () while no log is set."""
        return self.log.reach(database) if self.log else ()

    def _rows(
        self, select: str, database: str, wanted: Sequence[str], connection: sqlite3.Connection | None = None
    ) -> list[sqlite3.Row]:
        found: list[sqlite3.Row] = []
        for start in range(0, len(wanted), _MARKS_AT_ONCE):
            some = wanted[start : start + _MARKS_AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"{select} ({marks}) AND e.database = ?"
            arguments = (*some, database)
            found += connection.execute(sql, arguments).fetchall() if connection else self._tables.rows(sql, arguments)
        return found

    def _is_stale(self, database: str, doc_id: str) -> bool:
        admission = self._admissions.of(database, doc_id)
        return admission is not None and admission.verdict.reason == STALE
