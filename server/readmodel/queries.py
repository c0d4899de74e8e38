"""Questions pages ask: queues, counts, search, one dossier's line, who may see a file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields

from server.dossier import units
from server.dossier.folding import fold_text
from server.readmodel.tables import Tables

MOST_ROWS = 200
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class DossierRow:
    """One dossier as lists show it. Times are as events write them, "" where there is none; `status` is the business
    code of `server.dossier.states`. `doubtful` counts events whose signature is not plainly valid, `held` acts that
    wait for a leader, `conflicts` the open ones, `unreceipted` the filings without a
    receipt; `bytes_here` of `bytes_total` have arrived at this node."""

    stream: str
    database: str
    unit: str
    code: str
    procedure: str
    channel: str
    owner: str
    applicant: str
    status: int
    handover: str
    due: str
    submitted_at: str
    accepted_at: str
    updated_at: str
    updates: int
    received: bool
    unreceipted: int
    conflicts: int
    doubtful: int
    held: int
    forwarded_to: str
    files_total: int
    files_here: int
    bytes_total: int
    bytes_here: int


@dataclass(frozen=True, slots=True)
class DossierFilter:
    """Which dossiers. `unit` means it and all below. `text` is searched without diacritics, each word from its start.

    `due_before` keeps those with a due time before it that are still running; `newest` orders by last change instead
    of by due time.
    """

    unit: str = ""
    statuses: tuple[int, ...] = ()
    text: str = ""
    due_before: str = ""
    owner: str = ""
    procedure: str = ""
    incomplete: bool = False
    conflicting: bool = False
    held: bool = False
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Rows from `offset` on; `total` counts all that match."""

    rows: tuple[DossierRow, ...]
    total: int
    offset: int


