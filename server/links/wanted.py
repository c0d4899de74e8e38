"""The order on a link: what goes ahead of a feed because somebody waits for it (`pairing.Wanted`).

    events     of dossiers put to the front
    previews   all of them: of dossiers at the front, of those that await a decision (newest first), of the others
    files      of dossiers at the front, then of those that await a decision, newest first

Everything else goes in the order of the feed. Ids that were named and did not come are left to the feed; what is
missing here and was asked for is not asked for again for a while: each question costs bytes on a weak line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from replication.document import DocId, Seq
from replication.store import Database
from server.dossier.documents import FILE_PREFIX
from server.dossier.units import unit_of_database
from server.filestore import FileStore
from server.links.firsts import Firsts
from server.readmodel.waiting import WaitedFile, Waiting

MOST_IDS = 400  # the replicator takes 500 at once
MOST_ROWS = 5000  # of the feed behind the acknowledged place: who has more to send has more than names can order
MOST_PAPERS = 40  # photographs ordered at once, some twelve megabytes
ASK_AGAIN_S = 600.0


class WantedFirst:
    """The order at one node. Called in the threads of its links."""

    def __init__(
        self, waiting: Waiting, files: FileStore, firsts: Firsts, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._waiting = waiting
        self._files = files
        self._firsts = firsts
        self._monotonic = monotonic
        self._asked: dict[DocId, float] = {}

    def to_send(self, database: Database, since: Seq, *, previews_only: bool) -> Sequence[DocId]:
        """Return documents of ours behind `since`, most wanted first."""
        page = database.changes(since, limit=MOST_ROWS)
        unsent = {row.id for row in page.rows}
        if not unsent:
            return []
        firsts = [first.stream for first in self._firsts.all()]
        ids = self._files_here(database.name, firsts, previews_only) if database.name.startswith("f-") else (
            doc_id for stream in firsts for doc_id in self._waiting.event_ids(stream, database.name)
        )  # fmt: skip
        return list(islice((DocId(each) for each in dict.fromkeys(ids) if each in unsent), MOST_IDS))

    def to_fetch(self, database: str, *, previews_only: bool) -> Sequence[DocId]:
        """Return documents missing here, most wanted first, that were not asked for in the last ten minutes."""
        firsts = [first.stream for first in self._firsts.all()]
        files = self._waiting.files(database, here=False, firsts=firsts, previews_only=previews_only)
        ids = (DocId(each) for file in files for each in self._missing_of(database, file))
        now = self._monotonic()
        self._asked = {doc_id: at for doc_id, at in self._asked.items() if now - at < ASK_AGAIN_S}
        fresh = list(islice((each for each in dict.fromkeys(ids) if each not in self._asked), MOST_IDS))
        self._asked.update(dict.fromkeys(fresh, now))
        return fresh

    def unsent_of(self, stream: str, database: Database, since: Seq) -> int:
        """Return how many documents of a dossier are not acknowledged on a link that has got to `since`."""
        unsent = {row.id for row in database.changes(since, limit=MOST_ROWS).rows}
        if database.name.startswith("f-"):
            files = self._waiting.files(database.name, here=True, firsts=[stream], limit=MOST_PAPERS)
            ids = {each for file in files if file.stream == stream for each in self._ids_of(database.name, file)}
        else:
            ids = set(self._waiting.event_ids(stream, database.name))
        return len(ids & unsent)

    def _files_here(self, database: str, firsts: Sequence[str], previews_only: bool) -> Iterator[str]:
        papers = 0
        for file in self._waiting.files(database, here=True, firsts=firsts, previews_only=previews_only):
            papers += not file.is_preview
            if papers > MOST_PAPERS:
                return
            yield from self._ids_of(database, file)

    def _ids_of(self, database: str, file: WaitedFile) -> list[str]:
        """Return the documents of a file that is here: chunks, then the manifest."""
        if file.is_preview:
            return [file.sha256, FILE_PREFIX + file.manifest]
        unit = unit_of_database(database)
        manifest = self._files.manifest(unit, file.manifest) if unit else None
        return [*manifest.chunks, FILE_PREFIX + file.manifest] if manifest else []

    def _missing_of(self, database: str, file: WaitedFile) -> list[str]:
        if file.is_preview:
            return [file.sha256, FILE_PREFIX + file.manifest]
        if not file.has_manifest:
            return [FILE_PREFIX + file.manifest]
        return self._waiting.awaited_chunks(database, file.manifest)
