"""Checks for JSON values, built once and run often: each returns nothing, or raises `Wrong` with what to do.

A check is a function of one value. The builders below make them: `line(80)`, `one_of("a", "b")`,
`members({"name": line(80)}, {"note": text(500)})`. They are plain functions, since an event passes about forty of
them and all of it should take some thirty microseconds on an office PC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

from crypto import text as text_rules
from crypto.errors import Malformed
from server.dossier.times import parse_time
from server.errors import Refused

Check = Callable[[Any], None]


class Wrong(Exception):
    """A value fails its check: `place` inside the whole, the refusal's `code`, and `complaint` for people."""

    def __init__(self, complaint: str, code: str = "schema", place: str = "") -> None:
        super().__init__(complaint)
        self.complaint = complaint
        self.code = code
        self.place = place

    def inside(self, outer: str) -> Wrong:
        """Return the same complaint with `outer` put before its place."""
        joint = "" if not self.place or self.place.startswith("[") else "."
        self.place = outer + joint + self.place
        return self


def refuse(wrong: Wrong, what: str) -> Refused:
    """Return the refusal of `what` ("event dossier.accepted") that tells place, complaint and remedy."""
    at = f'member "{wrong.place}" of ' if wrong.place else ""
    return Refused(wrong.code, f"{at}{what}: {wrong.complaint}", member=wrong.place)


def shown(value: Any) -> str:
    """Return a value as messages quote it: short, ASCII."""
    return ascii(value)[:60]


def text(limit: int, *, single_line: bool = False, empty: bool = False) -> Check:
    """Text of at most `limit` characters; without `empty` something other than spaces has to be in it.

    Which characters it may have is checked for the whole value at once, by `characters`.
    """

    def check(value: Any) -> None:
        if type(value) is not str:
            raise Wrong(f"expected text, got {shown(value)}")
        if len(value) > limit:
            raise Wrong(f"{len(value)} characters, at most {limit} are allowed; shorten it")
        if not empty and (not value or value.isspace()):
            raise Wrong("it is empty; fill it in or leave the member out if it is optional")
        if single_line and ("\n" in value or "\t" in value):
            raise Wrong("it has a line break or a tab; write it in one line", "bad_text")

    return check


def line(limit: int) -> Check:
    """One line of text: a name, an address."""
    return text(limit, single_line=True)


def one_of(*words: str) -> Check:
    allowed = frozenset(words)

    def check(value: Any) -> None:
        if type(value) is not str or value not in allowed:
            raise Wrong(f"got {shown(value)}, expected one of: {', '.join(words)}")

    return check


def matching(pattern: str, expected: str) -> Check:
    """Text that matches the whole `pattern`; `expected` describes it to people."""
    matches = re.compile(pattern, re.ASCII).fullmatch

    def check(value: Any) -> None:
        if type(value) is not str or matches(value) is None:
            raise Wrong(f"got {shown(value)}, expected {expected}")

    return check


def satisfying(is_good: Callable[[str], bool], expected: str) -> Check:
    """Text for which `is_good` says yes."""

    def check(value: Any) -> None:
        if type(value) is not str or not is_good(value):
            raise Wrong(f"got {shown(value)}, expected {expected}")

    return check


def whole(least: int, most: int) -> Check:
    """A whole number; True and False are not numbers."""

    def check(value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise Wrong(f"got {shown(value)}, expected a whole number from {least} to {most}")

    return check


def listing(check_item: Check, most: int, *, least: int = 0, unique: bool = False) -> Check:
    """A list whose items pass `check_item`."""

    def check(value: Any) -> None:
        if type(value) is not list:
            raise Wrong(f"expected a list, got {shown(value)}")
        if not least <= len(value) <= most:
            raise Wrong(f"{len(value)} items, expected {least} to {most}")
        for i, item in enumerate(value):
            try:
                check_item(item)
            except Wrong as wrong:
                raise wrong.inside(f"[{i}]") from None
        if unique and len(set(value)) != len(value):
            raise Wrong("the same item stands there twice; name it once")

    return check


def table(key_pattern: str, check_value: Check, most: int) -> Check:
    """An object with free member names that match `key_pattern`."""
    matches = re.compile(key_pattern, re.ASCII).fullmatch

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Wrong(f"expected an object, got {shown(value)}")
        if len(value) > most:
            raise Wrong(f"{len(value)} members, at most {most} are allowed")
        for name, item in value.items():
            if matches(name) is None:
                raise Wrong(f"member name {shown(name)} does not match {key_pattern}")
            try:
                check_value(item)
            except Wrong as wrong:
                raise wrong.inside(name) from None

    return check


def members(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with exactly these members."""
    checks = {**required, **(optional or {})}
    needed = tuple(required)

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Wrong(f"expected an object, got {shown(value)}")
        for name, item in value.items():
            if name not in checks:
                raise Wrong(f"unknown member; known are: {', '.join(checks)}", place=name[:60])
            try:
                checks[name](item)
            except Wrong as wrong:
                raise wrong.inside(name) from None
        for name in needed:
            if name not in value:
                raise Wrong("it is missing", place=name)

    return check


def time(value: Any) -> None:
    """A time as events write it."""
    if type(value) is not str:
        raise Wrong(f"expected a time, got {shown(value)}")
    try:
        parse_time(value)
    except Refused as exc:
        raise Wrong(exc.reason, exc.code) from None


def day(value: Any) -> None:
    """A date, "2026-11-21"."""
    if type(value) is not str or len(value) != len("2026-11-21"):
        raise Wrong(f'expected a date like "2026-11-21", got {shown(value)}')
    try:
        date.fromisoformat(value)
    except ValueError:
        raise Wrong(f'expected a date like "2026-11-21", got {shown(value)}') from None


def flag(value: Any) -> None:
    """True or false."""
    if type(value) is not bool:
        raise Wrong(f"expected true or false, got {shown(value)}")


def characters(value: Any, payload: bytes) -> None:
    """Check every text and member name inside a value, whose canonical form is `payload`, by `crypto.text`."""
    try:
        text_rules.check_canonical(payload, value)
    except Malformed:
        _find_bad_text(value)
        raise  # the walk agrees with `check_canonical`, so this is not reached


def _find_bad_text(value: Any) -> None:
    """Raise `Wrong` for the first text that breaks the rules, with its place."""
    if isinstance(value, str):
        _check_one(value, lambda: text_rules.check_text(value, name=False))
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_one(name, partial(text_rules.check_key, name))
            _inside(name[:60], item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _inside(f"[{i}]", item)


def _inside(place: str, value: Any) -> None:
    try:
        _find_bad_text(value)
    except Wrong as wrong:
        raise wrong.inside(place) from None


def _check_one(value: str, check: Callable[[], Any]) -> None:
    try:
        check()
    except Malformed as exc:
        raise Wrong(str(exc), "bad_text" if text_rules.is_nfc(value) else "not_nfc") from None
