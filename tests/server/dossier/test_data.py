"""Every row of the data that ships with the program."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from crypto import jcs
from server import data
from server.dossier.due import compute_due
from server.dossier.event import MAX_EVENT_BYTES, build_event
from server.dossier.procedure import MARKED, Procedure, parse_procedure
from server.dossier.states import DECISIONS, MOVES, STATUSES, WAITING_PAPERS, next_status
from server.dossier.times import parse_time
from server.dossier.units import node_urn, parent_of
from server.errors import Refused

USUAL = [
    "1.001193",
    "1.000894",
    "1.000656",
    "1.004873",
    "2.000635",
    "1.000689",
    "1.001022",
    "1.004837",
    "1.004859",
    "1.004884",
    "1.004746",
    "1.005461",
    "1.004772",
    "1.003583",
    "1.000593",
    "1.000419",
    "2.000528",
    "2.000806",
    "2.000815",
    "2.000884",
    "2.000908",
    "2.001035",
    "2.001019",
    "2.001016",
    "2.001406",
    "2.000913",
    "1.001776",
    "1.001731",
    "1.001699",
    "1.001653",
    "1.014027",
    "1.014028",
    "2.000286",
    "1.011606",
    "1.011607",
    "1.011608",
    "1.011609",
    "1.010833",
    "1.010824",
    "1.012812",
    "1.013978",
    "1.012796",
    "1.001612",
    "1.001570",
    "1.003622",
]


def test_the_catalogue_has_the_usual_procedures_of_a_commune() -> None:
    """All forty-five of the list, each code once."""
    codes = [p.code for p in data.procedures()]
    assert len(codes) == len(set(codes))
    assert sorted(USUAL) == codes


@pytest.mark.parametrize("procedure", data.procedures(), ids=lambda p: p.code)
def test_a_row_says_where_each_value_was_read(procedure: Procedure) -> None:
    """Every mark is there, its source is explained, and nothing claims more than VB, HN and practice can bear."""
    marks = procedure.value["marks"]
    assert set(MARKED) <= set(marks)
    for mark in marks.values():
        assert mark["source"] in data.sources()
        assert (mark["source"] == "practice" or mark["source"] == "suggestion") <= (mark["mark"] == "R")


@pytest.mark.parametrize("procedure", data.procedures(), ids=lambda p: p.code)
def test_a_row_can_be_published_and_used(procedure: Procedure) -> None:
    """It fits an event, its time gives a due date, and its form asks who is asking."""
    value = build_event(
        stream="procedure." + procedure.code,
        type="procedure.published",
        unit="H41",
        actor=node_urn("H41"),
        at="2026-11-23T01:00:00Z",
        nonce=bytes(16),
        body=procedure.value,
    )
    assert len(jcs.canonical(value)) < MAX_EVENT_BYTES
    due = compute_due(procedure.time, parse_time("2026-11-23T01:00:00Z"), data.calendar())
    assert (due.at is None) == (procedure.time.kind == "none")
    assert list(procedure.labels())[:4] == [
        "requester_name",
        "requester_id_number",
        "requester_address",
        "requester_phone",
    ]
    assert all(label.vi and label.en for label in procedure.labels().values())
    assert procedure.components


@pytest.mark.parametrize("procedure", data.procedures(), ids=lambda p: p.code)
def test_every_page_of_a_form_has_fields(procedure: Procedure) -> None:
    """A phone never shows an empty page, and pages come in the order of their fields."""
    form = procedure.value["form"]
    used = list(dict.fromkeys(f["page"] for f in form["fields"]))
    assert [page["id"] for page in form["pages"]] == used


def test_the_birth_form_is_complete() -> None:
    """The requester, the child, the mother, the father (if declared), and the 54 peoples to choose from."""
    birth = data.procedure("1.001193")
    assert birth is not None
    fields = {f["id"]: f for f in birth.value["form"]["fields"]}
    for who in ("child", "mother", "father"):
        assert {f"{who}_name", f"{who}_birth_date", f"{who}_ethnic_group", f"{who}_nationality"} <= set(fields)
    assert {"child_sex", "child_birth_place", "child_home_place", "requester_relation", "copies_wanted"} <= set(fields)
    assert fields["father_name"]["when"] == {"field": "father_declared", "is": ["Có"]}
    peoples = [option["value"] for option in birth.value["lists"]["ethnic_groups"]]
    assert len(peoples) == len(set(peoples)) == 54
    assert {"Kinh", "Thái", "Mông", "Khơ Mú", "Thổ", "Ơ Đu"} <= set(peoples)
    assert birth.required_parts() == ("to-khai", "giay-chung-sinh")


def test_an_unknown_code_has_no_procedure() -> None:
    """None, not an error."""
    assert data.procedure("9.999999") is None


def spoil(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The birth procedure with one value replaced, or left out if it is None."""
    body: dict[str, Any] = copy.deepcopy(
        dict(data.procedure_bodies()[[p.code for p in data.procedures()].index("1.001193")])
    )
    target: Any = body
    for step in path[:-1]:
        target = target[step]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "member"),
    [
        (("code",), "1001193", "code"),
        (("level",), "4", "level"),
        (("time", "count"), 3, "time.count"),
        (("time", "cutoff"), None, "time.cutoff"),
        (("time", "kind"), "working_days", "time.count"),
        (("marks", "fee"), None, "marks.fee"),
        (("marks", "fee", "mark"), "X", "marks.fee.mark"),
        (("components", 1, "id"), "to-khai", "components"),
        (("form", "fields", 0, "page"), "nowhere", "form.fields[0]"),
        (("form", "fields", 1, "id"), "requester_name", "form.fields"),
        (("form", "fields", 0, "type"), "select", "form.fields[0]"),
        (("form", "fields", 0, "when"), {"field": "father_declared", "is": ["Có"]}, "form.fields[0]"),
        (("form", "fields", 4, "options_list"), "planets", "form.fields[4]"),
        (("effective_from",), "2025-13-01", "effective_from"),
        (("name", "en"), None, "name.en"),
    ],
)
def test_a_spoilt_procedure_is_refused_by_name(path: tuple[Any, ...], value: Any, member: str) -> None:
    """Whoever edits the catalogue is told where."""
    with pytest.raises(Refused) as caught:
        parse_procedure(spoil(path, value))
    assert caught.value.member == member


