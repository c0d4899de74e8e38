"""`Stamps`: the time-stamps of this node's databases, and which of them prove something by the trust policy of now.

A token document may come before its event, and before the policy that names its authority. So the door stores what has
the form, and here it is looked at whenever something came: a token counts for an event if it is about the event's
signature, and holds under an authority of the policy in force now, at a time within that authority's dates. A policy
that drops an authority takes its tokens' worth away, on every node alike: with a stolen key old times can be signed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from crypto import strictjson
from crypto.errors import CryptoError, UntrustedChain
from crypto.event import fingerprint_of, parse_signed_event
from crypto.hashing import parse_sha256_id
from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.store import Database
from server.dossier.trustpolicy import TimeAuthority
from server.errors import ServerError
from server.nodedb import NodeDb
from server.timestamps.documents import TimestampDocument, parse_timestamp
from server.timestamps.token import Token, is_about, verify_token

_LOG = logging.getLogger(__name__)

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS stamps (
    database TEXT NOT NULL, doc_id TEXT NOT NULL, event BLOB NOT NULL, at INTEGER NOT NULL, authority TEXT NOT NULL,
    PRIMARY KEY (database, doc_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stamps_event ON stamps (database, event);
CREATE INDEX IF NOT EXISTS stamps_authority ON stamps (database, authority);
"""

_WAITING = ""
_MAX_EVENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stamp:
    """A proven time-stamp: by when the event existed, by whose word, and the document that says so."""

    at: datetime
    authority: str
    doc_id: str


class Stamps:
    """`authorities` returns those of the policy in force. `refresh` asks for them; the rest is lookups by key."""

    def __init__(self, db: NodeDb, authorities: Callable[[], Sequence[TimeAuthority]]) -> None:
        self._db = db
        self._ask = authorities
        self._authorities: dict[str, TimeAuthority] = {}
        db.ensure(SCHEMA)

    # Asking

    def earliest(self, database: str, event: bytes) -> Stamp | None:
        """Return the earliest time-stamp of an event (its hash) that holds, None if there is none."""
        if not self._authorities:
            return None
        sql = "SELECT * FROM stamps WHERE database = ? AND event = ? AND authority != ? ORDER BY at, doc_id"
        for row in self._db.rows(sql, (database, event, _WAITING)):
            authority = self._authorities.get(row["authority"])
            at = datetime.fromtimestamp(row["at"], UTC)
            if authority is not None and authority.span.holds(at):
                return Stamp(at, authority.name, row["doc_id"])
        return None

    def authority_of(self, database: str, doc_id: str) -> TimeAuthority | None:
        """Return the authority under which the token in a document holds, None if none does."""
        row = self._db.row("SELECT authority FROM stamps WHERE database = ? AND doc_id = ?", (database, doc_id))
        return self._authorities.get(row["authority"]) if row else None

    # Following; called in the turn of `server.log.proofs`

    def refresh(self) -> bool:
        """Ask for the policy in force. Returns whether its authorities are others than before."""
        found = {_mark(each): each for each in self._ask()}
        changed = found != self._authorities
        self._authorities = found
        return changed

    def take(self, database: str, doc: Doc) -> None:
        """Note a document; `prove` looks at it. Raises `Refused`, `CryptoError` for one the door never let in."""
        found = parse_timestamp(doc.body)
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO stamps VALUES (?, ?, ?, ?, ?)",
                (database, doc.id, found.event, int(found.token.at.timestamp()), _WAITING),
            )

    def prove(self, database: Database) -> set[bytes]:
        """Look again at the tokens that prove nothing yet. Returns the events that are proven now."""
        proven: set[bytes] = set()
        marks = {_WAITING, *self._authorities}
        sql = "SELECT doc_id, authority FROM stamps WHERE database = ?"
        if not self._db.row(sql + " AND authority = ? LIMIT 1", (database.name, _WAITING)) and not self._left(database):
            return proven
        for row in self._db.rows(sql, (database.name,)):
            if row["authority"] != _WAITING and row["authority"] in marks:
                continue
            event = self._look(database, str(row["doc_id"]))
            if event is not None:
                proven.add(event)
        return proven

    def events(self, database: str) -> set[bytes]:
        """Return all events of a database about which there is a token, whether it counts or not."""
        rows = self._db.rows("SELECT DISTINCT event FROM stamps WHERE database = ?", (database,))
        return {bytes(row["event"]) for row in rows}

    def _left(self, database: Database) -> bool:
        """Say whether a token was proven by an authority that is not in the policy any more."""
        rows = self._db.rows("SELECT DISTINCT authority FROM stamps WHERE database = ?", (database.name,))
        return any(row["authority"] not in self._authorities for row in rows if row["authority"] != _WAITING)

    def _look(self, database: Database, doc_id: str) -> bytes | None:
        """Judge one token by the policy of now. Returns its event if it is proven, None if it waits."""
        try:
            found = parse_timestamp(database.get(DocId(doc_id)).body)
            authority = self._verify(database, found)
        except (NotFound, UntrustedChain) as exc:
            _LOG.debug("%s in %s waits: %s", doc_id, database.name, exc)
            mark = _WAITING
        except (CryptoError, ServerError, ValueError, KeyError) as exc:
            _LOG.error("%s in %s proves nothing, run tram verify: %s", doc_id, database.name, exc)
            mark = _WAITING
        else:
            mark = _mark(authority)
        with self._db.transaction() as connection:
            sql = "UPDATE stamps SET authority = ? WHERE database = ? AND doc_id = ?"
            connection.execute(sql, (mark, database.name, doc_id))
        return found.event if mark != _WAITING else None

    def _verify(self, database: Database, found: TimestampDocument) -> TimeAuthority:
        """Return the authority under which a token proves its event. Raises `NotFound` while the event is not here."""
        authority = verify_token(found.token, list(self._authorities.values()))
        verify_about(found.token, database.get(DocId(found.of)).body, found.event)
        return authority


def verify_about(token: Token, body: bytes, event: bytes) -> None:
    """Return if a token stamps the signature of the event document `body`, whose hash is `event`.

    Raises `UntrustedChain`, and what reading an event raises.
    """
    fields = strictjson.parse(body, max_bytes=_MAX_EVENT_BYTES)
    signed = parse_signed_event({name: fields[name] for name in ("event", "signatures")})
    if parse_sha256_id(signed.id) != event or not is_about(token, signed.signature):
        raise UntrustedChain("the token is not about the signature that is stored here", "actor_mismatch")


def _mark(authority: TimeAuthority) -> str:
    """Return what names an authority in the table: its certificates, and since when it counts."""
    names = [fingerprint_of(each) for each in (authority.certificate, *authority.chain)]
    return ",".join([*names, authority.span.begins.isoformat()])


__all__ = ["Stamp", "Stamps", "verify_about"]
