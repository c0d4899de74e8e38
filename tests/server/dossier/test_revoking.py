"""Orders to revoke a person's keys: who may give them, and on whose word the next key comes in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from server.dossier.event import StoredEvent, build_event, event_id, parse_event
from server.dossier.proofs import Evidence
from server.dossier.revoking import (
    ANOTHER_VOICE,
    IN_FORCE,
    KnownKey,
    RevocationOrder,
    settle_revocations,
    why_no_new_key,
)
from server.dossier.roles import fold_grants

UNIT = "H41.12.03"
NODE, ABOVE, ASIDE = "urn:tram:node:h41-12-03", "urn:tram:node:h41", "urn:tram:node:h41-12-04"
OFFICIAL, LEADER, CITIZEN = (f"urn:tram:subject:{digit * 32}" for digit in "abc")
KEY = "A" * 43


def event(type: str, actor: str, body: Mapping[str, object], at: str = "2026-11-22T08:00:00Z") -> StoredEvent:
    value = build_event(
        stream="unit.h41-12-03", type=type, unit=UNIT, actor=actor, at=at, nonce=b"n" * 16, prev=[], body=body
    )
    return StoredEvent(event_id(value), parse_event(value))


def order(actor: str, **changes: object) -> StoredEvent:
    at = str(changes.pop("at", "2026-11-22T08:00:00Z"))
    body = {
        "subject": CITIZEN,
        "certificates": [f"sha256-{KEY}"],
        "how": "lost",
        "told": "counter",
        "reason": "Rơi ở chợ",
    }
    return event("enrol.revoked", actor, body | changes, at)


def grant(subject: str, role: str, begins: str = "2026-11-20T00:00:00Z") -> StoredEvent:
    body = {"subject": subject, "name": "Cán bộ", "role": role, "from": begins}
    return event("role.granted", NODE, body, "2026-11-20T00:00:00Z")


@pytest.mark.parametrize("actor", [OFFICIAL, LEADER, NODE, ABOVE])
def test_an_official_a_leader_and_the_nodes_of_the_path_may_order(actor: str) -> None:
    """One voice is enough: taking away must not wait."""
    grants = fold_grants([grant(OFFICIAL, "official"), grant(LEADER, "leader")])

    [found] = settle_revocations([order(actor)], grants)

    assert (found.subject, found.certificates, found.author) == (CITIZEN, (KEY,), actor)


@pytest.mark.parametrize("actor", [CITIZEN, ASIDE])
def test_nobody_else_takes_keys_away(actor: str) -> None:
    """Neither a citizen, be it about themselves, nor the node of a neighbouring unit."""
    assert settle_revocations([order(actor)], fold_grants([grant(OFFICIAL, "official")])) == ()


def test_the_right_is_judged_at_the_proven_time() -> None:
    """An order dated into a time in office counts for nothing once it is proven to be later."""
    late = order(OFFICIAL, at="2026-11-21T08:00:00Z")
    body = {"subject": OFFICIAL, "role": "official", "reason": "Chuyển công tác"}
    grants = fold_grants([grant(OFFICIAL, "official"), event("role.revoked", NODE, body, "2026-11-21T12:00:00Z")])

    assert len(settle_revocations([late], grants)) == 1
    proofs = Evidence({late.id: datetime.fromisoformat("2026-11-21T18:00:00+00:00")})
    assert settle_revocations([late], grants, proofs) == ()


def test_a_key_cannot_have_been_misused_after_the_order() -> None:
    """A time that lies ahead is cut to the order's own."""
    [found] = settle_revocations([order(NODE, since="2036-01-01T00:00:00Z")], fold_grants([]))

    assert found.since == found.at == "2026-11-22T08:00:00Z"


def _order_by(author: str) -> RevocationOrder:
    [found] = settle_revocations([order(author)], fold_grants([grant(OFFICIAL, "official"), grant(LEADER, "leader")]))
    return found


def why(keys, orders, approver, *, holds_role=False, may_second=False, is_alone=False):
    return why_no_new_key(keys, orders, approver, holds_role=holds_role, may_second=may_second, is_alone=is_alone)


def test_an_official_gives_no_second_key_to_somebody_who_has_one() -> None:
    """The first key has to be taken away; the console may renew one."""
    assert why([KnownKey(KEY, in_force=True)], [], OFFICIAL) is IN_FORCE
    assert why([KnownKey(KEY, in_force=True)], [], NODE) is None
    assert why([], [], OFFICIAL) is None


def test_a_citizen_gets_the_next_key_from_whoever_took_the_old_one_away() -> None:
    """They stand at one counter; sending them to a second official protects nobody."""
    assert why([KnownKey(KEY, in_force=False)], [_order_by(OFFICIAL)], OFFICIAL) is None


@pytest.mark.parametrize(
    ("author", "approver", "may_second", "allowed"),
    [
        (OFFICIAL, OFFICIAL, False, False),
        (LEADER, LEADER, True, False),
        (OFFICIAL, LEADER, True, True),
        (LEADER, OFFICIAL, False, False),
        (LEADER, NODE, False, True),
        (NODE, LEADER, True, True),
        (NODE, NODE, False, False),
        (ABOVE, NODE, False, False),
    ],
)
def test_who_holds_a_role_gets_the_next_key_by_two_voices(
    author: str, approver: str, may_second: bool, allowed: bool
) -> None:
    """Otherwise one official declares the leader's key lost and comes in as the leader."""
    keys = [KnownKey(KEY, in_force=False)]

    found = why(keys, [_order_by(author)], approver, holds_role=True, may_second=may_second)

    assert found is (None if allowed else ANOTHER_VOICE)


def test_a_key_that_merely_ended_needs_an_order_too_where_a_role_hangs_on_it() -> None:
    """Waiting for the end of a certificate is no way round the second voice."""
    keys = [KnownKey(KEY, in_force=False), KnownKey("B" * 42 + "A", in_force=False)]

    assert why(keys, [_order_by(OFFICIAL)], LEADER, holds_role=True, may_second=True) is ANOTHER_VOICE


def test_a_unit_with_nobody_else_relies_on_its_console() -> None:
    """A commune with one official could never let them in again otherwise; so it is while it is founded."""
    keys = [KnownKey(KEY, in_force=False)]

    assert why(keys, [_order_by(NODE)], NODE, holds_role=True, is_alone=True) is None
    assert why(keys, [_order_by(OFFICIAL)], OFFICIAL, holds_role=True, is_alone=True) is ANOTHER_VOICE