def test_sample_units_say_that_they_are_samples() -> None:
    """Three tiers under one province; parents fit the codes."""
    tree = {unit.code: unit for unit in data.units()}
    assert {"H41", "H41.12", "H41.12.03"} <= set(tree)
    for unit in tree.values():
        assert unit.name.endswith("(mẫu)")
        assert (parent_of(unit.code) or "") == unit.parent
    assert tree["H41.12.03"].difficult_area


@pytest.mark.parametrize("table", data.calendar_years(), ids=lambda t: str(t.year))
def test_calendars_have_the_holidays_of_the_law(table: Any) -> None:
    """New Year, five days of Tết, Giỗ Tổ, 30/4, 1/5 and two of Quốc khánh; 24/11 from 2026; 2027 is provisional."""
    names = [special.name.vi for special in table.days.values() if special.kind in ("holiday", "make_up_holiday")]
    assert names.count("Tết Nguyên đán") == 5
    assert names.count("Quốc khánh") == 2
    assert any("Giỗ Tổ" in name for name in names)
    assert ("Ngày Văn hóa Việt Nam" in names) is (table.year >= 2026)
    assert table.provisional is (table.year >= 2027)


def test_the_moves_lead_only_between_known_statuses() -> None:
    """No step leaves a final status, and every decision that can clash is a move."""
    for move in MOVES:
        assert move.target is None or move.target in STATUSES
        assert not any(STATUSES[source].final for source in move.sources if source)
    assert set(DECISIONS) <= {move.event for move in MOVES}


@pytest.mark.parametrize("resume", [1, 2, 4])
def test_papers_lead_back_to_where_the_dossier_was(resume: int) -> None:
    """The one move whose target is not fixed."""
    assert next_status("dossier.supplemented", WAITING_PAPERS, resume) == resume
    assert next_status("dossier.commented", 1, 0) is None
