"""Closed dossiers by the day they closed: what retention is counted from.

A rule about retention speaks of a procedure and of days, so dossiers are counted by both, and fetched by spans of days.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

from server.readmodel.queries import DossierRow
from server.readmodel.tables import Tables

_COLUMNS = ", ".join(f"d.{column.name}" for column in fields(DossierRow))
_DAY = "substr(d.updated_at, 1, 10)"


@dataclass(frozen=True, slots=True)
class Closing:
    """How many dossiers of a procedure closed on a day, "2026-11-21" (UTC)."""

    procedure: str
    day: str
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """Days of a procedure, both ends included."""

    procedure: str
    first: str
    last: str


class Closings:
    """Reads the tables; answers are as of the follower's last commit."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def days(self, unit: str, statuses: Sequence[int]) -> tuple[Closing, ...]:
        """Return how many dossiers of exactly this unit closed when, by procedure and day."""
        rows = self._tables.rows(
            f"SELECT d.procedure, {_DAY}, count(*) FROM dossiers d WHERE d.unit = ?"  # noqa: S608 - a name of ours
            " AND d.status IN (SELECT value FROM json_each(?)) GROUP BY 1, 2 ORDER BY 1, 2",
            (unit, json.dumps(list(statuses))),
        )
        return tuple(Closing(row[0], row[1], row[2]) for row in rows)

    def dossiers(
        self, unit: str, statuses: Sequence[int], spans: Sequence[Span], but: Sequence[str], *, limit: int, offset: int
    ) -> tuple[DossierRow, ...]:
        """Return those of `spans`, longest closed first, without the streams in `but`."""
        wanted = json.dumps([[each.procedure, each.first, each.last] for each in spans])
        rows = self._tables.rows(
            f"SELECT {_COLUMNS} FROM dossiers d JOIN json_each(?) s"  # noqa: S608 - names of ours
            " ON d.procedure = json_extract(s.value, '$[0]')"
            f" AND {_DAY} BETWEEN json_extract(s.value, '$[1]') AND json_extract(s.value, '$[2]')"
            " WHERE d.unit = ? AND d.status IN (SELECT value FROM json_each(?))"
            " AND d.stream NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY d.updated_at, d.stream LIMIT ? OFFSET ?",
            (wanted, unit, json.dumps(list(statuses)), json.dumps(list(but)), limit, offset),
        )
        return tuple(DossierRow(**(dict(row) | {"received": bool(row["received"])})) for row in rows)
