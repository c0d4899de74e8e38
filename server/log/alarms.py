"""Alarms: two signed heads of one log that cannot both be true, told to every tier above as a signed event.

`log.alarm` is an event in the stream of the unit that noticed, so it is logged, replicated and shown like any other. It
carries both notes: whoever reads it can check the accusation without believing the accuser.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from crypto.logcert import parse_log_origin
from server.clocks.clock import NodeClock
from server.dossier import units
from server.errors import NotReady
from server.intake.door import Intake
from server.intake.source import Source
from server.log.proofs import Proofs
from server.log.witness import Evidence, Witness
from server.readmodel.documents import read_events
from server.readmodel.model import ReadModel
from server.signing import NodeSigner

_LOG = logging.getLogger(__name__)

TYPE = "log.alarm"
RESET = "log.reset"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A `log.alarm`: two signed heads (notes) of the log `origin` that cannot both be true. `event` is its id, `unit`
    the one that noticed, `author` its URN, `at` by that node's clock."""

    event: str
    unit: str
    author: str
    at: str
    origin: str
    known: str
    shown: str
    reason: str


class Alarms:
    """Tells of the witness's evidence, and finds the alarms that came from anywhere."""

    def __init__(
        self,
        *,
        witness: Witness,
        proofs: Proofs,
        signer: NodeSigner,
        intake: Intake,
        model: ReadModel,
        clock: NodeClock,
    ) -> None:
        self._signer = signer
        self._intake = intake
        self._model = model
        self._clock = clock
        self._database = units.database_name(signer.unit)
        witness.on_evidence = self.raise_alarm
        witness.on_reset = self.note_reset
        proofs.on_contradiction = lambda origin, known, shown, reason: self._accuse(
            witness, origin, known, shown, reason
        )

    def raise_alarm(self, evidence: Evidence) -> None:
        """Sign and store the alarm. Raises `NotReady` if it cannot be stored now; it is told again then."""
        self._store(
            TYPE,
            {
                "origin": evidence.origin,
                "known": evidence.known,
                "shown": evidence.shown,
                "reason": evidence.reason[:500],
            },
        )

    def _store(self, type: str, body: dict[str, str]) -> None:
        stream = units.unit_stream(self._signer.unit)
        prev = self._model.queries.heads(self._database, stream)[:64]
        doc = self._signer.sign(stream=stream, type=type, at=self._clock.now(), prev=prev, body=body)
        [result] = self._intake.admit(self._database, [doc], source=Source("local", self._signer.urn))
        if result.error is not None:
            raise NotReady(f"{type} could not be stored: {result.error.reason}")

    def note_reset(self, origin: str, known: str) -> None:
        """Sign and store that a log below goes on under a new name after a loss, with the last head of the old one."""
        unit, _ = parse_log_origin(origin)
        self._store(RESET, {"origin": origin, "known": known, "unit": unit})

    def known(self) -> list[Alarm]:
        """Return every alarm in every database here, oldest first."""
        found = []
        for database, ids in self._model.queries.streams_of_type(TYPE).items():
            for held in read_events(self._model.open(database), ids):
                event, body = held.stored.event, held.stored.event.body
                names = (str(body[name]) for name in ("origin", "known", "shown", "reason"))
                found.append(Alarm(held.stored.id, event.unit, event.actor, event.at, *names))
        return sorted(found, key=lambda each: (each.at, each.event))

    def all(self) -> list[tuple[str, str, str]]:
        """Return (unit that noticed, origin of the log, reason) of every alarm in every database here, oldest first."""
        return [(each.unit, each.origin, each.reason) for each in self.known()]

    def _accuse(self, witness: Witness, origin: str, known: str, shown: str, reason: str) -> None:
        witness.accuse(origin, known=known, shown=shown, reason=reason)
