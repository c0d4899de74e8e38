"""Which files are waited for, most wanted first: of dossiers put to the front, then of those that await a decision,
newest first, then of all others. Reads the read model alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.dossier import states
from server.readmodel.tables import Tables

AWAITING = (states.NEW, states.RECEIVED, states.PROCESSING, states.WAITING_FEE, states.WAITING_PAPERS)


@dataclass(frozen=True, slots=True)
class WaitedFile:
    """A file a dossier names. `is_preview`: it fits into one chunk, whose id is the file's own `sha256`."""

    stream: str
    manifest: str
    sha256: str
    is_preview: bool
    has_manifest: bool


# Marks and names of this module alone are put into the text; what comes from outside goes in as arguments.
_SQL = """
SELECT r.stream, r.manifest, r.sha256, r.preview_of <> '' AS is_preview, m.manifest IS NOT NULL AS has_manifest
FROM file_refs r {index} JOIN dossiers d USING (stream)
LEFT JOIN manifests m ON m.database = r.database AND m.manifest = r.manifest
WHERE r.database = :database AND r.whole = {here:d} AND (r.preview_of <> '') >= :previews_only
ORDER BY r.preview_of = '', {first}, d.status IN ({awaiting}) DESC, d.updates DESC
LIMIT :limit
"""


def build_query(*, here: bool, firsts: int = 0) -> str:
    """Return the query for files that are here whole, or are not; `firsts` counts the dossiers put to the front."""
    cases = " ".join(f"WHEN :first{i} THEN {i}" for i in range(firsts))
    return _SQL.format(
        first=f"CASE r.stream {cases} ELSE {firsts} END" if firsts else "NULL",  # a number there would be a column
        awaiting=", ".join(map(str, AWAITING)),
        here=here,
        # What is not here is little in a home of many years, and has an index of its own.
        index="" if here else "INDEXED BY file_refs_missing",
    )


class Waiting:
    """Asks the tables; answers are as of the follower's last commit."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def files(
        self, database: str, *, here: bool, firsts: Sequence[str] = (), previews_only: bool = False, limit: int = 200
    ) -> list[WaitedFile]:
        """Return files of a database, those that are here whole or those that are not, previews before papers."""
        arguments = {f"first{i}": stream for i, stream in enumerate(firsts)}
        rows = self._tables.rows(
            build_query(here=here, firsts=len(firsts)),
            {"database": database, "previews_only": previews_only, "limit": limit, **arguments},
        )
        return [WaitedFile(r[0], r[1], r[2], bool(r[3]), bool(r[4])) for r in rows]

    def awaited_chunks(self, database: str, manifest: str) -> list[str]:
        """Return the chunks of a file that are not here."""
        rows = self._tables.rows("SELECT chunk FROM awaited WHERE database = ? AND manifest = ?", (database, manifest))
        return [row[0] for row in rows]

    def event_ids(self, stream: str, database: str) -> list[str]:
        """Return the document ids of a dossier's events in one database, oldest first."""
        rows = self._tables.rows(
            "SELECT doc_id FROM events WHERE stream = ? AND database = ? ORDER BY at, doc_id", (stream, database)
        )
        return [row[0] for row in rows]
