"""Which documents a node has erased, events and files alike: asked by whoever compares its store with another.

A store that was left behind (`tram migrate`) still holds what was erased since. That is no document which the present
store lost, and it must not keep the old one from being removed.
"""

from __future__ import annotations

from collections.abc import Sequence

from replication.document import DocId
from server.erasure import executor
from server.intake.erased import Erased
from server.nodedb import NodeDb

_AT_ONCE = 500  # question marks in a statement


class Traces:
    """What one node's `node.db` remembers of erasures carried out there."""

    def __init__(self, db: NodeDb) -> None:
        self._db = db
        self._events = Erased(db)
        db.ensure(executor.SCHEMA)

    def among(self, database: str, ids: Sequence[DocId]) -> set[DocId]:
        """Return those of some documents of a database that were erased."""
        return {DocId(each) for each in self._events.among(database, ids)} | self._files(database, ids)

    def _files(self, database: str, ids: Sequence[DocId]) -> set[DocId]:
        found: set[DocId] = set()
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT doc_id FROM erased_files WHERE database = ? AND doc_id IN ({marks})"  # noqa: S608 - marks
            found |= {DocId(row["doc_id"]) for row in self._db.rows(sql, (database, *some))}
        return found
