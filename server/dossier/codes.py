"""Codes people read out: the official dossier code and the code for looking a dossier up.

    H41.12.03-261121-0001      agency, day of receipt (yymmdd, Vietnam's date), number within that day

Provincial systems count with four digits, ministry portals with six or seven [C]. A code that came from
another system is kept as it was written, whatever its form.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import NewType

from server.dossier.times import VIETNAM
from server.dossier.units import UnitCode
from server.errors import Refused

DossierCode = NewType("DossierCode", str)

_CODE = re.compile(
    r"(?P<agency>(?:[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.)?[GH][0-9]{2}(?:\.[0-9]{2,3}){0,5})"
    r"-(?P<day>[0-9]{6})-(?P<number>[0-9]{4,7})",
    re.ASCII,
)
_HIGHEST = 9_999_999

# No vowels, so no words; no 0 1 2 5 and the letters they are taken for; nothing that sounds alike over a bad line.
_LOOKUP_ALPHABET = "346789CFHKMRTWXY"
LOOKUP_LENGTH = 8


@dataclass(frozen=True, slots=True)
class CodeParts:
    """The parts of an official code: the agency as written, the day it was received, the number within that day."""

    agency: UnitCode
    day: date
    number: int


def build_dossier_code(unit: str, received_at: datetime, number: int) -> DossierCode:
    """Return the official code for the dossier a unit received as its `number`th (from 1) that day.

    The day is the one in Vietnam at `received_at`. Numbers beyond 9999 take more digits, up to seven.
    """
    if not 1 <= number <= _HIGHEST:
        raise ValueError(f"numbers within a day go from 1 to {_HIGHEST}, got {number}")
    return DossierCode(f"{code_prefix(unit, received_at)}{number:04d}")


def code_prefix(unit: str, received_at: datetime) -> str:
    """Return what all codes of a unit on the day of `received_at` begin with: "H41.12.03-261121-"."""
    return f"{unit}-{received_at.astimezone(VIETNAM):%y%m%d}-"


def parse_dossier_code(text: str) -> CodeParts:
    """Return the parts of an official code. Raises `Refused("schema")` if it has another form or no such day exists."""
    found = _CODE.fullmatch(text)
    if not found:
        raise Refused("schema", f"{text[:64]!a} is not a dossier code; one looks like H41.12.03-261121-0001")
    digits = found["day"]
    try:
        day = date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError as exc:
        raise Refused("schema", f"{text[:64]!a}: {digits} is no day (yymmdd): {exc}") from exc
    return CodeParts(UnitCode(found["agency"]), day, int(found["number"]))


def is_dossier_code(text: str) -> bool:
    """Say whether `text` has the form of an official code of ours or of another province or ministry."""
    try:
        parse_dossier_code(text)
    except Refused:
        return False
    return True


def build_lookup_code(stream: str, secret: bytes) -> str:
    """Return the code printed beside the dossier code, with which its state is looked up: 8 characters, "H7KM-34XC".

    It is derived from the stream with a secret of the node, so it need not be stored; 32 bits, to be used only where
    attempts are counted.
    """
    digest = hmac.digest(secret, b"tram lookup\0" + stream.encode(), "sha256")
    characters = "".join(_LOOKUP_ALPHABET[byte & 15] for byte in digest[:LOOKUP_LENGTH])
    return f"{characters[:4]}-{characters[4:]}"


def normalise_lookup_code(text: str) -> str:
    """Return a code as people type it (small letters, spaces, no dash) in the form it was printed in."""
    characters = re.sub(r"[\s-]", "", text).upper()
    return f"{characters[:4]}-{characters[4:]}"
