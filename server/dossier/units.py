"""Agency codes and the names made of them.

    H41.12.03          province first (QĐ 20/2020/QĐ-TTg): each part narrows the one before; H41.12.03 lies in H41.12
    000.00.12.H41      province last (QCVN 102:2016): level4.level3.level2.level1, "00" where there is no such level

Both shapes are in use and are kept as written; they are two numberings, so a code of one never lies within a code of
the other. Nothing here knows how many tiers there are: a code has as many ancestors as it has parts.

    H41.12.03  ->  u-h41-12-03 (events), f-h41-12-03 (chunks), urn:tram:node:h41-12-03
"""

from __future__ import annotations

import re
from typing import NewType

from server.errors import Refused

UnitCode = NewType("UnitCode", str)

NODE_URN = "urn:tram:node:"
SUBJECT_URN = "urn:tram:subject:"

_ROOT_FIRST = re.compile(r"[GH][0-9]{2}(?:\.[0-9]{2,3}){0,5}", re.ASCII)
_ROOT_LAST = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[GH][0-9]{2}", re.ASCII)
_SUBJECT = re.compile(r"urn:tram:subject:[0-9a-f]{32}", re.ASCII)


def is_unit_code(text: str) -> bool:
    """Say whether `text` is an agency code in either shape."""
    return bool(_ROOT_FIRST.fullmatch(text) or _ROOT_LAST.fullmatch(text))


def parse_unit_code(text: str) -> UnitCode:
    """Return `text` as a unit code. Raises `Refused("schema")` unless it is one of the two shapes, in capitals."""
    if not is_unit_code(text):
        raise Refused("schema", f"{text[:40]!a} is not an agency code; write it like H41.12.03 or 000.00.12.H41")
    return UnitCode(text)


def dashed(code: str) -> str:
    """Return the code as database and URN names spell it: "H41.12.03" → "h41-12-03"."""
    return code.lower().replace(".", "-")


def undashed(name: str) -> UnitCode:
    """Return the code that `dashed` gave. Raises `Refused("schema")` if there is none."""
    code = name.upper().replace("-", ".")
    if dashed(code) != name:
        raise Refused("schema", f"{name[:40]!a} is not a unit in lower case with dashes, like h41-12-03")
    return parse_unit_code(code)


def database_name(code: str) -> str:
    """Return the database that holds the unit's events: "u-h41-12-03"."""
    return "u-" + dashed(code)


def files_database_name(code: str) -> str:
    """Return the database that holds the unit's manifests and chunks: "f-h41-12-03"."""
    return "f-" + dashed(code)


def unit_of_database(name: str) -> UnitCode | None:
    """Return the unit whose events or files the database holds; None for any other database. Never raises."""
    if name[:2] not in ("u-", "f-"):
        return None
    return _unit_or_none(name[2:])


def unit_stream(code: str) -> str:
    """Return the stream of the unit's own affairs (roles, enrolments, its description): "unit.h41-12-03"."""
    return "unit." + dashed(code)


def node_urn(code: str) -> str:
    """Return the actor URN of the unit's node: "urn:tram:node:h41-12-03"."""
    return NODE_URN + dashed(code)


def unit_of_node(actor: str) -> UnitCode | None:
    """Return the unit of a node's URN; None if `actor` is not a node of a unit. Never raises."""
    return _unit_or_none(actor[len(NODE_URN) :]) if actor.startswith(NODE_URN) else None


def is_subject_urn(actor: str) -> bool:
    """Say whether `actor` is a person's URN: urn:tram:subject: and 32 lower-case hexadecimal digits."""
    return bool(_SUBJECT.fullmatch(actor))


def is_actor(actor: str) -> bool:
    """Say whether `actor` is the URN of a person or of a unit's node."""
    return is_subject_urn(actor) or unit_of_node(actor) is not None


def parent_of(code: str) -> UnitCode | None:
    """Return the unit directly above by its code, None at the root.

    "H41.12.03" → "H41.12"; "000.00.12.H41" → "000.00.00.H41".
    """
    above, _, last = code.rpartition(".")
    if not above:
        return None
    if not last[0].isdigit():  # province last: the nearest level that is filled becomes zeros
        levels = above.split(".")
        for i, level in enumerate(levels):
            if level.strip("0"):
                levels[i] = "0" * len(level)
                return UnitCode(".".join([*levels, last]))
        return None
    return UnitCode(above)


def path_of(code: str) -> tuple[UnitCode, ...]:
    """Return the unit and all above it, nearest first: ("H41.12.03", "H41.12", "H41")."""
    path = [UnitCode(code)]
    while (above := parent_of(path[-1])) is not None:
        path.append(above)
    return tuple(path)


def is_within(unit: str, ancestor: str) -> bool:
    """Say whether `unit` is `ancestor` or lies below it, by their codes. Never raises."""
    if unit == ancestor or unit.startswith(ancestor + "."):
        return True
    return ancestor[:1].isdigit() and ancestor in path_of(unit)


def _unit_or_none(name: str) -> UnitCode | None:
    code = name.upper().replace("-", ".")
    return UnitCode(code) if dashed(code) == name and is_unit_code(code) else None
