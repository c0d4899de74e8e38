"""A database that hands every call on to another: the base of those that change one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict, Unpack

from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.store import (
    ZERO,
    AllDocsPage,
    AllDocsQuery,
    ChangesPage,
    Database,
    DatabaseInfo,
    GetRequest,
    JsonObject,
    LocalDoc,
    MissingRev,
    PurgeResult,
    RevInfo,
    RevsDiff,
    WriteResult,
)


class How(TypedDict, total=False):
    """How revisions are wanted; what each member means stands in `Database`."""

    latest: bool
    attachments: bool


class HowOne(How, total=False):
    """The same where it is about one document."""

    atts_since: Sequence[Rev] | None


class Part(TypedDict, total=False):
    """Which part of a feed is wanted."""

    limit: int | None
    descending: bool
    doc_ids: Sequence[DocId] | None


class PassingDatabase:
    """`replication.store.Database`, each call answered by `inner`."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    def info(self) -> DatabaseInfo:
        return self._inner.info()

    def get(self, doc_id: DocId, rev: Rev | None = None, **how: Unpack[HowOne]) -> Doc:
        return self._inner.get(doc_id, rev, **how)

    def open_revs(self, doc_id: DocId, revs: Sequence[Rev] | None, **how: Unpack[HowOne]) -> list[Doc | MissingRev]:
        return self._inner.open_revs(doc_id, revs, **how)

    def bulk_get(self, requests: Sequence[GetRequest], **how: Unpack[How]) -> list[list[Doc | MissingRev]]:
        return self._inner.bulk_get(requests, **how)

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        return self._inner.leaves(doc_id)

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        return self._inner.revs_info(doc_id, rev)

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        return self._inner.attachment(doc_id, name, rev)

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        return self._inner.all_docs(query)

    def changes(self, since: Seq = ZERO, **part: Unpack[Part]) -> ChangesPage:
        return self._inner.changes(since, **part)

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
