"""The parent as witness (C2SP tlog-witness): it cosigns a child's head only if that adds to what it cosigned before.

known (size, root) and a new head        what the witness does
none                                     takes it: the first head it ever sees
larger, with a consistency proof         takes it, durably, and only then cosigns
the same                                 cosigns it again: the answer was lost on the way
smaller                                  says what it knows: the child was restored, and learns what it lost
same size and another root,              keeps both signed notes for ever, cosigns nothing of this log any more,
or a proof that does not hold            and tells every tier above (`log.alarm`)
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from crypto.errors import BadProof
from crypto.logcert import log_origin, parse_log_origin
from crypto.merkle import verify_consistency
from crypto.note import parse_checkpoint, verify_note
from replication.errors import NotFound
from server.clocks.clock import NodeClock
from server.dossier import units
from server.errors import NotAllowed, NotReady, Refused
from server.intake.door import Intake
from server.intake.logs import log_signer
from server.intake.refusal import refusing
from server.intake.source import Source
from server.log.key import LogKey
from server.log.offers import MAX_PROOF, Answer, Offer
from server.log.pages import MAX_NOTE_CHARS, build_cosigned
from server.nodedb import NodeDb
from server.pki.credentials import CredentialCopier
from server.pki.directory import Directory

_LOG = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_witnessed (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, stopped INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS log_evidence (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL, known TEXT NOT NULL, shown TEXT NOT NULL, reason TEXT NOT NULL,
    at TEXT NOT NULL, told INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed heads of one log that cannot both be true."""

    number: int
    origin: str
    known: str
    shown: str
    reason: str
    at: str


