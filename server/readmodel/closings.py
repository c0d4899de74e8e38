"""Closed dossiers by the day they closed: what retention is counted from.

A rule about retention speaks of a procedure and of days, so dossiers are counted by both, and fetched by days. Counting
reads every closed dossier, so it is done once for each state of the tables.
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


class Closings:
    """Reads the tables; answers are as of the follower's last commit."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._counted: tuple[tuple[object, ...], tuple[Closing, ...]] | None = None

    def days(self, unit: str, statuses: Sequence[int]) -> tuple[Closing, ...]:
        """Return how many dossiers of exactly this unit closed when, by day and procedure."""
        # Every change takes the next number; a dossier that is forgotten leaves one less.
        state = self._tables.row(
            "SELECT birth, (SELECT max(updates) FROM dossiers), (SELECT count(*) FROM dossiers) FROM meta"
        )
        key = (unit, *statuses, *(state or ()))
        if self._counted is None or self._counted[0] != key:
            rows = self._tables.rows(
                f"SELECT {_DAY} AS day, d.procedure, count(*) FROM dossiers d WHERE d.unit = ?"  # noqa: S608 - our names
                " AND d.status IN (SELECT value FROM json_each(?)) GROUP BY d.procedure, day ORDER BY day, d.procedure",
                (unit, json.dumps(list(statuses))),
            )
            self._counted = key, tuple(Closing(row[1], row[0], row[2]) for row in rows)
        return self._counted[1]

    def dossiers(
        self, unit: str, statuses: Sequence[int], first: str, last: str, but: Sequence[str]
    ) -> tuple[DossierRow, ...]:
        """Return those that closed on the days from `first` to `last`, longest closed first, without the streams in
        `but`."""
        rows = self._tables.rows(
            f"SELECT {_COLUMNS} FROM dossiers d WHERE d.unit = ?"  # noqa: S608 - names of ours
            " AND d.status IN (SELECT value FROM json_each(?)) AND d.updated_at BETWEEN ? AND ?"
            " AND d.stream NOT IN (SELECT value FROM json_each(?)) ORDER BY d.updated_at, d.stream",
            (unit, json.dumps(list(statuses)), first, f"{last}~", json.dumps(list(but))),
        )
        return tuple(DossierRow(**(dict(row) | {"received": bool(row["received"])})) for row in rows)
