"""The README of an export: what it holds and how to check it with nothing of ours. Vietnamese first, English beside it.

The text is in readme.md, in sections; its fenced blocks are the commands, and `tests/server/export` runs exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Literal

_NAME = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)


Kind = Literal["dossier", "erasure", "stopped"]


@dataclass(frozen=True, slots=True)
class Contents:
    """What the README has to say about one export.

    `dated` are the numbers of the signatures whose chain was valid when the node first held them; `checkable` those
    whose chain is valid, covered by the lists and revoked by none at `made`; `doubtful` whatever is not both.
    """

    kind: Kind
    made: datetime
    dated: Sequence[str]
    checkable: Sequence[str]
    doubtful: Sequence[str]
    proofs: Sequence[str]


def build_readme(contents: Contents) -> str:
    """Return the text of README.md."""
    section = _sections()
    made = contents.made.strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [section[f"{contents.kind}_head"].replace("@MADE@", made), section["checks"]]
    if contents.dated:
        parts.append(section["paths"].replace("@PATHS@", " ".join(contents.dated)))
    if contents.checkable:
        numbers, at = " ".join(contents.checkable), str(int(contents.made.timestamp()))
        parts.append(section["revocation"].replace("@NUMBERS@", numbers).replace("@AT@", at))
    if contents.doubtful:
        parts.append(section["doubtful"].replace("@NUMBERS@", ", ".join(contents.doubtful)))
    parts.append(section["jose"])
    parts += contents.proofs
    return "".join(parts) + section["seal"]


def section(name: str) -> str:
    """Return a section of readme.md, Vietnamese and English, its commands included."""
    return _sections()[name]


def _sections() -> dict[str, str]:
    """Return the sections of readme.md, each introduced by a comment with its name."""
    text = files("server.export").joinpath("readme.md").read_text(encoding="utf-8")
    names, bodies = _NAME.findall(text), _NAME.split(text)[2::2]
    return dict(zip(names, bodies, strict=True))
