"""Threat 26: a clerk, with a key of their own and a hand on the node's console, wants to be leader."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from server.cli import main
from server.dossier.event import build_event
from server.dossier.times import format_time
from server.dossier.units import unit_stream
from server.errors import Clash


@pytest.fixture
def led(office: Any, key_pool: Any) -> Any:
    """The office with a leader; the clerk is its official."""
    office.leader = office.enrol(key_pool(), "leader")
    return office


def roles_of_clerk(office: Any) -> set[str]:
    found = office.leader.get("/api/roles").json()["roles"]
    return {each["role"] for each in found if each["subject"] == office.official.person.urn}


def say(office: Any, type: str, **body: str) -> str:
    """The clerk signs a role event with their own key and program, and posts it; returns its id."""
    clerk = office.official.person
    stream = unit_stream(office.node.unit)
    event = build_event(
        stream=stream,
        type=type,
        unit=office.node.unit,
        actor=clerk.urn,
        at=format_time(datetime.now(UTC)),
        nonce=b"c" * 16,
        prev=office.node.model.queries.heads(office.node.database, stream),
        body=body,
    )
    answer = office.official.post("/api/events", clerk.envelope(event))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"]).rpartition(":")[2]


def test_a_clerk_who_grants_and_confirms_with_their_own_key_gains_nothing(led: Any) -> None:
    """The events are kept, authentic, and count for nothing."""
    urn = led.official.person.urn
    wanted = {"subject": urn, "name": "Lò Văn Páo", "role": "leader", "from": "2026-01-01T00:00:00Z"}
    granted = say(led, "role.granted", **wanted)
    say(led, "role.confirmed", of=granted, subject=urn)
    assert roles_of_clerk(led) == {"official"}


def test_a_clerk_at_the_console_gets_a_proposal_and_not_a_role(led: Any, capsys: Any) -> None:
    """The console says that it waits; a second word of the console, or the clerk's own, does not end the waiting."""
    urn = led.official.person.urn
    assert main(["role", "grant", str(led.node.home.path), urn, "leader"]) == 0
    assert capsys.readouterr().out.startswith("pending: ")
    led.node.model.follower.catch_up(led.node.database)

    [pending] = led.node.people.pending()
    with pytest.raises(Clash, match="a leader or admin has to confirm it"):
        led.node.people.confirm(pending.event)
    say(led, "role.confirmed", of=pending.event, subject=urn)
    assert roles_of_clerk(led) == {"official"}
    assert [each.event for each in led.node.people.pending()] == [pending.event]  # the leader sees who wanted what


def test_ending_the_leaders_role_first_does_not_help(led: Any) -> None:
    """A unit that had a leader is founded for good: the console's word alone is never enough again."""
    led.node.people.revoke(led.leader.person.urn, "leader", "Nghỉ hưu")
    assert not led.node.people.grant(led.official.person.urn, "Lò Văn Páo", "leader")
    assert not led.node.people.grant(led.official.person.urn, "Lò Văn Páo", "leader", begins="2020-01-01T00:00:00Z")


def test_the_proposal_is_nothing_on_the_tier_above_either(led: Any) -> None:
    """Rights come from events alone, so a node that never saw the console judges alike."""
    from server.dossier.roles import fold_grants
    from server.readmodel.documents import read_events

    led.node.people.grant(led.official.person.urn, "Lò Văn Páo", "admin")
    database = led.node.store.open(led.node.database)
    ids = [
        doc_id
        for type in ("role.granted", "role.confirmed", "role.revoked")
        for doc_id in led.node.model.queries.streams_of_type(type).get(led.node.database, [])
    ]
    grants = fold_grants(held.stored for held in read_events(database, ids))
    now = format_time(datetime.now(UTC))
    assert grants.roles(led.official.person.urn, led.node.unit, now) == ("official",)
    assert [each.role for each in grants.pending] == ["admin"]
