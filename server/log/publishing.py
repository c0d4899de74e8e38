"""Publishing the log: its leaves as pages in the unit's own database, from where they travel to every tier above.

A page costs some 400 bytes beside its entries, so pages are cut at 256 leaves, or when the oldest unpublished leaf is
half a day old; and on whole multiples of 32 leaves where that is possible, because then the edge is short.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from replication.document import Doc
from server.errors import Refused
from server.intake.door import Intake
from server.intake.source import Source
from server.log.log import Head, NodeLog
from server.log.pages import build_page
from server.node.clock import NodeClock
from server.nodedb import NodeDb
from server.pki.credentials import CredentialCopier

PAGE_LEAVES = 256
ALIGNED = 32
PUBLISH_AFTER = timedelta(hours=12)
_AT_ONCE = 50


class Publisher:
    """Publishes one node's log into `database`, the unit's own."""

    def __init__(
        self, *, log: NodeLog, db: NodeDb, intake: Intake, copier: CredentialCopier, clock: NodeClock, database: str
    ) -> None:
        self._log = log
        self._db = db
        self._intake = intake
        self._copier = copier
        self._clock = clock
        self._database = database
        self._turn = threading.Lock()

    def publish(self, *, everything: bool = False) -> int:
        """Store the pages that are due, or all that can be made. Returns how many leaves they brought.

        Without a certificate for the log's key nobody could check a page, so there is none.
        """
        if self._log.key.certificate is None:
            return 0
        with self._turn:
            return sum(self._publish(head, everything) for head in self._log.heads())

    def _publish(self, head: Head, everything: bool) -> int:
        start = first = self._published(head.generation)
        while start < head.size:
            docs: list[Doc] = []
            while start < head.size and len(docs) < _AT_ONCE:
                end = self._end(head, start, everything)
                if end == start:
                    break
                docs.append(self._page(head.generation, start, end))
                start = end
            if not docs:
                break
            self._store(docs)
            with self._db.transaction() as connection:
                connection.execute("UPDATE logs SET published = ? WHERE generation = ?", (start, head.generation))
        return start - first

    def _end(self, head: Head, start: int, everything: bool) -> int:
        """Return where the page from `start` ends; `start` if none is due."""
        full = start - start % PAGE_LEAVES + PAGE_LEAVES
        if full <= head.size:
            return full
        if everything or head.state == "frozen":
            return head.size
        oldest = self._log.tree(head.generation).leaves(start, start + 1)[0].received
        if self._clock.now() - datetime.fromtimestamp(oldest, self._clock.now().tzinfo) < PUBLISH_AFTER:
            return start
        aligned = head.size - head.size % ALIGNED
        return aligned if aligned > start else head.size

    def _page(self, generation: int, start: int, end: int) -> Doc:
        tree, key = self._log.tree(generation), self._log.key
        note = self._log.checkpoint(generation, end)
        return build_page(fingerprint=key.fingerprint, edge=tree.edge(start), leaves=tree.leaves(start, end), note=note)

    def _store(self, docs: list[Doc]) -> None:
        certificate = self._log.key.certificate
        assert certificate is not None  # `publish` looked
        self._copier.ensure_certificate(self._database, certificate)
        for result in self._intake.admit(self._database, docs, source=Source("local", self._log.unit)):
            if result.error is not None:
                raise Refused("bad_signature", f"{result.id}: {result.error.reason}")

    def _published(self, generation: int) -> int:
        row = self._db.row("SELECT published FROM logs WHERE generation = ?", (generation,))
        return int(row["published"]) if row else 0
