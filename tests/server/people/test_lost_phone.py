"""A phone is lost: recorded at the desk, revoked everywhere, and its owner goes on with a new one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from crypto import keys
from deploy.scenario.person import Citizen
from server.cli import main
from server.dossier.event import build_event
from server.dossier.times import format_time
from server.intake.source import Source
from server.pki.authority import Authority

NAME = "Lò Thị Mẩy"


@pytest.fixture
def enrolled(shared_office):
    """The office, with somebody new who registered at its counter; the keys it has lost before stay lost."""
    shared_office.phone = register(shared_office, NAME)
    return shared_office


@pytest.fixture(scope="module")
def leader(shared_office, key_pool):
    """A leader of the office."""
    return shared_office.enrol(key_pool(), "leader")


def register(office, name, *, again="", by=None, kind="citizen", activation=None):
    """Ask for a certificate with a new key and have it approved; return the phone."""
    phone = Citizen(name, office.url, key=keys.generate_p256())
    phone.request_enrolment(kind=kind, activation=activation)
    if phone.certificate is None:
        approve(office, phone, by or office.official, again=again)
        phone.wait_for_certificate()
    return phone


def approve(office, phone, official, *, again=""):
    draft = official.post(f"/api/enrolments/{phone.thumbprint}/drafts", {"again": again} if again else {})
    assert draft.status_code == 200, draft.text
    posted = official.post("/api/events", official.person.envelope(draft.json()["event"]))
    assert posted.status_code == 201, posted.text
    return draft.json()


def draft_loss(official, subject, **changes):
    fields = {"subject": subject, "how": "lost", "told": "counter", "reason": "Rơi ở chợ phiên"} | changes
    return official.post("/api/people/drafts", {"type": "enrol.revoked", "fields": fields})


def report(official, subject, **changes):
    """Record a loss as the desk does; return the draft."""
    draft = draft_loss(official, subject, **changes)
    assert draft.status_code == 200, draft.text
    posted = official.post("/api/events", official.person.envelope(draft.json()["event"]))
    assert posted.status_code == 201, posted.text
    return draft.json()


def client_of(office, phone):
    from tests.server.conftest import Client, Person

    person = Person(phone.subject.rpartition(":")[2], phone.key, phone.certificate)
    return Client(office.url, office.node.signer.urn, person)


def entry_on_list(node, certificate):
    issuer = Authority.open(node.home).certificate.subject.public_bytes()
    crl = node.directory.crls(node.database).of(issuer)[0]
    return crl.entries.get_revoked_certificate_by_serial_number(certificate.serial_number)


def next_second(helpers):
    now = int(time.time())
    helpers.wait_until(lambda: int(time.time()) > now)
    return datetime.now(UTC).replace(microsecond=0)


def test_a_lost_phone_is_on_the_list_at_once_with_the_day_it_was_lost(enrolled):
    """keyCompromise and invalidityDate (RFC 5280 §5.3.1, §5.3.2), said in words before it is signed."""
    office = enrolled
    since = format_time(datetime.now(UTC) - timedelta(hours=20))

    draft = report(office.official, office.phone.subject, since=since)

    assert NAME in draft["statement"]["vi"]
    assert "không thể hoàn tác" in draft["statement"]["vi"]
    entry = entry_on_list(office.node, office.phone.certificate)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert format_time(entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date_utc) == since
    (order,) = office.node.revoking.of(office.phone.subject)
    assert (order.subject, order.author) == (office.phone.subject, office.official.person.urn)
    assert office.node.revoking.waiting() == ()


def test_a_broken_phone_throws_no_doubt_on_what_it_signed(enrolled, helpers):
    """Nobody has its key: superseded, from now on."""
    stream = enrolled.file(client_of(enrolled, enrolled.phone))
    next_second(helpers)

    report(enrolled.official, enrolled.phone.subject, how="destroyed")

    entry = entry_on_list(enrolled.node, enrolled.phone.certificate)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert enrolled.official.get(f"/api/dossiers/{stream}").json()["timeline"][0]["state"] == "applied"


def test_tokens_and_sessions_of_the_lost_key_end(enrolled, leader, key_pool):
    """An official's cookie lasts a working day, a phone's token ten minutes: neither outlives the record."""
    office = enrolled
    official = another_official(office, leader, key_pool())
    lost = client_of(office, office.phone)
    assert lost.get("/api/dossiers").status_code != 401
    cookies = official.post("/api/session", {"token": official.person.token(office.node.signer.urn)}).cookies
    nobody = replace(office.nobody)
    assert nobody.get("/desk", cookies=cookies).status_code == 200

    report(office.official, office.phone.subject)
    report(leader, official.person.urn, how="stolen")

    assert lost.get("/api/dossiers").status_code == 401
    assert "lost or no longer used" in lost.get("/api/dossiers").json()["reason"]
    assert lost.get("/db/mine").status_code == 401
    assert nobody.get("/api/roles", cookies=cookies).status_code == 401
    assert office.nobody.get(f"/api/enrolments/{office.phone.thumbprint}").json()["revoked"] is True


def test_what_was_signed_before_the_loss_counts_and_what_came_after_is_held(enrolled, helpers, leader):
    """Judged by the trusted time: the thief's filing waits for a leader, the owner's stands; the desk says how many."""
    office = enrolled
    phone = client_of(office, office.phone)
    before = office.file(phone)
    lost_at = next_second(helpers)
    next_second(helpers)
    after = office.file(phone)
    helpers.wait_until(lambda: office.node.proofs.earliest(office.node.database, events_of(office, after)[0]))

    draft = report(office.official, office.phone.subject, since=format_time(lost_at))

    assert "1 việc đã ký từ lúc đó" in draft["statement"]["vi"]
    states = {s: leader.get(f"/api/dossiers/{s}").json()["timeline"][0]["state"] for s in (before, after)}
    assert states == {before: "applied", after: "held"}


def events_of(office, stream):
    return [held.stored.id for held in office.node.model.events(stream, office.node.database)]


def test_what_the_lost_key_signs_later_is_refused_or_held_by_any_road(enrolled, helpers, leader):
    """Dated after the loss it is refused at the door; dated back and brought on a stick it is never plainly valid."""
    office = enrolled
    phone = client_of(office, office.phone)
    stream = office.file(phone)
    at = next_second(helpers)
    report(office.official, office.phone.subject, since=format_time(at))

    def bring(claimed):
        event = build_event(
            stream=stream,
            type="dossier.withdrawn",
            unit=office.node.unit,
            actor=phone.person.urn,
            at=format_time(claimed),
            nonce=b"t" * 16,
            prev=office.node.model.story(stream).dossier.heads,
            body={"reason": "Kẻ trộm rút hồ sơ"},
        )
        doc = phone.person.sign(event, claimed)
        return office.node.intake.admit(office.node.database, [doc], source=Source("bundle", "usb"))[0]

    assert bring(next_second(helpers)).error.reason.startswith("revoked")
    assert bring(at - timedelta(hours=2)).error is None
    office.node.model.follower.catch_up(office.node.database)
    story = leader.get(f"/api/dossiers/{stream}").json()
    assert [e["state"] for e in story["timeline"] if e["event"]["type"] == "dossier.withdrawn"] == ["held"]
    assert [each["status"] for each in story["verdicts"] if each["reason"] == "revoked"].count("indeterminate") >= 1


def test_the_new_phone_is_the_same_person_and_sees_every_old_dossier(enrolled, helpers):
    """Same URN, another key; `/db/mine` brings the history; the approval says that it is not a first one."""
    office = enrolled
    streams = {office.file(client_of(office, office.phone)) for _ in range(2)}
    report(office.official, office.phone.subject, since=format_time(next_second(helpers)))

    phone = Citizen(NAME, office.url, key=keys.generate_p256())
    phone.request_enrolment(kind="citizen")
    draft = approve(office, phone, office.official, again=office.phone.subject)
    phone.wait_for_certificate()

    assert "khóa mới của người đã đăng ký trước đây" in draft["statement"]["vi"]
    assert phone.subject == office.phone.subject
    rows = client_of(office, phone).get("/db/mine/_changes", params={"include_docs": "true"}).json()["results"]
    assert {row["doc"]["event"]["stream"] for row in rows if "event" in row["doc"]} == streams
    assert all(client_of(office, phone).get(f"/api/dossiers/{stream}").status_code == 200 for stream in streams)
    third = office.file(client_of(office, phone))
    assert office.official.get(f"/api/dossiers/{third}").json()["verdicts"] == []
    assert phone.subject not in {each.holder for each in office.node.issuance.unrecorded()}


def test_nobody_becomes_somebody_else_by_saying_so(enrolled):
    """Whose key still counts gets no second one on an official's word, drafted or made by hand."""
    office = enrolled
    thief = Citizen("Kẻ mạo danh", office.url, key=keys.generate_p256())
    thief.request_enrolment(kind="citizen")

    refused = office.official.post(f"/api/enrolments/{thief.thumbprint}/drafts", {"again": office.phone.subject})
    assert refused.status_code == 409
    assert "còn khóa đang dùng" in refused.json()["reason"]

    draft = office.official.post(f"/api/enrolments/{thief.thumbprint}/drafts", {}).json()["event"]
    draft["body"]["subject"] = office.phone.subject
    assert office.official.post("/api/events", office.official.person.envelope(draft)).status_code == 201
    assert office.nobody.get(f"/api/enrolments/{thief.thumbprint}").json()["state"] == "pending"


