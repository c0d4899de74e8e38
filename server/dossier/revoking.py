"""Keys of people that are to count no more: what the `enrol.revoked` events of a unit order its CA to revoke.

One voice is enough, like for taking a role away: somebody who has lost a telephone must not wait for a second official.
The voice is an official, leader or admin of the unit or above, or a node there (its console). The CA then issues the
list, which is what stops the key everywhere; the event says who ordered it, why, and on whose word.

The next key of somebody who holds a role takes another voice than the one that took the old key away: otherwise one
official could say that the leader's key was lost and let themselves in as the leader.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.x509 import ReasonFlags

from server.dossier.body import LOST
from server.dossier.event import StoredEvent
from server.dossier.granting import is_issued_by_node
from server.dossier.proofs import NOTHING, Proofs
from server.dossier.states import Text
from server.dossier.times import format_time
from server.dossier.units import is_subject_urn

TYPE: Final = "enrol.revoked"

# RFC 5280 §5.3.1. Only a key in other hands throws doubt on what it signed before; INTEGRITY 3: a key that nobody has
# any more is superseded by the next one.
REASONS: Final = {
    "lost": ReasonFlags.key_compromise,
    "stolen": ReasonFlags.key_compromise,
    "destroyed": ReasonFlags.superseded,
    "ended": ReasonFlags.cessation_of_operation,
}

IN_FORCE: Final = Text(
    "Người này còn khóa đang dùng. Ghi nhận mất điện thoại, hoặc thôi dùng khóa cũ, rồi mới cấp khóa mới.",
    "This person still has a key that counts. Record that it is lost, or no longer used, before a new one is given.",
)
ANOTHER_VOICE: Final = Text(
    "Người này đang giữ nhiệm vụ tại đơn vị, nên người cho khóa mới phải là lãnh đạo, quản trị hoặc máy chủ của đơn vị,"
    " và không phải là người đã ghi nhận mất khóa cũ.",
    "This person holds a role here, so their new key is let in by a leader, an administrator or the unit's console, and"
    " by another voice than the one that recorded the loss.",
)


@dataclass(frozen=True, slots=True)
class RevocationOrder:
    """One `enrol.revoked` that counts. `certificates` are thumbprints (`x5t#S256`); `since` is when the key may first
    have been misused, "" where nobody can say or nobody can have; `at` the order's own time, proven if it can be."""

    id: str
    unit: str
    subject: str
    certificates: tuple[str, ...]
    how: str
    told: str
    since: str
    reason: str
    author: str
    at: str

    @property
    def is_compromise(self) -> bool:
        """Whether somebody else may have the key."""
        return self.how in LOST


class RoleHolder(Protocol):
    """What is asked of grants."""

    def may_decide(self, subject: str, unit: str, at: str) -> bool: ...

    def may_confirm(self, subject: str, unit: str, at: str) -> bool: ...


def settle_revocations(
    events: Iterable[StoredEvent], grants: RoleHolder, proofs: Proofs = NOTHING
) -> tuple[RevocationOrder, ...]:
    """Return the orders among `events` that count, by time; events of other types are passed over.

    `grants` are of the same database. Rights are judged at the proven time, at the author's claim where nothing proves
    one. A `since` later than the order itself is cut to it.
    """
    found = []
    for stored in events:
        event = stored.event
        if event.type != TYPE:
            continue
        proven = proofs.proven_at(stored.id)
        at = format_time(proven) if proven else event.at
        if is_subject_urn(event.actor):
            may = grants.may_decide(event.actor, event.unit, at) or grants.may_confirm(event.actor, event.unit, at)
        else:
            may = is_issued_by_node(event)
        if may:
            found.append(_order(stored, at))
    return tuple(sorted(found, key=lambda each: (each.at, each.id)))


def _order(stored: StoredEvent, at: str) -> RevocationOrder:
    event, body = stored.event, stored.event.body
    since = str(body.get("since", ""))
    return RevocationOrder(
        id=stored.id,
        unit=event.unit,
        subject=body["subject"],
        certificates=tuple(each.removeprefix("sha256-") for each in body["certificates"]),
        how=body["how"],
        told=body["told"],
        since=min(since, at) if since else "",
        reason=body["reason"],
        author=event.actor,
        at=at,
    )


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A certificate somebody has had of a unit. `in_force`: not ended, on no list, and not ordered to be."""

    fingerprint: str
    in_force: bool


def why_no_new_key(
    keys: Collection[KnownKey],
    orders: Collection[RevocationOrder],
    approver: str,
    *,
    holds_role: bool,
    may_second: bool,
    is_alone: bool,
) -> Text | None:
    """Return why `approver` (a URN) may not let in another key of somebody who has had `keys` here, None if they may.

    `holds_role`: a role that takes two voices; `may_second`: the approver may confirm roles; `is_alone`: nobody else at
    the unit could be the second voice, so its node's word is enough, as while it is founded.
    """
    if not keys:
        return None
    by_node = not is_subject_urn(approver)
    ordered = {each: order.author for order in orders for each in order.certificates}
    if not by_node and any(key.in_force for key in keys):
        return IN_FORCE
    if not holds_role or (by_node and is_alone):
        return None
    if not (by_node or may_second):
        return ANOTHER_VOICE
    voices = [ordered.get(key.fingerprint, "") for key in keys]
    return None if all(voice and not _is_one_voice(voice, approver) for voice in voices) else ANOTHER_VOICE


def _is_one_voice(first: str, second: str) -> bool:
    """Nodes together are one voice (docs/decisions/0152)."""
    return first == second or not (is_subject_urn(first) or is_subject_urn(second))
