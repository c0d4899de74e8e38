"""Attachments: bytes kept once by their SHA-256, however many revisions and documents refer to them."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable

from replication.document import Attachment, Doc
from replication.errors import BadRequest, MissingStub, TooLarge
from replication.sqlite.names import check_attachment_name
from replication.sqlite.rows import StoredAttachment

Stub = StoredAttachment


class Blobs:
    """The blobs of one database inside a write transaction. Counts are written by `flush`."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._deltas: Counter[int] = Counter()

    def store(self, data: bytes) -> int:
        """Return the blob with these bytes, made if need be."""
        digest = hashlib.sha256(data).digest()
        row = self._conn.execute("SELECT blob FROM blobs WHERE sha256 = ?", (digest,)).fetchone()
        if row:
            return int(row[0])
        blob = self._conn.execute("INSERT INTO blobs (sha256, refs) VALUES (?, 0)", (digest,)).lastrowid
        assert blob is not None
        self._conn.execute("INSERT INTO blob_data VALUES (?, ?)", (blob, data))
        self._deltas[blob] += 0
        return blob

    def count(self, atts: Iterable[StoredAttachment], by: int) -> None:
        """Note that one more (or fewer) stored body refers to these attachments."""
        for att in atts:
            self._deltas[att.blob] += by

    def flush(self) -> None:
        """Write the counts and drop the blobs nobody refers to any more."""
        if not self._deltas:
            return
        self._conn.executemany(
            "UPDATE blobs SET refs = refs + ? WHERE blob = ?", [(by, blob) for blob, by in self._deltas.items() if by]
        )
        self._conn.executemany(
            "DELETE FROM blobs WHERE blob = ? AND refs <= 0", [(blob,) for blob, by in self._deltas.items() if by <= 0]
        )
        self._deltas.clear()


def check_attachments(doc: Doc, limit_bytes: int) -> None:
    """Raise `BadRequest` or `TooLarge` for an attachment that cannot be stored."""
    for name, att in doc.attachments.items():
        check_attachment_name(name)
        if att.data is not None and len(att.data) > limit_bytes:
            raise TooLarge(
                f"attachment {name} of {doc.id} is {len(att.data)} bytes, the limit is {limit_bytes}",
                error="attachment_too_large",
            )


def has_stubs(doc: Doc) -> bool:
    """Return whether some attachment of a document comes without its bytes."""
    return any(att.data is None for att in doc.attachments.values())


def match_stubs(doc: Doc, ancestors: Iterable[list[StoredAttachment]]) -> dict[str, Stub]:
    """Return the stored attachments that the stubs of a document stand for.

    `ancestors` gives the attachments of stored ancestors, the nearest first. A stub that names a `revpos` stands
    only for an attachment set in that generation, as in CouchDB. Raises `MissingStub`.
    """
    wanted = {name: att.revpos for name, att in doc.attachments.items() if att.data is None}
    matched: dict[str, Stub] = {}
    if wanted:
        for atts in ancestors:
            for att in atts:
                if att.name in wanted and att.name not in matched and wanted[att.name] in (0, att.revpos):
                    matched[att.name] = att
            if len(matched) == len(wanted):
                break
    for name in wanted:
        if name not in matched:
            raise MissingStub(f"Invalid attachment stub in {doc.id} for {name}")
    return matched


def store_attachments(
    blobs: Blobs, doc: Doc, generation: int, stubs: dict[str, Stub], *, keep_revpos: bool
) -> list[StoredAttachment]:
    """Return the attachments of a document as they are stored, in its order.

    With `keep_revpos` (replication) a plausible `revpos` of the sender stands; an edit sets this generation.
    """
    stored = []
    for name, att in doc.attachments.items():
        if att.data is None:
            stored.append(stubs[name])
            continue
        revpos = att.revpos if keep_revpos and 0 < att.revpos <= generation else generation
        stored.append(_describe(name, att, att.data, revpos, blobs.store(att.data)))
    return stored


def _describe(name: str, att: Attachment, data: bytes, revpos: int, blob: int) -> StoredAttachment:
    if att.encoding and att.encoding != "gzip":
        raise BadRequest(f"attachment {name}: encoding {att.encoding!r} is not known, only gzip is")
    return StoredAttachment(
        name=name,
        content_type=att.content_type or "application/octet-stream",
        digest=build_digest(data),
        length=att.length if att.encoding else len(data),
        revpos=revpos,
        encoding=att.encoding or None,
        encoded_length=len(data) if att.encoding else None,
        blob=blob,
    )


def build_digest(data: bytes) -> str:
    """Return CouchDB's attachment digest: "md5-" and the MD5 in base64. A name for caches, not a proof."""
    return "md5-" + base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
