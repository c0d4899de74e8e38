"""JSON (RFC 8259) read in the only way two programs can agree on.

Refused, because parsers differ about them: duplicate member names, NaN and Infinity, a byte order mark, invalid UTF-8,
lone surrogates, integers beyond ±(2^53-1) (JavaScript rounds them), numbers that overflow a double, and nesting
deeper than the caller allows.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from crypto.errors import Malformed, TooLarge

MAX_SAFE_INTEGER = 2**53 - 1
DEEPEST = 200  # orjson writes at most 254 levels; nothing of ours comes near

_LONGEST_INTEGER = len(str(-MAX_SAFE_INTEGER))


def parse(data: bytes, *, max_bytes: int, max_depth: int = 16, allow_floats: bool = False) -> Any:
    """Return the value of the JSON text `data`: dict, list, str, int, bool, None and, if allowed, float.

    `max_depth` counts nested arrays and objects: 1 allows `{}`, 0 only a bare string or number. Raises `TooLarge`
    beyond `max_bytes` or `max_depth`, `Malformed` for everything the module refuses.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"{len(data)} bytes of JSON, at most {max_bytes} are read")
    if not 0 <= max_depth <= DEEPEST:
        raise ValueError(f"max_depth must lie between 0 and {DEEPEST}, got {max_depth}")
    try:
        value = orjson.loads(data)  # strict UTF-8; refuses NaN, a BOM, lone surrogates and 1024 levels
    except orjson.JSONDecodeError as exc:
        raise Malformed(f"not JSON: {exc}") from exc
    check_numbers(value, max_depth, allow_floats=allow_floats)
    # orjson keeps the last of two equal names and says nothing. Written again in the same order, a text that lost a
    # member is shorter. Texts with spaces or other escapes differ as well, and get the slow reading.
    if orjson.dumps(value) == data:
        return value
    return _parse_slowly(data, max_depth, allow_floats)


def _parse_slowly(data: bytes, max_depth: int, allow_floats: bool) -> Any:
    """Return the same value by the standard library, which shows every pair and every number as written."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_bounded_int,
            parse_float=_finite_float,
            parse_constant=_no_constant,
        )
    except ValueError as exc:
        raise Malformed(f"not JSON: {exc}") from exc
    check_numbers(value, max_depth, allow_floats=allow_floats)
    return value


def check_numbers(value: Any, depth_left: int, *, allow_floats: bool = False) -> None:
    """Return if numbers and depth of a JSON value are within the rules of `parse`.

    The recursion is as deep as `depth_left` and no deeper. Raises `TooLarge` for depth, `Malformed` for numbers.
    """
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        if depth_left == 0:
            raise TooLarge("JSON nested deeper than allowed")
        for child in value.values() if kind is dict else value:
            if type(child) is not str:
                check_numbers(child, depth_left - 1, allow_floats=allow_floats)
    elif kind is int:
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise Malformed(f"integer {value} beyond ±(2^53-1); write it as a string")
    elif kind is float:
        if not allow_floats:
            raise Malformed(f"fraction or exponent in a number near {value!r}; write decimals as strings")
        if not math.isfinite(value):
            raise Malformed("number too large for a double")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(f"member {name[:60]!a} appears twice")
            seen.add(name)
    return members


def _bounded_int(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:  # before int() has to read a megabyte of them
        raise Malformed(f"integer of {len(digits)} characters, beyond ±(2^53-1)")
    return int(digits)


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed(f"number too large for a double: {digits[:40]}")
    return value


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")
