"""`$regex` of selectors."""

from __future__ import annotations

import time

import pytest

from replication.mango import regex
from replication.mango.errors import MangoError
from replication.mango.selector import parse_selector

needs_engine = pytest.mark.skipif(not regex.is_installed(), reason="google-re2 is not installed, so $regex is refused")
LONG = "a" * 100_000 + "b"


def matches(pattern: str, value: object) -> bool:
    return parse_selector({"s": {"$regex": pattern}}).matches({"s": value})


@needs_engine
@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("^a.c$", "abc", True),
        ("b", "abc", True),
        ("^b", "abc", False),
        ("5", 5, False),
        ("(?i)^XÃ", "xã Tân Lập", True),
        ("^\\p{Lu}", "Đông", True),
        ("^.$", "ế", True),
        ("a\\nb", "a\nb", True),
        ("x", "\ud800x", True),
    ],
)
def test_a_pattern_is_searched_in_texts(pattern: str, value: object, expected: bool) -> None:
    """By characters, not bytes; values that are no texts never match."""
    assert matches(pattern, value) is expected


@needs_engine
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "a*a*a*a*a*a*c", "a+c", "[a-z]{1,1000}q"])
def test_no_pattern_takes_longer_than_its_text(pattern: str) -> None:
    """Those a backtracking engine takes years for, on a long text: a second is a hundred times what they need."""
    began = time.process_time()
    matches(pattern, LONG)

    assert time.process_time() - began < 1.0


@needs_engine
def test_a_large_pattern_is_searched_in_less_of_a_text() -> None:
    """Steps are text times pattern, and their number is bounded; a small one reaches 64 KiB."""
    value = " " * 40_000 + "zz"

    assert matches("zz", value)
    assert not matches("[0-9]{1,900}q|zz", value)
    assert matches("[0-9]{1,900}q|zz", value[39_000:])
    assert not matches("zz", " " * 70_000 + "zz")


@needs_engine
@pytest.mark.parametrize("pattern", ["(", "a{5000}", "(?=x)", "(a)\\1", "((a{100}){100}){100}", "x" * 200_000])
def test_a_pattern_the_engine_does_not_take_is_refused(pattern: str) -> None:
    """With its reason, and shortened where it is long."""
    with pytest.raises(MangoError) as refusal:
        matches(pattern, "x")

    assert refusal.value.error == "bad_arg"
    assert len(refusal.value.reason) < 500


def test_without_the_engine_a_pattern_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer says what to install; other selectors work."""
    monkeypatch.setattr(regex, "PACKAGE", "no_such_module_is_installed")

    with pytest.raises(MangoError, match="google-re2") as refusal:
        matches("x", "x")
    assert (refusal.value.status, refusal.value.error) == (400, "not_supported")
    assert parse_selector({"s": "x"}).matches({"s": "x"})


@pytest.mark.parametrize("selector", [{"$or": [{"a": n} for n in range(30_000)]}, {"a": {"$in": list(range(30_000))}}])
def test_a_selector_of_too_many_values_is_refused(selector: dict[str, object]) -> None:
    """Before it takes memory many times its text."""
    with pytest.raises(MangoError, match="more than 20000 values"):
        parse_selector(selector)
