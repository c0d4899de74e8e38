"""Rows of the tables as values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from replication.document import Attachment, DocId, Rev
from replication.revtree import BodyKey, Held, RevTree, build_single, parse_node, parse_tree

_VARIABLES = 500  # per statement; SQLite allows 32,766, longer statements are not faster


class State(NamedTuple):
    epoch: str
    instance_start: str
    update_seq: int
    purge_seq: int
    doc_count: int
    del_count: int
    revs_limit: int


class DocRow(NamedTuple):
    seq: int
    id: DocId
    rev: Rev
    deleted: int
    body: BodyKey
    tree: bytes | None

    def build_tree(self) -> RevTree:
        if self.tree is not None:
            return parse_tree(self.tree)
        return build_single(parse_node(self.rev), Held(self.body, bool(self.deleted)))


class StoredAttachment(NamedTuple):
    """An attachment as `bodies.atts` lists it: all but the bytes, which are in `blob`."""

    name: str
    content_type: str
    digest: str
    length: int
    revpos: int
    encoding: str | None
    encoded_length: int | None
    blob: int

    def build(self, data: bytes | None) -> Attachment:
        return Attachment(
            content_type=self.content_type,
            digest=self.digest,
            length=self.length,
            revpos=self.revpos,
            data=data,
            encoding=self.encoding,
            encoded_length=self.encoded_length,
        )


def read_state(conn: sqlite3.Connection) -> State:
    row = conn.execute(
        "SELECT epoch, instance_start, update_seq, purge_seq, doc_count, del_count, revs_limit FROM state"
    ).fetchone()
    return State(*row)


def read_row(conn: sqlite3.Connection, doc_id: str) -> DocRow | None:
    """Return the row of a document, or None."""
    row = conn.execute("SELECT seq, id, rev, deleted, body, tree FROM docs WHERE id = ?", (doc_id,)).fetchone()
    return DocRow(*row) if row else None


def read_rows(conn: sqlite3.Connection, doc_ids: Iterable[str]) -> dict[str, DocRow]:
    """Return the rows of those documents that exist."""
    ids = list(doc_ids)
    found: dict[str, DocRow] = {}
    for start in range(0, len(ids), _VARIABLES):
        some = ids[start : start + _VARIABLES]
        if len(some) == 1:
            row = read_row(conn, some[0])
            found.update({some[0]: row} if row else {})
            continue
        marks = ",".join("?" * len(some))
        sql = f"SELECT seq, id, rev, deleted, body, tree FROM docs WHERE id IN ({marks})"  # noqa: S608  # only marks
        found.update((row[1], DocRow(*row)) for row in conn.execute(sql, some))
    return found


def parse_atts(stored: bytes | None) -> list[StoredAttachment]:
    return [StoredAttachment(*item) for item in orjson.loads(stored)] if stored else []


def dump_atts(atts: list[StoredAttachment]) -> bytes | None:
    return orjson.dumps([tuple(att) for att in atts]) if atts else None


def read_atts(conn: sqlite3.Connection, body: int) -> list[StoredAttachment]:
    """Return the attachments of a stored body."""
    row = conn.execute("SELECT atts FROM bodies WHERE body = ?", (body,)).fetchone()
    return parse_atts(row[0]) if row else []


def read_blob(conn: sqlite3.Connection, blob: int) -> bytes:
    data: bytes = conn.execute("SELECT data FROM blob_data WHERE blob = ?", (blob,)).fetchone()[0]
    return data


def build_attachments(
    conn: sqlite3.Connection, atts: Iterable[StoredAttachment], after: int
) -> Mapping[str, Attachment]:
    """Return attachments by name, with bytes those set in a generation greater than `after`."""
    return {att.name: att.build(read_blob(conn, att.blob) if att.revpos > after else None) for att in atts}
