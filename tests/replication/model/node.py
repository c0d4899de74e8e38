"""One real store of the three, with what the model says it holds."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import LinkCut
from replication.peers import LocalPeer
from replication.peers.peer import Outgoing, WriteAnswer
from replication.replicator import DatabaseState, Figures, Pair
from replication.replicator import replicate as run_replicator
from replication.sqlite import SqliteDatabase, SqliteStore
from tests.replication.model.definition import Content, Node, Replica, build_path

NAME = "u-h41-12-03"


@dataclass(frozen=True)
class Backup:
    directory: Path
    model: Replica


class StoreUnderTest:
    """A store in a directory, its one database, and its model."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = SqliteStore(directory)
        self.db: SqliteDatabase = self.store.create(NAME)
        self.model = Replica()

    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.directory)
        self.db = self.store.open(NAME)

    def back_up(self, directory: Path) -> Backup:
        """Copy the database while it is in use."""
        directory.mkdir()
        self.db.backup(directory / f"{NAME}.sqlite")
        return Backup(directory, self.model.copy())

    def restore(self, backup: Backup) -> None:
        """Put the backup where the database was, as somebody with a file manager would."""
        self.store.close()
        for suffix in ("-wal", "-shm"):
            (self.directory / f"{NAME}.sqlite{suffix}").unlink(missing_ok=True)
        shutil.copyfile(backup.directory / f"{NAME}.sqlite", self.directory / f"{NAME}.sqlite")
        self.store = SqliteStore(self.directory)
        self.db = self.store.open(NAME)
        self.model = backup.model.copy()

    def write(self, doc: Doc, *, new_edits: bool) -> Rev:
        """Return the revision stored. Raises what refused it."""
        (result,) = self.db.bulk_docs([doc], new_edits=new_edits)
        if result.error is not None:
            raise result.error
        assert result.rev is not None
        return result.rev

    def read_leaves(self, doc_id: str) -> list[Doc]:
        found = self.db.open_revs(DocId(doc_id), None, attachments=True)
        return [doc for doc in found if isinstance(doc, Doc)]

    def close(self) -> None:
        self.store.close()


def read_content(doc: Doc) -> Content:
    """Return what a revision read from a store says. Checks its attachments against their digests."""
    files = []
    for name, att in sorted(doc.attachments.items()):
        assert att.data is not None
        assert att.length == len(att.data)
        files.append((name, att.content_type, att.data))
    return Content(doc.body, doc.deleted, tuple(files))


def read_paths(docs: Sequence[Doc]) -> frozenset[tuple[Node, ...]]:
    return frozenset(build_path(str(doc.rev), doc.path) for doc in docs)


def build_file(data: bytes) -> Attachment:
    return Attachment("image/jpeg", length=len(data), data=data)


def build_stub() -> Attachment:
    return Attachment("image/jpeg")


def build_hash(*parts: object) -> str:
    return hashlib.md5(repr(parts).encode()).hexdigest()


class WeakPeer(LocalPeer):
    """A target whose line goes for good after so many documents, in the middle of a batch if it falls there."""

    def __init__(self, node: StoreUnderTest, documents: int) -> None:
        super().__init__(node.db, node.store.uuid)
        self._left = documents
        self.dead = threading.Event()

    def _bulk_docs(self, docs: Sequence[Outgoing]) -> WriteAnswer:
        through, self._left = docs[: self._left], max(self._left - len(docs), 0)
        answer = super()._bulk_docs(through)
        if len(through) < len(docs):
            self.dead.set()
            raise LinkCut("the line is down")
        return answer


def push(source: StoreUnderTest, target: StoreUnderTest, cut_after: int | None = None) -> Figures:
    """Replicate with the real replicator, until done or until the line goes after `cut_after` documents."""
    near = LocalPeer(source.db, source.store.uuid)
    if cut_after is None:
        return run_replicator(Pair(near, LocalPeer(target.db, target.store.uuid), DatabaseState(source.db)))
    far = WeakPeer(target, cut_after)
    return run_replicator(Pair(near, far, DatabaseState(source.db)), stop=far.dead)
