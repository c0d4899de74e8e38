"""What an event has to look like, and that every defect is named with its place."""

from __future__ import annotations

import copy
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import jcs
from server.data import calendar_bodies, procedure_bodies
from server.dossier.body import BODIES
from server.dossier.documents import event_doc
from server.dossier.event import (
    MAX_EVENT_BYTES,
    build_event,
    build_stream_id,
    canonical_bytes,
    event_id,
    file_value,
    is_dossier_stream,
    parse_event,
    parse_stored,
    to_value,
)
from server.errors import Refused
from tests.server.dossier.story import CITIZEN, NODE, OFFICIAL, STREAM, Story, photo

ID = "sha256-" + "A" * 43
TIME = "2026-11-23T01:00:00Z"
STREAMS = {
    "unit": "unit.h41-12-03",
    "role": "unit.h41-12-03",
    "enrol": "unit.h41-12-03",
    "ca": "unit.h41-12-03",
    "log": "unit.h41-12-03",
    "erasure": "unit.h41-12-03",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "dossier.submitted": {
        "procedure": "1.001193",
        "channel": "helper",
        "applicant": {"name": "Giàng A Páo", "id_number": "014203000001", "phone": "0912345678", "address": "Bản Mù"},
        "form": {"child_name": "Giàng Thị Mỷ"},
        "delivery": "post",
    },
    "receipt.issued": {"of": ID, "files": [ID], "bytes": 184213},
    "dossier.accepted": {"code": "H41.12.03-261123-0001", "due": TIME, "note": ""},
    "dossier.refused": {"reason": "Không thuộc thẩm quyền"},
    "dossier.forwarded": {"to": "H41.12", "note": "Chuyển theo thẩm quyền"},
    "dossier.supplement_requested": {"items": ["Giấy chứng sinh"], "reason": "Ảnh mờ"},
    "dossier.supplemented": {"note": "Đã chụp lại", "form": {"child_name": "Giàng Thị Mỷ"}},
    "dossier.withdrawn": {"reason": "Nộp nhầm"},
    "dossier.stopped": {"reason": "Người nộp đề nghị"},
    "dossier.resolved": {"outcome": "rejected", "summary": "Không đủ điều kiện"},
    "dossier.returned": {"method": "counter", "receiver": "Giàng A Páo"},
    "dossier.commented": {"text": "Dòng một\nDòng hai"},
    "dossier.conflict_resolved": {"chosen": ID, "reason": "Đúng thẩm quyền"},
    "unit.described": {"code": "H41.12.03", "name": "Xã Mẫu Sơn", "tier": "commune", "from": TIME, "parent": "H41.12"},
    "dossier.act_reviewed": {"of": ID, "decision": "adopted", "reason": "Đã đối chiếu sổ"},
    "log.alarm": {"origin": "h41-12-03.tram/log", "known": "h41…", "shown": "h41…", "reason": "Hai lịch sử khác nhau"},
    "log.reset": {"origin": "h41-12-03.tram/log", "known": "h41…", "unit": "H41.12.03"},
    "role.confirmed": {"of": ID, "subject": CITIZEN},
    "unit.key_published": {"recipient": "age1" + "q" * 58, "use": "node", "from": TIME},
    "role.granted": {"subject": CITIZEN, "name": "Lò Văn Páo", "role": "helper", "from": TIME, "until": TIME},
    "role.revoked": {"subject": CITIZEN, "role": "helper", "reason": "Thôi việc"},
    "erasure.proposed": {
        "dossier": STREAM,
        "basis": "Quyết định 12/QĐ-UBND",
        "rule": "20 năm",
        "ended": TIME,
        "events": [ID],
        "files": [],
    },
    "erasure.confirmed": {"of": ID},
    "erasure.withdrawn": {"of": ID, "reason": "Chọn nhầm hồ sơ"},
    "erasure.refused": {"of": ID, "reason": "Chưa hết thời hạn lưu trữ"},
    "erasure.done": {"of": ID, "events": 7, "files": 2, "chunks": 9},
    "policy.trust": {
        "from": TIME,
        "algorithms": [{"alg": "ES256", "from": TIME}, {"alg": "RS256", "from": TIME, "until": "2030-01-01T00:00:00Z"}],
        "anchors": [{"name": "x", "kind": "own", "types": ["*"], "legal": False, "basis": "", "from": TIME}],
    },
    "ca.approved": {"unit": "H41.12.03", "name": "Xã Bản Díu", "thumbprint": "A" * 43, "generation": 2},
    "enrol.approved": {"subject": CITIZEN, "name": "Lò Văn Páo", "thumbprint": "A" * 43, "kind": "citizen"},
    "enrol.revoked": {
        "subject": CITIZEN,
        "certificates": [ID],
        "how": "stolen",
        "told": "phone",
        "since": TIME,
        "reason": "Bị giật điện thoại ở chợ",
    },
    "procedure.published": dict(procedure_bodies()[0]),
    "calendar.published": dict(calendar_bodies()[0]),
}


