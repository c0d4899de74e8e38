"""Heads between neighbours: a child has its head cosigned by its parent, or the parent fetches it from the child.

    POST /api/log/checkpoints           {"key", "note", "old", "proof"}
                                        →  {"key", "cosigned"} or {"key", "size", "known", "stopped"}
    GET  /api/log/checkpoint?old=1204   →  {"key", "note", "old", "proof"}, or {} if the log has not grown

Said at every meeting and every hour after, and only when the tree has grown: nothing new costs nothing. On a stick the
same offers travel as `export_notes` and `import_notes`; the cosignatures come back as documents, like everything else.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from crypto import base64url, strictjson
from crypto.errors import CryptoError
from crypto.note import parse_checkpoint
from replication.errors import NotFound, ReplicationError
from replication.store import Store
from server.dossier import units
from server.errors import Refused, ServerError
from server.intake.door import Intake
from server.intake.refusal import refusing
from server.intake.source import Source
from server.log.log import NodeLog
from server.log.pages import build_cosigned
from server.log.witness import Answer, Offer, Witness, parse_proof
from server.nodedb import NodeDb
from server.pki.documents import certificate_id

_LOG = logging.getLogger(__name__)

EXCHANGE_EVERY_S = 3600.0
SETTLE_S = 2.0  # after meeting, so that certificates are there before what they signed
LOOK_EVERY_S = 30.0  # whether there is anything to say; after a failure, to say it again
_MAX_NOTES_BYTES = 64 * 1024
_MAX_NOTES = 64
_ASKED_AT_MOST = 3

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_offered (
    witness TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, stopped TEXT NOT NULL,
    PRIMARY KEY (witness, origin));
"""


class Caller(Protocol):
    """A neighbour that can be asked (`server.node.neighbour.Meeting`, with the tokens it takes)."""

    def ask(self, method: str, target: str, value: Any = None) -> Any:
        """Return the JSON it answers. Raises `ReplicationError`."""


@dataclass(slots=True)
class _Visit:
    unit: str
    caller: Caller
    due: float


