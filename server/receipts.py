"""Receipts: the node's signed word that it holds every byte of what somebody filed.

A receipt is issued by the node of the unit that owns the dossier, once every manifest and chunk of the filing is in its
store and the whole of each file has the hash the event names. Other tiers check the same and say nothing.

The receipt itself is the only record that it was issued: before issuing, the stream is read from the store again, under
one lock. So a crash before the commit leaves nothing behind, a crash after it a receipt that is found at the next
look, and there is always a next look: when the node starts, and whenever the dossier or one of its files changes.

A CouchDB cluster lists a stream from one copy of three, and that copy may be the one that was down. So a receipt, once
signed, is remembered until the read model has seen it: what is offered to the store again is the same document.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from replication.document import Doc
from replication.store import AllDocsQuery, Store
from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.event import StoredEvent
from server.dossier.fold import fold
from server.errands import Errand, for_each
from server.errors import Missing, Refused
from server.filestore import FileStore
from server.intake.door import Intake
from server.intake.source import Source
from server.readmodel.documents import read_events
from server.readmodel.model import ReadModel
from server.signing import NodeSigner

_LOG = logging.getLogger(__name__)
LOOK_EVERY_S = 30.0  # for what another process stored


class Receipts:
    """Issues receipts for the dossiers of one unit. `consider` may be called from any thread."""

    def __init__(
        self,
        *,
        signer: NodeSigner,
        store: Store,
        files: FileStore,
        intake: Intake,
        model: ReadModel,
        clock: NodeClock,
        is_waiting: Callable[[], bool],
    ) -> None:
        """`is_waiting`: whether the node may have forgotten what it said, and says nothing until that is settled."""
        self._signer = signer
        self._store = store
        self._files = files
        self._intake = intake
        self._model = model
        self._clock = clock
        self._is_waiting = is_waiting
        self._issuing = threading.Lock()
        self._signed: dict[str, Doc] = {}  # by filing, until the read model holds the receipt
        self.errand = Errand("receipts", self._look, every_s=LOOK_EVERY_S)

    def notice(self, streams: set[str]) -> None:
        """Say that dossiers changed (a `Listener` of the follower)."""
        self.errand.notice(*streams)

    def consider(self, stream: str) -> list[str]:
        """Issue what receipts the stream is owed and can have. Returns the ids of the filings receipted.

        A node whose clock stands before a time it has vouched for issues none, nor one whose log waits: what was put
        back from a backup may have issued this very receipt, and forgotten it.
        """
        row = self._model.queries.dossier(stream)
        if row is None or row.unit != self._signer.unit:
            return []
        if not row.unreceipted:
            self._forget(stream)
            return []
        if self._clock.is_behind():
            _LOG.error("no receipts: the system's clock stands before a time this node has signed; set the clock")
            return []
        if self._is_waiting():
            return []
        with self._issuing:
            return self._issue(stream)

    def _issue(self, stream: str) -> list[str]:
        database = units.database_name(self._signer.unit)
        events = self._events(database, stream)
        grants, proofs = self._model.grants(database), self._model.proofs(stream, database)
        dossier = fold(events, grants, proofs)
        issued: list[str] = []
        by_id = {stored.id: stored for stored in events}
        for of in dossier.unreceipted:
            filing = by_id[of]
            if not self._is_whole(filing):
                continue
            doc = self._signed.get(of)
            if doc is None:
                doc = self._signed[of] = self._sign(filing, dossier.heads)
            result = self._intake.admit(database, [doc], source=Source("local", self._signer.urn))[0]
            if result.error is not None:
                if result.error.status < 500:  # refused for what it says: the next one may say it better
                    del self._signed[of]
                raise result.error
            issued.append(of)
            dossier = fold([*self._events(database, stream)], grants, proofs)
        return issued

    def _sign(self, filing: StoredEvent, heads: Sequence[str]) -> Doc:
        return self._signer.sign(
            stream=filing.event.stream,
            type="receipt.issued",
            at=self._clock.now(),
            prev=heads,
            body={
                "of": filing.id,
                "files": sorted({file.sha256 for file in filing.event.files}),
                "bytes": sum(file.size for file in filing.event.files),
            },
        )

    def _forget(self, stream: str) -> None:
        with self._issuing:
            for of in [of for of, doc in self._signed.items() if doc.id.startswith(stream + ":")]:
                del self._signed[of]

    def _events(self, database: str, stream: str) -> list[StoredEvent]:
        """Read the stream from the store: the read model may not have seen the newest receipt.

        What the read model has seen is asked for by name, because the range may come from a copy that is behind.
        """
        opened = self._store.open(database)
        rows = opened.all_docs(AllDocsQuery(start=stream + ":", end=stream + ";", inclusive_end=False)).rows
        known = self._model.queries.event_ids(stream).get(database, [])
        ids = dict.fromkeys([*(str(row.id) for row in rows), *known])
        return [held.stored for held in read_events(opened, list(ids))]

    def _is_whole(self, filing: StoredEvent) -> bool:
        """Say whether every file the event names is here, whole, with the hash and size it names."""
        for file in filing.event.files:
            presence = self._files.presence(filing.event.unit, file.manifest)
            manifest = presence.manifest
            if manifest is None or presence.missing:
                return False
            if manifest.sha256 != file.sha256 or manifest.size != file.size:
                _LOG.warning("%s names a file and a manifest that do not belong together; no receipt", filing.id)
                return False
            try:
                self._files.verify(filing.event.unit, manifest)
            except (Missing, Refused) as exc:
                _LOG.warning("no receipt for %s: %s", filing.id, exc)
                return False
        return True

    def _look(self, told: Sequence[str]) -> None:
        """Consider what changed, or everything that lacks a receipt: another process may have stored the last of it."""
        for_each(told or self._model.queries.awaiting_receipt(self._signer.unit), self.consider)