def example(kind: str = "dossier.submitted", **changes: Any) -> dict[str, Any]:
    """A well-formed event of a type, deep enough a copy to spoil."""
    body = copy.deepcopy(EXAMPLES[kind])
    family = kind.partition(".")[0]
    stream = STREAMS.get(family, STREAM)
    if family == "procedure":
        stream = "procedure." + body["code"]
    if family == "policy":
        stream = kind
    if family == "calendar":
        stream = f"calendar.{body['year']}"
    return {
        "v": 1,
        "stream": stream,
        "type": kind,
        "unit": "H41.12.03",
        "actor": CITIZEN,
        "at": TIME,
        "prev": [],
        "nonce": "A" * 22,
        "body": body,
        "files": [file_value(photo(1))],
    } | changes


def refusal(value: Any) -> Refused:
    """The refusal of a spoilt event."""
    with pytest.raises(Refused) as caught:
        parse_event(value)
    return caught.value


def test_every_type_of_the_contract_has_an_example() -> None:
    """The table of bodies and this test speak of the same types."""
    assert set(BODIES) == set(EXAMPLES)


@pytest.mark.parametrize("kind", list(BODIES))
def test_a_well_formed_event_survives_the_round_trip(kind: str) -> None:
    """Parsed and written again it is the same object, hence the same id."""
    value = example(kind, after="tram.h41\n12\nhash")
    event = parse_event(value)
    assert to_value(event) == value
    assert event_id(event) == event_id(value) == parse_stored(value).id


@pytest.mark.parametrize("kind", list(BODIES))
def test_no_required_member_of_a_body_may_be_missing(kind: str) -> None:
    """Leaving any one out is refused with its path, unless the type calls it optional."""
    optional = {"note", "until", "parent", "since"} | ({"form"} if kind == "dossier.supplemented" else set())
    for name in EXAMPLES[kind].keys() - {"lists"}:  # optional by itself, but this form refers to it
        value = example(kind)
        del value["body"][name]
        if name in optional:
            parse_event(value)
        else:
            assert refusal(value).member == f"body.{name}"


@pytest.mark.parametrize("kind", list(BODIES))
def test_no_unknown_member_may_stand_in_a_body(kind: str) -> None:
    """A member nobody knows is refused: it would be signed without being shown."""
    value = example(kind)
    value["body"]["extra"] = "x"
    wrong = refusal(value)
    assert (wrong.code, wrong.member) == ("schema", "body.extra")


@pytest.mark.parametrize("name", ["v", "stream", "unit", "actor", "at", "prev", "nonce", "body", "files"])
def test_no_member_of_the_envelope_may_be_missing(name: str) -> None:
    """The envelope is always whole, files and prev even when empty."""
    value = example()
    del value[name]
    assert refusal(value).member == name


@pytest.mark.parametrize(
    ("member", "bad", "code"),
    [
        ("v", 2, "schema"),
        ("v", True, "schema"),
        ("type", "dossier.eaten", "schema"),
        ("type", None, "schema"),
        ("stream", "01937C2E-0000-7000-8000-000000000000", "schema"),
        ("stream", "01937c2e-0000-4000-8000-000000000000", "schema"),
        ("unit", "h41.12.03", "schema"),
        ("unit", "H41.12.3", "schema"),
        ("actor", "urn:tram:subject:ABC", "schema"),
        ("actor", "urn:tram:node:H41", "schema"),
        ("at", "2026-11-23T01:00:00+07:00", "bad_time"),
        ("at", "2026-02-30T01:00:00Z", "bad_time"),
        ("at", 1_795_395_600, "schema"),
        ("prev", ["sha256-short"], "schema"),
        ("prev", [ID, ID], "schema"),
        ("prev", ["sha256-" + "B" * 43], "schema"),
        ("nonce", "A" * 21, "schema"),
        ("nonce", "A" * 21 + "B", "schema"),
        ("body", [], "schema"),
        ("files", None, "schema"),
        ("files", [file_value(photo(1))] * 51, "schema"),
        ("after", "", "schema"),
        ("surprise", 1, "schema"),
    ],
)
def test_a_spoilt_envelope_is_refused_by_name(member: str, bad: Any, code: str) -> None:
    """The refusal carries the member and says what was expected."""
    wrong = refusal(example(**{member: bad}))
    assert wrong.code == code
    assert member in str(wrong) or member == "type"
    assert wrong.status == 400


@pytest.mark.parametrize(
    ("member", "bad", "code"),
    [
        ("type", "image/svg+xml", "schema"),
        ("type", "text/html", "schema"),
        ("size", 0, "schema"),
        ("size", 33_554_433, "schema"),
        ("size", 1.0, "schema"),
        ("name", "../x.jpg", "schema"),
        ("name", "a\nb.jpg", "bad_text"),
        ("name", "anh\u202egpj.exe", "bad_text"),
        ("part", "Giấy", "schema"),
        ("sha256", "", "schema"),
    ],
)
def test_a_spoilt_file_is_refused_by_name(member: str, bad: Any, code: str) -> None:
    """Only pictures and PDF, with a name that is no path and hides nothing."""
    wrong = refusal(example(files=[file_value(photo(1)), file_value(photo(2)) | {member: bad}]))
    assert (wrong.code, wrong.member) == (code, f"files[1].{member}")


