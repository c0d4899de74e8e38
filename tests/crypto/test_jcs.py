"""The canonical form is RFC 8785 to the byte, on the fast road and on the slow one."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import jcs, strictjson
from crypto.errors import Malformed, TooLarge

SAFE = 2**53 - 1
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
floats = st.floats(-SAFE, SAFE)  # 1e20 is written 100000000000000000000, and no strict reader takes that back
scalars = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | text


def nested(leaves: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=5), max_leaves=20
    )


@given(nested(scalars))
def test_both_roads_write_the_same_bytes(value: object) -> None:
    """The fast road is an optimisation and never a dialect."""
    assert jcs.canonical(value) == jcs.canonical_in_full(value)


@given(nested(scalars | floats))
def test_canonical_bytes_read_back_and_stay_canonical(value: object) -> None:
    """parse ∘ canonical changes nothing that canonical would write differently."""
    data = jcs.canonical(value)

    again = strictjson.parse(data, max_bytes=10_000_000, allow_floats=True)

    assert jcs.canonical(again) == data


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_the_examples_of_the_rfc_authors_come_out_byte_for_byte(foreign_vectors: Path, name: str) -> None:
    """cyberphone/json-canonicalization, input against output."""
    source = (foreign_vectors / "jcs" / "input" / f"{name}.json").read_bytes()
    expected = (foreign_vectors / "jcs" / "output" / f"{name}.json").read_bytes()

    assert jcs.canonical(json.loads(source)) == expected


def test_a_hundred_thousand_numbers_are_written_as_ecmascript_writes_them(foreign_vectors: Path) -> None:
    """The number file of the RFC authors: hexadecimal IEEE 754 bits, a comma, the text."""
    lines = (foreign_vectors / "jcs" / "es6testfile-100k.txt").read_text("ascii").splitlines()

    wrong = [line for line in lines if jcs.number(_double(line.partition(",")[0])) != line.partition(",")[2]]

    assert len(lines) == 100_000
    assert wrong == []


def _double(bits: str) -> float:
    (value,) = struct.unpack(">d", int(bits, 16).to_bytes(8, "big"))
    return float(value)


def test_members_are_sorted_by_utf16_units_not_by_code_points() -> None:
    """U+1F600 begins with D83D and so comes before U+FB33, although its code point is higher (RFC 8785 §3.2.3)."""
    assert jcs.canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800", {"\udfff": 1}, {1: "a"}, b"x", {"a": {1, 2}}]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """Nothing is rounded, replaced or left out."""
    with pytest.raises(Malformed):
        jcs.canonical(value)


def test_depth_without_end_is_refused() -> None:
    """A structure deeper than 200 levels is an error of ours, not a RecursionError."""
    value: list[object] = []
    for _ in range(5000):
        value = [value]

    with pytest.raises(TooLarge):
        jcs.canonical(value)
