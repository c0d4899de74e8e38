"""The catalogue a node works by: the procedures and calendars published in its registry, the newest of each."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from crypto import jcs
from crypto.hashing import sha256_id
from server.dossier.calendar import Calendar, build_calendar, parse_year
from server.dossier.event import StoredEvent
from server.dossier.order import arrange
from server.dossier.procedure import Procedure, parse_procedure


@dataclass(frozen=True)
class Catalogue:
    """`sources` are the document ids it was read from; `bodies` the procedures as published, by code."""

    sources: tuple[str, ...]
    bodies: Mapping[str, Mapping[str, Any]]
    calendar: Calendar

    @cached_property
    def version(self) -> str:
        """A hash of everything in it: the entity tag of the API."""
        return sha256_id("\n".join(sorted(self.sources)).encode()).removeprefix("sha256-")[:22]

    @cached_property
    def json(self) -> bytes:
        """`{"version", "procedures"}` as the API gives it, procedures by code."""
        return jcs.canonical(
            {"version": self.version, "procedures": [self.bodies[code] for code in sorted(self.bodies)]}
        )

    @cached_property
    def gzipped(self) -> bytes:
        """`json`, compressed once."""
        return gzip.compress(self.json, 9, mtime=0)

    @cached_property
    def _procedures(self) -> dict[str, Procedure]:
        return {}

    def procedure(self, code: str) -> Procedure | None:
        """Return a procedure by its code, None if it is not published."""
        if code not in self._procedures and code in self.bodies:
            self._procedures[code] = parse_procedure(dict(self.bodies[code]))
        return self._procedures.get(code)


def read_catalogue(events: Iterable[StoredEvent], sources: tuple[str, ...]) -> Catalogue:
    """Return the catalogue of `procedure.published` and `calendar.published` events: the last of each stream counts."""
    by_stream: dict[str, list[StoredEvent]] = {}
    for stored in events:
        by_stream.setdefault(stored.event.stream, []).append(stored)
    newest = [arrange(stream).events[-1].event for stream in by_stream.values()]
    bodies = {event.body["code"]: event.body for event in newest if event.type == "procedure.published"}
    years = [parse_year(dict(event.body)) for event in newest if event.type == "calendar.published"]
    return Catalogue(sources, bodies, build_calendar(years))
