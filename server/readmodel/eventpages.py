"""A page of the feed of `registry` or a `u-` database: events, certificates, CRLs into tables, dossiers folded anew."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence

from crypto.certificates import parse_certificate
from crypto.crl import parse_crl
from crypto.errors import CryptoError
from replication.document import Doc
from replication.store import Database
from server.dossier import units
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX
from server.dossier.dossier import Dossier
from server.dossier.event import is_dossier_stream
from server.dossier.fold import fold
from server.errors import Refused
from server.intake.verdict import Admissions
from server.pki.documents import parse_der_body
from server.readmodel.documents import HeldEvent, parse_events, read_events, read_page
from server.readmodel.endings import Endings
from server.readmodel.evidence import EvidenceReader
from server.readmodel.grants import GrantsCache, subjects_between
from server.readmodel.rows import count_files, dossier_row, file_rows, index_text, insert_certificate

_LOG = logging.getLogger(__name__)
_NOT_EVENTS = (CERTIFICATE_PREFIX, CRL_PREFIX, LOG_PREFIX, TIMESTAMP_PREFIX)
_MARKS_AT_ONCE = 500  # SQLite takes 32766 arguments; a statement stays readable with fewer


class EventPages:
    """Turns pages of document ids into rows. `read` runs inside the follower's transaction."""

    def __init__(self, grants: GrantsCache, admissions: Admissions, evidence: EvidenceReader) -> None:
        self._evidence = evidence
        self._grants = grants
        self._endings = Endings(admissions)

    def read(self, connection: sqlite3.Connection, database: Database, ids: Sequence[str]) -> set[str]:
        """Take in the documents with these ids. Returns the dossier streams whose state may have changed."""
        proofs = [each for each in ids if each.startswith((CERTIFICATE_PREFIX, CRL_PREFIX))]
        events = [each for each in ids if not each.startswith(_NOT_EVENTS)]
        before = self._grants.of(database.name, connection)
        streams: set[str] = set()
        for doc in read_page(database, proofs):
            streams |= self._proof(connection, database.name, doc)
        held = list(parse_events(database.name, read_page(database, events)))
        for each in held:
            self._index(connection, database.name, each)
        streams |= {e.stored.event.stream for e in held if is_dossier_stream(e.stored.event.stream)}
        changed = subjects_between(before, self._grants.of(database.name, connection))
        streams |= self._acted(connection, database.name, changed)
        self._fold(connection, database, streams, held)
        self._learn_names(connection, database.name, held)
        return streams

    def refold(
        self, connection: sqlite3.Connection, database: Database, streams: set[str], subjects: Iterable[str] = ()
    ) -> None:
        """Fold dossiers anew because what is known beside their events changed, and those in which people acted whose
        roles did."""
        all_streams = streams | self._acted(connection, database.name, subjects)
        self._fold(connection, database, all_streams, ())
        count_files(connection, all_streams)

    # Rows

    def _index(self, connection: sqlite3.Connection, database: str, held: HeldEvent) -> None:
        event = held.stored.event
        connection.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                database,
                held.doc_id,
                held.stored.id,
                event.stream,
                event.type,
                event.unit,
                event.actor,
                event.at,
                held.fingerprint,
                event.after,
            ),
        )
        if not is_dossier_stream(event.stream):
            connection.executemany(
                "INSERT OR IGNORE INTO edges VALUES (?, ?, ?)", [(database, event.stream, prev) for prev in event.prev]
            )
        self._endings.take_event(connection, database, held)

    def _proof(self, connection: sqlite3.Connection, database: str, doc: Doc) -> set[str]:
        """Take in a certificate or a CRL. Returns the dossiers about whose signers it says something."""
        try:
            if doc.id.startswith(CRL_PREFIX):
                return self._endings.take_crl(connection, database, parse_crl(parse_der_body(doc.body, "crl")))
            certificate = parse_certificate(parse_der_body(doc.body, "certificate"))
            insert_certificate(connection, database, certificate)
            return self._endings.take_certificate(connection, database, certificate)
        except (CryptoError, Refused) as exc:
            _LOG.error("%s in %s cannot be read, run tram verify: %s", doc.id, database, exc)
            return set()

    def _learn_names(self, connection: sqlite3.Connection, database: str, held: Iterable[HeldEvent]) -> None:
        """Names and approved keys of people, from enrolments by the node or an official and from grants."""
        for each in held:
            event = each.stored.event
            if event.type not in ("enrol.approved", "role.granted"):
                continue
            author = units.unit_of_node(event.actor)
            allowed = author is not None and units.is_within(event.unit, author)
            if allowed or self._grants.of(database, connection).may_decide(event.actor, event.unit, event.at):
                connection.execute(
                    "INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?)",
                    (event.body["subject"], event.at, each.stored.id, event.body["name"]),
                )
                if event.type == "enrol.approved":
                    connection.execute(
                        "INSERT OR IGNORE INTO approvals VALUES (?, ?, ?, ?)",
                        (event.body["thumbprint"], event.body["subject"], event.unit, each.stored.id),
                    )

    # Dossiers

    def _acted(self, connection: sqlite3.Connection, database: str, subjects: Iterable[str]) -> set[str]:
        """Return the dossiers in which people acted. Reads all events of a database, so all are asked about at once."""
        wanted = sorted(subjects)
        if not wanted:
            return set()
        sql = (
            "SELECT DISTINCT e.stream FROM events e JOIN dossiers d USING (stream)"
            " WHERE e.database = ? AND e.actor IN (SELECT value FROM json_each(?))"
        )
        return {row[0] for row in connection.execute(sql, (database, json.dumps(wanted)))}

    def _fold(
        self, connection: sqlite3.Connection, database: Database, streams: set[str], held: Sequence[HeldEvent]
    ) -> None:
        by_doc = {each.doc_id: each for each in held}
        ids = _event_ids(connection, database.name, sorted(streams))
        by_doc |= {each.doc_id: each for each in read_events(database, [each for each in ids if each not in by_doc])}
        by_stream: dict[str, list[HeldEvent]] = {}
        for each in by_doc.values():
            if each.stored.event.stream in streams:
                by_stream.setdefault(each.stored.event.stream, []).append(each)
        grants = self._grants.of(database.name, connection)
        evidence = self._evidence.of(database.name, sorted(streams), connection)
        for stream in sorted(streams):
            events = [each.stored for each in by_stream.get(stream, ())]
            if not events:
                continue
            try:
                dossier = fold(events, grants, evidence)
            except Exception:  # a defect that one dossier brings to light must not hold up all that come after it
                _LOG.exception("dossier %s cannot be folded; its line in the lists stays as it was", stream)
                continue
            unlogged = sum(not evidence.is_logged(stored.id) for stored in events)
            self._store_dossier(connection, database.name, dossier, unlogged)

    def _store_dossier(self, connection: sqlite3.Connection, database: str, dossier: Dossier, unlogged: int) -> None:
        updates = connection.execute("SELECT coalesce(max(updates), 0) + 1 FROM dossiers").fetchone()[0]
        doubtful = connection.execute("SELECT count(*) FROM verdicts WHERE stream = ?", (dossier.stream,)).fetchone()[0]
        values = dossier_row(database, dossier) | {"updates": updates, "doubtful": doubtful, "unlogged": unlogged}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "stream")
        connection.execute(
            f"INSERT INTO dossiers ({names}) VALUES ({marks})"  # noqa: S608 - the names are those of `dossier_row`
            f" ON CONFLICT (stream) DO UPDATE SET {changes}",
            values,
        )
        connection.execute("DELETE FROM file_refs WHERE stream = ?", (dossier.stream,))
        connection.executemany(
            "INSERT OR IGNORE INTO file_refs (stream, event, manifest, sha256, database, size, type, name, preview_of)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            file_rows(dossier),
        )
        index_text(connection, dossier)


def _event_ids(connection: sqlite3.Connection, database: str, streams: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(streams), _MARKS_AT_ONCE):
        some = streams[start : start + _MARKS_AT_ONCE]
        marks = ",".join("?" * len(some))
        sql = f"SELECT doc_id FROM events WHERE stream IN ({marks}) AND database = ?"  # noqa: S608 - question marks
        found += [row[0] for row in connection.execute(sql, (*some, database))]
    return found
