"""What a write transaction is about to change, worked out in memory and written with few statements."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from replication.document import DocId, Rev
from replication.revtree import BodyKey, Held, RevTree, build_single, parse_node, parse_tree
from replication.sqlite.blobs import Blobs
from replication.sqlite.epochs import Tenure
from replication.sqlite.packing import pack_body
from replication.sqlite.rows import State, StoredAttachment, dump_atts, parse_atts, read_atts, read_rows, read_state
from replication.sqlite.schema import GAP_BLOCK


@dataclass(slots=True)
class Draft:
    """A document as it will be. `seq` is that of the stored row, 0 for a new document; `tree` is None while the
    document has one revision or its `stored_tree` has not been needed."""

    id: DocId
    rev: Rev
    deleted: bool
    body: BodyKey
    seq: int = 0
    tree: RevTree | None = None
    stored_tree: bytes | None = None
    was_deleted: bool = False
    purged: bool = False

    def build_tree(self) -> RevTree:
        """Return the revision tree."""
        if self.tree is None:
            if self.stored_tree is None:
                return build_single(parse_node(self.rev), Held(self.body, self.deleted))
            self.tree = parse_tree(self.stored_tree)
        return self.tree

    def replace_tree(self, tree: RevTree) -> None:
        """Make `tree` the state of the document; an empty one purges it."""
        self.purged = not len(tree)
        if self.purged:
            return
        winner = tree.winner()
        self.rev, self.deleted, self.body = winner.rev, winner.deleted, tree.held[winner.node].body
        self.tree = tree if len(tree) > 1 else None
        self.stored_tree = None

    def dump_tree(self) -> bytes | None:
        return self.tree.dump() if self.tree is not None else self.stored_tree


class Drafts:
    """All documents and bodies that one write transaction changes. Nothing is written before `flush`."""

    def __init__(self, conn: sqlite3.Connection, tenure: Tenure) -> None:
        self._conn = conn
        self._tenure = tenure
        self.state: State = read_state(conn)
        self.blobs = Blobs(conn)
        self._loaded: dict[str, Draft] = {}
        self._changed: dict[str, Draft] = {}
        self._bodies: dict[BodyKey, tuple[bytes, bytes | None]] = {}
        self._dropped: list[tuple[BodyKey]] = []
        self._next_body: int = conn.execute("SELECT coalesce(max(body), 0) + 1 FROM bodies").fetchone()[0]

    def load(self, doc_ids: Iterable[str]) -> None:
        """Read the documents that exist among `doc_ids`."""
        for row in read_rows(self._conn, doc_ids).values():
            dead = bool(row.deleted)
            self._loaded[row.id] = Draft(
                row.id, row.rev, dead, row.body, row.seq, stored_tree=row.tree, was_deleted=dead
            )

    def find(self, doc_id: str) -> Draft | None:
        """Return a document loaded or made before, None where there is none."""
        return self._loaded.get(doc_id)

    def change(self, draft: Draft) -> None:
        """Note that a document, found or new, is to be written."""
        self._loaded[draft.id] = self._changed[draft.id] = draft

    def add_body(self, json: bytes, atts: list[StoredAttachment]) -> BodyKey:
        """Return the key of a body to be stored."""
        key = BodyKey(self._next_body)
        self._next_body += 1
        self._bodies[key] = (pack_body(json), dump_atts(atts))
        self.blobs.count(atts, +1)
        return key

    def drop_bodies(self, keys: Iterable[BodyKey]) -> None:
        """Remove bodies, stored or still to be stored, and what only they referred to."""
        for key in keys:
            self.blobs.count(self.read_atts(key), -1)
            if self._bodies.pop(key, None) is None:
                self._dropped.append((key,))

    def read_atts(self, key: BodyKey) -> list[StoredAttachment]:
        """Return the attachments of a body, stored or still to be stored."""
        if key in self._bodies:
            return parse_atts(self._bodies[key][1])
        return read_atts(self._conn, key)

    def flush(self, *, move: bool = True) -> None:
        """Write everything; each changed document moves to a new seq unless not `move` (compaction)."""
        self._conn.executemany("DELETE FROM bodies WHERE body = ?", self._dropped)
        self._conn.executemany(
            "INSERT INTO bodies VALUES (?, ?, ?)", [(key, *body) for key, body in self._bodies.items()]
        )
        self.blobs.flush()
        if not move:
            self._conn.executemany(
                "UPDATE docs SET tree = ? WHERE seq = ?", [(it.dump_tree(), it.seq) for it in self._changed.values()]
            )
            return
        self._write_docs()

    def _write_docs(self) -> None:
        seq = self.state.update_seq
        new, moved, purged = [], [], []
        live = dead = 0
        gaps: Counter[int] = Counter()
        for draft in self._changed.values():
            if draft.seq:
                gaps[draft.seq // GAP_BLOCK] += 1
                live, dead = (live, dead - 1) if draft.was_deleted else (live - 1, dead)
            if draft.purged:
                purged.append((draft.seq,))
                continue
            seq += 1
            live, dead = (live, dead + 1) if draft.deleted else (live + 1, dead)
            row = (seq, draft.rev, draft.deleted, draft.body, draft.dump_tree())
            if draft.seq:
                moved.append((*row, draft.seq))
            else:
                new.append((*row, draft.id))
        run = self._conn.executemany
        run("INSERT INTO docs (seq, rev, deleted, body, tree, id) VALUES (?, ?, ?, ?, ?, ?)", new)
        run("UPDATE docs SET seq = ?, rev = ?, deleted = ?, body = ?, tree = ? WHERE seq = ?", moved)
        run("DELETE FROM docs WHERE seq = ?", purged)
        run(
            "INSERT INTO gaps VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET vacated = vacated + excluded.vacated",
            list(gaps.items()),
        )
        if self._changed:
            self._tenure.assert_epoch(self._conn)
            self._conn.execute(
                "UPDATE state SET update_seq = ?, doc_count = doc_count + ?, del_count = del_count + ?",
                (seq, live, dead),
            )
