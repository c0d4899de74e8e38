"""Roles by two persons and acts held for a leader, over the HTTP interface of a running commune node."""

from __future__ import annotations

import pytest

from server.dossier.times import parse_time


@pytest.fixture
def led(office, key_pool):
    """The office with a leader beside its official: its founding is over."""
    office.leader = office.enrol(key_pool(), "leader")
    return office


def draft(client, type, **fields):
    return client.post("/api/roles/drafts", {"type": type, "fields": fields})


def sign(client, answer):
    assert answer.status_code == 200, answer.text
    posted = client.post("/api/events", client.person.envelope(answer.json()["event"]))
    assert posted.status_code == 201, posted.text


def roles(office, client):
    found = office.leader.get("/api/roles").json()
    return {each["role"] for each in found["roles"] if each["subject"] == client.person.urn}


def held_dossier(office):
    """A dossier that the official refused, with the official's role revoked before the proven time of it."""
    stream = office.file()
    assert office.act(office.official, stream, "dossier.refused", reason="Không thuộc thẩm quyền").status_code == 201
    story = office.node.model.story(stream)
    refusal = next(e for e in story.dossier.timeline if e.stored.event.type == "dossier.refused")
    office.node.people.revoke(office.official.person.urn, "official", "Chuyển công tác")
    office.node.model.use_log(Log({refusal.id: parse_time("2099-01-01T00:00:00Z")}))
    office.node.model.learn_proofs(office.node.database, {refusal.id})
    return stream, refusal.id


class Proven:
    """A proof as the log gives it."""

    is_logged = True

    def __init__(self, at):
        self.at = at


class Log:
    """A log that proves some events and no others."""

    def __init__(self, times):
        self.times = times

    def earliest(self, database, event_id):
        return Proven(self.times[event_id]) if event_id in self.times else None

    def seen_at(self, database, checkpoint):
        return None

    def reach(self, database):
        return ()


def test_a_role_given_at_the_console_waits_until_a_leader_confirms_it(led, key_pool):
    """It is listed, opens nothing, and holds once the leader has signed."""
    newcomer = led.enrol(key_pool(), "official")
    [pending] = led.leader.get("/api/roles").json()["pending"]
    assert (pending["subject"], pending["role"]) == (newcomer.person.urn, "official")
    assert newcomer.get("/api/dossiers").status_code == 403

    answer = draft(led.leader, "role.confirmed", of=pending["event"])
    assert "cán bộ, công chức" in answer.json()["statement"]["vi"]
    sign(led.leader, answer)

    assert newcomer.get("/api/dossiers").status_code == 200
    assert led.leader.get("/api/roles").json()["pending"] == []


def test_what_a_leader_proposes_is_confirmed_at_the_console_and_not_by_that_leader(led):
    """Two voices: the leader's signature, and the node's word for it."""
    helper = {"subject": led.citizen.person.urn, "role": "helper", "name": "Giàng A Páo"}
    sign(led.leader, draft(led.leader, "role.granted", **helper))
    assert roles(led, led.citizen) == {"helper"}
    sign(led.leader, draft(led.leader, "role.granted", subject=led.citizen.person.urn, role="admin"))
    [pending] = led.node.people.pending()

    refused = draft(led.leader, "role.confirmed", of=pending.event)
    assert refused.status_code == 409
    assert "người đề nghị" in refused.json()["reason"].lower()
    assert led.node.people.confirm(pending.event).name == "Giàng A Páo"
    assert roles(led, led.citizen) == {"helper", "admin"}


def test_officials_neither_propose_nor_confirm_nor_revoke(led, key_pool):
    """Drafts are refused, and events signed without a draft change nothing."""
    led.enrol(key_pool(), "official")
    [pending] = led.node.people.pending()
    for type, fields in (
        ("role.granted", {"subject": led.citizen.person.urn, "role": "leader", "name": "X"}),
        ("role.confirmed", {"of": pending.event}),
        ("role.revoked", {"subject": led.leader.person.urn, "role": "leader", "reason": "x"}),
    ):
        assert draft(led.official, type, **fields).status_code == 403


def test_a_leader_ends_a_role_with_one_signature(led):
    """And the person is out at once."""
    assert led.official.get("/api/dossiers").status_code == 200
    fields = {"subject": led.official.person.urn, "role": "official", "reason": "Chuyển công tác"}
    sign(led.leader, draft(led.leader, "role.revoked", **fields))
    assert led.official.get("/api/dossiers").status_code == 403


