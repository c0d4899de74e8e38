"""Heads between neighbours: a child has its head cosigned by its parent, or the parent fetches it from the child.

    POST /api/log/checkpoints           {"key", "note", "old", "proof"}
                                        →  {"key", "cosigned"} or {"key", "size", "known", "stopped"}
    GET  /api/log/checkpoint?old=1204&generation=1
                                        →  {"key", "note", "old", "proof"}, {} if the log has not grown, {"waiting"} if
                                           it waits for an answer (`recovery`)

    GET  /api/log/known?generation=2    →  the head of one of the asker's own logs that was cosigned last
    POST /api/log/known                 {"heads": [one answer a generation]}
                                        to a unit below whose log waits, or lost leaves

Said at every meeting and every hour after while the link runs, and only when the tree has grown: nothing new costs
nothing. On a stick the same offers travel (`sticks`); the cosignatures come back as documents, like everything else.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from crypto.errors import CryptoError
from crypto.note import parse_checkpoint
from replication.document import Seq
from replication.errors import NotFound, ReplicationError
from replication.store import Store
from server.dossier import units
from server.dossier.documents import CERTIFICATE_PREFIX, LOG_PREFIX
from server.errands import Errand
from server.errors import NotAllowed, Refused, ServerError
from server.intake.door import Intake
from server.intake.source import Source
from server.log.log import NodeLog
from server.log.offers import Answer, Offer, answer_value, offer_value, parse_answer, parse_offer
from server.log.pages import build_cosigned
from server.log.recovery import MOST_GENERATIONS, Recovery
from server.log.witness import Witness
from server.nodedb import NodeDb
from server.pki.documents import certificate_id

_LOG = logging.getLogger(__name__)

EXCHANGE_EVERY_S = 3600.0
SETTLE_S = 2.0  # after meeting, so that certificates are there before what they signed
LOOK_EVERY_S = 30.0  # whether there is anything to say; after a failure, to say it again
_ASKED_AT_MOST = 3
_OURS_AT_MOST = 100

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_offered (
    witness TEXT NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL, stopped TEXT NOT NULL,
    PRIMARY KEY (witness, origin));
"""


class Caller(Protocol):
    """A neighbour that can be asked (`server.links.meeting.Meeting`, with the tokens it takes)."""

    def ask(self, method: str, target: str, value: Any = None) -> Any:
        """Return the JSON it answers. Raises `ReplicationError`."""


@dataclass(slots=True)
class _Visit:
    unit: str
    caller: Caller
    due: float