@dataclass(frozen=True, slots=True)
class FileUse:
    """A dossier that names a file."""

    stream: str
    database: str
    owner: str
    unit: str
    manifest: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class EventVerdict:
    """What is thought of one event's signature where that is not plainly "valid"."""

    event: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate of a database. `kind` is "ca", "node" or "person"; `urn` and `unit` are "" for a CA."""

    fingerprint: str
    kind: str
    urn: str
    unit: str
    serial: str
    begins: str
    ends: str


# Only names of this module are put into the text of a query; what people typed goes in as arguments.
_FROM = "FROM dossiers d"
_SELECT = f"SELECT {', '.join(f'd.{column.name}' for column in fields(DossierRow))} {_FROM}"


class Queries:
    """Reads the tables; answers are as of the follower's last commit."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def dossiers(self, wanted: DossierFilter, *, limit: int = 50, offset: int = 0) -> Page:
        """Return a page of dossiers, at most `MOST_ROWS` at once."""
        where, arguments = self._where(wanted)
        order = "d.updates DESC" if wanted.newest else "d.due, d.stream"
        total = self._tables.row(f"SELECT count(*) {_FROM} {where}", arguments)
        rows = self._tables.rows(
            f"{_SELECT} {where} ORDER BY {order} LIMIT ? OFFSET ?",
            [*arguments, max(1, min(limit, MOST_ROWS)), max(0, offset)],
        )
        return Page(tuple(map(_row, rows)), int(total[0]) if total else 0, max(0, offset))

    def dossier(self, stream: str) -> DossierRow | None:
        """Return one dossier's line, None if it is not here."""
        found = self._tables.row(f"{_SELECT} WHERE stream = ?", (stream,))
        return _row(found) if found else None

    def birth(self) -> str:
        """Return what tells this file from one computed before or after it."""
        row = self._tables.row("SELECT birth FROM meta")
        return str(row[0]) if row else ""

    def updated_since(self, updates: int, limit: int = 200) -> tuple[tuple[str, int], ...]:
        """Return (stream, updates) of dossiers changed after the change numbered `updates`, oldest change first."""
        rows = self._tables.rows(
            "SELECT stream, updates FROM dossiers WHERE updates > ? ORDER BY updates LIMIT ?", (updates, limit)
        )
        return tuple((row[0], row[1]) for row in rows)

    def by_code(self, code: str) -> tuple[DossierRow, ...]:
        """Return the dossiers that were given an official code: one, unless two offices made a mistake."""
        rows = self._tables.rows(f"{_SELECT} WHERE code = ? AND code <> ''", (code,))
        return tuple(map(_row, rows))

    def highest_code(self, prefix: str) -> str:
        """Return the highest official code that begins with `prefix` ("H41.12.03-261121-"), "" if there is none."""
        row = self._tables.row(
            "SELECT code FROM dossiers WHERE code <> '' AND code >= ? AND code < ?"
            " ORDER BY length(code) DESC, code DESC LIMIT 1",
            (prefix, f"{prefix}~"),
        )
        return str(row[0]) if row else ""

    def counts(self, unit: str = "") -> dict[int, int]:
        """Return how many dossiers of a unit and those below it have each status."""
        where, arguments = self._where(DossierFilter(unit=unit))
        rows = self._tables.rows(f"SELECT d.status, count(*) {_FROM} {where} GROUP BY d.status", arguments)
        return {row[0]: row[1] for row in rows}

    def units(self) -> tuple[str, ...]:
        """Return the units that have dossiers here, sorted."""
        # From one unit to the next in the index; SELECT DISTINCT would read the index whole (100 ms at 100,000 rows).
        rows = self._tables.rows(
            "WITH RECURSIVE u(unit) AS (SELECT min(unit) FROM dossiers UNION ALL"
            " SELECT (SELECT min(unit) FROM dossiers WHERE unit > u.unit) FROM u WHERE u.unit IS NOT NULL)"
            " SELECT unit FROM u WHERE unit IS NOT NULL"
        )
        return tuple(row[0] for row in rows)

    def event_ids(self, stream: str) -> dict[str, list[str]]:
        """Return the document ids of a stream's events by database."""
        found: dict[str, list[str]] = {}
        for row in self._tables.rows("SELECT database, doc_id FROM events WHERE stream = ? ORDER BY doc_id", (stream,)):
            found.setdefault(row["database"], []).append(row["doc_id"])
        return found

    def dossiers_of(self, database: str, events: Sequence[str]) -> tuple[str, ...]:
        """Return the dossiers that events (by id) of a database belong to."""
        found: set[str] = set()
        for start in range(0, len(events), MOST_ROWS):
            some = events[start : start + MOST_ROWS]
            sql = (
                f"SELECT DISTINCT e.stream FROM events e JOIN dossiers USING (stream) WHERE e.id IN ({_marks(some)})"  # noqa: S608 - question marks
                " AND e.database = ?"
            )
            found |= {row[0] for row in self._tables.rows(sql, (*some, database))}
        return tuple(sorted(found))

    def dossiers_after(self, database: str, checkpoint: str) -> tuple[str, ...]:
        """Return the dossiers of a database with an event whose author names `checkpoint` as the newest seen."""
        sql = (
            "SELECT DISTINCT e.stream FROM events e JOIN dossiers USING (stream)"
            " WHERE e.after = ? AND e.after <> '' AND e.database = ?"
        )
        return tuple(str(row[0]) for row in self._tables.rows(sql, (checkpoint, database)))

    def stream_of_event(self, event_id: str) -> str | None:
        """Return the stream of the event with this id, None if it is not here."""
        rows = self._tables.rows("SELECT stream FROM events WHERE id = ? LIMIT 1", (event_id,))
        return str(rows[0]["stream"]) if rows else None

    def streams_of_type(self, type: str) -> dict[str, list[str]]:
        """Return the document ids of all events of a type by database."""
        found: dict[str, list[str]] = {}
        for row in self._tables.rows("SELECT database, doc_id FROM events WHERE type = ? ORDER BY at, id", (type,)):
            found.setdefault(row["database"], []).append(row["doc_id"])
        return found

    def verdicts(self, stream: str) -> tuple[EventVerdict, ...]:
        """Return the events of a stream whose signature is not plainly valid, and why."""
        sql = (
            "SELECT e.id, v.status, v.reason FROM verdicts v JOIN events e USING (database, doc_id) WHERE v.stream = ?"
        )
        return tuple(EventVerdict(*row) for row in self._tables.rows(sql, (stream,)))

    def file_uses(self, sha256: str) -> tuple[FileUse, ...]:
        """Return the dossiers that name the file with this content id."""
        sql = (
            "SELECT DISTINCT r.stream, d.database, d.owner, d.unit, r.manifest, r.type, r.name"
            " FROM file_refs r JOIN dossiers d USING (stream) WHERE r.sha256 = ?"
        )
        return tuple(FileUse(*row) for row in self._tables.rows(sql, (sha256,)))

    def names_file(self, database: str, manifest: str, but_for: str) -> bool:
        """Say whether a dossier other than the stream `but_for` names a manifest of an `f-` database."""
        sql = "SELECT 1 FROM file_refs WHERE database = ? AND manifest = ? AND stream <> ? LIMIT 1"
        return self._tables.row(sql, (database, manifest, but_for)) is not None

    def awaited_chunks(self, database: str, limit: int) -> tuple[str, ...]:
        """Return ids of chunks that files in this database (`f-…`) are waiting for, at most `limit`."""
        sql = "SELECT DISTINCT chunk FROM awaited WHERE database = ? ORDER BY manifest LIMIT ?"
        return tuple(row[0] for row in self._tables.rows(sql, (database, limit)))

    def large_files(self, database: str, above: int) -> dict[str, int]:
        """Return the manifests of this database (`f-…`) whose files have more than `above` bytes, with those bytes."""
        sql = "SELECT manifest, size FROM manifests WHERE database = ? AND size > ?"
        return {row[0]: row[1] for row in self._tables.rows(sql, (database, above))}

    def awaiting_receipt(self, unit: str) -> tuple[str, ...]:
        """Return the streams of a unit that have a filing without a receipt."""
        rows = self._tables.rows("SELECT stream FROM dossiers WHERE unit = ? AND unreceipted > 0", (unit,))
        return tuple(row[0] for row in rows)

    def certificates(self, database: str, urn: str = "") -> tuple[CertificateRow, ...]:
        """Return the certificates in a database, those of one holder if `urn` is given, newest first."""
        columns = ", ".join(column.name for column in fields(CertificateRow))
        rows = self._tables.rows(
            f"SELECT {columns} FROM certificates WHERE database = ?1 AND (?2 = '' OR urn = ?2)"  # noqa: S608 - our columns
            " ORDER BY begins DESC, fingerprint",
            (database, urn),
        )
        return tuple(CertificateRow(*row) for row in rows)

    def database_of_certificate(self, fingerprint: str) -> str | None:
        """Return a database that holds the certificate with this thumbprint, None if none does."""
        row = self._tables.row("SELECT database FROM certificates WHERE fingerprint = ?", (fingerprint,))
        return str(row[0]) if row else None

    def heads(self, database: str, stream: str) -> tuple[str, ...]:
        """Return the ids nothing builds on in a stream that is no dossier, sorted: the `prev` of the next event."""
        rows = self._tables.rows(
            "SELECT e.id FROM events e WHERE e.stream = ?1 AND e.database = ?2 AND NOT EXISTS"
            " (SELECT 1 FROM edges x WHERE x.database = ?2 AND x.stream = ?1 AND x.prev = e.id) ORDER BY e.id LIMIT 64",
            (stream, database),
        )
        return tuple(row[0] for row in rows)

    def approval(self, thumbprint: str, unit: str) -> str | None:
        """Return the subject for whom the unit approved the key with this thumbprint, None if it has not."""
        row = self._tables.row(
            "SELECT subject FROM approvals WHERE thumbprint = ? AND unit = ? ORDER BY event", (thumbprint, unit)
        )
        return str(row[0]) if row else None

    def name_of(self, subject: str) -> str:
        """Return the newest name a person was enrolled or given a role under, "" if none is known."""
        row = self._tables.row("SELECT name FROM names WHERE subject = ? ORDER BY at DESC, event DESC", (subject,))
        return str(row[0]) if row else ""

    def people(self) -> tuple[tuple[str, str], ...]:
        """Return (URN, newest name) of everybody known by name, by name."""
        rows = self._tables.rows("SELECT subject, name, max(at) FROM names GROUP BY subject ORDER BY name, subject")
        return tuple((row[0], row[1]) for row in rows)

    def _where(self, wanted: DossierFilter) -> tuple[str, list[object]]:
        """Return a WHERE clause and its arguments."""
        parts: list[str] = []
        arguments: list[object] = []

        def add(part: str, *values: object) -> None:
            parts.append(part)
            arguments.extend(values)

        if wanted.unit:
            below = [unit for unit in self.units() if units.is_within(unit, wanted.unit)]
            add(f"d.unit IN ({_marks(below)})", *below)
        if wanted.statuses:
            add(f"d.status IN ({_marks(wanted.statuses)})", *wanted.statuses)
        if wanted.due_before:
            add("d.due <> '' AND d.due < ? AND d.status IN (2, 4, 5, 6)", wanted.due_before)
        for name in ("owner", "procedure"):
            if getattr(wanted, name):
                add(f"d.{name} = ?", getattr(wanted, name))
        if wanted.incomplete:
            add("d.files_here < d.files_total")
        if wanted.held:
            add("d.held > 0")
        if wanted.conflicting:
            add("d.conflicts > 0")
        if wanted.text:
            query = build_match(wanted.text)
            if query:
                add("d.number IN (SELECT rowid FROM found WHERE found MATCH ?)", query)
            else:
                add("0")
        return ("WHERE " + " AND ".join(parts) if parts else ""), arguments


def build_match(text: str) -> str:
    """Return the full-text query for what somebody typed: every word, folded, from its start; "" if there is none.

    Words are quoted, so nothing typed is ever an operator.
    """
    words = _WORD.findall(fold_text(text[:200]))
    return " ".join(f'"{word}"*' for word in words)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _row(row: sqlite3.Row) -> DossierRow:
    values = dict(row)
    return DossierRow(**(values | {"received": bool(values["received"])}))