def another_official(office, leader, key):
    """An official whose role took a second voice, as it does once there is a leader."""
    client = office.enrol(key, "official")
    second(office, leader, client)
    return client


def second(office, leader, client):
    """Confirm a role, unless it was given in the very second in which the office got its first leader."""
    for pending in [each for each in office.node.people.pending() if each.subject == client.person.urn]:
        confirm = leader.post("/api/roles/drafts", {"type": "role.confirmed", "fields": {"of": pending.event}}).json()
        assert leader.post("/api/events", leader.person.envelope(confirm["event"])).status_code == 201


def test_an_officials_next_key_takes_two_people(shared_office, leader, key_pool):
    """Who recorded the loss of a role holder's key does not let the next one in; another leader does."""
    office = shared_office
    colleague = office.enrol(key_pool(), "leader")
    second(office, leader, colleague)
    lost = another_official(office, leader, key_pool()).person.urn
    report(leader, lost, how="stolen")

    mine = leader.post(f"/api/people/{lost}/invitations", {})
    assert mine.status_code == 409
    assert "không phải là người đã ghi nhận" in mine.json()["reason"]
    code = colleague.post(f"/api/people/{lost}/invitations", {}).json()["activation"]
    again = register(office, "Cán bộ", kind="citizen", activation=code)

    assert again.subject == lost
    assert client_of(office, again).get("/api/roles").status_code == 200  # the role is still theirs


