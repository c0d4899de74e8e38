"""Stopping an erasure over HTTP and at the console: what the API, the pages and the command say."""

from __future__ import annotations

from html import unescape

import pytest
import requests

from server.cli import main

WHY = "Chọn nhầm hồ sơ"
WORDS = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def led(shared_office, key_pool):
    """The office with a leader."""
    shared_office.leader = shared_office.enrol(key_pool(), "leader")
    return shared_office


@pytest.fixture
def closed(led):
    """A refused dossier; (office, stream)."""
    stream = led.file()
    assert led.act(led.official, stream, "dossier.refused", reason="Không thuộc thẩm quyền").status_code == 201
    return led, stream


def sign(office, client, type, **fields):
    """Draft, sign and post an erasure event; return (statement, answer)."""
    draft = client.post("/api/erasures/drafts", {"type": type, "fields": fields})
    assert draft.status_code == 200, draft.text
    made = draft.json()
    return made["statement"], client.post("/api/events", client.person.envelope(made["event"]))


def newest(office, stream):
    return [each for each in office.node.erasures.all() if each.dossier == stream][-1]


def look(office, client, path):
    with requests.Session() as session:
        token = client.person.token(client.audience)
        assert session.post(f"{office.url}/api/session", json={"token": token}, timeout=20).status_code == 200
        answer = session.get(office.url + path, timeout=20)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_a_leader_withdraws_their_own_and_the_pages_say_who_when_and_why(closed):
    """The form stands where the proposal waits; afterwards it is listed with the reason and can be printed, the dossier
    may be proposed again, and no form is left."""
    office, stream = closed
    assert sign(office, office.leader, "erasure.proposed", dossier=stream, **WORDS)[1].status_code == 201
    erasure = newest(office, stream)
    form = f'id="stop-{erasure.id}"'
    assert 'data-sign="erasure.withdrawn"' in look(office, office.leader, f"/desk/erasures/{erasure.id}")
    assert form in look(office, office.leader, "/desk/erasures")
    assert form not in look(office, office.official, "/desk/erasures")

    nothing = office.leader.post(
        "/api/erasures/drafts", {"type": "erasure.withdrawn", "fields": {"of": erasure.id, "reason": " "}}
    )
    assert (nothing.status_code, nothing.json()["error"]) == (400, "schema")
    statement, answer = sign(office, office.leader, "erasure.withdrawn", of=erasure.id, reason=WHY)
    assert answer.status_code == 201
    assert f"Lý do: “{WHY}”." in statement["vi"]

    [value] = [each for each in office.official.get("/api/erasures").json()["erasures"] if each["id"] == erasure.id]
    assert (value["state"], value["stop"]["kind"], value["stop"]["reason"]) == ("withdrawn", "withdrawn", WHY)
    record = look(office, office.official, f"/desk/erasures/{erasure.id}")
    for said in (WHY, "Người rút đề nghị", "Đã rút", "Không có gì bị xóa theo đề nghị này", "Chưa ai xác nhận"):
        assert said in record
    listed = look(office, office.leader, "/desk/erasures?of=unknown")
    assert "Đề nghị đã rút hoặc bị từ chối" in listed
    assert form not in listed
    assert f'id="propose-{stream}"' in listed
    assert sign(office, office.leader, "erasure.proposed", dossier=stream, **WORDS)[1].status_code == 201


def test_a_leader_refuses_what_the_console_proposed(closed):
    """One voice keeps it: no second one, and no fresh lists, are waited for."""
    office, stream = closed
    office.node.people.say("erasure.proposed", office.node.erasures.proposal(stream, **WORDS))
    erasure = newest(office, stream)
    assert 'data-sign="erasure.refused"' in look(office, office.leader, f"/desk/erasures/{erasure.id}")
    statement, answer = sign(office, office.leader, "erasure.refused", of=erasure.id, reason=WHY)
    assert answer.status_code == 201
    assert "từ chối xác nhận tiêu hủy" in statement["vi"]
    assert newest(office, stream).stop.kind == "refused"
    assert "Bị từ chối" in look(office, office.official, "/desk/erasures")
    again = office.leader.post("/api/erasures/drafts", {"type": "erasure.confirmed", "fields": {"of": erasure.id}})
    assert (again.status_code, again.json()["error"]) == (409, "conflict")


def test_the_console_refuses_what_a_leader_proposed_and_withdraws_its_own(closed, capsys):
    """`erase stop` picks the event that fits; `erase status` shows the reason; a second stop is refused by name."""
    office, stream = closed
    node, home = office.node, str(office.node.home.path)
    assert sign(office, office.leader, "erasure.proposed", dossier=stream, **WORDS)[1].status_code == 201
    first = newest(office, stream)
    assert main(["erase", "stop", home, first.id, "--reason", WHY]) == 0
    assert "refused by urn:tram:node:h41-12-03" in capsys.readouterr().out
    node.model.follower.catch_up()
    node.people.say("erasure.proposed", node.erasures.proposal(stream, **WORDS))
    second = next(each for each in node.erasures.all() if each.dossier == stream and not each.is_stopped)
    assert main(["erase", "stop", home, second.id, "--reason", WHY]) == 0
    assert main(["erase", "status", home]) == 0
    assert f"withdrawn by urn:tram:node:h41-12-03: {WHY}" in capsys.readouterr().out
    assert main(["erase", "stop", home, second.id, "--reason", WHY]) != 0
    assert "is ended for good" in capsys.readouterr().err


def test_what_was_carried_out_cannot_be_withdrawn_and_the_page_says_so(closed, helpers):
    """No form, a sentence instead; the API answers 409 with the same reason."""
    office, stream = closed
    assert sign(office, office.leader, "erasure.proposed", dossier=stream, **WORDS)[1].status_code == 201
    erasure = newest(office, stream)
    assert main(["erase", "confirm", str(office.node.home.path), erasure.id]) == 0
    office.node.model.follower.catch_up()
    helpers.wait_until(lambda: office.node.erasing.is_done(erasure.id))
    record = look(office, office.leader, f"/desk/erasures/{erasure.id}")
    assert "không ai rút được nữa" in record
    assert "data-sign=" not in record
    wanted = {"type": "erasure.withdrawn", "fields": {"of": erasure.id, "reason": WHY}}
    refused = office.leader.post("/api/erasures/drafts", wanted)
    assert (refused.status_code, refused.json()["error"]) == (409, "settled")
    assert "không rút được nữa" in refused.json()["reason"]
