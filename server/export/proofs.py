"""What else can prove something about an event: time-stamps, the log's proofs. Whoever keeps such offers them here.

A source says which files it has about one event; the export writes them under names it makes itself and describes
them with the source's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ProofSource(Protocol):
    """A kind of proof. `folder` is a name of small letters; `about` is a section of the README: for people, in
    Vietnamese and English, what it is and how to check it, with commands that need nothing of ours."""

    @property
    def folder(self) -> str: ...
    @property
    def about(self) -> str: ...
    def files(self, database: str, event_id: str) -> Mapping[str, bytes]:
        """Return the files about an event, by their ending such as "tsr"; empty if there is none."""
        ...

    def unsigned(self, database: str, event_id: str) -> list[str]:
        """Return the elements of `etsiU` (base64url JSON, ETSI TS 119 182-1 §5.3) for an event's signature."""
        ...