def test_without_the_ca_key_the_record_stands_and_the_console_carries_it_out(enrolled, capsys):
    """The old key opens nothing here at once; `tram ca revoke DIR` finds what waits."""
    office, node = enrolled, enrolled.node
    node.crl_keeper.errand.stop()  # it would try again every few seconds, and be quicker than the command
    key = node.home.path / "keys" / "ca.key"
    away = key.rename(key.with_name("taken-away"))

    report(office.official, office.phone.subject)

    assert client_of(office, office.phone).get("/api/dossiers").status_code == 401
    assert [each.subject for each in node.revoking.waiting()] == [office.phone.subject]
    assert main(["ca", "revoke", str(node.home.path)]) == 1
    assert "ca.key" in capsys.readouterr().err
    away.rename(key)
    assert main(["ca", "revoke", str(node.home.path)]) == 0
    assert "1 certificates are revoked" in capsys.readouterr().out
    node.model.follower.catch_up()
    assert node.revoking.waiting() == ()
    assert main(["ca", "revoke", str(node.home.path)]) == 0
    assert "nothing waits" in capsys.readouterr().out
    node.crl_keeper.errand.start()


def test_the_console_takes_the_same_path(enrolled, capsys):
    """`tram ca revoke URN --lost-key --since`: on record first, by the node's word, then on the list."""
    office = enrolled
    since = format_time(datetime.now(UTC) - timedelta(hours=3))

    arguments = ["ca", "revoke", str(office.node.home.path), office.phone.subject, "--lost-key", "--since", since]
    assert main([*arguments, "--reason", "Gọi điện lúc nửa đêm"]) == 0

    office.node.model.follower.catch_up()
    (order,) = office.node.revoking.of(office.phone.subject)
    assert (order.author, order.since, order.reason) == (office.node.signer.urn, since, "Gọi điện lúc nửa đêm")
    assert main(arguments) == 1
    assert "no key of this person counts any more" in capsys.readouterr().err


