"""Strict JSON: whatever two parsers might read differently is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import strictjson
from crypto.errors import Malformed, TooLarge

SAFE = 2**53 - 1
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def parse(text: str | bytes, **limits: Any) -> object:
    data = text.encode() if isinstance(text, str) else text
    return strictjson.parse(data, **{"max_bytes": 100_000, **limits})


@given(json_values)
def test_any_allowed_value_is_read_back_however_it_was_written(value: object) -> None:
    """Compact, spaced and escaped texts of one value give that value, on the fast and on the slow road."""
    assert parse(orjson.dumps(value)) == value
    assert parse(json.dumps(value, indent=1)) == value
    assert parse(json.dumps(value, ensure_ascii=True)) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"amount":"1","amount":"100"}',
        '{"a":{"b":1,"b":1}}',
        '[{"a":0,"\\u0061":0}]',
        '{ "a" : 1 , "a" : 1 }',
    ],
)
def test_canonicalisation_attack_by_a_doubled_member_is_refused(text: str) -> None:
    """One reader takes the first value, another the last: neither may be shown as signed."""
    with pytest.raises(Malformed, match="twice"):
        parse(text)


@pytest.mark.parametrize("text", ["9007199254740992", "-9007199254740992", "[18446744073709551616]", "1" * 5000])
def test_canonicalisation_attack_by_integers_javascript_rounds_is_refused(text: str) -> None:
    """Beyond ±(2^53-1), also where a parser would make a float of them, with floats allowed or not."""
    with pytest.raises(Malformed):
        parse(text)
    with pytest.raises(Malformed):
        parse(text, allow_floats=True)


def test_endless_digits_are_refused_by_their_number() -> None:
    """Not by reading them: an integer of any length costs nothing."""
    with pytest.raises(Malformed, match="100 characters"):
        parse("1" * 100, allow_floats=True)


@pytest.mark.parametrize("text", ["1.0", "1e2", "[0.5]", '{"a":-0.0}'])
def test_floats_are_refused_unless_the_caller_allows_them(text: str) -> None:
    """1.0 and 1 are one number in JavaScript and two texts, so signed data has none."""
    with pytest.raises(Malformed, match="decimals as strings"):
        parse(text)
    assert parse(text, allow_floats=True) == json.loads(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'{"\\udc00x":1}',
        b'"a\nb"',
        b'"\\x41"',
        b"{'a':1}",
        b"[1,]",
        b'{"a":1,}',
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"[1] 2",
        b"nul",
        b"// c\n1",
        '"a"'.encode("utf-16"),
    ],
)
def test_what_is_not_json_by_the_letter_is_refused(data: bytes) -> None:
    """No NaN, no BOM, no invalid UTF-8, no lone surrogate, no trailing comma, no second value."""
    with pytest.raises(Malformed):
        parse(data, allow_floats=True)


def test_depth_is_counted_and_never_ends_in_a_recursion_error() -> None:
    """Sixteen levels pass, seventeen do not, a hundred thousand are as harmless as seventeen."""
    assert parse("[" * 16 + "]" * 16)
    for levels in (17, 300, 40_000):
        with pytest.raises(Malformed):
            parse("[" * levels + "]" * levels)
        with pytest.raises(Malformed):
            parse('{"a":' * levels + "1" + "}" * levels, max_bytes=1_000_000)


def test_size_is_checked_before_the_first_byte_is_read() -> None:
    """Bytes beyond the limit are refused even where they are no JSON at all."""
    with pytest.raises(TooLarge, match="at most 10"):
        parse(b"\xff" * 11, max_bytes=10)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    """No exception but ours leaves the parser."""
    try:
        value = parse(data, allow_floats=True)
    except Malformed:
        return
    assert json.loads(data) == value
