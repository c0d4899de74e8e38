"""Publishing the log: its leaves as pages in the unit's own database, from where they travel to every tier above.

Until a page came, the units above know of an event's time what its author claims. So a page is cut when 32 leaves
wait, when nothing was taken for an hour, or when the oldest leaf has waited for half a day; of many leaves at once, as
after a day without power, 256 go into a page. It costs some 400 bytes beside its entries: docs/benchmarks.md has what
that makes in a day. Pages end on whole multiples of 32 leaves where possible, because then the edge is short.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from replication.document import Doc
from server.clocks.clock import NodeClock
from server.errors import Refused
from server.intake.door import Intake
from server.intake.source import Source
from server.log.log import Head, NodeLog
from server.log.pages import build_page
from server.nodedb import NodeDb
from server.pki.credentials import CredentialCopier

PAGE_LEAVES = 256
ALIGNED = 32
QUIET_FOR = timedelta(hours=1)
PUBLISH_AFTER = timedelta(hours=12)  # where events trickle in, never an hour apart and too few to fill a page
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
        aligned = head.size - head.size % ALIGNED
        if aligned > start:
            return aligned
        tree, now = self._log.tree(head.generation), int(self._clock.now().timestamp())
        [oldest], [newest] = tree.leaves(start, start + 1), tree.leaves(head.size - 1, head.size)
        is_quiet = now - newest.received >= QUIET_FOR.total_seconds()
        return head.size if is_quiet or now - oldest.received >= PUBLISH_AFTER.total_seconds() else start

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
