"""Selectors made to burn the processor."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.replication.hostile.conftest import Target, assert_refused

EVIL = "a" * 40 + "b"


def find(target: Target, selector: Any) -> requests.Response:
    return requests.post(f"{target.url}/_find", json={"selector": selector}, timeout=60)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*$",
        "(a|aa)+$",
        "(a*)*$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*a){20}$",
        "a*a*a*a*a*a*a*c",
        "(?:a?){40}a{40}",
    ],
)
def test_a_regular_expression_bomb_burns_no_processor(target: Target, pattern: str) -> None:
    """Patterns that take a backtracking engine years on forty letters: refused, or answered in time."""
    requests.put(f"{target.url}/victim", json={"text": EVIL}, timeout=60).raise_for_status()
    with target.withstands():
        answer = find(target, {"text": {"$regex": pattern}})
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text


def test_a_harmless_pattern_on_a_long_text_burns_no_processor(target: Target) -> None:
    """Quadratic time is enough to stop a server when the text is long."""
    requests.put(f"{target.url}/victim", json={"text": "a" * 200_000}, timeout=60).raise_for_status()
    with target.withstands():
        answer = find(target, {"text": {"$regex": "a+b"}})
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text


def test_a_selector_nested_deep_is_refused(target: Target) -> None:
    """By operators, by fields and by `$elemMatch`."""
    with target.withstands():
        for wrap in (
            lambda inner: {"$not": inner},
            lambda inner: {"a": inner},
            lambda inner: {"a": {"$elemMatch": inner}},
        ):
            for depth in (60, 400):
                selector: Any = {"a": 1}
                for _ in range(depth):
                    selector = wrap(selector)
                answer = find(target, selector)
                assert_refused(answer.status_code, answer.content)


def test_a_selector_of_a_hundred_thousand_conditions_is_bounded(target: Target) -> None:
    """Refused, or answered in time."""
    with target.withstands():
        for selector in ({"$or": [{"a": n} for n in range(100_000)]}, {"a": {"$in": list(range(100_000))}}):
            answer = find(target, selector)
            assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text[:300]


def test_a_field_name_of_a_hundred_thousand_steps_is_bounded(target: Target) -> None:
    """`a.a.a.…`"""
    with target.withstands():
        answer = find(target, {".".join(["a"] * 100_000): 1})
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text[:300]


def test_fields_and_sorts_by_the_hundred_thousand_are_bounded(target: Target) -> None:
    """Lists beside the selector."""
    with target.withstands():
        for extra in ({"fields": ["a.b"] * 100_000}, {"sort": [{"a": "asc"}] * 100_000}):
            answer = requests.post(f"{target.url}/_find", json={"selector": {}, **extra}, timeout=60)
            assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text[:300]