class Gossip:
    """The exchanges of one node, in a thread of its own once it is started."""

    def __init__(self, *, db: NodeDb, log: NodeLog, witness: Witness, intake: Intake, store: Store) -> None:
        self._db = db
        self._store = store
        self._greeted: set[str] = set()
        self._asked: dict[str, str] = {}  # unit below → where its database stood when we asked
        self._log = log
        self._witness = witness
        self._intake = intake
        self._wake = threading.Condition()
        self._visits: dict[str, _Visit] = {}
        self._stopped = False
        self._thread: threading.Thread | None = None
        db.ensure(SCHEMA)

    # When

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="gossip", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def met(self, unit: str, caller: Caller) -> None:
        """Say that the node of `unit` was met and can be asked."""
        with self._wake:
            self._visits[unit] = _Visit(unit, caller, time.monotonic() + SETTLE_S)
            self._wake.notify_all()

    def greet(self, unit: str, caller: Caller) -> None:
        """Before anything is replicated with the unit above: learn whether this is a restored copy that lost leaves.

        Asked once per start, and whenever the log waits. A log that waits goes on as soon as there is an answer: under
        its own name if nothing is lost, else under the next. Never raises for what the neighbour does.
        """
        above = units.is_within(self._log.unit, unit) and unit != self._log.unit
        if not above or (unit in self._greeted and self._log.head().state != "waiting"):
            return
        try:
            answer = parse_answer(caller.ask("GET", f"/api/log/known?generation={self._log.head().generation}"))
            if answer.size > self._log.head().size:
                self._log.recover(answer.known)
            elif self._log.head().state == "waiting":
                self._log.set_state("open")
            self._greeted.add(unit)
            self._log.reconcile(datetime.now(UTC))
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.warning("%s does not say what it has cosigned of this log: %s", unit, exc)

    def visit(self, unit: str, caller: Caller) -> None:
        """Exchange heads with a neighbour now; what does not work today is tried at the next meeting."""
        try:
            self.exchange(unit, caller)
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.info("no heads were exchanged with %s: %s", unit, exc)

    def _run(self) -> None:
        while True:
            with self._wake:
                due = [each for each in self._visits.values() if each.due <= time.monotonic()]
                if self._stopped:
                    return
                if not due:
                    soonest = min((each.due for each in self._visits.values()), default=None)
                    self._wake.wait(None if soonest is None else max(0.05, soonest - time.monotonic()))
                    continue
            for each in due:
                each.due = time.monotonic() + self._after(each)

    def _after(self, visit: _Visit) -> float:
        """Visit if there is something new, and return in how many seconds to look again."""
        try:
            if self.exchange(visit.unit, visit.caller):
                return EXCHANGE_EVERY_S
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.info("no heads were exchanged with %s: %s; trying again", visit.unit, exc)
        except Exception:
            _LOG.exception("exchanging heads with %s failed", visit.unit)
            return EXCHANGE_EVERY_S
        return LOOK_EVERY_S

    # What

    def exchange(self, unit: str, caller: Caller) -> bool:
        """Offer our head to a unit above, ask a unit below for its own. Returns whether there was anything to say.

        Raises what asking raises.
        """
        if units.is_within(self._log.unit, unit) and unit != self._log.unit:
            return self._offer(unit, caller)
        if units.is_within(unit, self._log.unit) and unit != self._log.unit:
            return self._ask(unit, caller)
        return False

    def _offer(self, unit: str, caller: Caller) -> bool:
        origin = self._log.origin()
        old = self.cosigned_size(unit, origin)
        for _ in range(_ASKED_AT_MOST):
            offer = self.build_offer(old)
            if offer is None:
                return False
            answer = parse_answer(caller.ask("POST", "/api/log/checkpoints", offer_value(offer)))
            if answer.cosigned:
                self.take_cosigned(unit, origin, offer, answer)
                return True
            self._remember(unit, origin, old, answer.stopped)
            if answer.stopped:
                raise Refused("stopped", f"{unit} cosigns {origin} no more: {answer.stopped}")
            if answer.size > self._log.head().size:
                raise Refused(
                    "leaves_lost", f"{unit} has cosigned {answer.size} leaves, here are fewer; restart the node"
                )
            old = answer.size
        raise Refused("contradiction", f"{unit} does not say where it stands with {origin}")

    def _ask(self, unit: str, caller: Caller) -> bool:
        """Fetch the head of a unit below and cosign it, if documents of it came since we asked last."""
        seq = self._seq_of(units.database_name(unit))
        if not seq or self._asked.get(unit) == seq:
            return False
        value = caller.ask("GET", f"/api/log/checkpoint?old={self._witness.newest_size(unit)}")
        if value:
            self._witness.consider(unit, parse_offer(value))
        self._asked[unit] = self._seq_of(units.database_name(unit))  # with our cosignature, which we need not ask about
        return True

    def build_offer(self, old: int) -> Offer | None:
        """Return our head with the proof from `old` leaves, None if the log has not grown or nobody could check it."""
        head, key = self._log.head(), self._log.key
        if head.size <= old or key.certificate is None or head.state not in ("open", "adopting"):
            return None
        proof = self._log.tree(head.generation).consistency_proof(old, head.size) if old else []
        return Offer(key.fingerprint, head.note, old, tuple(proof))

    def cosigned_size(self, witness: str, origin: str) -> int:
        """Return up to which size a unit has cosigned our log, as far as we know."""
        row = self._db.row("SELECT size FROM log_offered WHERE witness = ? AND origin = ?", (witness, origin))
        return int(row["size"]) if row else 0

    def stopped(self) -> list[tuple[str, str]]:
        """Return (unit above, why) for each that cosigns our log no more."""
        rows = self._db.rows("SELECT witness, stopped FROM log_offered WHERE stopped <> '' ORDER BY witness")
        return [(row["witness"], row["stopped"]) for row in rows]

    def take_cosigned(self, unit: str, origin: str, offer: Offer, answer: Answer) -> None:
        """Store a cosignature of our head, once the intake has checked it.

        At a first meeting the answer may overtake the witness's certificate: then nobody here can check it yet, and the
        document itself comes by the same road, behind the certificate.
        """
        text, _, _ = offer.note.rpartition("\n\n")
        if not answer.cosigned.startswith(text + "\n\n"):
            raise Refused("contradiction", f"{unit} cosigned another text than the head it was offered")
        database = units.database_name(self._log.unit)
        if self._holds_certificate(database, answer.key):
            doc = build_cosigned(log=offer.key, witness=answer.key, note=answer.cosigned)
            [result] = self._intake.admit(database, [doc], source=Source("peer", units.node_urn(unit)))
            if result.error is not None:
                raise Refused("bad_signature", f"the cosignature of {unit}: {result.error.reason}")
        self._remember(unit, origin, parse_checkpoint(text + "\n").size, "")

    def _holds_certificate(self, database: str, fingerprint: str) -> bool:
        try:
            self._store.open(database).get(certificate_id(fingerprint))
        except NotFound:
            return False
        return True

    def _seq_of(self, database: str) -> str:
        try:
            return str(self._store.open(database).info().update_seq)
        except NotFound:
            return ""

    def _remember(self, witness: str, origin: str, size: int, stopped: str) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO log_offered VALUES (?, ?, ?, ?)", (witness, origin, size, stopped)
            )

    # On a stick

    def export_notes(self, to_unit: str, *, cosigned: int = 0) -> bytes:
        """Return what a bundle for a unit carries beside documents: our head, as JSON text.

        For a unit above, the offer proves consistency from what that unit cosigned last; small, and safe to repeat.
        `cosigned` is the size of its newest cosignature among the documents here: one that came by stick is no answer
        to a question, so nothing else noted it.
        """
        notes: list[dict[str, Any]] = []
        if units.is_within(self._log.unit, to_unit) and to_unit != self._log.unit:
            offer = self.build_offer(max(cosigned, self.cosigned_size(to_unit, self._log.origin())))
            if offer is not None:
                notes.append({"unit": self._log.unit, "offer": offer_value(offer)})
        return orjson.dumps({"v": 1, "notes": notes})

    def import_notes(self, data: bytes) -> int:
        """Consider the offers of a bundle as if they came over a link. Returns how many heads were cosigned.

        Raises `Refused` for what is not such notes; an offer that does not fit is passed over, its sender learns from
        the cosignatures that travel back which head is known here.
        """
        with refusing():
            value = strictjson.parse(data, max_bytes=_MAX_NOTES_BYTES, max_depth=6)
        notes = value.get("notes") if isinstance(value, dict) and value.get("v") == 1 else None
        if not isinstance(notes, list) or len(notes) > _MAX_NOTES:
            raise Refused("schema", f'notes are {{"v": 1, "notes": [at most {_MAX_NOTES}]}}')
        cosigned = 0
        for note in notes:
            if not isinstance(note, dict) or note.keys() != {"unit", "offer"}:
                raise Refused("schema", 'a note has the members "unit" and "offer"')
            try:
                answer = self._witness.consider(units.parse_unit_code(str(note["unit"])), parse_offer(note["offer"]))
            except (ServerError, CryptoError) as exc:
                _LOG.warning("a head from a bundle was not cosigned: %s", exc)
                continue
            cosigned += bool(answer.cosigned)
        return cosigned