def test_an_act_under_a_withdrawn_role_is_held_listed_and_settled_by_a_leader(led):
    """It does not count, it is in the queue of held ones, and the leader's adoption makes it count."""
    stream, act = held_dossier(led)
    dossier = led.leader.get(f"/api/dossiers/{stream}").json()
    entry = next(each for each in dossier["timeline"] if each["id"] == act)
    assert (dossier["status"]["business"], entry["state"], entry["time"]["differs"]) == (1, "held", True)

    answer = led.act(led.leader, stream, "dossier.act_reviewed", of=act, decision="adopted", reason="Đã đối chiếu sổ")
    assert answer.status_code == 201, answer.text

    dossier = led.leader.get(f"/api/dossiers/{stream}").json()
    entry = next(each for each in dossier["timeline"] if each["id"] == act)
    assert (dossier["status"]["business"], entry["state"], entry["reviewed"]["decision"]) == (3, "applied", "adopted")
    assert dossier["decision"]["actor"] == led.official.person.urn


def test_the_leader_signs_for_what_the_act_says(led):
    """The statement names author and content; somebody without the right gets a reason instead of a draft."""
    stream, act = held_dossier(led)
    fields = {"of": act, "decision": "discarded", "reason": "Không có trong sổ"}
    wanted = {"type": "dossier.act_reviewed", "fields": fields}
    statement = led.leader.post(f"/api/dossiers/{stream}/drafts", wanted).json()["statement"]["vi"]
    assert "không công nhận" in statement
    assert "từ chối tiếp nhận" in statement

    fields["of"] = "sha256-" + "A" * 43
    answer = led.leader.post(f"/api/dossiers/{stream}/drafts", wanted)
    assert answer.status_code == 409
    assert "giữ lại" in answer.json()["reason"]


def test_the_desk_has_a_queue_of_held_acts_and_shows_the_claim_beside_the_proven_time(led, helpers):
    """What is held is found without knowing which dossier, and says why and what to do."""
    stream, _ = held_dossier(led)
    led.file()  # this one is not held
    led.node.model.follower.catch_up()
    cookie = led.leader.post("/api/session", {"token": led.leader.person.token(led.leader.audience)}).cookies
    page = led.nobody.get("/desk?queue=held", cookies=cookie).text
    assert page.count(f"/desk/dossiers/{stream}") == 1
    assert page.count('<th scope="row"') == 1

    def shown():  # once the log has proven when it came
        text = led.nobody.get(f"/desk/dossiers/{stream}", cookies=cookie).text
        return text if "07:00 01/01/2099" in text else None

    page = helpers.wait_until(shown)
    assert "Giữ lại chờ người có thẩm quyền xem xét" in page
    assert "Người ký khai" in page
    assert 'data-sign="dossier.act_reviewed"' in page


def test_the_roles_page_lists_who_may_what_and_what_waits(led, key_pool):
    """A leader sees the button, an official the hint."""
    led.enrol(key_pool(), "official")
    for client, seen in ((led.leader, True), (led.official, False)):
        cookie = client.post("/api/session", {"token": client.person.token(client.audience)}).cookies
        page = led.nobody.get("/desk/roles", cookies=cookie).text
        assert ('data-sign="role.confirmed"' in page) is seen
        assert "Chờ người thứ hai xác nhận" in page


def test_what_cannot_be_taken_back_waits_for_fresh_revocation_lists(led, monkeypatch):
    """A result is drafted by nobody while a list has lapsed; the reason says what to do, and other steps go on."""
    from datetime import timedelta

    stream = led.file()
    assert led.act(led.official, stream, "dossier.accepted", due="2030-01-01T00:00:00Z").status_code == 201
    wanted = {"type": "dossier.resolved", "fields": {"outcome": "granted", "summary": "Đã cấp"}}
    path = f"/api/dossiers/{stream}/drafts"
    assert led.official.post(path, wanted).status_code == 200

    fresh = led.node.trust.freshness
    monkeypatch.setattr(led.node.trust, "freshness", lambda database, at: fresh(database, at + timedelta(days=60)))
    answer = led.official.post(path, wanted)
    assert answer.status_code == 503
    assert "không thể rút lại" in answer.json()["reason"]
    assert "Đồng bộ" in answer.json()["reason"]
    forward = {"type": "dossier.forwarded", "fields": {"to": "Công chức Tư pháp"}}
    assert led.official.post(path, forward).status_code == 200

    cookie = led.official.post("/api/session", {"token": led.official.person.token(led.official.audience)}).cookies
    page = led.nobody.get(f"/desk/dossiers/{stream}", cookies=cookie).text
    assert "không thể rút lại" in page
    assert 'data-sign="dossier.resolved"' not in page
    assert 'data-sign="dossier.forwarded"' in page
