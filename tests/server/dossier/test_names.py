"""Agency codes, dossier codes, lookup codes, folded text, times."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dossier import units
from server.dossier.codes import (
    build_dossier_code,
    build_lookup_code,
    is_dossier_code,
    normalise_lookup_code,
    parse_dossier_code,
)
from server.dossier.folding import fold_text
from server.dossier.times import format_time, is_time, parse_time
from server.errors import Refused

COMMUNE = "H41.12.03"


@pytest.mark.parametrize(
    "code", ["H41", "H41.12", "H41.12.03", "H26.107", "H55.242", "G15", "000.00.12.H41", "H15.50.05.13"]
)
def test_agency_codes_of_both_shapes_are_read_as_written(code: str) -> None:
    """Nothing is rewritten, and every name made of it leads back."""
    assert units.parse_unit_code(code) == code
    assert units.undashed(units.dashed(code)) == code
    assert units.unit_of_database(units.database_name(code)) == code
    assert units.unit_of_database(units.files_database_name(code)) == code
    assert units.unit_of_node(units.node_urn(code)) == code


@pytest.mark.parametrize(
    "text", ["", "41", "h41", "H4", "H41.", "H41.1", "H41.12.", "X41.12", "H41.12.03 ", "H41-12", "H41.1234"]
)
def test_other_texts_are_no_agency_codes(text: str) -> None:
    """The whole text has to match."""
    with pytest.raises(Refused):
        units.parse_unit_code(text)


def test_names_of_a_commune() -> None:
    """The names of docs/architecture.md."""
    assert units.database_name(COMMUNE) == "u-h41-12-03"
    assert units.files_database_name(COMMUNE) == "f-h41-12-03"
    assert units.node_urn(COMMUNE) == "urn:tram:node:h41-12-03"
    assert units.unit_stream(COMMUNE) == "unit.h41-12-03"


@pytest.mark.parametrize("name", ["registry", "u-", "u-H41", "x-h41", "_users", "u-h41-1"])
def test_other_databases_belong_to_no_unit(name: str) -> None:
    """Nothing is raised; there just is no unit."""
    assert units.unit_of_database(name) is None


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("H41.12.03", ("H41.12.03", "H41.12", "H41")),
        ("H15.50.05.13", ("H15.50.05.13", "H15.50.05", "H15.50", "H15")),
        ("001.02.12.H41", ("001.02.12.H41", "000.02.12.H41", "000.00.12.H41", "000.00.00.H41")),
    ],
)
def test_a_code_has_as_many_ancestors_as_it_has_parts(code: str, path: tuple[str, ...]) -> None:
    """No number of tiers is built in."""
    assert units.path_of(code) == path
    assert all(units.is_within(code, above) for above in path)
    assert not any(units.is_within(above, code) for above in path[1:])


@pytest.mark.parametrize(
    ("unit", "above"), [("H41.120", "H41.12"), ("H42.12", "H41"), ("000.00.12.H41", "H41"), ("H41", "000.00.00.H41")]
)
def test_likeness_is_not_descent(unit: str, above: str) -> None:
    """Parts count, not letters; and the two numberings never mix."""
    assert not units.is_within(unit, above)


def test_actors_are_people_or_nodes() -> None:
    """Anything else is nobody."""
    assert units.is_actor("urn:tram:subject:" + "0a" * 16)
    assert units.is_actor("urn:tram:node:h41")
    for other in ["urn:tram:subject:" + "0A" * 16, "urn:tram:node:", "urn:tram:node:H41", "urn:tram:node:h41-1", "me"]:
        assert not units.is_actor(other)


def test_an_official_code_has_the_day_in_vietnam() -> None:
    """17:30 UTC on the 21st is past midnight on the 22nd in Vietnam."""
    evening = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
    assert build_dossier_code(COMMUNE, evening, 1) == "H41.12.03-261122-0001"
    assert build_dossier_code(COMMUNE, evening, 12345) == "H41.12.03-261122-12345"


@pytest.mark.parametrize(
    "code", ["H15.50.05.13-261008-0975", "000.00.12.H62-201105-0004", "H41.12.03-261121-0001", "G22-241219-179525"]
)
def test_codes_of_other_systems_are_read(code: str) -> None:
    """Four to seven digits, both shapes of agency."""
    parts = parse_dossier_code(code)
    assert code.startswith(parts.agency)
    assert is_dossier_code(code)


def test_the_parts_of_a_code() -> None:
    """Agency, day, number."""
    parts = parse_dossier_code("H15.50.05.13-261008-0975")
    assert (parts.agency, parts.day, parts.number) == ("H15.50.05.13", date(2026, 10, 8), 975)


@pytest.mark.parametrize(
    "code", ["G22.99.3-241219795252", "H41-261332-0001", "H41-261121-001", "H41.12.03-261121-0001 "]
)
def test_what_has_another_form_is_no_code_of_this_kind(code: str) -> None:
    """It is kept verbatim by whoever stores it, and simply has no parts."""
    assert not is_dossier_code(code)


@given(st.integers(1, 9_999_999), st.datetimes(datetime(2001, 1, 1), datetime(2098, 1, 1)))
def test_codes_come_back(number: int, at: datetime) -> None:
    """Built and parsed."""
    parts = parse_dossier_code(build_dossier_code(COMMUNE, at.replace(tzinfo=UTC), number))
    assert (parts.agency, parts.number) == (COMMUNE, number)


def test_lookup_codes_are_read_however_they_are_typed() -> None:
    """Another stream or another secret gives another code; case, spaces and dashes do not matter."""
    code = build_lookup_code("01937c2e-0000-7000-8000-000000000000", b"s" * 32)
    assert len(code) == 9
    assert normalise_lookup_code(" " + code.lower().replace("-", " ") + " ") == code
    assert code != build_lookup_code("01937c2e-0000-7000-8000-000000000001", b"s" * 32)
    assert code != build_lookup_code("01937c2e-0000-7000-8000-000000000000", b"t" * 32)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Nguyễn Thị Ánh Đào", "nguyen thi anh dao"),
        ("ĐẶNG  VĂN\tƯỚC", "dang van uoc"),
        ("hòa", "hoa"),
        ("hoà", "hoa"),
        ("Nguye\u0302\u0303n", "nguyen"),
        ("Mông Ntsuab", "mong ntsuab"),
        ("H41.12.03-261121-0001", "h41.12.03-261121-0001"),
        ("ꪀꪱ", "ꪀꪱ"),
    ],
)
def test_text_is_folded_for_search(text: str, folded: str) -> None:
    """Tone marks, old and new tone placement, đ and case do not matter; other scripts stay."""
    assert fold_text(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    """What is folded in the index is folded in the query."""
    assert fold_text(fold_text(text)) == fold_text(text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_times_come_back_to_the_second(at: datetime) -> None:
    """Their text sorts as they do."""
    whole = at.replace(microsecond=0, tzinfo=UTC)
    assert parse_time(format_time(whole)) == whole
    assert is_time(format_time(whole))


def test_a_time_without_a_zone_is_not_written() -> None:
    """It names no instant."""
    with pytest.raises(ValueError, match="zone"):
        format_time(datetime(2026, 1, 1))