def offer_value(offer: Offer) -> dict[str, Any]:
    """Return the JSON of an offer."""
    proof = [base64url.encode(each) for each in offer.proof]
    return {"key": offer.key, "note": offer.note, "old": offer.old, "proof": proof}


def parse_offer(value: Any) -> Offer:
    """Return the offer in JSON. Raises `Refused("schema")`."""
    try:
        key, note, old, proof = (value[name] for name in ("key", "note", "old", "proof"))
        hashes = parse_proof([base64url.decode(each) for each in proof])
    except (KeyError, TypeError, AttributeError, CryptoError) as exc:
        raise Refused("schema", f'an offer is {{"key", "note", "old", "proof"}}: {exc}') from exc
    if type(old) is not int or old < 0 or not isinstance(key, str) or not isinstance(note, str):
        raise Refused("schema", "key and note are text, old is a whole number")
    return Offer(key, note, old, hashes)


def answer_value(answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer."""
    if answer.cosigned:
        return {"key": answer.key, "cosigned": answer.cosigned}
    return {"key": answer.key, "size": answer.size, "known": answer.known, "stopped": answer.stopped}


def parse_answer(value: Any) -> Answer:
    """Return the answer in JSON. Raises `Refused("schema")`."""
    try:
        if "cosigned" in value:
            return Answer(str(value["key"]), cosigned=str(value["cosigned"]))
        return Answer(str(value["key"]), "", int(value["size"]), str(value["known"]), str(value["stopped"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused("schema", f"not an answer of a witness: {exc}") from exc