def test_a_list_made_by_a_command_beside_the_running_node_is_gone_on_from(enrolled, make_node):
    """The node keeps the lists it knows in memory; its next one must not bring back what the command revoked."""
    office = enrolled
    from server.home import Home

    beside = make_node(Home.open(office.node.home.path))
    beside.people.order_revocation(office.phone.subject, how="lost", reason="Mất")
    assert beside.revoking.carry_out() == 1

    office.node.crls.issue(Authority.open(office.node.home))

    issuer = Authority.open(office.node.home).certificate.subject.public_bytes()
    lists = office.node.directory.crls(office.node.database).of(issuer)
    numbers = [each.number for each in lists]
    assert len(numbers) == len(set(numbers))
    assert entry_on_list(office.node, office.phone.certificate) is not None


def test_a_running_node_learns_of_a_list_that_a_command_made(enrolled, make_node, helpers):
    """Within the five seconds in which its follower looks at what other processes did; the door heeds it then."""
    office = enrolled
    from server.home import Home

    beside = make_node(Home.open(office.node.home.path))
    beside.people.order_revocation(office.phone.subject, how="lost", reason="Mất")
    beside.revoking.carry_out()

    helpers.wait_until(lambda: entry_on_list(office.node, office.phone.certificate) is not None)


def test_an_order_reaches_only_the_keys_its_unit_gave_that_person(enrolled, leader):
    """A made-up order about somebody else's certificate, or the node's own, takes nothing away."""
    office = enrolled
    draft = draft_loss(office.official, office.phone.subject).json()["event"]
    others = (leader.person.fingerprint, office.node.signer.fingerprint)
    draft["body"]["certificates"] = [f"sha256-{each}" for each in others]
    assert office.official.post("/api/events", office.official.person.envelope(draft)).status_code == 201

    assert leader.get("/api/roles").status_code == 200
    assert office.node.revoking.waiting() == ()
    assert entry_on_list(office.node, leader.person.certificate) is None


def test_nobody_reports_the_key_they_sign_with(enrolled):
    """The record would be signed with the very key it takes away."""
    answer = draft_loss(enrolled.official, enrolled.official.person.urn)

    assert answer.status_code == 409
    assert "khóa anh/chị đang dùng" in answer.json()["reason"]


def test_a_time_before_the_key_or_ahead_of_the_clock_is_refused(enrolled):
    """With the field to mend; the day of the loss lies in the key's life."""
    for since in ("2020-01-01T00:00:00Z", "2036-01-01T00:00:00Z"):
        answer = draft_loss(enrolled.official, enrolled.phone.subject, since=since)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_time")
