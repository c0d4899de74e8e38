"""Threat 11: a dismissed official sets the clock back, signs, and has somebody carry it in on a USB stick."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.dossier.event import build_event
from server.dossier.times import format_time
from server.intake.source import Source
from tests.threats.approvals import ask_and_approve


@pytest.fixture
def led(office: Any, key_pool: Any) -> Any:
    """The office with a leader, and a dossier in the official's hands for a while."""
    office.leader = office.enrol(key_pool(), "leader")
    office.stream = office.file()
    return office


def carry_in(office: Any, at: datetime) -> str:
    """The former official's refusal, dated `at`, brought by a bundle; returns its event id."""
    event = build_event(
        stream=office.stream,
        type="dossier.refused",
        unit=office.node.unit,
        actor=office.official.person.urn,
        at=format_time(at),
        nonce=b"u" * 16,
        prev=office.node.model.story(office.stream).dossier.heads,
        body={"reason": "Ký lùi ngày"},
    )
    doc = office.official.person.sign(event, at)
    [result] = office.node.intake.admit(office.node.database, [doc], source=Source("bundle", "usb"))
    assert result.error is None, result.error
    office.node.model.follower.catch_up(office.node.database)
    return str(doc.id).partition(":")[2]


def entry_of(office: Any, event: str) -> dict[str, Any]:
    timeline = office.leader.get(f"/api/dossiers/{office.stream}").json()["timeline"]
    return next(each for each in timeline if each["id"] == event)


def next_second(helpers: Any) -> datetime:
    """The present, in a second of its own: times of events have no parts of seconds."""
    now = int(time.time())
    helpers.wait_until(lambda: int(time.time()) > now)
    return datetime.now(UTC).replace(microsecond=0)


def test_a_role_that_was_revoked_signs_nothing_into_the_past(led: Any, helpers: Any) -> None:
    """The act is kept and held: a leader decides, and until then the dossier stands where it stood."""
    in_office = next_second(helpers)
    next_second(helpers)
    led.node.people.revoke(led.official.person.urn, "official", "Thôi việc")
    next_second(helpers)

    act = carry_in(led, in_office)

    assert entry_of(led, act)["state"] == "held"
    assert led.leader.get("/api/dossiers?held=1").json()["total"] == 1
    assert led.leader.get(f"/api/dossiers/{led.stream}").json()["status"]["business"] == 1

    fields = {"of": act, "decision": "discarded", "reason": "Không có trong sổ công văn"}
    assert led.act(led.leader, led.stream, "dossier.act_reviewed", **fields).status_code == 201
    assert entry_of(led, act)["state"] == "not_applied"
    assert led.leader.get("/api/dossiers?held=1").json()["total"] == 0


def test_a_certificate_that_was_revoked_signs_nothing_into_the_past(led: Any, helpers: Any) -> None:
    """The signature cannot be told from one made in time: the verdict is indeterminate, the act held."""
    in_office = next_second(helpers) - timedelta(hours=1)
    next_second(helpers)
    led.node.people.revoke_certificates(led.official.person.urn)
    next_second(helpers)

    act = carry_in(led, in_office)

    assert entry_of(led, act)["state"] == "held"
    verdicts = led.leader.get(f"/api/dossiers/{led.stream}").json()["verdicts"]
    of_the_act = [(each["status"], each["reason"]) for each in verdicts if each["event"] == act]
    assert of_the_act == [("indeterminate", "revoked")]


def test_what_was_logged_before_the_revocation_stays(led: Any, helpers: Any) -> None:
    """The same official's honest work is not touched by leaving."""
    act = carry_in(led, next_second(helpers))
    next_second(helpers)
    led.node.people.revoke(led.official.person.urn, "official", "Thôi việc")
    led.node.people.revoke_certificates(led.official.person.urn)
    led.node.model.follower.catch_up(led.node.database)
    assert entry_of(led, act)["state"] == "applied"


def test_an_approval_from_before_the_role_ended_certifies_nobody_afterwards(
    led: Any, key_pool: Any, helpers: Any
) -> None:
    """The key still counts, the role does not: a word dated back lets nobody in."""
    node, official, key = led.node, led.official.person, key_pool()
    in_office = next_second(helpers)
    next_second(helpers)
    node.people.revoke(official.urn, "official", "Thôi việc")
    next_second(helpers)
    thumbprint, event = ask_and_approve(node, official, key, in_office)

    posted = led.official.post("/api/events", official.envelope(event, in_office))

    assert posted.status_code == 201, posted.text
    assert node.people.state(thumbprint).state == "pending"
