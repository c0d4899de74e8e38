"""A database that hands every call on to another: the base of those that change one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Unpack

from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.store import (
    ZERO,
    AllDocsPage,
    AllDocsQuery,
    BulkReadOptions,
    ChangesPage,
    Database,
    DatabaseInfo,
    FeedOptions,
    GetRequest,
    JsonObject,
    LocalDoc,
    MissingRev,
    PurgeResult,
    ReadOptions,
    RevInfo,
    RevsDiff,
    WriteResult,
)


class PassingDatabase:
    """`replication.store.Database`, each call answered by `inner`."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    def info(self) -> DatabaseInfo:
        return self._inner.info()

    def get(self, doc_id: DocId, rev: Rev | None = None, **options: Unpack[ReadOptions]) -> Doc:
        return self._inner.get(doc_id, rev, **options)

    def open_revs(
        self, doc_id: DocId, revs: Sequence[Rev] | None, **options: Unpack[ReadOptions]
    ) -> list[Doc | MissingRev]:
        return self._inner.open_revs(doc_id, revs, **options)

    def bulk_get(
        self, requests: Sequence[GetRequest], **options: Unpack[BulkReadOptions]
    ) -> list[list[Doc | MissingRev]]:
        return self._inner.bulk_get(requests, **options)

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        return self._inner.leaves(doc_id)

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        return self._inner.revs_info(doc_id, rev)

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        return self._inner.attachment(doc_id, name, rev)

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        return self._inner.all_docs(query)

    def changes(self, since: Seq = ZERO, **options: Unpack[FeedOptions]) -> ChangesPage:
        return self._inner.changes(since, **options)

    def wait_for_change(self, since: Seq, timeout_s: float) -> bool:
        return self._inner.wait_for_change(since, timeout_s)

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        return self._inner.revs_diff(wanted)

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        return self._inner.bulk_docs(docs, new_edits=new_edits)

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        return self._inner.purge(wanted)

    def compact(self) -> None:
        self._inner.compact()

    def set_revs_limit(self, limit: int) -> None:
        self._inner.set_revs_limit(limit)

    def revs_limit(self) -> int:
        return self._inner.revs_limit()

    def security(self) -> JsonObject:
        return self._inner.security()

    def set_security(self, security: JsonObject) -> None:
        self._inner.set_security(security)

    def get_local(self, local_id: str) -> LocalDoc:
        return self._inner.get_local(local_id)

    def put_local(self, local_id: str, body: bytes) -> Rev:
        return self._inner.put_local(local_id, body)

    def delete_local(self, local_id: str) -> None:
        self._inner.delete_local(local_id)

    def local_docs(self) -> Iterator[LocalDoc]:
        return self._inner.local_docs()
