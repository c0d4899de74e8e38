"""The whole content of a store as a value, so that before and after can be compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from replication.document import Doc, Seq
from replication.sqlite import SqliteDatabase, SqliteStore
from replication.store import JsonObject


class FileState(NamedTuple):
    name: str
    content_type: str
    digest: str
    revpos: int
    data: bytes


class LeafState(NamedTuple):
    rev: str
    deleted: bool
    path: tuple[str, ...]
    body: bytes
    files: tuple[FileState, ...]


@dataclass(frozen=True)
class DatabaseState:
    """Everything a peer can see of a database, bodies of superseded revisions apart (compaction may take them)."""

    update_seq: Seq
    purge_seq: Seq
    instance_start_time: str
    counts: tuple[int, int]
    revs_limit: int
    security: JsonObject
    local_docs: tuple[tuple[str, str, bytes], ...]
    leaves: dict[str, tuple[LeafState, ...]]

    def without_identity(self) -> DatabaseState:
        """Return the content alone, as it would be in another life of the database."""
        return replace(
            self,
            update_seq=Seq(self.update_seq.partition("-")[0]),
            purge_seq=Seq(self.purge_seq.partition("-")[0]),
            instance_start_time="",
        )


StoreState = dict[str, DatabaseState]


def read_store(store: SqliteStore) -> StoreState:
    return {name: read_database(store.open(name)) for name in store.names()}


def read_database(db: SqliteDatabase) -> DatabaseState:
    info = db.info()
    rows = db.changes().rows
    assert len({row.id for row in rows}) == len(rows), "a document stands in the feed twice"
    leaves: dict[str, tuple[LeafState, ...]]
    leaves = {row.id: tuple(map(_read_leaf, db.open_revs(row.id, None, attachments=True))) for row in rows}
    for row in rows:
        assert row.leaves == tuple(leaf.rev for leaf in leaves[row.id]), row.id
        assert row.deleted == leaves[row.id][0].deleted, row.id
    dead = sum(found[0].deleted for found in leaves.values())
    assert (info.doc_count, info.doc_del_count) == (len(leaves) - dead, dead)
    return DatabaseState(
        info.update_seq,
        info.purge_seq,
        info.instance_start_time,
        (info.doc_count, info.doc_del_count),
        db.revs_limit(),
        db.security(),
        tuple((local.id, local.rev, local.body) for local in db.local_docs()),
        leaves,
    )


def _read_leaf(doc: object) -> LeafState:
    assert isinstance(doc, Doc), f"the body of a leaf is gone: {doc}"
    files = []
    for name, att in doc.attachments.items():
        assert att.data is not None
        files.append(FileState(name, att.content_type, att.digest, att.revpos, att.data))
    return LeafState(str(doc.rev), doc.deleted, doc.path, doc.body, tuple(files))
