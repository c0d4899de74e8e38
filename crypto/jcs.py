"""The canonical form of JSON (RFC 8785), the bytes that are hashed and signed.

Members sorted by UTF-16 code units, no spaces, the shortest escapes, numbers as ECMAScript writes them. Nothing is
normalised: text must already be NFC (`crypto.text` refuses the rest).
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from crypto.errors import Malformed, TooLarge
from crypto.strictjson import DEEPEST, MAX_SAFE_INTEGER

_PLAIN = frozenset({str, bool, type(None)})
_FAST = orjson.OPT_SORT_KEYS


def canonical(value: Any) -> bytes:
    """Return `value` as canonical JSON in UTF-8.

    Takes dicts with str keys, lists (and tuples), str, bool, None, integers within ±(2^53-1) and finite floats.
    Raises `Malformed` for anything else, NaN, infinities, larger integers and lone surrogates; `TooLarge` beyond
    200 levels.
    """
    if is_restricted(value, DEEPEST):
        try:
            return orjson.dumps(value, option=_FAST)
        except TypeError as exc:  # all that is left of its errors: text with a lone surrogate
            raise Malformed(f"no canonical JSON: {exc}") from exc
    return canonical_in_full(value)


def canonical_in_full(value: Any) -> bytes:
    """Return the canonical form by the letter of RFC 8785, without the fast road. Same contract as `canonical`."""
    parts: list[str] = []
    _write(value, parts.append, DEEPEST)
    try:
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise Malformed(f"lone surrogate in text: {exc.reason}") from exc


def is_restricted(value: Any, depth_left: int) -> bool:
    """Say whether orjson writes `value` exactly as RFC 8785 does: no floats, no large integers, ASCII names only.

    `depth_left` is the number of levels allowed. With ASCII names the order of UTF-8 bytes (orjson) and of UTF-16 units
    (the RFC) is the same.
    """
    kind = type(value)
    if kind is dict:
        if depth_left == 0:
            return False
        for name, child in value.items():
            if type(name) is not str or not name.isascii():
                return False
            if type(child) is not str and not is_restricted(child, depth_left - 1):
                return False
        return True
    if kind is list:
        return depth_left > 0 and all(type(child) is str or is_restricted(child, depth_left - 1) for child in value)
    if kind is int:
        return bool(-MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)
    return kind in _PLAIN


def _write(value: Any, write: Any, depth_left: int) -> None:
    if value is None or isinstance(value, bool):
        write({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        write(_string(value))
    elif isinstance(value, int):
        write(_integer(value))
    elif isinstance(value, float):
        write(number(value))
    elif depth_left == 0:
        raise TooLarge(f"JSON nested deeper than {DEEPEST}")
    elif isinstance(value, dict):
        _write_object(value, write, depth_left - 1)
    elif isinstance(value, list | tuple):
        _write_array(value, write, depth_left - 1)
    else:
        raise Malformed(f"no canonical JSON for a {type(value).__name__}")


def _write_object(members: dict[Any, Any], write: Any, depth_left: int) -> None:
    if not all(isinstance(name, str) for name in members):
        raise Malformed("member names of JSON objects are strings")
    comma = "{"
    for name in sorted(members, key=_utf16):
        write(f"{comma}{_string(name)}:")
        _write(members[name], write, depth_left)
        comma = ","
    write("}" if members else "{}")


def _write_array(items: list[Any] | tuple[Any, ...], write: Any, depth_left: int) -> None:
    comma = "["
    for item in items:
        write(comma)
        _write(item, write, depth_left)
        comma = ","
    write("]" if items else "[]")


def _utf16(name: str) -> bytes:
    """The sorting key of RFC 8785 §3.2.3. A lone surrogate keeps its place here and is refused when encoded."""
    return name.encode("utf-16-be", "surrogatepass")


def _string(text: str) -> str:
    """RFC 8785 §3.2.2.2: the two-character escapes, \\u00xx in small letters for other controls, nothing else."""
    return json.dumps(text, ensure_ascii=False)


def _integer(value: int) -> str:
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        raise Malformed(f"integer {value} beyond ±(2^53-1) has no canonical form; write it as a string")
    return str(int(value))


def number(value: float) -> str:
    """Return a double as ECMAScript's Number::toString writes it (ECMA-262 §6.1.6.1.20, RFC 8785 §3.2.2.3).

    Raises `Malformed` for NaN and the infinities.
    """
    if not math.isfinite(value):
        raise Malformed(f"{value} is not a JSON number")
    if value == 0:
        return "0"  # -0 too
    sign = "-" if value < 0 else ""
    digits, point = _shortest(abs(value))
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _shortest(value: float) -> tuple[str, int]:
    """Return (digits, point): the fewest digits that read back as `value`, which is 0.digits × 10^point.

    Python's repr finds the same digits as ECMAScript asks for; only the dress differs.
    """
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = whole + fraction
    digits = padded.lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(padded) - len(digits))
    return digits.rstrip("0"), point
