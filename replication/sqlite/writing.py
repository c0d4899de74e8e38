"""Writing documents: a batch is worked out in memory against the rows it touches, then written with few statements.

A document nobody has seen, with one revision and no attachments, costs two inserted rows and no tree. That is the
road of every immutable document; all others pay for what they use.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, Conflict, MissingStub, StoreError, TooLarge
from replication.revtree import EMPTY_TREE, BodyKey, Held, Leaf, Node, RevTree, build_rev, parse_node, parse_tree
from replication.sqlite.attachments import AttachmentWriter, Parent, check_attachments
from replication.sqlite.limits import MAX_PATH, Limits
from replication.sqlite.names import check_doc_id
from replication.sqlite.rows import DocRow, StoredAttachment, dump_atts, read_rows, read_state
from replication.sqlite.schema import GAP_BLOCK
from replication.store import WriteResult


@dataclass(slots=True)
class Draft:
    """A document as it will be after the batch. `seq` is the stored row's, 0 for a new one; `tree` None means that
    the document has one revision, `stored_tree` is not parsed before it is needed."""

    id: DocId
    rev: Rev
    deleted: bool
    body: BodyKey
    tree: RevTree | None = None
    stored_tree: bytes | None = None
    seq: int = 0
    was_deleted: bool | None = None
    changed: bool = False

    def build_tree(self) -> RevTree:
        if self.tree is None and self.stored_tree is not None:
            self.tree = parse_tree(self.stored_tree)
        return self.tree or RevTree({parse_node(self.rev): ()}, {parse_node(self.rev): Held(self.body, self.deleted)})

    def replace_tree(self, tree: RevTree) -> None:
        """Take `tree` as the new state; it must not be empty."""
        winner = tree.winner()
        self.rev, self.deleted, self.body = winner.rev, winner.deleted, tree.held[winner.node].body
        self.tree = tree if len(tree) > 1 else None
        self.stored_tree = None
        self.changed = True


class Batch:
    """Documents on their way into the database, inside a write transaction."""

    def __init__(self, conn: sqlite3.Connection, limits: Limits) -> None:
        self._conn = conn
        self._limits = limits
        self._state = read_state(conn)
        self._drafts: dict[str, Draft] = {}
        self._bodies: dict[BodyKey, tuple[bytes, bytes | None]] = {}
        self._next_body: int = conn.execute("SELECT coalesce(max(body), 0) + 1 FROM bodies").fetchone()[0]
        self._attachments = AttachmentWriter(conn)

    def store(self, docs: Sequence[Doc], *, new_edits: bool) -> list[WriteResult]:
        """Return one result per document; those that failed changed nothing."""
        self._load(doc.id for doc in docs if isinstance(doc.id, str))
        step = self._edit if new_edits else self._merge
        results = []
        for doc in docs:
            try:
                self._check(doc)
                results.append(WriteResult(doc.id, step(doc)))
            except StoreError as exc:
                results.append(WriteResult(doc.id, error=exc))
        self.flush()
        return results
