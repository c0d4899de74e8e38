"""What the erasure events of a unit amount to: which dossiers two persons ordered erased, and which nodes have done it.

    erasure.proposed    by a leader of the owning unit or above, or a node there (its console): dossier, law, rule, ids
    erasure.confirmed   by another voice of these; one of the two is a leader
    erasure.withdrawn   by who proposed it, in office or not any more: the proposal is ended for good
    erasure.refused     by another voice than the proposer's: ended likewise
    erasure.done        by a node of the unit or above: what it erased, in numbers

They stand in the unit's own stream, since the dossier's stream is what goes. A proposal names every event and every
file manifest: nothing else is ever erased by it, and as all of it lies under the dossier's stream, no role, no
certificate and no other dossier can be named. Like roles, the outcome is a function of the set of events:

                      no withdrawal or refusal     with one, in whatever order they were made
    proposed          waits for a second voice     ended, nothing goes
    confirmed         ordered                      ended, nothing goes
    erased somewhere  goes on every tier           goes on every tier: it came too late (decision 0208)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from server.dossier.event import StoredEvent, document_id
from server.dossier.granting import is_issued_by_node
from server.dossier.proofs import NOTHING, Proofs
from server.dossier.roles import Grants
from server.dossier.times import format_time
from server.dossier.units import is_subject_urn, is_within, unit_of_node

STOPS: Final = ("erasure.withdrawn", "erasure.refused")
TYPES: Final = ("erasure.proposed", "erasure.confirmed", *STOPS, "erasure.done")


@dataclass(frozen=True, slots=True)
class Done:
    """A node's word that it has erased: its URN, when by its clock, and how many documents of each kind it held."""

    node: str
    at: str
    events: int
    files: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The event (`id`) by which a proposal was taken back or its confirmation refused, by whom, when and why."""

    id: str
    kind: Literal["withdrawn", "refused"]
    actor: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """One proposal that may count. `confirmed` is the id of the second voice's event, "" while it waits for one.

    `stop` is the first withdrawal or refusal by somebody with the right to it, whether it came in time or not.
    """

    id: str
    unit: str
    dossier: str
    basis: str
    rule: str
    ended: str
    proposer: str
    proposed_at: str
    events: tuple[str, ...]
    files: tuple[str, ...]
    confirmed: str = ""
    confirmer: str = ""
    confirmed_at: str = ""
    done: tuple[Done, ...] = ()
    stop: Stop | None = None

    @property
    def is_executed(self) -> bool:
        """Two voices ordered it and a node has erased: from then on nobody can take it back."""
        return bool(self.confirmed and self.done)

    @property
    def is_stopped(self) -> bool:
        """It was withdrawn or refused before any node had erased: nothing is erased by it, now or later."""
        return self.stop is not None and not self.is_executed

    @property
    def is_ordered(self) -> bool:
        """Two voices ordered it and nobody ended it in time."""
        return bool(self.confirmed) and not self.is_stopped

    @property
    def documents(self) -> tuple[str, ...]:
        """The `_id`s of the events named."""
        return tuple(document_id(self.dossier, event) for event in self.events)


def settle_erasures(events: Iterable[StoredEvent], grants: Grants, proofs: Proofs = NOTHING) -> tuple[Erasure, ...]:
    """Return the erasures that the events of a unit's database order or propose, by time of the proposal.

    `grants` are of the same database. Rights are judged at the proven time, at the author's claim where nothing proves
    one. Events of other types are passed over; proposals by somebody without the right are left out.
    """
    proposals: list[StoredEvent] = []
    about: dict[tuple[str, str], list[StoredEvent]] = {}  # (type, proposal) → what was said of it
    for stored in events:
        if stored.event.type == "erasure.proposed":
            proposals.append(stored)
        elif stored.event.type in TYPES:
            about.setdefault((stored.event.type, stored.event.body["of"]), []).append(stored)

    def time_of(stored: StoredEvent) -> str:
        proven = proofs.proven_at(stored.id)
        return format_time(proven) if proven else stored.event.at

    def voice(stored: StoredEvent) -> str:
        event = stored.event
        if is_subject_urn(event.actor):
            return "leader" if grants.holds(event.actor, "leader", event.unit, time_of(stored)) else ""
        return "node" if is_issued_by_node(event) else ""

    def said_of(proposal: StoredEvent, *types: str) -> list[StoredEvent]:
        found = [each for type in types for each in about.get((type, proposal.id), ())]
        return sorted(found, key=lambda each: (time_of(each), each.id))

    found = []
    for stored in proposals:
        first = voice(stored)
        if first:
            seconds, stops = said_of(stored, "erasure.confirmed"), said_of(stored, *STOPS)
            second = next((each for each in seconds if _seconds(stored, first, each, voice(each))), None)
            stop = next((each for each in stops if _stops(stored, each, voice(each))), None)
            ended = _stop(stop, time_of(stop)) if stop else None
            done = _acknowledged(stored, about.get(("erasure.done", stored.id), ()))
            found.append(_erasure(stored, time_of(stored), second, time_of(second) if second else "", done, ended))
    return tuple(sorted(found, key=lambda each: (each.proposed_at, each.id)))


def _seconds(proposal: StoredEvent, first: str, second: StoredEvent, voice: str) -> bool:
    """Say whether an event that names a proposal confirms it: another makes it, and one of the two is a leader."""
    return (
        second.event.unit == proposal.event.unit
        and second.event.actor != proposal.event.actor
        and voice != ""
        and "leader" in (first, voice)
    )


def _stops(proposal: StoredEvent, stop: StoredEvent, voice: str) -> bool:
    """Say whether an event that names a proposal ends it: either its own author takes it back or another voice refuses.
    To keep a dossier one voice is enough, so a leader is not needed among the two."""
    event = stop.event
    own = event.actor == proposal.event.actor
    return event.unit == proposal.event.unit and (own if event.type == "erasure.withdrawn" else not own and voice != "")


def _stop(stored: StoredEvent, at: str) -> Stop:
    event = stored.event
    kind: Literal["withdrawn", "refused"] = "withdrawn" if event.type == "erasure.withdrawn" else "refused"
    return Stop(stored.id, kind, event.actor, at, event.body["reason"])


def _erasure(
    stored: StoredEvent,
    at: str,
    second: StoredEvent | None,
    second_at: str,
    done: tuple[Done, ...],
    stop: Stop | None,
) -> Erasure:
    event, body = stored.event, stored.event.body
    return Erasure(
        stored.id,
        event.unit,
        body["dossier"],
        body["basis"],
        body["rule"],
        body["ended"],
        event.actor,
        at,
        tuple(body["events"]),
        tuple(body["files"]),
        second.id if second else "",
        second.event.actor if second else "",
        second_at,
        done,
        stop,
    )


def _acknowledged(proposal: StoredEvent, done: Iterable[StoredEvent]) -> tuple[Done, ...]:
    """Return the first word of each node on the unit's path, by time, of those that name a proposal."""
    found: dict[str, Done] = {}
    for stored in sorted(done, key=lambda each: (each.event.at, each.id)):
        event, author = stored.event, unit_of_node(stored.event.actor)
        if author is not None and is_within(event.unit, author) and event.unit == proposal.event.unit:
            counts = (int(event.body[name]) for name in ("events", "files", "chunks"))
            found.setdefault(event.actor, Done(event.actor, event.at, *counts))
    return tuple(found.values())
