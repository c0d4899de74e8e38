"""The desk's page of people and roles: who may do what here, and what waits for a second person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from server.api.roles import ROLE_NAMES
from server.desk.translate import Translator, time_text
from server.dossier.granting import CONFIRMING, FOREVER, Grant, PendingGrant

ROLE_ORDER = ("official", "leader", "helper", "admin")


def build_roles(
    held: Sequence[Grant],
    pending: Sequence[PendingGrant],
    people: Sequence[tuple[str, str]],
    name_of: Callable[[str], str],
    t: Translator,
    *,
    me: str,
    may_confirm: bool,
) -> dict[str, Any]:
    """Return what `desk/roles.html` shows. `people` are (URN, name) of everybody who can be given a role."""
    return {
        "may_confirm": may_confirm,
        "founding": not any(grant.role in CONFIRMING for grant in held),
        "held": [_held(grant, t, me) for grant in held],
        "pending": [_pending(each, name_of, t, me) for each in pending],
        "people": [{"urn": urn, "name": name} for urn, name in people if urn != me],
        "roles": [{"value": role, "label": t.of(ROLE_NAMES[role])} for role in ROLE_ORDER],
    }


def _held(grant: Grant, t: Translator, me: str) -> dict[str, Any]:
    return {
        "name": grant.name,
        "role": grant.role,
        "role_name": t.of(ROLE_NAMES[grant.role]),
        "subject": grant.subject,
        "since": time_text(grant.begins),
        "until": "" if grant.ends == FOREVER else time_text(grant.ends),
        "basis": t("roles.two_persons" if grant.confirmed else "roles.one_voice"),
        "mine": grant.subject == me,
    }


def _pending(each: PendingGrant, name_of: Callable[[str], str], t: Translator, me: str) -> dict[str, Any]:
    return {
        "event": each.event,
        "name": each.name,
        "role": each.role,
        "role_name": t.of(ROLE_NAMES[each.role]),
        "subject": each.subject,
        "proposer": name_of(each.proposer),
        "when": time_text(each.at),
        "since": time_text(each.begins),
        "until": "" if each.ends == FOREVER else time_text(each.ends),
        "mine": me in (each.proposer, each.subject),
    }
