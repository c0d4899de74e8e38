"""A line that goes after so many documents, and a database at its other end."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from replication.errors import LinkCut
from replication.peers import LocalPeer
from replication.peers.peer import Outgoing, WriteAnswer
from replication.store import Database


class Line:
    """One connection. After `documents` have gone through it is dead, in the middle of a batch if that falls there."""

    def __init__(self, documents: int | None = None) -> None:
        self._left = documents
        self.dead = threading.Event()

    def take(self, documents: int) -> int:
        """Return how many of so many documents get through."""
        if self._left is None:
            return documents
        through = min(documents, self._left)
        self._left -= through
        if through < documents:
            self.dead.set()
        return through


class FarPeer(LocalPeer):
    """A neighbour's database at the other end of a line."""

    def __init__(self, database: Database, uuid: str, line: Line) -> None:
        super().__init__(database, uuid)
        self._line = line

    def _bulk_docs(self, docs: Sequence[Outgoing]) -> WriteAnswer:
        through = self._line.take(len(docs))
        answer = super()._bulk_docs(docs[:through])
        if through < len(docs):
            raise LinkCut("the line is down")
        return answer
