"""Requests of units below for a CA certificate: by USB or over the link, approved by a person either way.

Whoever sends a request proves that it holds the key and nothing more; that it is the unit's is what a person says, who
compares six digits by telephone. A key that the unit's present CA key vouches for (a rollover) needs no comparing, and
still waits for that person's word.

The word is an event, `ca.approved` in this unit's stream, signed before the certificate is issued: what the CA signed
is on record wherever its database goes, and a certificate without a record is found (`server.trust.issuance`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography import x509

from server.dossier import units
from server.errors import Clash, Missing, Refused, TooMany
from server.home import Home
from server.nodedb import NodeDb
from server.pki.authority import Authority
from server.pki.credentials import CredentialCopier
from server.pki.directory import Directory, authority_key_id, is_issued_to, key_id
from server.pki.request import CaRequest, is_vouched_for, parse_request, sign_request

MAX_PENDING = 200  # a province has some hundred communes, and they do not all ask in one week

SCHEMA = """
CREATE TABLE IF NOT EXISTS ca_requests (
    thumbprint TEXT PRIMARY KEY, unit TEXT NOT NULL, token BLOB NOT NULL, asked TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'refused')),
    answer BLOB, decided TEXT, reason TEXT);
CREATE INDEX IF NOT EXISTS ca_requests_state ON ca_requests (state, asked);
"""

State = Literal["pending", "issued", "refused"]
Say = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it stands. `answer` is the PEM chain to take back once it is issued; `vouched` says that the
    unit's present CA key signed for the new one."""

    request: CaRequest
    state: State
    asked: str
    vouched: bool
    answer: bytes | None
    reason: str | None


class UnitRequests:
    """What units below asked of one node. `say` signs an event of a type with a body into the unit's own stream."""

    def __init__(
        self, *, home: Home, db: NodeDb, directory: Directory, copier: CredentialCopier, database: str, say: Say
    ) -> None:
        self._home = home
        self._db = db
        self._directory = directory
        self._copier = copier
        self._database = database
        self._say = say
        db.ensure(SCHEMA)

    def ask(self, data: bytes, now: datetime) -> Asked:
        """Keep a request. The same key asking again gets the answer it has.

        Raises `Refused("bad_request")`, `Refused("not_below")`, and `TooMany`.
        """
        request = parse_request(data)
        if request.unit == self._home.unit or not units.is_within(request.unit, self._home.unit):
            raise Refused("not_below", f"{request.unit} does not lie below {self._home.unit}; ask the unit above it")
        with self._db.transaction() as connection:
            pending = connection.execute("SELECT count(*) FROM ca_requests WHERE state = 'pending'").fetchone()[0]
            known = connection.execute(
                "SELECT 1 FROM ca_requests WHERE thumbprint = ?", (request.thumbprint,)
            ).fetchone()
            if known is None and pending >= MAX_PENDING:
                raise TooMany("too many requests wait here; carry yours there on a stick", retry_after_s=3600)
            connection.execute(
                "INSERT OR IGNORE INTO ca_requests (thumbprint, unit, token, asked, state)"
                " VALUES (?, ?, ?, ?, 'pending')",
                (request.thumbprint, request.unit, data, now.astimezone(UTC).isoformat(timespec="seconds")),
            )
        return self.get(request.thumbprint)

    def get(self, thumbprint: str) -> Asked:
        """Return a request by its key's thumbprint. Raises `Missing`."""
        row = self._db.row("SELECT * FROM ca_requests WHERE thumbprint = ?", (thumbprint,))
        if row is None:
            raise Missing("this node knows no CA request of that key; send it again")
        return self._asked(row)

    def pending(self) -> list[Asked]:
        """Return what waits for a person, oldest first."""
        rows = self._db.rows("SELECT * FROM ca_requests WHERE state = 'pending' ORDER BY asked, thumbprint")
        return [self._asked(row) for row in rows]

    def of_unit(self, unit: str) -> list[Asked]:
        """Return what waits of one unit: more than one means that somebody else asked in its name."""
        return [each for each in self.pending() if each.request.unit == unit]

    def approve(self, thumbprint: str, now: datetime) -> Asked:
        """Issue the certificate a person has just approved, on record first. Asked again it changes nothing.

        Raises `Missing`, `Clash` for one that was refused, and as `Authority.open`.
        """
        found = self.get(thumbprint)
        if found.state == "issued":
            return found
        if found.state == "refused":
            raise Clash("this request was refused; the unit has to ask again with a new key")
        authority = Authority.open(self._home)  # before the record: without the key nothing is promised
        request = found.request
        self._say(
            "ca.approved",
            {
                "unit": request.unit,
                "name": request.name,
                "thumbprint": thumbprint,
                "generation": request.generation,
            },
        )
        answer = sign_request(authority, request, now)
        self._copier.ensure_certificate(self._database, x509.load_pem_x509_certificate(answer))
        self._decide(thumbprint, "issued", now, answer=answer)
        return self.get(thumbprint)

    def refuse(self, thumbprint: str, reason: str, now: datetime) -> Asked:
        """Refuse a pending request. Raises `Missing`, `Clash` for one that was issued."""
        if self.get(thumbprint).state == "issued":
            raise Clash("this certificate was issued already; revoke it instead")
        self._decide(thumbprint, "refused", now, reason=reason[:500])
        return self.get(thumbprint)

    def _decide(
        self, thumbprint: str, state: State, now: datetime, *, answer: bytes | None = None, reason: str | None = None
    ) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE ca_requests SET state = ?, answer = ?, reason = ?, decided = ? WHERE thumbprint = ?",
                (state, answer, reason, now.astimezone(UTC).isoformat(timespec="seconds"), thumbprint),
            )

    def _asked(self, row: sqlite3.Row) -> Asked:
        request = parse_request(row["token"])
        vouched = is_vouched_for(request, self._present(request.unit))
        return Asked(request, row["state"], row["asked"], vouched, row["answer"], row["reason"])

    def _present(self, unit: str) -> list[x509.Certificate]:
        """Return the CA certificates of a unit below that this one issued and has not revoked."""
        own = {key_id(each) for each in self._home.chain()[:1]}
        own |= {key_id(chain[0]) for mark in self._home.retired_marks() if (chain := self._home.retired_chain(mark))}
        return [
            each
            for each in self._directory.certificates_of_authorities()
            if is_issued_to(each, unit) and authority_key_id(each) in own and not self._is_revoked(each)
        ]

    def _is_revoked(self, certificate: x509.Certificate) -> bool:
        crls = self._directory.crls(self._database).of(certificate.issuer.public_bytes())
        return any(
            crl.entries.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None for crl in crls
        )
