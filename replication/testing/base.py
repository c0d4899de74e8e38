"""What all parts of the contract share: the fixtures, and short ways to say what is stored."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

import pytest

from replication.document import Attachment, Doc, DocId, Rev
from replication.store import Database, Store

Capability = Literal[
    "purge",  # removes leaves without a trace
    "compact",  # drops old bodies before `compact` returns
    "overwrite",  # what is purged is overwritten on the disk, not only given back to it
    "ordered_feed",  # one order of changes for the whole database, not one per shard
    "empty_security",  # a new database has the security object {}
    "offset",  # all_docs counts the rows before a range
]


class Contract:
    """The fixtures of every part. `capabilities` lists what the engine can do: all, unless a subclass takes away.

    A subclass supplies the fixture `store`, and unless it takes "overwrite" away `raw`: the bytes of the files of `db`.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(get_args(Capability))

    @pytest.fixture
    def db(self, store: Store) -> Iterator[Database]:
        """A database of its own for each test."""
        name = f"contract-{secrets.token_hex(6)}"
        db = store.create(name)
        yield db
        self.check(db)
        store.delete(name)

    def check(self, db: Database) -> None:
        """Look, after each test, at what only this engine knows of its database. A subclass may; this does nothing."""

    def need(self, capability: Capability) -> None:
        """Skip a test about something the engine says it cannot do."""
        if capability not in self.capabilities:
            pytest.skip(f"{type(self).__name__} declares that its engine cannot: {capability}")


def build_doc(
    doc_id: str,
    rev: str | None = None,
    *ancestors: str,
    deleted: bool = False,
    atts: dict[str, Attachment] | None = None,
    **members: Any,
) -> Doc:
    """Return a document; `ancestors` are the hashes below `rev`, newest first."""
    path = (rev.partition("-")[2], *ancestors) if rev else ()
    body = json.dumps(members, separators=(",", ":")).encode()
    return Doc(DocId(doc_id), Rev(rev) if rev else None, path, deleted, body, atts or {})


def build_attachment(data: bytes, content_type: str = "application/octet-stream", **fields: Any) -> Attachment:
    return Attachment(content_type, length=len(data), data=data, **fields)


def build_stub(**fields: Any) -> Attachment:
    return Attachment("application/octet-stream", **fields)


def put(db: Database, *docs: Doc) -> None:
    """Store documents as replication does; each must succeed with the revision it has."""
    for doc, result in zip(docs, db.bulk_docs(docs, new_edits=False), strict=True):
        assert result.error is None, (result.id, result.error)
        assert (result.id, result.rev) == (doc.id, doc.rev)


def edit(db: Database, doc: Doc) -> Rev:
    """Return the revision an edit made, or raise the error that refused it."""
    (result,) = db.bulk_docs([doc])
    if result.error is not None:
        raise result.error
    assert result.rev is not None
    return result.rev


def read_body(doc: object) -> Any:
    assert isinstance(doc, Doc), doc
    return json.loads(doc.body)


def read_leaves(db: Database, doc_id: str) -> list[tuple[str, bool]]:
    return list(db.leaves(DocId(doc_id)))


def read_feed(db: Database) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return the whole feed as id → (leaves, deleted)."""
    page = db.changes()
    assert page.pending == 0
    assert len({row.id for row in page.rows}) == len(page.rows), "a document stands in the feed twice"
    return {row.id: (row.leaves, row.deleted) for row in page.rows}
