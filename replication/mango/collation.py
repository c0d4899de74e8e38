"""CouchDB's order of JSON values, and values "of no kind" below and above all of it.

    null < false < true < numbers < strings < arrays < objects

Strings of documents compare as ICU's root collation does; ids compare by code point. Python has no ICU, so
`collate` builds on Unicode's own data: letters before case and before accents, as in the Default Unicode Collation
Element Table for the alphabets the names here are written in. Ties fall to the code points.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Key = tuple[Any, ...]
# Sorts behind every other character, so "abc" + HIGHEST ends the strings that begin with "abc" (UTS #35, 1.1.1).
HIGHEST = "\uffff"

# The root collation puts spaces, punctuation, symbols and digits before letters, in this order.
_SPACE, _PUNCTUATION, _SYMBOL, _DIGIT, _LETTER = range(5)
# Punctuation and symbols of ASCII in the order of the root collation (CLDR root, allkeys_CLDR.txt).
_ASCII_ORDER = {char: rank for rank, char in enumerate("_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$")}


def rank(value: Any) -> int:
    """Return the place of a value's type in CouchDB's order."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 2 if value else 1
    if isinstance(value, int | float):
        return 3
    if isinstance(value, str):
        return 4
    return 5 if isinstance(value, list) else 6


def sort_key(value: Any, text: Callable[[str], Any] | None = None) -> Key:
    """Return a key that sorts as CouchDB does. `text` orders strings: `collate` unless given (`str` for ids)."""
    order = text or collate
    kind = rank(value)
    if kind == 3:
        return (kind, value)
    if kind == 4:
        return (kind, order(value))
    if kind == 5:
        return (kind, tuple(sort_key(entry, order) for entry in value))
    if kind == 6:
        return (kind, tuple((order(name), sort_key(entry, order)) for name, entry in value.items()))
    return (kind,)


def compare(left: Any, right: Any, text: Callable[[str], Any] | None = None) -> int:
    """Return -1, 0 or 1 as `left` sorts before, with or after `right`."""
    if left is right:
        return 0
    one, other = sort_key(left, text), sort_key(right, text)
    return (one > other) - (one < other)


@lru_cache(maxsize=4096)
def collate(text: str) -> Key:
    """Return the key of a string: letters, then accents, then case (lower first), then code points."""
    decomposed = unicodedata.normalize("NFD", text)
    primary: list[tuple[int, Any]] = []
    secondary: list[tuple[int, int]] = []
    tertiary: list[bool] = []
    for char in decomposed:
        if unicodedata.combining(char):
            secondary.append((len(primary), ord(char)))
            continue
        weight = _primary(char)
        if weight is None:
            continue
        primary.append(weight)
        tertiary.append(char.isupper())
    return (tuple(primary), tuple(secondary), tuple(tertiary), unicodedata.normalize("NFC", text))


def _primary(char: str) -> tuple[int, Any] | None:
    if char == HIGHEST:
        return (_LETTER + 1, 0)
    category = unicodedata.category(char)
    if category[0] == "L":
        # đ is a letter of its own to Unicode but sorts beside d, as in the root collation.
        folded = {"đ": "d\uffff", "Đ": "d\uffff"}.get(char, char.casefold())
        return (_LETTER, folded)
    if category[0] == "N":
        value = unicodedata.numeric(char, None)
        return (_DIGIT, value if value is not None else ord(char))
    if category[0] == "C":
        return None  # controls weigh nothing
    if category[0] == "Z" or char in "\t\n\r":
        return (_SPACE, ord(char))
    group = _PUNCTUATION if category[0] == "P" else _SYMBOL
    return (group, _ASCII_ORDER.get(char, 64 + ord(char)))
