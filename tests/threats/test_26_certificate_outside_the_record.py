"""Threat 26: whoever has a CA's key issues beside its book. The chain holds, and what is signed under it is flagged."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.chain import TrustAnchors, verify_chain
from server.cli import main
from server.dossier.documents import certificate_doc
from server.intake.source import Source
from server.pki.authority import Authority
from server.pki.request import build_request


def test_a_certificate_nobody_approved_is_flagged_wherever_its_record_would_be(office, helpers, key_pool, capsys):
    """A clerk with the CA key certifies a key of his own in a citizen's name: valid chain, indeterminate verdict, a
    sentence on the dossier, a line in `tram doctor`."""
    office.record(office.citizen, office.official)
    victim = office.citizen.person
    authority = Authority.open(office.node.home)
    rogue_key = keys.generate_p256()
    rogue = authority.issue_person(rogue_key.public_key(), subject_id=victim.subject_id, now=office.node.clock.now())
    ders = [each.public_bytes(Encoding.DER) for each in (rogue, *authority.chain)]
    verify_chain(ders[0], ders[1:-1], anchors=TrustAnchors(authority.chain[-1:]), at=office.node.clock.now())
    office.node.intake.admit(office.node.database, [certificate_doc(ders[0])], source=Source("peer", "test"))
    genuine = office.file()
    person = type(victim)(victim.subject_id, rogue_key, rogue)
    event = helpers.submission(office.node.unit, person)
    result = office.node.intake.admit(office.node.database, [person.sign(event)], source=Source("peer", "test"))[0]
    assert result.error is None
    office.node.model.follower.catch_up(office.node.database)

    flagged = office.official.get(f"/api/dossiers/{event['stream']}").json()["verdicts"]
    clean = office.official.get(f"/api/dossiers/{genuine}").json()["verdicts"]

    assert [(each["status"], each["reason"]) for each in flagged] == [("indeterminate", "not_recorded")]
    assert "phê duyệt" in flagged[0]["text"]["vi"]
    assert clean == []
    assert [each.holder for each in office.node.issuance.unrecorded()] == [victim.urn]
    assert main(["doctor", str(office.node.home.path)]) == 1
    assert "on no record" in capsys.readouterr().out


def test_the_flag_goes_when_the_record_comes(office, key_pool, helpers):
    """Certificate and record may travel by different roads."""
    person = helpers.issue_person(Authority.open(office.node.home), keys.generate_p256())
    office.node.copier.ensure_certificate(office.node.database, person.certificate)
    office.node.model.follower.catch_up(office.node.database)
    assert office.node.issuance.judge(office.node.database, person.fingerprint).reason == "not_recorded"

    thumbprint = keys.thumbprint(person.key.public_key())
    body = {"subject": person.urn, "name": "Lò Văn Páo", "thumbprint": thumbprint, "kind": "citizen"}
    office.node.people.say("enrol.approved", body)

    assert office.node.issuance.judge(office.node.database, person.fingerprint).status == "valid"


def test_a_unit_certified_beside_the_book_is_found(make_homes, make_node, tmp_path):
    """Once a CA keeps the record, a commune CA it issued without one is named, and the recorded one is not."""
    from server.home import Engine, Home, Settings

    homes = make_homes()
    district = make_node(homes["H41.12"])
    new = Home.create(tmp_path / "new", Settings("H41.12.09", "Xã Mới", Engine(), None, ""))
    now = district.clock.now()
    asked = district.unit_requests.ask(build_request(new, now), now)
    district.unit_requests.approve(asked.request.thumbprint, now)
    rogue = Authority.open(homes["H41.12"]).issue_unit(
        keys.generate_p256().public_key(), unit="H41.12.66", now=now + timedelta(minutes=1)
    )
    doc = certificate_doc(rogue.public_bytes(Encoding.DER))
    assert district.intake.admit("u-h41-12", [doc], source=Source("peer", "test"))[0].error is None
    district.model.follower.catch_up()

    assert [each.holder for each in district.issuance.unrecorded()] == ["H41.12.66"]


@pytest.mark.parametrize("by", ["citizen", "nobody"])
def test_an_approval_by_somebody_without_the_right_is_no_record(office, by, helpers):
    """A citizen's own `enrol.approved` is stored and means nothing here either."""
    from server.dossier import units
    from server.dossier.documents import event_doc
    from server.dossier.event import build_event
    from server.dossier.times import format_time

    person = helpers.issue_person(Authority.open(office.node.home), keys.generate_p256())
    office.node.copier.ensure_certificate(office.node.database, person.certificate)
    author = office.citizen.person if by == "citizen" else person
    event = build_event(
        stream=units.unit_stream(office.node.unit),
        type="enrol.approved",
        unit=office.node.unit,
        actor=author.urn,
        at=format_time(office.node.clock.now()),
        nonce=bytes(16),
        body={
            "subject": person.urn,
            "name": "x",
            "thumbprint": keys.thumbprint(person.key.public_key()),
            "kind": "official",
        },
    )
    doc = event_doc(author.envelope(event))
    office.node.intake.admit(office.node.database, [doc], source=Source("peer", "test"))
    office.node.model.follower.catch_up(office.node.database)

    assert office.node.issuance.judge(office.node.database, person.fingerprint).reason == "not_recorded"
