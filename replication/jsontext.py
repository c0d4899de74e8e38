"""JSON texts read strictly, exactly and within bounds.

orjson does the work. What it cannot do falls to the standard library: whole numbers beyond 64 bits, which CouchDB
keeps and so do we.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from replication.errors import BadRequest

MAX_DEPTH = 512

# A double holds 15 digits and orjson 64 bits: a run of 19 digits may be a whole number orjson would round.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19


def parse_json(raw: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value of one JSON text (UTF-8), whole numbers of any size exact.

    Raises `BadRequest("invalid UTF-8 JSON")`, as CouchDB, also for nesting deeper than `max_depth`.
    """
    try:
        value = _load(raw)
    except (ValueError, RecursionError):  # orjson's and json's own errors are ValueErrors
        raise BadRequest("invalid UTF-8 JSON") from None
    if may_be_deeper(raw, max_depth) and is_deeper(value, max_depth):
        raise BadRequest(f"invalid UTF-8 JSON: nested deeper than {max_depth} levels")
    return value


def may_be_deeper(raw: bytes, limit: int) -> bool:
    """Return whether a JSON text has the brackets to nest more than `limit` levels deep: then it is worth a walk.

    Each level takes two bytes, and counting the brackets that open is a sure upper bound.
    """
    return len(raw) > 2 * limit and raw.count(b"{") + raw.count(b"[") > limit


def _load(raw: bytes) -> Any:
    if _LONG_NUMBER in raw.translate(_DIGITS):
        return json.loads(raw, parse_constant=_refuse_constant)
    return orjson.loads(raw)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def is_deeper(value: Any, limit: int) -> bool:
    """Return whether arrays and objects nest more than `limit` levels deep. Walks level by level, never recursively."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def dump_json(value: Any) -> bytes:
    """Return `value` as compact UTF-8 JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number beyond 64 bits; the standard library prints any
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
