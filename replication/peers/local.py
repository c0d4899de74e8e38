"""A database of this process as a peer: every call happens on the spot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from replication.document import Doc, DocId, Rev, Seq
from replication.errors import NotFound, StoreError
from replication.peers.bodies import Body
from replication.peers.endpoint import Endpoint
from replication.peers.peer import FeedAnswer, JsonObject, Outgoing, ReadAnswer, Refusal, Summary, WriteAnswer
from replication.peers.pending import Done, Pending, T
from replication.store import Database, GetRequest, MissingRev, RevsDiff, Store

# Errors of the store's state, not of the document: the same document may be stored later.
TRANSIENT_STATUS = 500
WAIT_SLICE_S = 0.5


def _done(action: Callable[[], T]) -> Pending[T]:
    return Done(action, (StoreError,))


class LocalPeer:
    """`uuid` is the store's, as `LocalPeer.in_store` finds it."""

    def __init__(self, database: Database, uuid: str) -> None:
        self._database = database
        self._uuid = uuid

    @classmethod
    def in_store(cls, store: Store, name: str, *, create: bool = False) -> LocalPeer:
        """Return the peer of a store's database. Raises `NotFound` unless it is there or `create` is set."""
        try:
            database = store.open(name)
        except NotFound:
            if not create:
                raise
            database = store.create(name)
        return cls(database, store.uuid)

    @property
    def label(self) -> str:
        return f"this machine's {self._database.name}"

    @property
    def name(self) -> str:
        return self._database.name

    @property
    def endpoint(self) -> Endpoint | None:
        return None

    def identity(self) -> Pending[str]:
        return _done(lambda: self._uuid)

    def summary(self) -> Pending[Summary]:
        return _done(self._summary)

    def _summary(self) -> Summary:
        info = self._database.info()
        return Summary(info.doc_count + info.doc_del_count, info.update_seq)

    def create(self) -> Pending[None]:
        return _done(lambda: None)  # it was open when this peer was made

    def feed(self, since: Seq, limit: int, *, docs: bool) -> Pending[FeedAnswer]:
        # A document costs no round trip here: it is read when it is needed.
        return _done(lambda: FeedAnswer(self._database.changes(since, limit=limit)))

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> Pending[dict[DocId, RevsDiff]]:
        return _done(lambda: self._database.revs_diff(wanted))

    def bulk_get(self, requests: Sequence[GetRequest]) -> Pending[ReadAnswer]:
        return _done(lambda: ReadAnswer(self._bulk_get(requests)))

    def _bulk_get(self, requests: Sequence[GetRequest]) -> list[list[Doc | MissingRev]]:
        # All bytes or all but what the ancestors have: the store answers one kind at a time.
        whole = [index for index, request in enumerate(requests) if not request.atts_since]
        newer = [index for index, request in enumerate(requests) if request.atts_since]
        results: list[list[Doc | MissingRev]] = [[] for _ in requests]
        for indexes, attachments in ((whole, True), (newer, False)):
            rows = [requests[index] for index in indexes]
            answers = self._database.bulk_get(rows, latest=True, attachments=attachments) if rows else []
            for index, answer in zip(indexes, answers, strict=True):
                results[index] = answer
        return results

    def bulk_docs(self, docs: Sequence[Outgoing], body: Body | None = None) -> Pending[WriteAnswer]:
        return _done(lambda: self._bulk_docs(docs))

    def _bulk_docs(self, docs: Sequence[Outgoing]) -> WriteAnswer:
        results = self._database.bulk_docs([out.doc for out in docs], new_edits=False)
        refusals = [
            Refusal(
                result.id, out.doc.rev, result.error.error, result.error.reason, result.error.status >= TRANSIENT_STATUS
            )
            for out, result in zip(docs, results, strict=True)
            if result.error is not None
        ]
        size = sum(out.size for out in docs)
        return WriteAnswer(tuple(refusals), size)

    def get_local(self, local_id: str) -> Pending[JsonObject | None]:
        return _done(lambda: self._get_local(local_id))

    def _get_local(self, local_id: str) -> JsonObject | None:
        try:
            body = orjson.loads(self._database.get_local(local_id).body)
        except NotFound:
            return None
        return body if isinstance(body, dict) else None

    def put_local(self, local_id: str, body: JsonObject) -> Pending[None]:
        def put() -> None:
            self._database.put_local(local_id, orjson.dumps(body))

        return _done(put)

    def wait_for_change(self, since: Seq, timeout_s: float, stop: threading.Event) -> bool:
        until = time.monotonic() + timeout_s
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._database.wait_for_change(since, min(left, WAIT_SLICE_S)):
                return True
        return False
