"""When signers stop counting before their certificates end, and what that says of their events.

A revocation reaches the certificate it names and, where that is a CA's, all that was issued below. Lists, certificates
and events come in any order, and whoever holds the key of a revoked CA goes on issuing: so each of the three, when it
comes, is held against what is here of the other two.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from crypto.crl import Crl, revocation_of
from crypto.event import fingerprint_of
from server.dossier.event import is_dossier_stream
from server.dossier.times import parse_time
from server.intake.verdict import Admission, Admissions, Verdict
from server.pki.directory import authority_key_id
from server.readmodel.documents import HeldEvent

_EARLIER = "ON CONFLICT DO UPDATE SET at = excluded.at, revoked_at = excluded.revoked_at WHERE excluded.at < at"


@dataclass(frozen=True, slots=True)
class _Ending:
    """From `at` on signatures do not count any more; `revoked_at` is when the CA said so."""

    at: str
    revoked_at: str

    def judge(self, admission: Admission | None, claimed: str) -> Verdict | None:
        """Return what to think of an event that claims a time; None if this changes nothing.

        What was here before stays valid; of the rest nobody can prove when it was made. Its own word is against an
        event only if it claims a time at which the CA had revoked already.
        """
        if admission is not None and admission.admitted < datetime.fromisoformat(self.at):
            return None
        revoked_at = datetime.fromisoformat(self.revoked_at)
        return Verdict("indeterminate" if parse_time(claimed) < revoked_at else "invalid", "revoked")


class Endings:
    """Keeps tables `revocations`, `endings` and `verdicts`. All calls are made in the follower's transaction."""

    def __init__(self, admissions: Admissions) -> None:
        self._admissions = admissions

    def take_crl(self, connection: sqlite3.Connection, database: str, crl: Crl) -> set[str]:
        """Let end what a list revokes. Returns the dossiers concerned."""
        streams: set[str] = set()
        for entry in crl.entries:
            revocation = revocation_of(crl, entry.serial_number)
            assert revocation is not None  # the list was asked about its own entry
            ending = _Ending(revocation.effective_at.isoformat(), revocation.revoked_at.isoformat())
            named = (database, crl.issuer, str(entry.serial_number))
            connection.execute(
                f"INSERT INTO revocations VALUES (?, ?, ?, ?, ?) {_EARLIER}",  # noqa: S608 - the constant above
                (*named, ending.at, ending.revoked_at),
            )
            sql = "SELECT fingerprint FROM certificates WHERE database = ? AND issuer = ? AND serial = ?"
            for (fingerprint,) in connection.execute(sql, named).fetchall():
                streams |= self._end(connection, database, fingerprint, ending)
        return streams

    def take_certificate(
        self, connection: sqlite3.Connection, database: str, certificate: x509.Certificate
    ) -> set[str]:
        """Let end a certificate that came, if what is here already says so. Returns the dossiers concerned."""
        rows = connection.execute(
            "SELECT at, revoked_at FROM revocations WHERE database = ?1 AND issuer = ?2 AND serial = ?3 UNION ALL"
            " SELECT e.at, e.revoked_at FROM certificates c JOIN endings e USING (database, fingerprint)"
            " WHERE c.database = ?1 AND c.key = ?4 AND c.kind = 'ca'",
            (
                database,
                certificate.issuer.public_bytes(),
                str(certificate.serial_number),
                authority_key_id(certificate),
            ),
        ).fetchall()
        streams: set[str] = set()
        for at, revoked_at in rows:
            streams |= self._end(connection, database, fingerprint_of(certificate), _Ending(at, revoked_at))
        return streams

    def take_event(self, connection: sqlite3.Connection, database: str, held: HeldEvent) -> None:
        """Note what is to be thought of an event that came, unless it is plainly valid."""
        event = held.stored.event
        admission = self._admissions.of(database, held.doc_id)
        row = connection.execute(
            "SELECT at, revoked_at FROM endings WHERE database = ? AND fingerprint = ?", (database, held.fingerprint)
        ).fetchone()
        at_the_door = admission.verdict if admission is not None else Verdict("valid")
        verdict = (_Ending(*row).judge(admission, event.at) if row else None) or at_the_door
        if verdict != at_the_door:
            self._admissions.revise(database, [(held.doc_id, verdict)])
        if verdict.status != "valid":
            _note(connection, database, held.doc_id, event.stream, verdict)

    def _end(self, connection: sqlite3.Connection, database: str, fingerprint: str, ending: _Ending) -> set[str]:
        """Let a certificate end, and what was issued below it. Returns the dossiers concerned."""
        changed = connection.execute(
            f"INSERT INTO endings VALUES (?, ?, ?, ?) {_EARLIER}",  # noqa: S608 - the constant above
            (database, fingerprint, ending.at, ending.revoked_at),
        ).rowcount
        if not changed:
            return set()
        streams = self._judge(connection, database, fingerprint, ending)
        below = connection.execute(
            "SELECT b.fingerprint FROM certificates c JOIN certificates b"
            " ON b.database = c.database AND b.issuer_key = c.key"
            " WHERE c.database = ? AND c.fingerprint = ? AND c.kind = 'ca'",
            (database, fingerprint),
        ).fetchall()
        for (each,) in below:
            streams |= self._end(connection, database, each, ending)
        return streams

    def _judge(self, connection: sqlite3.Connection, database: str, fingerprint: str, ending: _Ending) -> set[str]:
        """Judge again what is here of a signer. Returns all dossiers it acted in: its end is known now."""
        sql = "SELECT doc_id, stream, at FROM events WHERE database = ? AND fingerprint = ?"
        rows = connection.execute(sql, (database, fingerprint)).fetchall()
        verdicts: list[tuple[str, Verdict]] = []
        for doc_id, stream, claimed in rows:
            verdict = ending.judge(self._admissions.of(database, doc_id), claimed)
            if verdict is not None:
                verdicts.append((doc_id, verdict))
                _note(connection, database, doc_id, stream, verdict)
        self._admissions.revise(database, verdicts)
        return {stream for _, stream, _ in rows if is_dossier_stream(stream)}


def _note(connection: sqlite3.Connection, database: str, doc_id: str, stream: str, verdict: Verdict) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)",
        (database, doc_id, stream, verdict.status, verdict.reason),
    )
