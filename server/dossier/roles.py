"""Who may act where: the fold of `role.granted`, `role.revoked`, `unit.described` and `enrol.approved`.

A grant counts if the node of its unit, or of a unit above, issued it. It holds from `from` until `until` and in every
unit below its own. A revocation ends all grants of that subject, role and unit that begin no later than it was made;
to give the role back, grant it anew. So the verdict depends on the set of events alone: not on their order, nor on
whether the streams of the units above are here in full (a unit's database carries copies of single grants).

Times are the issuing node's and the acting person's own claims. A former official can date events back; what shows it
is the revoked certificate, which makes intake's verdict on such an event "indeterminate" (docs/decisions/0051).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from server.dossier.event import Event, StoredEvent
from server.dossier.units import is_subject_urn, is_within, unit_of_node

ROLES = ("official", "leader", "helper", "admin")
DECIDING = ("official", "leader")  # the roles that may take a dossier's steps

_FOREVER = "9999-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role of `subject` in `unit` and everything below it, from `begins` until (not including) `ends`.

    Both are times as events write them; `ends` takes revocations into account. `event` is the id of the grant.
    """

    unit: str
    subject: str
    role: str
    begins: str
    ends: str
    name: str
    event: str


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

    def holds(self, subject: str, role: str, unit: str, at: str) -> bool:
        """Say whether `subject` has `role` at `unit` (by a grant there or above) at the time `at`."""
        return any(
            grant.role == role and grant.begins <= at < grant.ends and is_within(unit, grant.unit)
            for grant in self.by_subject.get(subject, ())
        )

    def may_decide(self, subject: str, unit: str, at: str) -> bool:
        """Say whether `subject` is an official or leader at `unit` at the time `at`."""
        return any(self.holds(subject, role, unit, at) for role in DECIDING)

    def roles(self, subject: str, unit: str, at: str) -> tuple[str, ...]:
        """Return the roles `subject` has at `unit` at the time `at`, in the order of `ROLES`."""
        return tuple(role for role in ROLES if self.holds(subject, role, unit, at))

    def units_of(self, subject: str, at: str) -> tuple[str, ...]:
        """Return the units in which `subject` was given a role that holds at the time `at`, sorted."""
        granted = self.by_subject.get(subject, ())
        return tuple(sorted({grant.unit for grant in granted if grant.begins <= at < grant.ends}))

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


def fold_grants(events: Iterable[StoredEvent]) -> Grants:
    """Return the grants that `events` give, whatever their order; events of other types are passed over."""
    by_type: dict[str, dict[str, Event]] = {}
    for stored in events:
        by_type.setdefault(stored.event.type, {})[stored.id] = stored.event
    grants = _grants(by_type.get("role.granted", {}), _revocations(by_type.get("role.revoked", {})))
    held = Grants(_grouped(grants), _descriptions(by_type.get("unit.described", {})))
    return Grants(held.by_subject, held.units, _names(by_type.get("enrol.approved", {}), held, grants))


def is_issued_by_node(event: Event) -> bool:
    """Say whether the node of the event's unit, or of a unit above it, is the author."""
    issuer = unit_of_node(event.actor)
    return issuer is not None and is_within(event.unit, issuer)


def _revocations(events: Mapping[str, Event]) -> dict[tuple[str, str, str], list[str]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for event in events.values():
        if is_issued_by_node(event):
            found.setdefault((event.unit, event.body["subject"], event.body["role"]), []).append(event.at)
    return found


def _grants(events: Mapping[str, Event], revoked: Mapping[tuple[str, str, str], list[str]]) -> list[Grant]:
    grants = []
    for name, event in events.items():
        if not is_issued_by_node(event):
            continue
        body = event.body
        ends = [at for at in revoked.get((event.unit, body["subject"], body["role"]), ()) if at >= body["from"]]
        until = min([body.get("until", _FOREVER), *ends])
        grants.append(Grant(event.unit, body["subject"], body["role"], body["from"], until, body["name"], name))
    return sorted(grants)


def _grouped(grants: list[Grant]) -> dict[str, tuple[Grant, ...]]:
    by_subject: dict[str, list[Grant]] = {}
    for grant in grants:
        by_subject.setdefault(grant.subject, []).append(grant)
    return {subject: tuple(held) for subject, held in by_subject.items()}


def _descriptions(events: Mapping[str, Event]) -> dict[str, tuple[UnitDescription, ...]]:
    by_code: dict[str, list[UnitDescription]] = {}
    for name, event in events.items():
        if not is_issued_by_node(event):
            continue
        body = event.body
        description = UnitDescription(
            body["code"],
            body["from"],
            body.get("until", _FOREVER),
            body["name"],
            body["tier"],
            body.get("parent", ""),
            name,
        )
        by_code.setdefault(body["code"], []).append(description)
    return {code: tuple(sorted(found)) for code, found in by_code.items()}


def _names(events: Mapping[str, Event], held: Grants, grants: list[Grant]) -> dict[str, str]:
    """The newest name of each person: from enrolments by those who may, then from grants, which a node vouches for."""
    enrolled = sorted(
        (event.at, name, event.body["subject"], event.body["name"])
        for name, event in events.items()
        if is_issued_by_node(event)
        or (is_subject_urn(event.actor) and held.may_decide(event.actor, event.unit, event.at))
    )
    names = {subject: person for _, _, subject, person in enrolled}
    names.update({grant.subject: grant.name for grant in sorted(grants, key=lambda g: (g.begins, g.event))})
    return names
