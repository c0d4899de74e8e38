"""An office with something on every page: dossiers in each state, a conflict, a held act, people who wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from crypto import keys
from deploy.scenario.person import Citizen, Person
from deploy.scenario.scans import sample_scans
from deploy.scenario.story import form_for
from server.dossier.event import build_stream_id
from server.links.neighbours import Neighbour
from tests.server.conftest import Client, Office, wait_until

DUE = "2030-01-04T09:00:00Z"
LONG_NAME = "Nguyễn Phúc Hoàng Thị Thùy Trâm Anh Nguyệt Ánh Dương"


def fill_office(office: Office, key_pool: Callable[[], Any]) -> dict[str, str]:
    """Put the samples in; return the streams by what is special about them."""
    office.stock()
    gone = office.enrol(key_pool(), "official")
    leader = office.enrol(key_pool(), "leader")
    office.leader = leader
    office.enrol(key_pool(), "official")  # waits for a second voice
    streams = _states(office) | {
        "conflict": _conflict(office),
        "held": _held(office, gone),
        "behalf": _on_behalf(office),
    }
    office.node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    waiting = Citizen("Giàng Thị Mỷ", office.url)
    waiting.request_enrolment(kind="citizen")
    return streams


def _states(office: Office) -> dict[str, str]:
    """One dossier on each step of its way, and one from a phone with pictures and a receipt."""
    applicant = {"name": LONG_NAME, "phone": "0912345678", "address": "Bản Phìn Hồ, xã Mẫu Sơn, huyện Mẫu Thượng"}
    body = {"procedure": "1.001193", "channel": "online", "applicant": applicant, "form": {}, "delivery": "counter"}
    found = {name: office.file(body=body) for name in ("new", "accepted", "resolved", "supplement", "refused")}
    act, official = office.act, office.official
    for name in ("accepted", "resolved", "supplement"):
        _signed(act(official, found[name], "dossier.accepted", due=DUE))
    _signed(act(official, found["resolved"], "dossier.forwarded", to="Công chức Tư pháp - Hộ tịch"))
    paper = office.official.put_file(sample_scans()[0].jpeg, "giay-khai-sinh.jpg", "ket-qua")
    fields = {"outcome": "granted", "summary": "Đã đăng ký khai sinh", "files": [paper]}
    _signed(act(official, found["resolved"], "dossier.resolved", **fields))
    items = ["Giấy chứng sinh có đóng dấu của cơ sở y tế", "Tờ khai có chữ ký của người yêu cầu"]
    _signed(act(official, found["supplement"], "dossier.supplement_requested", items=items, reason="Ảnh chụp bị mờ"))
    _signed(act(official, found["refused"], "dossier.refused", reason="Không thuộc thẩm quyền của Ủy ban nhân dân xã"))
    return found | {"pictures": _from_phone(office)}


def fill_erasures(office: Office, stream: str) -> dict[str, str]:
    """Propose the erasure of a closed dossier; return the desk's pages of it."""
    fields = {"dossier": stream, "basis": "Quyết định 12/QĐ-UBND", "rule": "01 năm", "ended": "2026-01-01T00:00:00Z"}
    wanted = {"type": "erasure.proposed", "fields": fields}
    draft = _leader(office).post("/api/erasures/drafts", wanted)
    assert draft.status_code == 200, draft.text
    person = _leader(office).person
    assert person is not None
    _signed(_leader(office).post("/api/events", person.envelope(draft.json()["event"])))
    [erasure] = office.node.erasures.all()
    return {"erasures": "/desk/erasures", "erasure": f"/desk/erasures/{erasure.id}"}


def fill_people(office: Office) -> dict[str, str]:
    """Somebody whose key was taken away, somebody who still has one, an alarm; return the desk's pages of them."""
    lost, kept = Citizen("Sùng A Páo", office.url), Citizen("Sùng Thị Páo", office.url)
    for each in (lost, kept):
        each.request_enrolment(kind="citizen")
        _counter(office).approve(each.thumbprint)
        each.wait_for_certificate()
    fields = {"subject": lost.subject, "how": "lost", "told": "counter", "reason": "Rơi ở chợ phiên"}
    draft = office.official.post("/api/people/drafts", {"type": "enrol.revoked", "fields": fields}).json()["event"]
    assert office.official.person is not None
    _signed(office.official.post("/api/events", office.official.person.envelope(draft)))
    log = office.node.log
    known = log.head().note
    office.file()
    office.node.witness.accuse(
        log.origin(), known=known, shown=log.head().note, reason="two different heads of 1204 leaves"
    )
    office.node.model.follower.catch_up()
    [alarm] = office.node.alarms.known()
    gone, here = (f"/desk/people/{each.subject.rpartition(':')[2]}" for each in (lost, kept))
    return {
        "enrolments-again": "/desk/enrolments",
        "enrolment": f"/desk/enrolments/{kept.thumbprint}",
        "people": "/desk/people",
        "people-found": "/desk/people?q=s%C3%B9ng",
        "people-nobody": "/desk/people?q=khong+co",
        "person": here,
        "person-lost": f"{here}/lost",
        "person-gone": gone,
        "health": "/desk/health",
        "alarm": f"/desk/health/{alarm.event}",
    }


