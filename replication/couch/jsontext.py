"""JSON text both ways, with every digit kept.

orjson is fast and strict, but reads an integer beyond 64 bits as a float and so loses digits without a word.
Text that may hold one takes the slower road through the standard library.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

# 19 digits is where 64 bits may end. Base64 has so long a run of digits about once in 10^15 characters; it costs
# time then, nothing else.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")


def parse_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises `ValueError` for text that is not JSON, and for numbers that Python cannot hold exactly enough to write
    back: floats beyond the range of a double, integers beyond 4300 digits.
    """
    if not _LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # a lone surrogate, which CouchDB lets through, or no JSON at all: the next step tells
    try:
        return json.loads(text, parse_float=_parse_float, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise ValueError("the JSON text is nested too deeply") from exc


def dump_json(value: object) -> bytes:
    """Return the value as compact JSON text."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, or a lone surrogate
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is beyond the range of a double")
    return number


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON value")
