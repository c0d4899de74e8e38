"""A document with its attachments as `multipart/related` (RFC 2387), as CouchDB's own replicator sends it.

JSON has no place for bytes that are stored compressed: CouchDB would take `data` for the plain bytes. Here they
travel as they are, announced by `encoding`, in the order of `_attachments`.
"""

from __future__ import annotations

import hashlib

from replication.couch.docjson import build_doc_json
from replication.document import Doc


def needs_multipart(doc: Doc) -> bool:
    """Return whether the document brings bytes that are stored encoded."""
    return any(att.encoding is not None and att.data is not None for att in doc.attachments.values())


def build_multipart(doc: Doc, *, new_edits: bool) -> tuple[str, bytes]:
    """Return (Content-Type, body) for a PUT of the document."""
    parts = [build_doc_json(doc, new_edits=new_edits, follows=True)]
    parts += [attachment.data for attachment in doc.attachments.values() if attachment.data is not None]
    boundary = _choose_boundary(parts)
    mark = b"\r\n--" + boundary.encode("ascii")
    pieces = [mark[2:], b"\r\nContent-Type: application/json\r\n\r\n", parts[0]]
    for part in parts[1:]:
        pieces += [mark, b"\r\n\r\n", part]
    pieces += [mark, b"--"]
    return f'multipart/related; boundary="{boundary}"', b"".join(pieces)


def _choose_boundary(parts: list[bytes]) -> str:
    """Return a boundary that occurs in no part. It is computed: the same document gives the same bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    while any(digest.hexdigest()[:32].encode("ascii") in part for part in parts):
        digest.update(b"again")
    return digest.hexdigest()[:32]
