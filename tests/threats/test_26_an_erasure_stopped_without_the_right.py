"""Threat 26: somebody wants to stop an erasure, or to undo that it was stopped, without the right to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from server.dossier.event import build_event
from server.dossier.times import format_time
from server.dossier.units import unit_stream
from server.intake.source import Source
from server.verify import verify_path

WORDS = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}


@pytest.fixture
def proposed(office: Any, key_pool: Any) -> Any:
    """The office, and a leader's proposal to erase a dossier of its."""
    office.leader = office.enrol(key_pool(), "leader")
    stream = office.file()
    assert office.act(office.official, stream, "dossier.refused", reason="Không thuộc thẩm quyền").status_code == 201
    fields = {"type": "erasure.proposed", "fields": {"dossier": stream} | WORDS}
    draft = office.leader.post("/api/erasures/drafts", fields).json()["event"]
    assert office.leader.post("/api/events", office.leader.person.envelope(draft)).status_code == 201
    [erasure] = office.node.erasures.all()
    return office, erasure


def event_of(office: Any, actor: str, type: str, of: str) -> dict[str, Any]:
    stream = unit_stream(office.node.unit)
    return build_event(
        stream=stream,
        type=type,
        unit=office.node.unit,
        actor=actor,
        at=format_time(datetime.now(UTC)),
        nonce=b"w" * 16,
        prev=office.node.model.queries.heads(office.node.database, stream),
        body={"of": of, "reason": "Để hồ sơ lại"},
    )


def post(office: Any, client: Any, type: str, of: str) -> tuple[int, str, str]:
    """A client signs with their own key and program; return status, word and reason."""
    answer = client.post("/api/events", client.person.envelope(event_of(office, client.person.urn, type, of)))
    found = answer.json()
    return answer.status_code, found.get("error", ""), found.get("reason", "")


def test_who_has_no_right_is_refused_at_the_door_by_name(proposed: Any) -> None:
    """The proposal waits as before; what was tried is kept as evidence; the desk drafts no such event either."""
    office, erasure = proposed
    attempts = [
        ("official", "erasure.withdrawn", "only who proposed"),
        ("official", "erasure.refused", "a leader of the unit or above"),
        ("citizen", "erasure.withdrawn", "only who proposed"),
        ("citizen", "erasure.refused", "a leader of the unit or above"),
        ("leader", "erasure.refused", "who did not propose"),
    ]
    for who, type, said in attempts:
        client = getattr(office, who)
        status, word, reason = post(office, client, type, erasure.id)
        assert (status, word) == (403, "not_entitled")
        assert said in reason
        assert not office.node.erasures.get(erasure.id).is_stopped
        if who != "citizen":
            fields = {"type": type, "fields": {"of": erasure.id, "reason": "Để hồ sơ lại"}}
            assert client.post("/api/erasures/drafts", fields).json()["error"] == "not_entitled"
    assert office.node.quarantine.count() == len(attempts)


def test_a_withdrawal_in_the_proposers_name_by_another_key_is_no_event(proposed: Any) -> None:
    """Neither posted by the forger nor brought by a neighbour: the certificate says who signed."""
    office, erasure = proposed
    forger = office.official.person
    forged = event_of(office, office.leader.person.urn, "erasure.withdrawn", erasure.id)
    assert office.official.post("/api/events", forger.envelope(forged)).status_code == 403
    [result] = office.node.intake.admit(office.node.database, [forger.sign(forged)], source=Source("peer", "x"))
    assert result.error is not None
    assert result.error.reason.startswith("actor_mismatch")
    assert not office.node.erasures.get(erasure.id).is_stopped


def test_what_a_neighbour_brings_is_kept_and_counts_for_nothing(proposed: Any) -> None:
    """A clerk's withdrawal of the leader's proposal comes by another road: authentic, stored, and without effect here
    and for the independent verifier; the leader's own ends it, and a clerk's lie that it was done undoes nothing."""
    office, erasure = proposed
    clerk, node = office.official.person, office.node
    docs = [
        clerk.sign(event_of(office, clerk.urn, type, erasure.id)) for type in ("erasure.withdrawn", "erasure.refused")
    ]
    for result in node.intake.admit(node.database, docs, source=Source("peer", "urn:tram:node:h41-12")):
        assert result.error is None, result.error.reason
    node.model.follower.catch_up()
    assert node.erasures.get(erasure.id).stop is None
    assert verify_path(node.home.path).checked["erasures stopped"] == 0

    assert post(office, office.leader, "erasure.withdrawn", erasure.id)[0] == 201
    done = {"of": erasure.id, "events": 1, "files": 0, "chunks": 0}
    lie = event_of(office, clerk.urn, "erasure.refused", erasure.id) | {"type": "erasure.done", "body": done}
    [result] = node.intake.admit(node.database, [clerk.sign(lie)], source=Source("peer", "urn:tram:node:h41-12"))
    assert result.error is None, result.error.reason
    node.model.follower.catch_up()
    assert node.erasures.get(erasure.id).is_stopped


def test_a_confirmation_signed_a_moment_after_the_withdrawal_is_refused_with_the_reason(proposed: Any) -> None:
    """Its dialog was open when the proposer withdrew: no 201, no promise on the screen that the dossier is erased."""
    office, erasure = proposed
    assert post(office, office.leader, "erasure.withdrawn", erasure.id)[0] == 201
    assert post(office, office.leader, "erasure.withdrawn", erasure.id)[:2] == (409, "settled")
    late = event_of(office, office.official.person.urn, "erasure.refused", erasure.id)
    late |= {"type": "erasure.confirmed", "body": {"of": erasure.id}}
    answer = office.official.post("/api/events", office.official.person.envelope(late))
    assert (answer.status_code, answer.json()["error"]) == (409, "settled")
    assert "đã được rút" in answer.json()["reason"]
    assert office.node.erasing.settle() == 0
