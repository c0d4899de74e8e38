"""CouchDB's order of JSON values, and values "of no kind" below and above all of it.

    null < false < true < numbers < strings < arrays < objects

Strings of documents compare as ICU's root collation does; ids compare by code point. Python has no ICU, so
`collate` builds on Unicode's own data: letters first, then marks, then case, as in the root collation of CLDR for the
alphabets names here are written in (seen against CouchDB 3.5). Ties fall to the code points.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Key = tuple[Any, ...]
# Sorts behind every other character, so "abc" + HIGHEST ends the strings that begin with "abc" (UTS #35, 1.1.1).
HIGHEST = "\uffff"

# The root collation puts spaces, punctuation, symbols and digits before letters, in this order.
_SPACE, _PUNCTUATION, _SYMBOL, _DIGIT, _LETTER, _LAST = "012345"
_FINENESS = 5040  # divisible by 2 to 10: halves, thirds … of Unicode's fractions stay whole
MAX_KNOWN = 256  # characters: keys of longer texts are not kept for the next comparison
# Punctuation and symbols of ASCII in the order of the root collation (CLDR root, allkeys_CLDR.txt).
_ASCII_ORDER = {char: rank for rank, char in enumerate("_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$")}
# Letters that Unicode does not take apart and the root collation sorts as a letter with a mark, or as two.
_WRITTEN_AS = str.maketrans({"đ": "d\u0335", "Đ": "D\u0335", "ø": "o\u0338", "Ø": "O\u0338", "æ": "ae", "Æ": "AE"})
# Marks in the order of the root collation: acute, grave, breve, circumflex, … tilde, … hook above, horn, dot below.
_MARKS = {
    mark: chr(place)
    for place, mark in enumerate(
        "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0335\u0338\u0327\u0328\u0304\u0309\u031b\u0323",
        start=1,
    )
}


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


def collate(text: str) -> Key:
    """Return the key of a string: letters, then accents, then case (lower first), then code points."""
    return _collate_known(text) if len(text) <= MAX_KNOWN else _collate(text)


def _collate(text: str) -> Key:
    """Return three texts whose characters are weights, and the text itself.

    Where the first are equal, the second and third have a place for each of its letters, so the zeros at their ends
    say nothing. Most words have no more.
    """
    primary: list[str] = []
    secondary: list[str] = []
    tertiary: list[str] = []
    for char in unicodedata.normalize("NFD", text.translate(_WRITTEN_AS)):
        if unicodedata.combining(char):
            secondary.append(_MARKS.get(char, char))
        elif weight := _primary(char):
            primary.append(weight)
            secondary.append("\0")
            tertiary.append("1" if char.isupper() else "0")
    marks, cases = "".join(secondary).rstrip("\0"), "".join(tertiary).rstrip("0")
    return ("".join(primary), marks, cases, unicodedata.normalize("NFC", text))


_collate_known = lru_cache(maxsize=4096)(_collate)


def _primary(char: str) -> str:
    """Return a group and a weight within it, "" for what weighs nothing."""
    if char == HIGHEST:
        return _LAST
    category = unicodedata.category(char)
    if category[0] == "L":
        return _LETTER + char.casefold()
    if category[0] == "N":
        return _DIGIT + _weigh_number(char)
    if category[0] == "C":
        return ""  # controls weigh nothing
    if category[0] == "Z" or char in "\t\n\r":
        return _SPACE + char
    group = _PUNCTUATION if category[0] == "P" else _SYMBOL
    return group + chr(_ASCII_ORDER.get(char, 64 + ord(char)))


def _weigh_number(char: str) -> str:
    """Return a character that sorts as the value of a digit or fraction does; larger values fall together."""
    value = unicodedata.numeric(char, 0.0)
    return chr(min(max(0, round((value + 1) * _FINENESS)), sys.maxunicode))
