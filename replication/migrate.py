"""Moving a whole store from one engine to the other.

What goes along: every database, every leaf and tombstone with its revision path, the bodies of older revisions that
the source still holds, attachments, the security object, the limit of revisions, and those local documents the caller
names. What does not: seqs, the store's uuid and replication checkpoints. They speak of the store they were made in;
peers start again from 0, and as nothing is missing on either side that costs them one reading of the feed.

    source:  1-a ── 2-b ── 3-c        The oldest goes first, so that each is a leaf when it arrives: an engine keeps
                     └──── 3-x        the body of a leaf, and need not keep that of an inner revision.

A move that was interrupted is called again: what the target has is not sent twice. The source must not change
meanwhile; if it did, the comparison at the end says so, and the move is called once more.

Impossible: a body that the source compacted away is gone. CouchDB as the source shows paths only as far as its limit
of revisions goes, so older names, where a limit was lowered, stay behind. A revision the target had known before,
without its body, stays without; `Figures.bodies_lost` counts those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from replication.comparing import (
    NotEqual,
    compare_feeds,
    compare_page,
    count_lost_bodies,
    list_ancestors,
    read_feed,
    read_pages,
    read_stubs,
)
from replication.document import Doc, DocId, Rev, Seq
from replication.errors import DatabaseExists, MissingStub, NotFound
from replication.store import ZERO, ChangeRow, Database, GetRequest, Store, WriteResult

__all__ = ["Figures", "NotEqual", "Progress", "Saving", "migrate"]

BATCH_BYTES = 8 * 1024 * 1024
# Longer paths than the source's limit exist, where it was lowered and nothing written since: they must not be cut.
NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one database is: documents done in this phase, and how many rows of the feed are left."""

    database: str
    phase: Literal["moving", "comparing", "saving"]
    done: int
    left: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a move did. `revisions` and `attachment_bytes` were written by this call; `leaves` were found equal."""

    databases: int = 0
    documents: int = 0
    leaves: int = 0
    revisions: int = 0
    attachment_bytes: int = 0
    local_docs: int = 0
    bodies_lost: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Figures)))


def migrate(
    source: Store,
    target: Store,
    progress: Callable[[Progress], None],
    *,
    takes_local: Callable[[str], bool] = lambda local_id: False,
) -> Figures:
    """Move every database of `source` into `target`, compare them, and return figures.

    `progress` is called after each page of a feed. `takes_local` says by id which local documents go along; it must
    refuse replication checkpoints. Raises `NotEqual` when a database differs afterwards, and what the stores raise.
    """
    figures = Figures()
    for name in source.names():
        origin = source.open(name)
        try:
            copy = target.create(name)
        except DatabaseExists:
            copy = target.open(name)
        copy.set_revs_limit(NO_LIMIT)
        figures += _move_documents(origin, copy, progress) + _move_settings(origin, copy, takes_local)
        figures += _compare(origin, copy, progress)
        # Last, because CouchDB shows paths only as far as its limit goes.
        copy.set_revs_limit(origin.revs_limit())
    return figures


class Saving:
    """Copies every database of `source`, which may be written to meanwhile, into the empty `target`.

    `run` takes what has come since the last time, up to the ends of the feeds as they are then: once at leisure, and
    once more, which is short, while nobody writes. Each page is compared as soon as it is there; a document edited in
    between comes again, later in the feed. A database deleted meanwhile is left out.
    """

    def __init__(self, source: Store, target: Store, progress: Callable[[Progress], None]) -> None:
        self._source, self._target, self._progress = source, target, progress
        self._since: dict[str, Seq] = {}

    def run(self) -> Figures:
        """Return what this call copied. Raises as `migrate`."""
        figures = Figures()
        names = self._source.names()
        for name in names:
            try:
                figures += self._save(name)
            except NotFound:
                if name in self._source.names():
                    raise
        for name in set(self._target.names()) - set(names):
            self._target.delete(name)
        return figures

    def _save(self, name: str) -> Figures:
        origin = self._source.open(name)
        copy = self._target.open(name) if name in self._since else self._target.create(name)
        copy.set_revs_limit(NO_LIMIT)
        figures = Figures(databases=1)
        since = self._since.setdefault(name, ZERO)
        for page in read_feed(origin, since):
            figures += _Page(origin, copy, page.rows).move()
            figures += Figures(leaves=compare_page(origin, copy, page.rows))
            self._since[name] = page.last_seq
            self._progress(Progress(name, "saving", figures.documents, page.pending))
            if not page.pending:
                break  # the end of the feed as it was: who writes all the time would never let us go
        figures += _move_settings(origin, copy, lambda local_id: False)
        copy.set_revs_limit(origin.revs_limit())
        return figures


def _move_documents(source: Database, target: Database, progress: Callable[[Progress], None]) -> Figures:
    figures = Figures()
    for rows, left in read_pages(source):
        figures += _Page(source, target, rows).move()
        progress(Progress(source.name, "moving", figures.documents, left))
    return figures


def _move_settings(source: Database, target: Database, takes_local: Callable[[str], bool]) -> Figures:
    chosen = [local for local in source.local_docs() if takes_local(local.id)]
    for local in chosen:
        target.put_local(local.id, local.body)
    target.set_security(source.security())
    return Figures(local_docs=len(chosen))


def _compare(source: Database, target: Database, progress: Callable[[Progress], None]) -> Figures:
    def report(done: int, left: int) -> None:
        progress(Progress(source.name, "comparing", done, left))

    return Figures(databases=1, leaves=compare_feeds(source, target, report))


class _Page:
    """One page of the feed on its way."""

    def __init__(self, source: Database, target: Database, rows: Sequence[ChangeRow]) -> None:
        self._source = source
        self._target = target
        leaves = [(row.id, rev) for row in rows for rev in row.leaves]
        self._documents = len(rows)
        self._leaves = list(read_stubs(source, leaves).values())
        ancestors = dict.fromkeys((doc.id, rev) for doc in self._leaves for rev in list_ancestors(doc))
        self._older = read_stubs(source, list(ancestors))

    def move(self) -> Figures:
        """Store in the target what it lacks of this page, and return figures."""
        figures = Figures(documents=self._documents)
        for group in self._rounds():
            for batch in split_by_bytes(group):
                figures += self._store(batch)
        return figures + Figures(bodies_lost=count_lost_bodies(self._source, self._target, self._leaves))

    def _rounds(self) -> Iterator[list[Doc]]:
        """Yield what the target lacks in groups: in each, one revision of a document at most; its oldest first."""
        docs = {(doc.id, doc.rev): doc for doc in (*self._leaves, *self._older.values())}
        known: dict[DocId, list[Rev]] = {}
        for doc_id, rev in docs:
            known.setdefault(doc_id, []).append(Rev(rev or ""))
        queues = {
            doc_id: sorted((docs[doc_id, rev] for rev in diff.missing), key=lambda doc: -doc.generation)
            for doc_id, diff in self._target.revs_diff(known).items()
        }
        while queues:
            yield [queue.pop() for queue in queues.values()]
            queues = {doc_id: queue for doc_id, queue in queues.items() if queue}

    def _store(self, docs: Sequence[Doc]) -> Figures:
        sent = self._fill(docs, sparing=True)
        results = self._target.bulk_docs(sent, new_edits=False)
        # What the target holds of the parent need not include the bytes: then they are sent with this revision.
        unfilled = [doc for doc, result in zip(docs, results, strict=True) if isinstance(result.error, MissingStub)]
        if unfilled:
            again = self._fill(unfilled, sparing=False)
            results = [each for each in results if not isinstance(each.error, MissingStub)]
            results += self._target.bulk_docs(again, new_edits=False)
            sent += again
        for result in results:
            _check(self._target, result)
        size = sum(len(entry.data or b"") for doc in sent for entry in doc.attachments.values())
        return Figures(revisions=len(docs), attachment_bytes=size)

    def _fill(self, docs: Sequence[Doc], *, sparing: bool) -> list[Doc]:
        """Return the documents with attachments' bytes; `sparing` leaves stubs where the parent has the same."""
        requests = [
            GetRequest(doc.id, doc.rev, self._parents_held(doc) if sparing else ()) for doc in docs if doc.attachments
        ]
        rows = self._source.bulk_get(requests)
        filled = {(doc.id, doc.rev): doc for row in rows for doc in row if isinstance(doc, Doc)}
        return [filled.get((doc.id, doc.rev), doc) for doc in docs]

    def _parents_held(self, doc: Doc) -> tuple[Rev, ...]:
        return tuple(rev for rev in list_ancestors(doc)[:1] if (doc.id, rev) in self._older)


def split_by_bytes(docs: Sequence[Doc]) -> Iterator[list[Doc]]:
    """Yield the documents in groups whose bodies and attachments stay near `BATCH_BYTES`; one alone may exceed it."""
    batch: list[Doc] = []
    size = 0
    for doc in docs:
        size += len(doc.body) + sum(entry.length for entry in doc.attachments.values())
        if batch and size > BATCH_BYTES:
            yield batch
            batch, size = [], len(doc.body) + sum(entry.length for entry in doc.attachments.values())
        batch.append(doc)
    if batch:
        yield batch


def _check(target: Database, result: WriteResult) -> None:
    if result.error is not None:
        error = result.error
        error.reason = f"{target.name}, document {result.id!r}: {error.reason}"
        raise error
