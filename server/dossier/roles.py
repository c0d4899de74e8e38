"""Who may act where: the fold of `role.granted`, `role.confirmed`, `role.revoked`, `unit.described`, `enrol.approved`.

A grant takes effect once a second person confirmed it (`granting`). It holds from then or `from`, whichever is later,
until `until`, in its unit and every unit below. A revocation ends all grants of that subject, role and unit that begin
no later than it was made; to give the role back, grant it anew. So the verdict depends on the set of events alone, not
on their order. The role events of a unit above are in a unit's database all together or not at all.

Times are those that `Proofs` give for the role events, and the issuer's claim where nothing proves one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from server.dossier.event import Event, StoredEvent
from server.dossier.granting import (
    CONFIRMING,
    FOREVER,
    ROLE_TYPES,
    Grant,
    Granting,
    PendingGrant,
    is_issued_by_node,
    settle_grants,
)
from server.dossier.proofs import NOTHING, Proofs
from server.dossier.times import format_time
from server.dossier.units import is_subject_urn, is_within

ROLES = ("official", "leader", "helper", "admin")
DECIDING = ("official", "leader")  # the roles that may take a dossier's steps


@dataclass(frozen=True, slots=True, order=True)
class UnitDescription:
    """What a unit was called between two times; `parent` is empty where none was named."""

    code: str
    begins: str
    ends: str
    name: str
    tier: str
    parent: str
    event: str


@dataclass(frozen=True, slots=True)
class Grants:
    """The roles and units that a set of events gives. Empty: nobody may do anything but file."""

    by_subject: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    units: Mapping[str, tuple[UnitDescription, ...]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    pending: tuple[PendingGrant, ...] = ()

    def holds(self, subject: str, role: str, unit: str, at: str) -> bool:
        """Say whether `subject` has `role` at `unit` (by a grant there or above) at the time `at`."""
        return any(
            grant.role == role and grant.begins <= at < grant.ends and is_within(unit, grant.unit)
            for grant in self.by_subject.get(subject, ())
        )

    def may_decide(self, subject: str, unit: str, at: str) -> bool:
        """Say whether `subject` is an official or leader at `unit` at the time `at`."""
        return any(self.holds(subject, role, unit, at) for role in DECIDING)

    def was_withdrawn(self, subject: str, unit: str, claimed: str, shown: str) -> bool:
        """Say whether `subject` could decide at `unit` once and no longer at `shown`, so that only time is in question.

        That is so if the right was revoked, or if it ended by its date between the claimed and the shown time. Whoever
        claims a time after that date never had the right.
        """
        return any(
            grant.role in DECIDING
            and is_within(unit, grant.unit)
            and grant.begins <= claimed
            and grant.ends <= shown
            and (grant.revoked or claimed < grant.ends)
            for grant in self.by_subject.get(subject, ())
        )

    def may_confirm(self, subject: str, unit: str, at: str) -> bool:
        """Say whether `subject` may propose and confirm roles at `unit` at the time `at`."""
        return any(self.holds(subject, role, unit, at) for role in CONFIRMING)

    def roles(self, subject: str, unit: str, at: str) -> tuple[str, ...]:
        """Return the roles `subject` has at `unit` at the time `at`, in the order of `ROLES`."""
        return tuple(role for role in ROLES if self.holds(subject, role, unit, at))

    def units_of(self, subject: str, at: str) -> tuple[str, ...]:
        """Return the units in which `subject` was given a role that holds at the time `at`, sorted."""
        granted = self.by_subject.get(subject, ())
        return tuple(sorted({grant.unit for grant in granted if grant.begins <= at < grant.ends}))

    def holding(self, at: str) -> tuple[Grant, ...]:
        """Return all grants that hold at the time `at`, by unit, subject and role."""
        return tuple(sorted(g for grants in self.by_subject.values() for g in grants if g.begins <= at < g.ends))

    def people(self, unit: str, at: str) -> tuple[Grant, ...]:
        """Return the grants made at exactly this unit that hold at the time `at`, by name."""
        held = (g for grants in self.by_subject.values() for g in grants if g.unit == unit and g.begins <= at < g.ends)
        return tuple(sorted(held, key=lambda grant: (grant.name, grant.role, grant.event)))

    def name_of(self, subject: str) -> str:
        """Return the name a person was enrolled or given a role under, empty if none is known."""
        return self.names.get(subject, "")

    def describe(self, code: str, at: str) -> UnitDescription | None:
        """Return the newest description of a unit that holds at the time `at`, None if there is none."""
        held = [d for d in self.units.get(code, ()) if d.begins <= at < d.ends]
        return held[-1] if held else None


def fold_grants(events: Iterable[StoredEvent], proofs: Proofs = NOTHING) -> Grants:
    """Return the grants that `events` give, whatever their order; events of other types are passed over.

    A role event that is proven to exist only since its signer's certificate had ended (`Proofs.ends_at`) says nothing:
    whoever found the key may have dated it back, and who has the right can say it again (decision 0222).
    """
    by_type: dict[str, dict[str, StoredEvent]] = {}
    for stored in events:
        if not (stored.event.type in ROLE_TYPES and _came_too_late(stored, proofs)):
            by_type.setdefault(stored.event.type, {})[stored.id] = stored

    def time_of(stored: StoredEvent) -> str:
        proven = proofs.proven_at(stored.id)
        return format_time(proven) if proven else stored.event.at

    settled = settle_grants(
        by_type.get("role.granted", {}), by_type.get("role.confirmed", {}), by_type.get("role.revoked", {}), time_of
    )
    held = Grants(_grouped(settled.grants), _descriptions(by_type.get("unit.described", {})))
    names = _names(by_type.get("enrol.approved", {}), held, settled)
    return Grants(held.by_subject, held.units, names, tuple(settled.pending))


def _came_too_late(stored: StoredEvent, proofs: Proofs) -> bool:
    proven, ends = proofs.proven_at(stored.id), proofs.ends_at(stored.id)
    return proven is not None and ends is not None and proven >= ends


def _grouped(grants: list[Grant]) -> dict[str, tuple[Grant, ...]]:
    by_subject: dict[str, list[Grant]] = {}
    for grant in grants:
        by_subject.setdefault(grant.subject, []).append(grant)
    return {subject: tuple(held) for subject, held in by_subject.items()}


def _descriptions(events: Mapping[str, StoredEvent]) -> dict[str, tuple[UnitDescription, ...]]:
    by_code: dict[str, list[UnitDescription]] = {}
    for name, stored in events.items():
        if not is_issued_by_node(stored.event):
            continue
        body = stored.event.body
        description = UnitDescription(
            body["code"],
            body["from"],
            body.get("until", FOREVER),
            body["name"],
            body["tier"],
            body.get("parent", ""),
            name,
        )
        by_code.setdefault(body["code"], []).append(description)
    return {code: tuple(sorted(found)) for code, found in by_code.items()}


def _names(events: Mapping[str, StoredEvent], held: Grants, settled: Granting) -> dict[str, str]:
    """The newest name of each person: from enrolments by those who may, then from grants, an office's own word."""
    enrolled = sorted(
        (stored.event.at, name, stored.event.body["subject"], stored.event.body["name"])
        for name, stored in events.items()
        if _may_enrol(stored.event, held)
    )
    names = {subject: person for _, _, subject, person in enrolled}
    granted: list[Grant | PendingGrant] = [*settled.pending, *settled.grants]
    names.update({grant.subject: grant.name for grant in sorted(granted, key=lambda g: (g.begins, g.event))})
    return names


def _may_enrol(event: Event, held: Grants) -> bool:
    return is_issued_by_node(event) or (
        is_subject_urn(event.actor) and held.may_decide(event.actor, event.unit, event.at)
    )
