"""The requests that were made at one node, and what has become of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from server.dossier import units
from server.enrolment.request import Request
from server.errors import Clash, Missing, Refused, TooMany
from server.nodedb import NodeDb
from server.pki.request import comparison_code

MAX_PENDING = 500  # a counter looks at some dozens a day; beyond this somebody is filling the list

SCHEMA = """
CREATE TABLE IF NOT EXISTS enrolments (
    thumbprint TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'refused')),
    name TEXT NOT NULL, kind TEXT NOT NULL, private TEXT NOT NULL, jwk TEXT NOT NULL, asked TEXT NOT NULL,
    subject TEXT, certificate BLOB, decided TEXT, reason TEXT);
CREATE INDEX IF NOT EXISTS enrolments_state ON enrolments (state, asked);
"""

State = Literal["pending", "issued", "refused"]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One request. `code` is for comparing; `private` holds phone and id_number as given; `certificate` is DER."""

    thumbprint: str
    state: State
    name: str
    kind: str
    code: str
    private: dict[str, str]
    asked: str
    subject: str | None
    certificate: bytes | None
    reason: str | None


class Enrolments:
    """The enrolments of one node. `issue` makes, stores and returns a certificate: (key, subject id) → certificate."""

    def __init__(self, db: NodeDb, issue: Callable[[keys.PublicKey, str], x509.Certificate]) -> None:
        self._db = db
        self._issue = issue
        db.ensure(SCHEMA)

    def ask(self, request: Request, now: datetime, *, at_counter: bool = False) -> Enrolment:
        """Keep a request. The same key asking again gets the answer it has.

        Raises `TooMany` while the list is full, except for somebody who stands at the counter.
        """
        with self._db.transaction() as connection:
            if self._row(request.thumbprint) is None:
                pending = connection.execute("SELECT count(*) FROM enrolments WHERE state = 'pending'").fetchone()[0]
                if pending >= MAX_PENDING and not at_counter:
                    raise TooMany("too many requests wait at this office; ask at the counter", retry_after_s=3600)
                connection.execute(
                    "INSERT INTO enrolments (thumbprint, state, name, kind, private, jwk, asked)"
                    " VALUES (?, 'pending', ?, ?, ?, ?, ?)",
                    (
                        request.thumbprint,
                        request.name,
                        request.kind,
                        orjson.dumps(request.private).decode(),
                        orjson.dumps(keys.public_to_jwk(request.public_key)).decode(),
                        _time(now),
                    ),
                )
        return self.get(request.thumbprint)

    def get(self, thumbprint: str) -> Enrolment:
        """Return a request by its key's thumbprint. Raises `Missing`."""
        row = self._row(thumbprint)
        if row is None:
            raise Missing(
                "Ở đây không có yêu cầu đăng ký nào của khóa này; hãy gửi lại / this node knows no enrolment request of"
                " that key; send it again"
            )
        return _enrolment(row)

    def knows(self, thumbprint: str) -> bool:
        """Say whether a key with this thumbprint asked here."""
        return self._row(thumbprint) is not None

    def pending(self) -> list[Enrolment]:
        """Return the requests that wait for an official, oldest first."""
        return [
            _enrolment(row) for row in self._db.rows("SELECT * FROM enrolments WHERE state = 'pending' ORDER BY asked")
        ]

    def approve(self, thumbprint: str, subject: str, now: datetime) -> Enrolment:
        """Issue the certificate of a request that was approved for `subject` (a URN). Asked again it changes nothing.

        The certificate is stored before the state changes: after a crash in between it is issued once more, for the
        same subject and key. Raises `Missing`, and `Clash` for one that was refused.
        """
        found = self.get(thumbprint)
        if found.state == "issued":
            return found
        if found.state == "refused":
            raise Clash("this request was refused; the phone has to ask again with a new key")
        if not units.is_subject_urn(subject):
            raise Refused("schema", "a subject is urn:tram:subject: and 32 hexadecimal digits", member="subject")
        row = self._row(thumbprint)
        assert row is not None  # `get` found it
        certificate = self._issue(keys.parse_public_jwk(orjson.loads(row["jwk"])), subject.rpartition(":")[2])
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE enrolments SET state = 'issued', subject = ?, certificate = ?, decided = ?"
                " WHERE thumbprint = ?",
                (subject, certificate.public_bytes(Encoding.DER), _time(now), thumbprint),
            )
        return self.get(thumbprint)

    def refuse(self, thumbprint: str, reason: str, now: datetime) -> Enrolment:
        """Refuse a pending request. Raises `Missing`, `Clash`."""
        if self.get(thumbprint).state == "issued":
            raise Clash(
                "Yêu cầu này đã được cấp chứng thư; muốn chặn thì thu hồi khóa / this certificate was issued already;"
                " revoke it instead"
            )
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE enrolments SET state = 'refused', reason = ?, decided = ? WHERE thumbprint = ?",
                (reason[:500], _time(now), thumbprint),
            )
        return self.get(thumbprint)

    def subjects_with(self, digits: str) -> list[str]:
        """Return the URNs of people whose telephone or identity card number, as they gave it, ends in these digits."""
        rows = self._db.rows(
            "SELECT DISTINCT subject, private FROM enrolments WHERE state = 'issued' AND private <> '{}'"
        )
        found = [row["subject"] for row in rows if _has_number(orjson.loads(row["private"]), digits)]
        return list(dict.fromkeys(found))

    def of_subject(self, subject: str) -> Enrolment | None:
        """Return the newest enrolment of a person that was made here, None if none was."""
        row = self._db.row("SELECT * FROM enrolments WHERE subject = ? ORDER BY decided DESC", (subject,))
        return _enrolment(row) if row else None

    def _row(self, thumbprint: str) -> sqlite3.Row | None:
        return self._db.row("SELECT * FROM enrolments WHERE thumbprint = ?", (thumbprint,))


def _enrolment(row: sqlite3.Row) -> Enrolment:
    return Enrolment(
        thumbprint=row["thumbprint"],
        state=row["state"],
        name=row["name"],
        kind=row["kind"],
        code=comparison_code(keys.parse_public_jwk(orjson.loads(row["jwk"]))),
        private=orjson.loads(row["private"]),
        asked=row["asked"],
        subject=row["subject"],
        certificate=row["certificate"],
        reason=row["reason"],
    )


def _has_number(private: dict[str, str], digits: str) -> bool:
    return any("".join(filter(str.isdigit, value)).endswith(digits) for value in private.values())


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
