"""Whether two databases hold the same, leaf by leaf: asked after a store was moved to another engine.

Two engines may write one value in other bytes: CouchDB prints JSON its own way and compresses text attachments. So
bodies are compared as JSON values, and attachments by digest, or by their decoded bytes where digests differ.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from replication.attached import decode_attachment
from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import StoreError
from replication.jsontext import parse_json
from replication.store import ZERO, ChangeRow, ChangesPage, Database, GetRequest

PAGE_ROWS = 500
Node = tuple[DocId, Rev]


class NotEqual(StoreError):
    """Two databases differ. `reason` names the first difference and what to do."""

    error = "not_equal"


def read_pages(database: Database) -> Iterator[tuple[Sequence[ChangeRow], int]]:
    """Yield the feed in pages, each with how many rows are left behind it."""
    return ((page.rows, page.pending) for page in read_feed(database, ZERO))


def read_feed(database: Database, since: Seq) -> Iterator[ChangesPage]:
    """Yield the feed after `since` in pages, until there is no more."""
    while (page := database.changes(since, limit=PAGE_ROWS)).rows:
        yield page
        since = page.last_seq


def read_stubs(database: Database, nodes: Sequence[Node]) -> dict[Node, Doc]:
    """Return those of the revisions whose documents the database holds, attachments as stubs."""
    rows = database.bulk_get([GetRequest(*node) for node in nodes])
    return {node: doc for node, row in zip(nodes, rows, strict=True) for doc in row if isinstance(doc, Doc)}


def compare_feeds(source: Database, target: Database, report: Callable[[int, int], None]) -> int:
    """Return how many leaves the two databases hold, after finding each equal to its twin.

    `report` is called with (documents done, left) after each page of the source. Raises `NotEqual`.
    """
    documents = leaves = 0
    for rows, left in read_pages(source):
        leaves += compare_page(source, target, rows)
        documents += len(rows)
        report(documents, left)
    there = 0
    for rows, _ in read_pages(target):
        for doc_id, diff in source.revs_diff({row.id: row.leaves for row in rows}).items():
            raise _differ(target, doc_id, diff.missing[0], "the source does not know it: the target was not empty")
        there += sum(len(row.leaves) for row in rows)
    if there != leaves:
        raise _differ(target, DocId("*"), Rev("*"), f"it has {there} leaves where the source has {leaves}")
    return leaves


def compare_page(source: Database, target: Database, rows: Sequence[ChangeRow]) -> int:
    """Return how many leaves a page of the source's feed names, after finding each that is still there equal to its
    twin. Raises `NotEqual`."""
    nodes = [(row.id, rev) for row in rows for rev in row.leaves]
    ours, theirs = read_stubs(source, nodes), read_stubs(target, nodes)
    for row in rows:
        for rev in row.leaves:
            node = (row.id, rev)
            if node not in ours:
                continue  # purged since the page was read: the count of leaves will tell
            difference = "it is not there" if node not in theirs else find_difference(ours[node], theirs[node])
            if difference is None:
                difference = _compare_bytes(source, target, ours[node], theirs[node])
            if difference is not None:
                raise _differ(target, row.id, rev, difference)
    return len(nodes)


def find_difference(ours: Doc, theirs: Doc) -> str | None:
    """Return in words how two documents differ apart from the bytes of attachments, or None."""
    if ours.path != theirs.path:
        return f"its path has {len(theirs.path)} revisions, {len(ours.path)} in the source"
    if ours.deleted != theirs.deleted:
        return "it is a tombstone on one side only"
    if ours.body != theirs.body and parse_json(ours.body) != parse_json(theirs.body):
        return "its body is another"
    if _describe(ours.attachments) != _describe(theirs.attachments):
        return "its attachments differ in name, type, length or revpos"
    return None


def _describe(attachments: Mapping[str, Attachment]) -> dict[str, tuple[str, int, int]]:
    return {name: (entry.content_type, entry.length, entry.revpos) for name, entry in attachments.items()}


def _compare_bytes(source: Database, target: Database, ours: Doc, theirs: Doc) -> str | None:
    for name, entry in ours.attachments.items():
        if entry.digest == theirs.attachments[name].digest:
            continue
        pair = [decode_attachment(database.attachment(ours.id, name, ours.rev)) for database in (source, target)]
        if pair[0] != pair[1]:
            return f"the bytes of its attachment {name!r} are others"
    return None


def _differ(target: Database, doc_id: DocId, rev: Rev, what: str) -> NotEqual:
    return NotEqual(
        f"{target.name}, document {doc_id!r}, revision {rev}: {what}; stop whatever writes to the source and move it"
        " again, into an empty store if the target held other documents"
    )


def find_unknown(
    database: Database, other: Database, *, excused: Callable[[Sequence[DocId]], Container[DocId]] = lambda ids: ()
) -> DocId | None:
    """Return a document of `database` of which `other` does not know every leaf, None if there is none.

    `excused` is asked about those that `other` lacks, and names the ones it need not have.
    """
    for rows, _ in read_pages(database):
        unknown = list(other.revs_diff({row.id: row.leaves for row in rows}))
        known = excused(unknown) if unknown else ()
        for doc_id in unknown:
            if doc_id not in known:
                return doc_id
    return None


def count_lost_bodies(source: Database, target: Database, docs: Sequence[Doc]) -> int:
    """Return how many older revisions of `docs` the source holds with their bodies and the target without."""
    nodes = list(dict.fromkeys((doc.id, rev) for doc in docs for rev in list_ancestors(doc)))
    held = list(read_stubs(source, nodes))
    return len(held) - len(read_stubs(target, held))


def list_ancestors(doc: Doc) -> list[Rev]:
    """Return the revisions below a document on its path, the parent first."""
    below = range(doc.generation - 1, 0, -1)
    return [Rev(f"{generation}-{digest}") for generation, digest in zip(below, doc.path[1:], strict=False)]
