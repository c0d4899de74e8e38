"""Reading documents: one revision, several, the tree behind them, ids in order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import BadRequest, NotFound
from replication.revtree import Held, Leaf, Node, RevTree, build_rev, parse_node
from replication.sqlite.packing import unpack_body
from replication.sqlite.rows import DocRow, build_attachments, parse_atts, read_atts, read_blob, read_row, read_state
from replication.store import AllDocsPage, AllDocsQuery, AllDocsRow, GetRequest, MissingRev, RevInfo

STUBS = 1 << 62  # no attachment was set in a later generation
COUNTED = 10_000  # rows before a range that are counted: about 0.5 ms. Nobody reads the offset of page 500


@dataclass(frozen=True, slots=True)
class Bytes:
    """Which attachments come with their bytes: all, those newer than some revisions, or (neither) none."""

    all: bool = False
    since: Sequence[Rev] | None = None

    def after(self, generation: int, path: Sequence[str]) -> int:
        """Return the generation after which an attachment of this revision comes with bytes."""
        if self.since is None:
            return 0 if self.all else STUBS
        known = {parse_node(rev) for rev in self.since}
        return next((generation - n for n, digest in enumerate(path) if (generation - n, digest) in known), 0)


def read_doc(
    conn: sqlite3.Connection, row: DocRow, wanted: Node | None, tree: RevTree | None, want: Bytes
) -> Doc | None:
    """Return one revision of a document (the winner for None), or None when its body is not here.

    `tree` may be given where the caller has parsed it already; a document with one revision needs none.
    """
    if wanted is None or (row.tree is None and build_rev(wanted) == row.rev):
        node, held = parse_node(row.rev), Held(row.body, bool(row.deleted))
    else:
        tree = tree or row.build_tree()
        if wanted not in tree.held:
            return None
        node, held = wanted, tree.held[wanted]
    path = (node[1],) if row.tree is None else (tree or row.build_tree()).path(node)
    stored = conn.execute("SELECT json, atts FROM bodies WHERE body = ?", (held.body,)).fetchone()
    if stored is None:
        return None
    body = unpack_body(stored[0])
    if stored[1] is None:
        return Doc(row.id, build_rev(node), path, held.deleted, body)
    attachments = build_attachments(conn, parse_atts(stored[1]), want.after(node[0], path))
    return Doc(row.id, build_rev(node), path, held.deleted, body, attachments)


def get(conn: sqlite3.Connection, doc_id: DocId, rev: Rev | None, *, latest: bool, want: Bytes) -> Doc:
    row = _find(conn, doc_id, rev)
    if rev is None:
        doc = read_doc(conn, row, None, None, want)
    else:
        node: Node | None = parse_node(rev)
        tree = row.build_tree()
        if latest:
            node = _best_leaf(tree, parse_node(rev))
        doc = read_doc(conn, row, node, tree, want) if node else None
    if doc is None:
        raise NotFound("missing")
    return doc


def _find(conn: sqlite3.Connection, doc_id: DocId, rev: Rev | None) -> DocRow:
    """Return the row of a document of which `rev`, or for None its winner, is asked for. Raises `NotFound`."""
    row = read_row(conn, doc_id)
    if row is None:
        raise NotFound("missing")
    if rev is None and row.deleted:
        raise NotFound("deleted")
    return row


def _best_leaf(tree: RevTree, node: Node) -> Node | None:
    return tree.latest(node)[0].node if node in tree else None


def open_revs(
    conn: sqlite3.Connection, doc_id: DocId, revs: Sequence[Rev] | None, *, latest: bool, want: Bytes
) -> list[Doc | MissingRev]:
    row = read_row(conn, doc_id)
    if row is None:
        return [MissingRev(doc_id, rev) for rev in revs or ()]
    tree = row.build_tree()
    found: list[Doc | MissingRev] = []
    for asked, node in _nodes_wanted(tree, revs, latest):
        doc = read_doc(conn, row, node, tree, want) if node in tree else None
        found.append(doc or MissingRev(doc_id, asked))
    return found


def _nodes_wanted(tree: RevTree, revs: Sequence[Rev] | None, latest: bool) -> Iterator[tuple[Rev, Node]]:
    """Yield what to read for the revisions asked: with `latest`, all leaves below each, and none twice."""
    if revs is None:
        yield from ((leaf.rev, leaf.node) for leaf in tree.leaves())
        return
    given: set[Node] = set()
    for rev in revs:
        node = parse_node(rev)
        if not latest or node not in tree:
            yield rev, node
            continue
        for leaf in tree.latest(node):
            if leaf.node not in given:
                given.add(leaf.node)
                yield rev, leaf.node


def bulk_get(
    conn: sqlite3.Connection, requests: Sequence[GetRequest], *, latest: bool, attachments: bool
) -> list[list[Doc | MissingRev]]:
    return [_get_one(conn, request, latest, attachments) for request in requests]


def _get_one(conn: sqlite3.Connection, request: GetRequest, latest: bool, attachments: bool) -> list[Doc | MissingRev]:
    want = Bytes(attachments, request.atts_since)
    row = read_row(conn, request.id)
    if row is None:
        return [MissingRev(request.id, request.rev)]
    if request.rev is None or (request.rev == row.rev and (row.tree is None or not latest)):
        doc = read_doc(conn, row, None, None, want)
        return [doc or MissingRev(request.id, request.rev)]
    return open_revs(conn, request.id, [request.rev], latest=latest, want=want)


def read_leaves(conn: sqlite3.Connection, doc_id: DocId) -> tuple[Leaf, ...]:
    row = read_row(conn, doc_id)
    if row is None:
        raise NotFound("missing")
    return row.build_tree().leaves()


def revs_info(conn: sqlite3.Connection, doc_id: DocId, rev: Rev | None) -> tuple[RevInfo, ...]:
    row = read_row(conn, doc_id)
    if row is None:
        raise NotFound("missing")
    tree = row.build_tree()
    node = parse_node(rev or row.rev)
    if node not in tree:
        raise NotFound("missing")
    return tuple(_rev_info(tree, (node[0] - n, digest)) for n, digest in enumerate(tree.path(node)))


def _rev_info(tree: RevTree, node: Node) -> RevInfo:
    held = tree.held.get(node)
    return RevInfo(build_rev(node), "missing" if held is None else "deleted" if held.deleted else "available")


def read_attachment(conn: sqlite3.Connection, doc_id: DocId, name: str, rev: Rev | None) -> Attachment:
    row = _find(conn, doc_id, rev)
    if rev is None:
        held: Held | None = Held(row.body, False)
    else:
        held = row.build_tree().held.get(parse_node(rev))
    if held is None:
        raise NotFound("missing")
    for att in read_atts(conn, held.body):
        if att.name == name:
            return att.build(read_blob(conn, att.blob))
    raise NotFound("Document is missing attachment")


def all_docs(conn: sqlite3.Connection, query: AllDocsQuery) -> AllDocsPage:
    total = read_state(conn).doc_count
    if query.keys is not None:
        keys = query.keys[::-1] if query.descending else query.keys
        end = None if query.limit is None else query.skip + query.limit
        return AllDocsPage(tuple(_key_row(conn, key) for key in keys[query.skip : end]), total, None)
    if query.skip < 0 or (query.limit is not None and query.limit < 0):
        raise BadRequest("limit and skip must not be negative")
    where, bounds = _range(query)
    order = "DESC" if query.descending else "ASC"
    rows = conn.execute(
        f"SELECT id, rev FROM docs WHERE deleted = 0{where} ORDER BY id {order} LIMIT ? OFFSET ?",  # noqa: S608  # our words, no values
        (*bounds, -1 if query.limit is None else query.limit, query.skip),
    )
    page = tuple(AllDocsRow(doc_id, rev) for doc_id, rev in rows)
    before = _count_before(conn, query)
    return AllDocsPage(page, total, None if before is None else min(total, before + query.skip))


def _key_row(conn: sqlite3.Connection, key: str) -> AllDocsRow:
    row = read_row(conn, key)
    return AllDocsRow(row.id, row.rev, bool(row.deleted)) if row else AllDocsRow(DocId(key), None)


def _range(query: AllDocsQuery) -> tuple[str, list[str]]:
    """Return the condition on ids, to be joined by AND, and its values."""
    after, before = (" AND id <= ?", " AND id >= ?") if query.descending else (" AND id >= ?", " AND id <= ?")
    if not query.inclusive_end:
        before = before.replace("=", "")
    where = (after if query.start is not None else "") + (before if query.end is not None else "")
    return where, [bound for bound in (query.start, query.end) if bound is not None]


def _count_before(conn: sqlite3.Connection, query: AllDocsQuery) -> int | None:
    """Return how many live documents stand before the start of a range, None when they are too many to count.

    Both counts walk an index of ids alone; the second is empty where nothing was deleted.
    """
    if query.start is None:
        return 0
    side = ">" if query.descending else "<"
    counts = [
        conn.execute(f"SELECT count(*) FROM (SELECT 1 FROM docs WHERE {which}id {side} ? LIMIT ?)", bound).fetchone()[0]  # noqa: S608  # our words
        for bound in [(query.start, COUNTED + 1)]
        for which in ("", "deleted = 1 AND ")
    ]
    return None if max(counts) > COUNTED else counts[0] - counts[1]
