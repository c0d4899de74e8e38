"""Enrolment: from a key somebody made on their own device to a certificate, at the counter, offline.

    phone    makes a key, signs a request with it (which proves that it holds the key), shows six digits of that key
    counter  the official sees the same six digits beside it, looks at the identity card, signs `enrol.approved`
    node     the unit's CA issues, the certificate is stored as a document, the phone fetches it

An activation code that `tram user add` printed stands for the official's look: whoever brings it is enrolled at once,
and the node signs the `enrol.approved`. Codes work once, end, and are stored as hashes.

A request is private (name, telephone, number of the identity card): it stays in `node.db` and does not replicate. Only
the approved name goes into an event, and the certificate holds a pseudonym alone.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, jws, keys, strictjson, text
from crypto.errors import CryptoError
from server.dossier import units
from server.errors import Clash, Missing, Refused, TooMany
from server.nodedb import NodeDb
from server.pki.request import comparison_code

REQUEST_TYPE = "tram-enrolment+jwt"
KINDS = ("citizen", "official", "helper")
MAX_REQUEST_CHARS = 8 * 1024
MAX_PENDING = 500  # a counter looks at some dozens a day; beyond this somebody is filling the list
CLOCK_SKEW = timedelta(minutes=10)
ACTIVATION_LIFE = timedelta(days=7)
WRONG_CODES_PER_HOUR = 20  # 50 bits of code: guessing is hopeless anyway, this stops the noise

SCHEMA = """
CREATE TABLE IF NOT EXISTS enrolments (
    thumbprint TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'refused')),
    name TEXT NOT NULL, kind TEXT NOT NULL, private TEXT NOT NULL, jwk TEXT NOT NULL, asked TEXT NOT NULL,
    subject TEXT, certificate BLOB, decided TEXT, reason TEXT);
CREATE INDEX IF NOT EXISTS enrolments_state ON enrolments (state, asked);
CREATE TABLE IF NOT EXISTS activations (
    digest BLOB PRIMARY KEY, subject TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, expires TEXT NOT NULL,
    used_by TEXT);
