"""Sticks in shirt pockets: bundles written at one node, carried for a while, sometimes hurt, read at another."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

_LEAST = 64


@dataclass(frozen=True)
class Stick:
    """A stick on its way from one unit to another."""

    path: Path
    source: str
    target: str


def harm(path: Path, dice: random.Random) -> str:
    """Do to the files on a stick what pockets, rain and curious people do; return what was done."""
    parts = sorted(each for each in path.rglob("*.tram") if each.is_file())
    if not parts:
        return "nothing on it"
    part = dice.choice(parts)
    data = bytearray(part.read_bytes())
    if len(data) < _LEAST:
        return "there was little left of it"
    kind = dice.choice(["truncated", "bit flipped", "two places swapped", "doubled under another name", "emptied"])
    if kind == "truncated":
        part.write_bytes(data[: dice.randrange(len(data))])
    elif kind == "bit flipped":
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        part.write_bytes(data)
    elif kind == "two places swapped":
        size = min(4096, len(data) // 3)
        one, other = dice.randrange(len(data) // 2 - size + 1), dice.randrange(len(data) // 2, len(data) - size + 1)
        data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]
        part.write_bytes(data)
    elif kind == "doubled under another name":
        shutil.copyfile(part, part.with_name("000-" + part.name))
    else:
        part.write_bytes(b"")
    return kind