class Witness:
    """What a node keeps of the heads of the logs below it. Safe from several threads and processes."""

    def __init__(
        self,
        *,
        db: NodeDb,
        directory: Directory,
        intake: Intake,
        copier: CredentialCopier,
        key: LogKey,
        clock: NodeClock,
    ) -> None:
        self._db = db
        self._directory = directory
        self._intake = intake
        self._copier = copier
        self._key = key
        self._clock = clock
        self.on_reset: Callable[[str, str], None] = lambda *_: None  # a log's new name, the last head under the old one
        self.on_evidence: Callable[[Evidence], None] = lambda _: None
        db.ensure(SCHEMA)

    def known_size(self, origin: str) -> int:
        """Return the size of the head that was cosigned last, 0 if none was."""
        row = self._db.row("SELECT size FROM log_witnessed WHERE origin = ?", (origin,))
        return int(row["size"]) if row else 0

    def newest(self, unit: str) -> tuple[int, int]:
        """Return (generation, size) of the head of a unit's newest log that was cosigned last, (1, 0) if none was."""
        known = self.all_known(unit)
        return (len(known), known[-1].size) if known else (1, 0)

    def known(self, origin: str) -> Answer:
        """Return the head of a log that was cosigned last; size 0 if none was."""
        row = self._db.row("SELECT * FROM log_witnessed WHERE origin = ?", (origin,))
        return self._known(row) if row is not None else Answer(self._key.fingerprint)

    def all_known(self, unit: str) -> list[Answer]:
        """Return the heads of a unit's logs that were cosigned last, the first generation first; size 0 where none
        was."""
        rows = self._db.rows("SELECT origin FROM log_witnessed")
        found = [parse_log_origin(row["origin"]) for row in rows]
        newest = max((generation for owner, generation in found if owner == unit), default=0)
        return [self.known(log_origin(unit, generation)) for generation in range(1, newest + 1)]

    def known_note(self, origin: str) -> str:
        """Return the head that was cosigned last, "" if none was."""
        row = self._db.row("SELECT note FROM log_witnessed WHERE origin = ?", (origin,))
        return str(row["note"]) if row else ""

    def consider(self, unit: str, offer: Offer) -> Answer:
        """Return what becomes of a head that the node of `unit` offers.

        Raises `NotAllowed` for a log that is not of a unit below this one, `NotReady` while this node's own log key is
        not certified, and for a note that is not signed by that log `Refused`; `UnknownCertificate` until it came.
        """
        if self._key.certificate is None:
            raise NotReady("this node's log key is not certified yet, so it cosigns nothing; start it with the CA key")
        origin, size, root = self._check(unit, offer)
        with self._db.transaction() as connection:
            row = self._db.row("SELECT * FROM log_witnessed WHERE origin = ?", (origin,))
            if row is not None and row["stopped"]:
                return self._known(row, "its heads do not fit together; see the alarm")
            if row is not None and size < row["size"]:
                return self._known(row)
            reason = self._contradiction(row, size, root, offer) if row is not None else ""
            before = "" if row is not None else self._known_before(connection, origin)
            if row is not None and not reason and offer.old != row["size"] and size > row["size"]:
                return self._known(row)
            if reason:
                connection.execute("UPDATE log_witnessed SET stopped = 1 WHERE origin = ?", (origin,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO log_witnessed VALUES (?, ?, ?, ?, 0)", (origin, size, root, offer.note)
                )
        if reason:
            assert row is not None  # nothing contradicts the first head
            self.accuse(origin, known=row["note"], shown=offer.note, reason=reason)
            return self._known(row, reason)
        if before:
            self.on_reset(origin, before)
        return Answer(self._key.fingerprint, cosigned=self._cosign(unit, offer))

    def accuse(self, origin: str, *, known: str, shown: str, reason: str) -> Evidence:
        """Keep two contradicting statements for ever, stop cosigning this log, and tell whoever listens."""
        at = self._clock.now().isoformat()
        with self._db.transaction() as connection:
            connection.execute("UPDATE log_witnessed SET stopped = 1 WHERE origin = ?", (origin,))
            held = self._db.row("SELECT * FROM log_evidence WHERE origin = ? AND shown = ?", (origin, shown))
            if held is None:
                connection.execute(
                    "INSERT INTO log_evidence (origin, known, shown, reason, at) VALUES (?, ?, ?, ?, ?)",
                    (origin, known, shown, reason, at),
                )
        _LOG.error("ALARM: %s: %s", origin, reason)
        self.tell()
        return next(each for each in self.evidence() if each.origin == origin and each.shown == shown)

    def tell(self) -> None:
        """Tell of evidence nobody was told of yet: after a crash between keeping and telling it is told again."""
        for row in self._db.rows("SELECT * FROM log_evidence WHERE told = 0 ORDER BY number"):
            self.on_evidence(_evidence(row))
            with self._db.transaction() as connection:
                connection.execute("UPDATE log_evidence SET told = 1 WHERE number = ?", (row["number"],))

    def evidence(self) -> list[Evidence]:
        """Return all evidence, oldest first."""
        return [_evidence(row) for row in self._db.rows("SELECT * FROM log_evidence ORDER BY number")]

    # Inside

    def _check(self, unit: str, offer: Offer) -> tuple[str, int, bytes]:
        """Return (origin, size, root) of a head signed by a log of `unit`, which lies below this node's unit."""
        if len(offer.note) > MAX_NOTE_CHARS or len(offer.proof) > MAX_PROOF:
            raise Refused("too_large", f"a head of at most {MAX_NOTE_CHARS} characters, a proof of {MAX_PROOF} hashes")
        with refusing():
            checkpoint = parse_checkpoint(offer.note.rpartition("\n\n")[0] + "\n")
            owner, generation = parse_log_origin(checkpoint.origin)
            if owner != unit or unit == self._key.unit or not units.is_within(unit, self._key.unit):
                raise NotAllowed(
                    f"the head is of {checkpoint.origin}; {self._key.unit} cosigns what {unit} keeps itself"
                )
            try:
                signer = log_signer(offer.key, units.database_name(unit), self._directory, self._clock.now())
            except NotFound as exc:
                raise NotReady(f"no document of {unit} has come yet; offer the head again after the first") from exc
            if signer.unit != unit or signer.revoked_at is not None:
                raise Refused("bad_signature", f"this is not the key of the log of {unit}, or it was revoked")
            verify_note(offer.note, [signer.log_key(generation)])
        return checkpoint.origin, checkpoint.size, checkpoint.root

    def _known_before(self, connection: sqlite3.Connection, origin: str) -> str:
        """Return the last head cosigned of the newest generation before `origin`; "" if none was, for instance because
        the unit was never met before its log had to go on under another name."""
        unit, generation = parse_log_origin(origin)
        sql = "SELECT note FROM log_witnessed WHERE origin = ?"
        for earlier in range(generation - 1, 0, -1):
            row = connection.execute(sql, (log_origin(unit, earlier),)).fetchone()
            if row is not None:
                return str(row["note"])
        return ""

    def _contradiction(self, row: sqlite3.Row, size: int, root: bytes, offer: Offer) -> str:
        """Return what is contradictory about a head, "" if nothing is."""
        known_size, known_root = row["size"], row["root"]
        if size == known_size:
            return "" if root == known_root else f"two different heads of {size} leaves"
        if offer.old != known_size or known_size == 0:
            return ""  # nothing was proven, nothing refuted: the proof has to begin where this witness stands
        try:
            verify_consistency(
                old_size=known_size, new_size=size, proof=offer.proof, old_root=known_root, new_root=root
            )
        except BadProof as exc:
            return str(exc)
        return ""

    def _cosign(self, unit: str, offer: Offer) -> str:
        """Cosign a head that is stored, and put the cosignature where every tier sees it."""
        note = self._key.cosign(offer.note, self._clock.now())
        certificate = self._key.certificate
        assert certificate is not None  # `consider` looked
        database = units.database_name(unit)
        self._copier.ensure_certificate(database, certificate)
        doc = build_cosigned(log=offer.key, witness=self._key.fingerprint, note=note)
        [result] = self._intake.admit(database, [doc], source=Source("local", units.node_urn(self._key.unit)))
        if result.error is not None:
            raise NotReady(f"the cosignature could not be stored: {result.error.reason}")
        return note

    def _known(self, row: sqlite3.Row, stopped: str = "") -> Answer:
        return Answer(self._key.fingerprint, size=row["size"], known=row["note"], stopped=stopped)


def _evidence(row: sqlite3.Row) -> Evidence:
    return Evidence(*(row[name] for name in ("number", "origin", "known", "shown", "reason", "at")))