class Gossip:
    """The exchanges of one node: the errand "gossip"."""

    def __init__(
        self, *, db: NodeDb, log: NodeLog, recovery: Recovery, witness: Witness, intake: Intake, store: Store
    ) -> None:
        self._db = db
        self._store = store
        self._greeted: set[str] = set()
        self._asked: dict[str, str] = {}  # unit below → where its database stood when we asked
        self._log = log
        self._recovery = recovery
        self._witness = witness
        self._intake = intake
        self._lock = threading.Lock()
        self._visits: dict[str, _Visit] = {}
        self.unit = log.unit
        self.errand = Errand("gossip", self._look, at_once=False)
        db.ensure(SCHEMA)

    def is_witnessed_by(self, unit: str) -> bool:
        """Say whether `unit` lies above this node's, and so witnesses its log."""
        return unit != self.unit and units.is_within(self.unit, unit)

    def origin(self) -> str:
        """Return the name of the log that is being written."""
        return self._log.origin()

    # When

    def met(self, unit: str, caller: Caller) -> None:
        """Say that the node of `unit` was met and can be asked."""
        with self._lock:
            self._visits[unit] = _Visit(unit, caller, time.monotonic() + SETTLE_S)
        self.errand.notice(unit)

    def parted(self, caller: Caller) -> None:
        """Say that a node met before is asked no more: its link was paused or removed, stands back, or begins anew."""
        with self._lock:
            self._visits = {unit: each for unit, each in self._visits.items() if each.caller is not caller}

    def greet(self, unit: str, caller: Caller) -> None:
        """Before anything is replicated with the unit above: learn whether this is a restored copy that lost leaves.

        Asked once per start, and whenever the log waits. Never raises for what the neighbour does.
        """
        if not self.is_witnessed_by(unit) or (unit in self._greeted and self._recovery.waiting() is None):
            return

        def ask(generation: int) -> Answer:
            return parse_answer(caller.ask("GET", f"/api/log/known?generation={generation}"))

        try:
            self._recovery.hear(ask, datetime.now(UTC))
            self._greeted.add(unit)
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.warning("%s does not say what it has cosigned of this log: %s", unit, exc)

    def hear(self, unit: str, value: Any) -> None:
        """Take from the unit above, which called, what it knows of this node's logs (JSON, one answer a generation).

        Raises `NotAllowed` for any other unit, `Refused` and `CryptoError` for what does not hold.
        """
        if not self.is_witnessed_by(unit):
            raise NotAllowed(f"the units above {self.unit} witness its log")
        if not isinstance(value, list) or len(value) > MOST_GENERATIONS:
            raise Refused("schema", '"heads" is a list of answers')
        heads = [parse_answer(each) for each in value]
        self._recovery.hear(lambda n: heads[n - 1] if n <= len(heads) else Answer(""), datetime.now(UTC))
        self._greeted.add(unit)

    def visit(self, unit: str, caller: Caller) -> None:
        """Exchange heads with a neighbour now; what does not work today is tried at the next meeting."""
        try:
            self.exchange(unit, caller)
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.info("no heads were exchanged with %s: %s", unit, exc)

    def _look(self, _: Sequence[str]) -> float:
        """Make the visits that are due. Returns the seconds until the next is."""
        with self._lock:
            due = [each for each in self._visits.values() if each.due <= time.monotonic()]
        for each in due:
            each.due = time.monotonic() + EXCHANGE_EVERY_S
            each.due = time.monotonic() + self._after(each)
        with self._lock:
            soonest = min((each.due for each in self._visits.values()), default=math.inf)
        return max(0.05, soonest - time.monotonic())

    def _after(self, visit: _Visit) -> float:
        """Visit if there is something new, and return in how many seconds to look again."""
        try:
            if self.exchange(visit.unit, visit.caller):
                return EXCHANGE_EVERY_S
        except (ReplicationError, ServerError, CryptoError) as exc:
            _LOG.info("no heads were exchanged with %s: %s; trying again", visit.unit, exc)
        return LOOK_EVERY_S

    # What

    def exchange(self, unit: str, caller: Caller) -> bool:
        """Offer our head to a unit above, ask a unit below for its own. Returns whether there was anything to say.

        Raises what asking raises.
        """
        if self.is_witnessed_by(unit):
            return self._offer(unit, caller)
        if units.is_within(unit, self.unit) and unit != self.unit:
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
                self._greeted.discard(unit)
                self.greet(unit, caller)  # a later generation than the one that was asked about at the start
                return False
            old = answer.size
        raise Refused("contradiction", f"{unit} does not say where it stands with {origin}")

    def _ask(self, unit: str, caller: Caller) -> bool:
        """Fetch the head of a unit below and cosign it, if documents of it came since we asked last."""
        database = units.database_name(unit)
        seq = self._seq_of(database)
        if not seq or self._asked.get(unit) == seq:
            return False
        generation, size = self._witness.newest(unit)
        value = caller.ask("GET", f"/api/log/checkpoint?old={size}&generation={generation}")
        has_lost = isinstance(value, dict) and "waiting" in value
        if value and not has_lost:
            offer = parse_offer(value)
            answer = self._witness.consider(unit, offer)
            has_lost = not answer.stopped and answer.size > offer.size
        if has_lost:
            heads = [answer_value(each) for each in self._witness.all_known(unit)]
            caller.ask("POST", "/api/log/known", {"heads": heads})
            return True  # its head is asked for at the next look
        self._asked[unit] = self._without_ours(database, seq)
        return True

    def _without_ours(self, database: str, since: str) -> str:
        """Return where a database stands if nothing but our cosignature came `since` then, which we need not ask about;
        else `since`: what came while we asked is under a head that we have not seen."""
        now = self._seq_of(database)
        page = self._store.open(database).changes(Seq(since), limit=_OURS_AT_MOST)
        ours = all(row.id.startswith((LOG_PREFIX, CERTIFICATE_PREFIX)) for row in page.rows)
        return now if ours and not page.pending else since

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
