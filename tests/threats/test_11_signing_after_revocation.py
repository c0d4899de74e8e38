"""Threat 11: an official signs after being revoked, with a clock that was put back, and brings it on a stick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.crl import Revocation
from server.cli.ca import revoke_by_name
from server.dossier.documents import crl_doc, event_doc
from server.dossier.event import build_event
from server.dossier.times import format_time
from server.home import Home
from server.intake.source import Source
from server.pki.authority import Authority
from tests.threats.approvals import ask_and_approve


@pytest.fixture
def revoked(office):
    """The office after its official has been revoked; the official, and when that was."""
    at = office.node.clock.now()
    official = office.official.person
    assert revoke_by_name(office.node, official.urn, lost=False) == 1
    return official, at


def _comment(office, person, stream, claimed):
    """An event by the person with the time they claim, as their own program would sign it."""
    event = {
        "v": 1,
        "stream": stream,
        "type": "dossier.commented",
        "unit": office.node.unit,
        "actor": person.urn,
        "at": format_time(claimed),
        "prev": sorted(office.node.model.story(stream).dossier.heads),
        "nonce": "A" * 21 + "Q",
        "body": {"text": "đã xem"},
        "files": [],
    }
    return event_doc(person.envelope(event, claimed))


def test_what_is_dated_after_the_revocation_is_refused(office, revoked):
    """Their own word says that the certificate no longer counted."""
    official, at = revoked
    stream = office.file()

    doc = _comment(office, official, stream, at + timedelta(minutes=1))
    result = office.node.intake.admit(office.node.database, [doc], source=Source("bundle", "b7"))[0]

    assert result.error is not None
    assert result.error.reason.startswith("revoked")


def test_what_is_dated_before_it_and_comes_after_is_never_plainly_valid(office, revoked):
    """The clock was put back most of a day: nobody can prove when it was signed. It is kept and marked."""
    official, at = revoked
    stream = office.file()
    doc = _comment(office, official, stream, at - timedelta(hours=20))

    result = office.node.intake.admit(office.node.database, [doc], source=Source("bundle", "b8"))[0]
    office.node.model.follower.catch_up(office.node.database)

    assert result.error is None
    verdicts = office.citizen.get(f"/api/dossiers/{stream}").json()["verdicts"]
    (verdict,) = [each for each in verdicts if each["reason"] == "revoked"]
    assert verdict["status"] == "indeterminate"
    assert "thu hồi" in verdict["text"]["vi"]


def test_what_was_here_before_the_revocation_stays_valid(office, monkeypatch):
    """The node's own admission is the proof: a revocation does not reach back."""
    office.record(office.citizen, office.official)
    stream = office.file()
    office.act(office.official, stream, "dossier.accepted", due="2036-12-31T10:00:00Z")
    monkeypatch.setattr(office.node.clock, "_now", lambda: datetime.now(UTC) + timedelta(minutes=2))

    assert revoke_by_name(office.node, office.official.person.urn, lost=False) == 1

    story = office.citizen.get(f"/api/dossiers/{stream}").json()
    assert story["verdicts"] == []
    assert story["code"]


def test_whom_a_revoked_ca_certifies_afterwards_is_held_for_a_leader(office, key_pool, helpers):
    """The thief of a CA's key makes certificates that no list can name yet, and dates both them and what they sign to
    before the revocation. When that comes the node's log proves only that it exists now: too late."""
    at = office.node.clock.now().replace(microsecond=0)
    district = Authority.open(Home.open(office.node.home.path.parent / "h41-12"))
    stolen = Authority.open(office.node.home)
    crl = district.issue_crl([Revocation(stolen.certificate.serial_number, at)], number=1, now=at)
    thief = helpers.issue_person(stolen, key_pool(), at - timedelta(hours=20))
    event = helpers.submission(office.node.unit, thief, at=format_time(at - timedelta(hours=10)))
    certificate = helpers.certificate_doc(thief.certificate.public_bytes(Encoding.DER))

    for doc in (crl_doc(crl.public_bytes(Encoding.DER)), certificate, event_doc(thief.envelope(event, at))):
        result = office.node.intake.admit(office.node.database, [doc], source=Source("bundle", "b9"))[0]
        assert result.error is None
        office.node.model.follower.catch_up(office.node.database)

    dossier = office.node.model.story(event["stream"]).dossier
    assert [entry.stored.event.type for entry in dossier.held] == ["dossier.submitted"]
    assert not dossier.is_received


def test_roles_that_a_revoked_key_gives_or_takes_dated_back_say_nothing(office, key_pool):
    """A leader's phone is stolen and its key revoked; the leader is still in office. Whoever has the phone dates back
    the end of a colleague's role and a helper's beginning, for which one voice is enough."""
    node, at = office.node, office.node.clock.now()
    leader = office.enrol(key_pool(), "leader").person
    colleague, friend = office.official.person, office.citizen.person
    assert revoke_by_name(node, leader.urn, lost=True) == 1
    claimed = format_time(at - timedelta(hours=1))
    said = [
        ("role.revoked", {"subject": colleague.urn, "role": "official", "reason": "Chuyển công tác"}),
        ("role.granted", {"subject": friend.urn, "name": "Người lạ", "role": "helper", "from": claimed}),
    ]
    for type, body in said:
        event = build_event(
            stream="unit.h41-12-03",
            type=type,
            unit=node.unit,
            actor=leader.urn,
            at=claimed,
            nonce=b"n" * 16,
            body=body,
        )
        doc = event_doc(leader.envelope(event, at))
        assert node.intake.admit(node.database, [doc], source=Source("bundle", "b10"))[0].error is None
    node.model.follower.catch_up(node.database)

    grants, now = node.model.grants(node.database), format_time(node.clock.now() + timedelta(minutes=1))
    assert grants.roles(colleague.urn, node.unit, now) == ("official",)
    assert grants.roles(friend.urn, node.unit, now) == ()
    assert grants.roles(leader.urn, node.unit, now) == ("leader",)


def test_a_revoked_officials_approval_dated_back_certifies_nobody(office, key_pool, monkeypatch):
    """Whoever has the official's phone would let a key of their own in, by a word from before the revocation."""
    node, official, key = office.node, office.official.person, key_pool()
    at = node.clock.now() + timedelta(minutes=1)
    monkeypatch.setattr(node.clock, "_now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    assert revoke_by_name(node, official.urn, lost=False) == 1
    thumbprint, event = ask_and_approve(node, official, key, at)

    result = node.intake.admit(node.database, [event_doc(official.envelope(event, at))], source=Source("bundle", "b"))[
        0
    ]
    assert result.error is None

    assert node.people.state(thumbprint).state == "pending"
