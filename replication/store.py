"""What an engine offers: the `Store` of a node and the `Database`s in it.

Every call below is safe from several threads. A write that returned is durable: the engine has fsynced it.
Errors are the `StoreError`s of `replication.errors`; each docstring names those that are part of the contract.
`replication.testing.StoreContract` turns these sentences into tests that run on every engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import StoreError

JsonObject = dict[str, Any]
ZERO = Seq("0")


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """What `GET /db` tells, without the HTTP dress.

    `instance_start_time` is decimal microseconds as text; it changes when the database is made anew or restored,
    and peers compare it. `disk_size` counts bytes of files, `data_size` bytes in use.
    """

    name: str
    doc_count: int
    doc_del_count: int
    update_seq: Seq
    purge_seq: Seq
    instance_start_time: str
    disk_size: int
    data_size: int
    compact_running: bool = False


@dataclass(frozen=True, slots=True)
class RevInfo:
    """One node of a revision tree as callers see it. `status`: is its body still here?"""

    rev: Rev
    status: Literal["available", "missing", "deleted"]


@dataclass(frozen=True, slots=True)
class MissingRev:
    """A revision that was asked for and is not known (`open_revs`, `bulk_get`)."""

    id: DocId
    rev: Rev | None
    reason: str = "missing"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one document of a batch: the stored `rev`, or the `error` that refused it."""

    id: DocId
    rev: Rev | None = None
    error: StoreError | None = None


