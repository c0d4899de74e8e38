"""From folded dossiers and certificates to rows of the tables."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

from cryptography import x509

from crypto.errors import CryptoError
from crypto.event import fingerprint_of
from crypto.path import verify_leaf_profile
from server.dossier import units
from server.dossier.dossier import Dossier
from server.dossier.folding import fold_text
from server.pki.directory import authority_key_id, key_id

_LOG = logging.getLogger(__name__)


def count_files(connection: sqlite3.Connection, streams: Iterable[str]) -> None:
    """Write into each dossier which of its files are here, and how many files and bytes."""
    for stream in streams:
        connection.execute(
            "UPDATE file_refs AS r SET whole = EXISTS (SELECT 1 FROM manifests m"
            " WHERE m.database = r.database AND m.manifest = r.manifest AND m.here >= r.size) WHERE stream = ?",
            (stream,),
        )
        connection.execute(
            "UPDATE dossiers SET (files_total, files_here, bytes_total, bytes_here) = ("
            " SELECT count(*), coalesce(sum(coalesce(m.here, 0) >= r.size), 0), coalesce(sum(r.size), 0),"
            " coalesce(sum(min(coalesce(m.here, 0), r.size)), 0)"
            " FROM (SELECT DISTINCT database, manifest, size FROM file_refs WHERE stream = ?1 AND preview_of = '') r"
            " LEFT JOIN manifests m ON m.database = r.database AND m.manifest = r.manifest)"
            ", updates = (SELECT max(updates) + 1 FROM dossiers) WHERE stream = ?1",
            (stream,),
        )


def dossier_row(database: str, dossier: Dossier) -> dict[str, object]:
    name = dossier.applicant.get("name", "")
    unit = dossier.unit or next((entry.stored.event.unit for entry in dossier.timeline), "")
    return {
        "stream": dossier.stream,
        "database": database,
        "unit": unit,
        "code": dossier.code,
        "procedure": dossier.procedure,
        "channel": dossier.channel,
        "owner": dossier.owner,
        "applicant": name,
        "folded_name": fold_text(name),
        "status": dossier.status,
        "handover": dossier.states.handover,
        "due": dossier.due,
        "submitted_at": dossier.submitted_at,
        "accepted_at": dossier.accepted_at,
        "updated_at": max(entry.shown_at for entry in dossier.timeline),
        "received": dossier.is_received,
        "unreceipted": len(dossier.unreceipted),
        "conflicts": len(dossier.open_conflicts),
        "held": len(dossier.held),
        "forwarded_to": dossier.forwarded_to,
    }


def file_rows(dossier: Dossier) -> list[tuple[object, ...]]:
    """Every file any event of the dossier names, counted or not: all of them are to arrive."""
    return [
        (
            dossier.stream,
            entry.id,
            ref.manifest,
            ref.sha256,
            units.files_database_name(entry.stored.event.unit),
            ref.size,
            ref.type,
            ref.name,
            ref.preview_of,
        )
        for entry in dossier.timeline
        for ref in entry.stored.event.files
    ]


def index_text(connection: sqlite3.Connection, dossier: Dossier) -> None:
    words = [dossier.code, dossier.code.replace("-", " ").replace(".", " "), dossier.procedure, dossier.stream]
    words += [dossier.applicant.get(name, "") for name in ("name", "phone", "id_number", "address")]
    number = connection.execute("SELECT number FROM dossiers WHERE stream = ?", (dossier.stream,)).fetchone()[0]
    connection.execute(
        "INSERT OR REPLACE INTO found (rowid, text) VALUES (?, ?)", (number, fold_text(" ".join(filter(None, words))))
    )


def insert_certificate(connection: sqlite3.Connection, database: str, certificate: x509.Certificate) -> None:
    kind, urn, unit = "ca", "", ""
    try:
        profile = verify_leaf_profile(certificate)
        kind, urn, unit = profile.names.kind, profile.urn, profile.names.unit
    except CryptoError:
        _LOG.debug("%s signs certificates, not events", certificate.subject)
    connection.execute(
        "INSERT OR IGNORE INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            database,
            fingerprint_of(certificate),
            kind,
            urn,
            unit,
            certificate.subject.rfc4514_string(),
            certificate.issuer.public_bytes(),
            str(certificate.serial_number),
            certificate.not_valid_before_utc.isoformat(),
            certificate.not_valid_after_utc.isoformat(),
            key_id(certificate),
            authority_key_id(certificate),
        ),
    )
