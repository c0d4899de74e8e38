"""People without a phone: an official files for them, and nothing ever looks like their own electronic signature."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import pytest

from server.dossier.event import build_stream_id

SCAN = b"\xff\xd8\xff\xe0" + b"giay dong y" * 50


@pytest.fixture
def stocked(office):
    """The office with one procedure in its registry."""
    office.stock("1.001193")
    return office


def draft(office, **changes):
    """What the desk's form sends: flat names, the scan as its one file."""
    stream = build_stream_id(int(datetime.now(UTC).timestamp() * 1000), secrets.token_bytes(10))
    scan = office.official.put_file(SCAN, "giay-ky.jpg", "giay-ky-nop-thay")
    fields = {
        "procedure": "1.001193",
        "applicant.name": "Giàng A Páo",
        "on_behalf.name": "Giàng A Páo",
        "on_behalf.how": "fingerprint",
        "on_behalf.witness": "Lò Thị Mẩy",
        "files": [scan],
    } | changes
    wanted = {"type": "dossier.submitted", "fields": {name: each for name, each in fields.items() if each}}
    return stream, scan, office.official.post(f"/api/dossiers/{stream}/drafts", wanted)


def test_who_files_for_another_says_so_with_scan_and_witness(stocked):
    """In the event, in what the official declares, and on every screen that shows the dossier."""
    stream, scan, answer = draft(stocked)
    assert answer.status_code == 200, answer.text
    event, statement = answer.json()["event"], answer.json()["statement"]
    assert event["body"]["on_behalf"] == {
        "name": "Giàng A Páo",
        "how": "fingerprint",
        "witness": "Lò Thị Mẩy",
        "scan": scan["sha256"],
    }
    assert "không ký điện tử" in statement["vi"]
    assert "did not sign electronically" in statement["en"]
    posted = stocked.official.post("/api/events", stocked.official.person.envelope(event))
    assert posted.status_code == 201, posted.text

    dossier = stocked.official.get(f"/api/dossiers/{stream}").json()
    assert dossier["owner"] == stocked.official.person.urn
    assert dossier["on_behalf"]["witness"] == "Lò Thị Mẩy"
    token = stocked.official.person.token(stocked.official.audience)
    cookies = stocked.official.post("/api/session", {"token": token}).cookies
    page = stocked.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    assert page.count("Giàng A Páo không ký điện tử") == 2  # among the facts, and beside the step
    form = stocked.nobody.get("/desk/file", cookies=cookies).text
    assert 'data-sign="dossier.submitted"' in form
    assert "GIẤY ĐỒNG Ý NHỜ NỘP HỒ SƠ ĐIỆN TỬ" in form


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"on_behalf.witness": ""}, "witness"),
        ({"files": []}, "scan"),
        ({"on_behalf.scan": "sha256-" + "A" * 43}, "attach the scan"),
        ({"channel": "online"}, "counter or as a helper"),
    ],
)
def test_a_filing_for_another_without_its_evidence_is_refused(stocked, changes, says):
    """The refusal names what is missing."""
    _, _, answer = draft(stocked, **changes)
    assert answer.status_code == 400
    assert says in answer.json()["reason"]


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"a": 1}},
        {"files": ["a"]},
        {"files": "a"},
        {"applicant": "a"},
        {"on_behalf": ["a"]},
    ],
)
def test_a_form_of_another_shape_is_refused_and_no_fault_of_the_node(stocked, changes):
    """Each is told which member is wrong."""
    _, _, answer = draft(stocked, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "schema")
    assert next(iter(changes)) in answer.json()["reason"]


def test_a_fingerprint_without_a_witness_is_refused_in_the_words_of_the_office(stocked):
    """An ordinary slip at the counter."""
    _, _, answer = draft(stocked, **{"on_behalf.witness": ""})
    assert answer.status_code == 400
    assert answer.json()["reason"].startswith("Điểm chỉ phải có người làm chứng")