@dataclass(frozen=True, slots=True)
class RevsDiff:
    """The revisions of one document a store lacks, and its leaves of a lower generation that may be their ancestors."""

    missing: tuple[Rev, ...]
    possible_ancestors: tuple[Rev, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One document in the feed, at its newest seq. `leaves` lists the winner first, then the other leaves in
    falling order; a caller that wants `style=main_only` takes the first. `deleted` speaks of the winner."""

    seq: Seq
    id: DocId
    leaves: tuple[Rev, ...]
    deleted: bool


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A stretch of the feed. `last_seq` is where to go on from; `pending` counts the rows behind it."""

    rows: tuple[ChangeRow, ...]
    last_seq: Seq
    pending: int


@dataclass(frozen=True, slots=True)
class AllDocsQuery:
    """The range of ids wanted, in the order and with the meaning of CouchDB's `_all_docs`.

    `keys` (also repeated, also unknown ids) excludes the range members. Ids compare by code point, which for
    UTF-8 is the order of their bytes. With `descending`, `start` is the upper end.
    """

    start: str | None = None
    end: str | None = None
    inclusive_end: bool = True
    descending: bool = False
    limit: int | None = None
    skip: int = 0
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AllDocsRow:
    """One id. `rev` is the winner; None where a requested key was never there. With `keys`, a deleted document
    is reported with `deleted=True`; in a range it is left out."""

    id: DocId
    rev: Rev | None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class AllDocsPage:
    """`total` counts the live documents of the database, `offset` those before the first row: None with keys, and
    where an engine would have to count more rows than the page is worth."""

    rows: tuple[AllDocsRow, ...]
    total: int
    offset: int | None


@dataclass(frozen=True, slots=True)
class GetRequest:
    """One row of a `_bulk_get`: `rev` None asks for the winner. Attachments newer than every revision named in
    `atts_since` come with bytes, the rest as stubs; None means all stubs unless the caller asks for bytes."""

    id: DocId
    rev: Rev | None = None
    atts_since: tuple[Rev, ...] | None = None


@dataclass(frozen=True, slots=True)
class LocalDoc:
    """A `_local` document: never replicated, no history. `id` is without the "_local/" prefix, `rev` is "0-<n>"."""

    id: str
    rev: Rev
    body: bytes


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What a purge removed, by document; `purge_seq` after it."""

    purge_seq: Seq
    purged: Mapping[DocId, tuple[Rev, ...]] = field(default_factory=dict)


class BulkReadOptions(TypedDict, total=False):
    """The options of `Database.bulk_get`, for those who hand them on."""

    latest: bool
    attachments: bool


class ReadOptions(BulkReadOptions, total=False):
    """Those of `Database.get` and `open_revs`."""

    atts_since: Sequence[Rev] | None


class FeedOptions(TypedDict, total=False):
    """Those of `Database.changes`."""

    limit: int | None
    descending: bool
    doc_ids: Sequence[DocId] | None


class Database(Protocol):
    """One database: documents with revision trees, a feed of changes, local documents."""

    @property
    def name(self) -> str: ...

    def info(self) -> DatabaseInfo:
        """Return counts, sizes and the current seq."""

    # Reading

    def get(
        self,
        doc_id: DocId,
        rev: Rev | None = None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> Doc:
        """Return one revision, with its whole known `path`; the winner when `rev` is None.

        Attachments are stubs (`data` None) unless `attachments` (all bytes) or `atts_since` (bytes of those that
        changed after every named revision this store knows). With `latest`, a `rev` that is no leaf answers with
        a leaf descended from it. Raises `NotFound("missing")` for an id or revision never seen or whose body is
        gone, `NotFound("deleted")` when `rev` is None and the winner is a tombstone.
        """

    def open_revs(
        self,
        doc_id: DocId,
        revs: Sequence[Rev] | None,
        *,
        latest: bool = False,
        atts_since: Sequence[Rev] | None = None,
        attachments: bool = False,
    ) -> list[Doc | MissingRev]:
        """Return the named revisions in the order asked, or every leaf (tombstones too) when `revs` is None.

        An unknown id gives `MissingRev`s, and an empty list for `None`; a non-leaf whose body was compacted is missing.
        """

    def bulk_get(
        self, requests: Sequence[GetRequest], *, latest: bool = False, attachments: bool = False
    ) -> list[list[Doc | MissingRev]]:
        """Return one list per request, in request order. A request without `rev` for a deleted document returns
        its tombstone, as CouchDB does."""

    def leaves(self, doc_id: DocId) -> tuple[tuple[Rev, bool], ...]:
        """Return (rev, is tombstone) of all leaves, winner first. Raises `NotFound("missing")`."""

    def revs_info(self, doc_id: DocId, rev: Rev | None = None) -> tuple[RevInfo, ...]:
        """Return the path of `rev` (the winner by default), newest first, each with whether its body is held."""

    def attachment(self, doc_id: DocId, name: str, rev: Rev | None = None) -> Attachment:
        """Return one attachment with its bytes. Raises `NotFound` for document, revision or name."""

    def all_docs(self, query: AllDocsQuery) -> AllDocsPage:
        """Return ids and winners by id; never bodies: take those with `bulk_get`."""

    def changes(
        self,
        since: Seq = ZERO,
        *,
        limit: int | None = None,
        descending: bool = False,
        doc_ids: Sequence[DocId] | None = None,
    ) -> ChangesPage:
        """Return the feed after `since`: each document once, at its newest seq, in that order.

        `since` of another epoch of this store answers from the newest common point. A `since` that was never
        this store's answers from 0; text that is no seq at all raises `BadRequest`. `descending` starts at the
        newest and goes down; `since` is then ignored, as in CouchDB.
        """

    def wait_for_change(self, since: Seq, timeout_s: float) -> bool:
        """Return True as soon as the feed holds something after `since`, False after `timeout_s` seconds."""

    def revs_diff(self, wanted: Mapping[DocId, Sequence[Rev]]) -> dict[DocId, RevsDiff]:
        """Return what this store lacks of `wanted`, by id in the order asked; ids with nothing missing are left out.

        A revision inside a tree counts as known, with or without its body.
        """

    # Writing

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        """Store a batch in one durable step and return one result per document, in order.

        With `new_edits` each document edits the leaf `rev` (or makes a new document) and gets a new revision;
        a wrong `rev` gives `Conflict` in its result. Without, `rev` and `path` are merged into the tree as they
        are (`path` must begin with `rev`'s hash; `BadRequest` otherwise) and nothing conflicts; a revision already
        known is a no-op that moves no seq, unless it brings ancestors or a body that were not here. A document that
        fails (`IllegalDocId`, `MissingStub`, `Conflict`) fails alone. Attachments: with bytes they are stored; a stub
        takes the bytes of the parent's (new_edits) or a known ancestor's attachment of that name.
        """

    def purge(self, wanted: Mapping[DocId, Sequence[Rev]]) -> PurgeResult:
        """Forget the named leaves and the branches that only they kept, without a trace in the feed."""

    def compact(self) -> None:
        """Drop bodies of revisions that are no leaves, attachments nobody refers to, and free the space."""

    def set_revs_limit(self, limit: int) -> None:
        """Keep at most `limit` (≥ 1) generations of each path from now on."""

    def revs_limit(self) -> int:
        """Return the limit; 1000 unless set."""

    def security(self) -> JsonObject:
        """Return the security object, `{}` unless set."""

    def set_security(self, security: JsonObject) -> None:
        """Replace the security object."""

    # Local documents

    def get_local(self, local_id: str) -> LocalDoc:
        """Return a local document. Raises `NotFound("missing")`."""

    def put_local(self, local_id: str, body: bytes) -> Rev:
        """Store a local document, whatever revision it had, and return its new revision "0-<n>"."""

    def delete_local(self, local_id: str) -> None:
        """Remove a local document. Raises `NotFound("missing")`."""

    def local_docs(self) -> Iterator[LocalDoc]:
        """Yield all local documents by id."""


class Store(Protocol):
    """The databases of one node."""

    @property
    def uuid(self) -> str:
        """32 hex digits made with the store, and made anew when it is restored or cloned.

        Peers key their checkpoints on it, so a copy that kept it would make them lie.
        """

    def create(self, name: str) -> Database:
        """Make and return a database. Raises `DatabaseExists`, `IllegalDatabaseName`."""

    def open(self, name: str) -> Database:
        """Return an existing database; the same object for the same name.

        Raises `NotFound("Database does not exist.")`.
        """

    def delete(self, name: str) -> None:
        """Remove a database with all it holds. Raises `NotFound("Database does not exist.")`."""

    def names(self) -> list[str]:
        """Return the names of all databases, sorted."""

    def close(self) -> None:
        """Release files and connections. Nothing acknowledged depends on it."""
