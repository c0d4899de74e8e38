"""Where a document came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Source:
    """Who brought a document: a "peer" node, a "person" (phone or desk), this node itself ("local"), a USB "bundle".

    `name` is the URN of the peer or person, or the bundle's id. For a "person", only their own events are taken.
    """

    kind: Literal["peer", "person", "local", "bundle"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