@pytest.mark.parametrize(
    ("path", "bad", "code"),
    [
        (("applicant", "name"), "Nguye\u0302\u0303n", "not_nfc"),
        (("applicant", "name"), "A\u200bB", "bad_text"),
        (("applicant", "name"), "   ", "schema"),
        (("applicant", "name"), "x" * 201, "schema"),
        (("applicant", "born"), "2000", "schema"),
        (("form", "child_name"), "x" * 4001, "schema"),
        (("form", "child_name"), 7, "schema"),
        (("form", "child_name"), "\x07", "bad_text"),
        (("channel",), "fax", "schema"),
        (("procedure",), "1001193", "schema"),
    ],
)
def test_a_spoilt_body_is_refused_by_name(path: tuple[str, ...], bad: Any, code: str) -> None:
    """The path leads to the very field, so that a screen can point at it."""
    value = example()
    target = value["body"]
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = bad
    wrong = refusal(value)
    assert (wrong.code, wrong.member) == (code, ".".join(("body", *path)))


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype", "_id", "Tên", "a b", ""])
def test_form_fields_have_plain_names(name: str) -> None:
    """Names that rewrite objects in careless JavaScript, or that CouchDB keeps for itself, are refused."""
    value = example()
    value["body"]["form"] = {name: "x"}
    assert refusal(value).code in ("schema", "bad_text")


def test_an_event_has_at_most_48_kib() -> None:
    """The limit is on the canonical form; the reason says what to do."""
    value = example(files=[])
    value["body"]["form"] = {f"f{i}": "x" * 4000 for i in range(13)}
    wrong = refusal(value)
    assert (wrong.code, wrong.status) == ("too_large", 413)
    value["body"]["form"] = {f"f{i}": "x" * 4000 for i in range(12)}
    value["body"]["form"]["rest"] = ""
    value["body"]["form"]["rest"] = "x" * (MAX_EVENT_BYTES - len(canonical_bytes(value)))
    parse_event(value)


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("role.granted", "unit.h41-12"),
        ("role.granted", STREAM),
        ("unit.described", "unit.h41-12-04"),
        ("procedure.published", "procedure.9.999999"),
        ("calendar.published", "calendar.2031"),
        ("dossier.accepted", "unit.h41-12-03"),
    ],
)
def test_an_event_belongs_into_a_stream_of_its_kind(kind: str, stream: str) -> None:
    """Dossiers have UUIDs; what describes a unit lies in that unit's stream."""
    assert refusal(example(kind, stream=stream)).member == "stream"


def test_a_unit_is_described_under_its_own_code() -> None:
    """A node cannot describe another unit in its own unit's stream."""
    value = example("unit.described")
    value["body"]["code"] = "H41.12.04"
    assert refusal(value).member == "body.code"


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_what_is_no_event_is_refused(value: Any) -> None:
    """Anything but an object with a known type."""
    assert refusal(value).code == "schema"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_hostile_values_are_refused_and_nothing_else_happens(junk: Any) -> None:
    """Whatever stands in any member, the answer is the same event or a refusal, no other error."""
    for name in example():
        value = example(**{name: junk})
        with suppress(Refused):
            assert to_value(parse_event(value)) == value


def test_the_id_is_the_hash_of_the_canonical_form() -> None:
    """Computed here from RFC 8785 and SHA-256 alone, and used in `_id` and `_rev`."""
    value = example()
    payload = jcs.canonical_in_full(value)
    doc = event_doc({"event": value, "signatures": []})
    assert doc.rev == "1-" + sha256(payload).hexdigest()[:32]
    assert doc.id == f"{STREAM}:{event_id(value)}"


def test_building_checks_like_parsing() -> None:
    """A draft that could not be stored is refused before anybody signs it."""
    with pytest.raises(Refused, match=r"body\.reason"):
        build_event(
            stream=STREAM, type="dossier.refused", unit="H41", actor=OFFICIAL, at=TIME, nonce=bytes(16), body={}
        )


def test_a_stream_id_is_a_uuid_of_version_7() -> None:
    """The example of RFC 9562, appendix A.6, comes out bit for bit."""
    random = (0xCC3 << 68 | 0x18C4DC0C0C07398F & ((1 << 62) - 1)).to_bytes(10)
    made = build_stream_id(0x017F22E279B0, random)
    assert made == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    assert is_dossier_stream(made)


def test_a_node_may_author_an_event() -> None:
    """Form does not say who may do what; the fold does."""
    assert parse_event(example("dossier.accepted", actor=NODE)).actor == NODE


def test_checking_an_event_is_quick() -> None:
    """About thirty microseconds on an idle core; five times that is allowed here, since other work shares it."""
    value = Story().submit(form={f"f{i}": "Giá trị có dấu" for i in range(12)}, files=[photo(1)])
    raw = to_value(value.event)
    best = min(_seconds(raw) for _ in range(20))
    assert best / 50 < 150e-6


def _seconds(raw: dict[str, Any]) -> float:
    start = time.perf_counter()
    for _ in range(50):
        parse_event(raw)
    return time.perf_counter() - start
