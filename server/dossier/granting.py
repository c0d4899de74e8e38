"""How a role comes about: one proposes it, another confirms it (INTEGRITY 7, row 26: nobody gives themselves a role).

    role.granted     by the node of the unit or above (its console), or by a leader or admin there
    role.confirmed   by another voice: a leader or admin of the unit or above, or the node for what a person proposed
    role.revoked     by one voice: taking away must never wait

Neither voice may be the person who gets the role. `helper` decides nothing and needs one voice. Two exceptions, both
said on the desk: a unit without a leader or admin is being *founded*, and until it has one its node's word is enough;
and what was granted before `TWO_PERSONS_SINCE` was granted by the rule of its time.

The unit's role events are gone through by time, ties by cause, rank and id, so the outcome is a function of the set. A
founding ends with the unit's first leader or admin and never comes back, or whoever sits at the console could end that
person's role and begin again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from server.dossier.event import Event, StoredEvent
from server.dossier.order import arrange
from server.dossier.units import is_subject_urn, is_within, unit_of_node

TWO_PERSONS_SINCE: Final = "2026-11-22T00:00:00Z"
CONFIRMING: Final = ("leader", "admin")  # the roles whose holders propose and confirm
ROLE_TYPES: Final = ("role.granted", "role.confirmed", "role.revoked")
NEEDS_SECOND: Final = frozenset({"official", "leader", "admin"})
FOREVER: Final = "9999-12-31T23:59:59Z"
_CONFIRMATION: Final = 2


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role of `subject` in `unit` and everything below it, from `begins` until (not including) `ends`.

    Both are times as events write them; `ends` takes revocations into account (`revoked`). `event` is the id of the
    grant, `confirmed` that of its confirmation, empty where it needed none.
    """

    unit: str
    subject: str
    role: str
    begins: str
    ends: str
    name: str
    event: str
    revoked: bool = False
    confirmed: str = ""


@dataclass(frozen=True, slots=True, order=True)
class PendingGrant:
    """A grant that waits for a second person. `proposer` is the URN of the first, `at` when they proposed it."""

    unit: str
    subject: str
    role: str
    begins: str
    ends: str
    name: str
    event: str
    proposer: str
    at: str


@dataclass(slots=True)
class _Proposal:
    """One `role.granted` at its time, with when and by whom it was taken back."""

    stored: StoredEvent
    at: str
    ends: str
    revoked: bool
    effective: bool = False

    @property
    def event(self) -> Event:
        return self.stored.event

    @property
    def role(self) -> str:
        return str(self.event.body["role"])

    @property
    def subject(self) -> str:
        return str(self.event.body["subject"])


@dataclass(slots=True)
class Granting:
    """Goes through role events by time. `grants` are those that took effect, `pending` those that wait."""

    grants: list[Grant] = field(default_factory=list)
    pending: list[PendingGrant] = field(default_factory=list)

    def may_confirm(self, actor: str, unit: str, at: str) -> bool:
        """Say whether somebody is a leader or admin at `unit`, by what has taken effect so far."""
        return any(
            grant.subject == actor
            and grant.role in CONFIRMING
            and grant.begins <= at < grant.ends
            and is_within(unit, grant.unit)
            for grant in self.grants
        )

    def is_founding(self, unit: str, but_for: str) -> bool:
        """Say whether a unit has never had a leader or admin, the person `but_for` apart."""
        return not any(
            grant.unit == unit and grant.role in CONFIRMING and grant.subject != but_for for grant in self.grants
        )

    def take(self, proposal: _Proposal, begins: str, confirmed: str = "") -> None:
        """Let a proposal take effect."""
        body = proposal.event.body
        proposal.effective = True
        self.grants.append(
            Grant(
                proposal.event.unit,
                proposal.subject,
                proposal.role,
                begins,
                proposal.ends,
                body["name"],
                proposal.stored.id,
                proposal.revoked,
                confirmed,
            )
        )


def is_issued_by_node(event: Event) -> bool:
    """Say whether the node of the event's unit, or of a unit above it, is the author."""
    issuer = unit_of_node(event.actor)
    return issuer is not None and is_within(event.unit, issuer)