def _from_phone(office: Office) -> str:
    """A dossier with photographs, whole at the node, so that it has a receipt."""
    phone, counter = Citizen("Lò Thị Mẫu", office.url), _counter(office)
    phone.request_enrolment(kind="citizen")
    counter.approve(phone.thumbprint)
    phone.wait_for_certificate()
    procedure = phone.find_procedure("1.001193")
    assert procedure is not None
    outgoing = phone.prepare(
        unit=office.node.unit,
        procedure="1.001193",
        applicant={"name": "Lò Thị Mẫu", "phone": "0900000001"},
        form=form_for(procedure),
        scans=sample_scans(),
    )
    phone.send(outgoing, limit_s=120)
    _signed(office.act(office.official, outgoing.stream, "dossier.accepted", due=DUE))
    return outgoing.stream


def _counter(office: Office) -> Person:
    """The office's official as somebody who approves phones over the API."""
    person = office.official.person
    assert person is not None
    thumbprint = keys.thumbprint(person.key.public_key())
    return Person(
        "Cán bộ",
        office.url,
        person.key,
        certificate=person.certificate,
        subject=person.urn,
        node_urn=office.node.signer.urn,
        thumbprint=thumbprint,
    )


def approve_waiting(office: Office, name: str) -> None:
    """Approve the one waiting phone of somebody called `name`."""
    counter = _counter(office)
    [request] = wait_until(lambda: [each for each in counter.fetch_enrolments() if each["name"] == name])
    counter.approve(request["thumbprint"])


def _conflict(office: Office) -> str:
    """Two officials decide the same dossier at the same time, neither knowing of the other."""
    stream = office.file()
    decisions = (
        {"type": "dossier.accepted", "fields": {"due": DUE}},
        {"type": "dossier.refused", "fields": {"reason": "Trùng hồ sơ"}},
    )
    drafts = [
        (who, who.post(f"/api/dossiers/{stream}/drafts", wanted).json()["event"])
        for who, wanted in zip((office.official, _leader(office)), decisions, strict=True)
    ]
    for who, event in drafts:
        assert who.person is not None
        _signed(who.post("/api/events", who.person.envelope(event)))
    return stream


def _held(office: Office, gone: Client) -> str:
    """Somebody drafts a refusal while still an official, and signs it when that is over: it waits for a leader."""
    stream = office.file()
    wanted = {"type": "dossier.refused", "fields": {"reason": "Trùng với hồ sơ nộp trực tiếp"}}
    event = gone.post(f"/api/dossiers/{stream}/drafts", wanted).json()["event"]
    assert gone.person is not None
    office.node.people.revoke(gone.person.urn, "official", "Chuyển công tác")
    _signed(gone.post("/api/events", gone.person.envelope(event)))
    return stream


def _on_behalf(office: Office) -> str:
    """A dossier filed at the counter for somebody without a phone, who put a finger on paper before a witness."""
    stream = build_stream_id(int(datetime.now(UTC).timestamp() * 1000), secrets.token_bytes(10))
    fields = {
        "procedure": "1.001193",
        "applicant.name": "Giàng A Páo",
        "on_behalf.name": "Giàng A Páo",
        "on_behalf.how": "fingerprint",
        "on_behalf.witness": "Lò Thị Mẩy",
        "files": [office.official.put_file(sample_scans()[1].jpeg, "giay-ky.jpg", "giay-ky-nop-thay")],
    }
    _signed(office.act(office.official, stream, "dossier.submitted", **fields))
    return stream


def _leader(office: Office) -> Client:
    assert office.leader is not None
    return office.leader


def _signed(answer: Any) -> None:
    assert answer.status_code == 201, answer.text
