"""Storing a batch of documents, edited here or replicated from a peer.

A document nobody has seen, with one revision and no attachments, costs two inserted rows and no tree. That is the
road of every immutable document; all others pay for what they use.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence

import orjson

from replication.document import Doc, Rev
from replication.errors import BadRequest, Conflict, StoreError, TooLarge
from replication.revtree import EMPTY_TREE, BodyKey, Held, Node, RevTree, build_rev, parse_node, walk
from replication.sqlite.blobs import check_attachments, has_stubs, match_stubs, store_attachments
from replication.sqlite.drafts import Draft, Drafts
from replication.sqlite.epochs import Tenure
from replication.sqlite.limits import MAX_PATH, Limits
from replication.sqlite.names import check_doc_id
from replication.sqlite.rows import StoredAttachment
from replication.store import WriteResult
from replication.wire import check_body


def store_batch(
    conn: sqlite3.Connection, docs: Sequence[Doc], limits: Limits, tenure: Tenure, *, new_edits: bool
) -> list[WriteResult]:
    """Return one result per document, inside a write transaction; a document that failed changed nothing."""
    drafts = Drafts(conn, tenure)
    results: list[WriteResult | None] = [_refuse(doc, limits) for doc in docs]
    drafts.load({doc.id for doc, refused in zip(docs, results, strict=True) if refused is None})
    step = _edit if new_edits else _merge
    for at, doc in enumerate(docs):
        if results[at] is None:
            try:
                results[at] = WriteResult(doc.id, step(drafts, doc))
            except StoreError as exc:
                results[at] = WriteResult(doc.id, None, exc)
    drafts.flush()
    return [result for result in results if result is not None]


def _refuse(doc: Doc, limits: Limits) -> WriteResult | None:
    """Return the refusal of a document that no database could take, None for the others."""
    try:
        check_doc_id(doc.id)
        if len(doc.body) > limits.body_bytes:
            raise TooLarge(
                f"{doc.id} is {len(doc.body)} bytes, the limit is {limits.body_bytes}", error="document_too_large"
            )
        check_body(doc.body)
        if doc.attachments:
            check_attachments(doc, limits.attachment_bytes)
    except StoreError as exc:
        return WriteResult(doc.id, None, exc)
    return None


def _merge(drafts: Drafts, doc: Doc) -> Rev:
    """Return the revision of a replicated document, now in the tree.

    As in CouchDB a known revision changes nothing, unless its sender knows ancestors that were unknown here or
    brings a body that was.
    """
    if doc.rev is None:
        raise BadRequest(f"{doc.id}: a document stored with new_edits=false must name its _rev")
    node = parse_node(doc.rev)
    _check_path(doc, node)
    draft = drafts.find(doc.id)
    if draft is None:
        _begin(drafts, doc, node)
    elif draft.rev != doc.rev or len(doc.path) > 1:
        _join(drafts, draft, doc, node)
    return build_rev(node)


def _begin(drafts: Drafts, doc: Doc, node: Node) -> None:
    """Take in a document of which no revision is known."""
    atts: list[StoredAttachment] = []
    if doc.attachments:
        atts = store_attachments(drafts.blobs, doc, node[0], match_stubs(doc, ()), keep_revpos=True)
    held = Held(drafts.add_body(doc.body, atts), doc.deleted)
    draft = Draft(doc.id, build_rev(node), held.deleted, held.body)
    if len(doc.path) > 1:
        draft.replace_tree(EMPTY_TREE.merge((node[1], *doc.path[1:]), node[0], held)[0].stem(drafts.state.revs_limit))
    drafts.change(draft)


def _join(drafts: Drafts, draft: Draft, doc: Doc, node: Node) -> None:
    """Merge a revision into the tree of a known document."""
    tree = draft.build_tree()
    path = (node[1], *doc.path[1:])
    body_is_new = node not in tree.held and not (node in tree and has_stubs(doc))
    atts: list[StoredAttachment] = []
    if body_is_new and doc.attachments:
        stubs = match_stubs(doc, _ancestor_atts(drafts, tree, path, node[0]))
        atts = store_attachments(drafts.blobs, doc, node[0], stubs, keep_revpos=True)
    held = Held(drafts.add_body(doc.body, atts), doc.deleted) if body_is_new else tree.held.get(node)
    _take_tree(drafts, draft, tree.merge(path, node[0], held)[0])


def _check_path(doc: Doc, node: Node) -> None:
    if not doc.path or doc.path[0].lower() != node[1].lower():
        raise BadRequest(f"{doc.id}: _revisions must begin with the hash of _rev {doc.rev}, got {list(doc.path[:1])}")
    if len(doc.path) > min(node[0], MAX_PATH):
        raise BadRequest(
            f"{doc.id}: _revisions lists {len(doc.path)} revisions, more than generation {node[0]} can have"
            f" or than the limit of {MAX_PATH}"
        )


def _ancestor_atts(
    drafts: Drafts, tree: RevTree, path: Sequence[str], generation: int
) -> Iterator[list[StoredAttachment]]:
    """Yield the attachments of the ancestors whose bodies are here, the nearest first."""
    for ancestor in walk(path, generation):
        if ancestor in tree:
            for known in walk(tree.path(ancestor), ancestor[0]):
                if known in tree.held:
                    yield drafts.read_atts(tree.held[known].body)
            return


def _edit(drafts: Drafts, doc: Doc) -> Rev:
    """Return the new revision that an edit made. Raises `Conflict` unless it edits a leaf or begins a document."""
    draft = drafts.find(doc.id)
    parent = _find_parent(draft, doc)
    if draft is None or parent is None:
        stubs = match_stubs(doc, ())
        node, held = _store_edit(drafts, doc, None, stubs)
        drafts.change(Draft(doc.id, build_rev(node), held.deleted, held.body))
        return build_rev(node)
    tree = draft.build_tree()
    stubs = match_stubs(doc, (drafts.read_atts(tree.held[node].body) for node in (parent,) if node in tree.held))
    node, held = _store_edit(drafts, doc, parent, stubs)
    if node in tree.held:  # this very edit was made before, its parent was stemmed away and came back as a leaf
        drafts.drop_bodies([held.body])
    _take_tree(drafts, draft, tree.merge((node[1], parent[1]), node[0], held)[0])
    return build_rev(node)


def _find_parent(draft: Draft | None, doc: Doc) -> Node | None:
    """Return the leaf that an edit continues, None for a document that begins.

    A deleted document is begun anew on top of its winning tombstone, and only so: CouchDB refuses an edit that
    names a tombstone of it, and a second deletion.
    """
    if draft is None:
        if doc.rev is not None:
            raise Conflict
        return None
    if draft.deleted:
        if doc.rev is not None or doc.deleted:
            raise Conflict
        return parse_node(draft.rev)
    if doc.rev is None:
        raise Conflict
    node = parse_node(doc.rev)
    if doc.rev != draft.rev and all(leaf.node != node for leaf in draft.build_tree().leaves()):
        raise Conflict
    return node


def _store_edit(drafts: Drafts, doc: Doc, parent: Node | None, stubs: dict[str, StoredAttachment]) -> tuple[Node, Held]:
    generation = parent[0] + 1 if parent else 1
    atts = store_attachments(drafts.blobs, doc, generation, stubs, keep_revpos=False)
    digest = build_hash(doc.body, parent=build_rev(parent) if parent else None, deleted=doc.deleted, atts=atts)
    return (generation, digest), Held(drafts.add_body(doc.body, atts), doc.deleted)


def build_hash(body: bytes, *, parent: Rev | None, deleted: bool, atts: Sequence[StoredAttachment]) -> str:
    """Return 32 hex digits made of everything an edit says, so that the same edit made on two nodes is one revision.

    SHA-256, cut to the length of CouchDB's MD5, over one JSON line of the rest and the bytes of the body.
    """
    rest = [parent, deleted, sorted([att.name, att.content_type, att.digest] for att in atts)]
    return hashlib.sha256(orjson.dumps(rest) + b"\n" + body).hexdigest()[:32]


def _take_tree(drafts: Drafts, draft: Draft, tree: RevTree) -> None:
    """Give a document its new tree, stemmed; bodies of revisions that fell off go. The same tree changes nothing."""
    stemmed = tree.stem(drafts.state.revs_limit)
    drafts.drop_bodies(held.body for node, held in tree.held.items() if node not in stemmed.held)
    if stemmed != draft.build_tree():
        draft.replace_tree(stemmed)
        drafts.change(draft)


def purge_leaves(drafts: Drafts, draft: Draft, revs: Sequence[Rev]) -> tuple[Rev, ...]:
    """Return those of `revs` that are leaves and have been taken out of the document, with what only they kept."""
    tree = draft.build_tree()
    wanted = {parse_node(rev) for rev in revs}
    gone = tuple(leaf for leaf in tree.leaves() if leaf.node in wanted)
    if gone:
        rest = tree.remove(leaf.node for leaf in gone)
        drafts.drop_bodies(held.body for node, held in tree.held.items() if node not in rest.held)
        draft.replace_tree(rest)
        drafts.change(draft)
    return tuple(leaf.rev for leaf in gone)


def compact_document(drafts: Drafts, draft: Draft) -> None:
    """Drop the bodies of all revisions of a document that are no leaves."""
    tree = draft.build_tree()
    if old := tree.superseded():
        drafts.drop_bodies([BodyKey(tree.held[node].body) for node in old])
        draft.replace_tree(tree.forget(old))
        drafts.change(draft)