def settle_grants(
    granted: Mapping[str, StoredEvent],
    confirmed: Mapping[str, StoredEvent],
    revoked: Mapping[str, StoredEvent],
    time_of: Callable[[StoredEvent], str],
) -> Granting:
    """Return what the role events of a database amount to, each mapping by event id. `time_of` gives trusted times.

    Who may revoke depends on who holds a role, and that on revocations: so the events are gone through until the set of
    revocations by people no longer changes. Each turn can only take away, never give, so there are few.
    """
    standing = {name: stored for name, stored in revoked.items() if is_issued_by_node(stored.event)}
    left = {name: stored for name, stored in revoked.items() if name not in standing}
    while True:
        granting = _run(granted, confirmed, standing, time_of)
        may = {
            name: stored
            for name, stored in left.items()
            if granting.may_confirm(stored.event.actor, stored.event.unit, time_of(stored))
        }
        if not may:
            return granting
        first = min(may.items(), key=lambda item: (time_of(item[1]), item[0]))
        standing[first[0]] = first[1]
        del left[first[0]]


def _run(
    granted: Mapping[str, StoredEvent],
    confirmed: Mapping[str, StoredEvent],
    revoked: Mapping[str, StoredEvent],
    time_of: Callable[[StoredEvent], str],
) -> Granting:
    proposals = {name: _proposal(stored, revoked, time_of) for name, stored in granted.items()}
    steps = []
    depths = _depths([*granted.values(), *confirmed.values(), *revoked.values()])
    for name, proposal in proposals.items():
        steps.append((proposal.at, depths[name], int(proposal.role in CONFIRMING), name, name))
    for name, stored in confirmed.items():
        body = stored.event.body
        of = proposals.get(body["of"])
        if of and (stored.event.unit, body["subject"]) == (of.event.unit, of.subject):
            at = max(time_of(stored), of.at)  # whatever the clocks said, what it confirms came first
            steps.append((at, depths[name] + len(depths), _CONFIRMATION, name, of.stored.id))
    granting = Granting()
    waiting: dict[str, _Proposal] = {}
    for at, _, rank, name, proposed in sorted(steps):
        proposal = proposals[proposed]
        if rank != _CONFIRMATION:
            _propose(granting, waiting, proposal)
        elif proposed in waiting and _may_second(granting, proposal, confirmed[name].event, at):
            granting.take(proposal, max(proposal.event.body["from"], at), name)
            del waiting[proposed]
    granting.pending = sorted(_pending(proposal) for proposal in waiting.values() if not proposal.revoked)
    granting.grants.sort()
    return granting


def _depths(events: Sequence[StoredEvent]) -> dict[str, int]:
    """Return how many of these events each builds on in a row: what orders those of one second."""
    order = arrange(events)
    depths: list[int] = []
    for parents in order.parents:
        depths.append(1 + max((depths[i] for i in parents), default=-1))
    return {stored.id: depth for stored, depth in zip(order.events, depths, strict=True)}


def _propose(granting: Granting, waiting: dict[str, _Proposal], proposal: _Proposal) -> None:
    event, body = proposal.event, proposal.event.body
    by_node = is_issued_by_node(event)
    may = event.actor != proposal.subject and granting.may_confirm(event.actor, event.unit, proposal.at)
    if not (by_node or may):
        return
    old = proposal.at < TWO_PERSONS_SINCE
    founding = granting.is_founding(event.unit, proposal.subject)
    if proposal.role not in NEEDS_SECOND or (by_node and (old or founding)):
        granting.take(proposal, body["from"])
    else:
        waiting[proposal.stored.id] = proposal


def _may_second(granting: Granting, proposal: _Proposal, event: Event, at: str) -> bool:
    """A second voice is another one, has the right, and is not who gets the role."""
    if event.actor in (proposal.event.actor, proposal.subject):
        return False
    if is_subject_urn(event.actor):
        return granting.may_confirm(event.actor, event.unit, at)
    return is_issued_by_node(event) and not is_issued_by_node(proposal.event)


def _proposal(
    stored: StoredEvent, revoked: Mapping[str, StoredEvent], time_of: Callable[[StoredEvent], str]
) -> _Proposal:
    """Return a grant with its end: a revocation ends all of its subject, role and unit whose `from` is not later."""
    body, unit = stored.event.body, stored.event.unit
    ends = [
        time_of(each)
        for each in revoked.values()
        if (each.event.unit, each.event.body["subject"], each.event.body["role"])
        == (unit, body["subject"], body["role"])
        and time_of(each) >= body["from"]
    ]
    until = body.get("until", FOREVER)
    end = min(ends, default=FOREVER)
    return _Proposal(stored, time_of(stored), min(until, end), end < until)


def _pending(proposal: _Proposal) -> PendingGrant:
    body = proposal.event.body
    return PendingGrant(
        proposal.event.unit,
        proposal.subject,
        proposal.role,
        body["from"],
        proposal.ends,
        body["name"],
        proposal.stored.id,
        proposal.event.actor,
        proposal.at,
    )
