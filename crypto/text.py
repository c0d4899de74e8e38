"""What text in signed data may contain, so that what people see is what was signed.

One word must have one spelling (NFC), nothing may hide (zero-width characters, tags), nothing may turn the reading
direction round (bidirectional controls: "exe.pdf" shown for "fdp.exe"), and there are no control characters except
line feed and tab in running text. A verifier refuses; it never repairs, since a repair breaks the signature.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from crypto.errors import Malformed

FORBIDDEN_KEYS = frozenset({"__proto__", "constructor", "prototype"})  # they rewrite objects in careless JavaScript

_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, joiners, fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, separators, bidirectional controls
    "\U000e0000-\U000e007f"  # tags: a whole hidden alphabet
)
_BIDI_ALM = "\u061c"
_IN_TEXT = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}{_BIDI_ALM}]")
_IN_NAME = re.compile(rf"[\x00-\x1f\x7f-\x9f{_INVISIBLE}{_BIDI_ALM}]")
_KEY_HINTS = ('"_', '"constructor"', '"prototype"')


def is_nfc(text: str) -> bool:
    """Say whether `text` is in Unicode normalisation form C."""
    return text.isascii() or unicodedata.is_normalized("NFC", text)


def check_text(text: str, *, name: bool) -> str:
    """Return `text` unchanged if it keeps the rules of this module.

    With `name` (names of people, files, members: one line) line feed and tab are refused too. Raises `Malformed`
    naming the first offending character and its place.
    """
    found = (_IN_NAME if name else _IN_TEXT).search(text)
    if found:
        character = found.group()
        label = unicodedata.name(character, "control character")
        raise Malformed(f"U+{ord(character):04X} ({label}) at character {found.start()}; remove it and sign again")
    if not is_nfc(text):
        raise Malformed("text is not in Unicode NFC; normalise it before signing")
    return text


def check_key(key: str) -> str:
    """Return the member name `key` if signed data may use it: a clean name, not "_…", not a JavaScript trap."""
    if key.startswith("_") or key in FORBIDDEN_KEYS:
        raise Malformed(f"member name {key[:60]!a} is reserved")
    return check_text(key, name=True)


def check_value(value: Any) -> None:
    """Check every text and member name inside a parsed JSON value. Raises `Malformed` for the first that fails.

    The value comes from `strictjson.parse`, so its depth is bounded already.
    """
    if isinstance(value, str):
        check_text(value, name=False)
    elif isinstance(value, dict):
        for key, child in value.items():
            check_key(key)
            check_value(child)
    elif isinstance(value, list):
        for child in value:
            check_value(child)


def check_canonical(payload: bytes, value: Any) -> None:
    """The same check as `check_value(value)`, quickly, for a value whose canonical form is `payload`.

    In the canonical text forbidden characters either stand as they are or as an escape, and reserved names follow a
    quote; a text without any such sign is clean. Each sign may be innocent, so then the value is walked.
    """
    text = payload.decode("utf-8")
    if "\\" in text or any(hint in text for hint in _KEY_HINTS):
        check_value(value)
    elif text.isascii():
        if "\x7f" in text:
            check_value(value)
    elif _IN_NAME.search(text) or not is_nfc(text):
        check_value(value)