CREATE TABLE IF NOT EXISTS activation_makers (digest BLOB PRIMARY KEY, maker TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activation_failures (at TEXT NOT NULL);
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


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed enrolment request; its signature proved that the sender holds the key."""

    public_key: keys.PublicKey
    thumbprint: str
    name: str
    kind: str
    activation: str
    private: dict[str, str]


def parse_request(token: str, now: datetime | None) -> Request:
    """Return the request in a compact JWS. Raises `Refused` naming what is wrong with it.

    `now` None is for the counter, where its owner stands and shows it: a phone that never had a network may have any
    time, and the six digits that two people compare say more than its clock.
    """
    if len(token) > MAX_REQUEST_CHARS:
        raise Refused("too_large", f"an enrolment request takes some 600 characters, this one {len(token)}")
    try:
        _, payload, key = jws.verify_self_signed_compact(token, typ=REQUEST_TYPE)
        fields = strictjson.parse(payload, max_bytes=MAX_REQUEST_CHARS, max_depth=1)
    except CryptoError as exc:
        raise Refused("malformed", f"not an enrolment request: {exc}") from exc
    if not isinstance(fields, dict):
        raise Refused("schema", "an enrolment request is an object")
    if now is not None:
        _check_time(fields.get("iat"), now)
    kind = fields.get("kind")
    if kind not in KINDS:
        raise Refused("schema", f"kind is one of {', '.join(KINDS)}", member="kind")
    return Request(
        public_key=key,
        thumbprint=keys.thumbprint(key),
        name=_line(fields, "name", 200, required=True),
        kind=kind,
        activation=_line(fields, "activation", 64),
        private={name: value for name in ("phone", "id_number") if (value := _line(fields, name, 32))},
    )


class Enrolments:
    """The enrolments of one node. `issue` makes, stores and returns a certificate: (key, subject id) → certificate."""

    def __init__(self, db: NodeDb, issue: Callable[[keys.PublicKey, str], x509.Certificate]) -> None:
        self._db = db
        self._issue = issue
        db.ensure(SCHEMA)

    def ask(self, request: Request, now: datetime) -> Enrolment:
        """Keep a request. The same key asking again gets the answer it has. Raises `TooMany`."""
        with self._db.transaction() as connection:
            if self._row(request.thumbprint) is None:
                pending = connection.execute("SELECT count(*) FROM enrolments WHERE state = 'pending'").fetchone()[0]
                if pending >= MAX_PENDING:
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
            raise Missing("this node knows no enrolment request of that key; send it again")
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
            raise Clash("this certificate was issued already; revoke it instead")
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE enrolments SET state = 'refused', reason = ?, decided = ? WHERE thumbprint = ?",
                (reason[:500], _time(now), thumbprint),
            )
        return self.get(thumbprint)

    # Activation codes

    def make_activation(self, *, subject: str, name: str, kind: str, now: datetime, maker: str = "") -> str:
        """Return a new code that enrols `subject` (a URN) once, within a week: "7KQ2-M4XR-9TDB". `maker` is the URN of
        the official who had it made, "" for the console."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO activations VALUES (?, ?, ?, ?, ?, NULL)",
                (_digest(code), subject, name, kind, _time(now + ACTIVATION_LIFE)),
            )
            if maker:
                connection.execute("INSERT INTO activation_makers VALUES (?, ?)", (_digest(code), maker))
        return "-".join((code[:4], code[4:8], code[8:]))

    def use_activation(self, code: str, request: Request, now: datetime) -> tuple[str, str]:
        """Return (subject URN, name) a code stands for, and count it as used by this key.

        The same key may come again with it: its first answer may have been lost. Raises `Refused("bad_activation")`,
        in the same words for a code that is wrong, used, of another kind, or over; `TooMany` after many wrong ones.
        """
        self._check_failures(now)
        with self._db.transaction() as connection:
            row = connection.execute("SELECT * FROM activations WHERE digest = ?", (_digest(code),)).fetchone()
            good = (
                row is not None
                and row["expires"] > _time(now)
                and row["kind"] == request.kind
                and row["used_by"] in (None, request.thumbprint)
            )
            if good:
                connection.execute(
                    "UPDATE activations SET used_by = ? WHERE digest = ?", (request.thumbprint, row["digest"])
                )
                return str(row["subject"]), str(row["name"])
            connection.execute("INSERT INTO activation_failures VALUES (?)", (_time(now),))
        raise Refused("bad_activation", "this activation code is wrong, used, or over; ask for a new one at the office")

    def maker_of(self, thumbprint: str) -> str:
        """Return the URN of the official who had the code made that this key brought, "" for the console or none."""
        row = self._db.row(
            "SELECT m.maker FROM activations a JOIN activation_makers m USING (digest) WHERE a.used_by = ?",
            (thumbprint,),
        )
        return str(row["maker"]) if row else ""

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

    def _check_failures(self, now: datetime) -> None:
        hour_ago = _time(now - timedelta(hours=1))
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM activation_failures WHERE at < ?", (hour_ago,))
            failures = connection.execute("SELECT count(*) FROM activation_failures").fetchone()[0]
        if failures >= WRONG_CODES_PER_HOUR:
            raise TooMany("too many wrong activation codes in the last hour", retry_after_s=3600)

    def _row(self, thumbprint: str) -> sqlite3.Row | None:
        return self._db.row("SELECT * FROM enrolments WHERE thumbprint = ?", (thumbprint,))


# Crockford's letters: none that is taken for another.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_READ = str.maketrans("OIL", "011", "- ")


def _digest(code: str) -> bytes:
    normal = code.upper().translate(_AS_READ)
    return hmac.new(b"tram activation code", normal.encode("utf-8", "replace"), sha256).digest()


def _check_time(iat: Any, now: datetime) -> None:
    if type(iat) is not int or not 0 <= iat < 1 << 40:
        raise Refused("schema", '"iat" is a whole number of seconds since 1970', member="iat")
    if abs(iat - now.timestamp()) > CLOCK_SKEW.total_seconds():
        raise Refused(
            "bad_time", f"the request's clock is {iat - int(now.timestamp()):+d} s from ours; use /api/node's time"
        )


def _line(fields: dict[str, Any], name: str, limit: int, *, required: bool = False) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > limit or (required and not value.strip()):
        raise Refused("schema", f'"{name}" is a line of at most {limit} characters', member=name)
    try:
        return text.check_text(value, name=True)
    except CryptoError as exc:
        raise Refused("bad_text" if text.is_nfc(value) else "not_nfc", str(exc), member=name) from exc


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


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


def is_thumbprint(value: str) -> bool:
    """Say whether `value` has the form of an RFC 7638 thumbprint."""
    try:
        return len(base64url.decode(value)) == 32
    except CryptoError:
        return False
