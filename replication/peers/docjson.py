"""Documents in CouchDB's JSON, as replicators exchange them: `_revisions`, attachments inline or as stubs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from replication.document import EMPTY_BODY, Attachment, Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest

JsonObject = dict[str, Any]


def build_doc_json(doc: Doc) -> bytes:
    """Return the document as one JSON object for `_bulk_docs` with `new_edits=false`.

    `doc.body` is spliced in as it is, never parsed. Attachments with bytes travel as base64, the others as stubs.
    """
    if doc.rev is None:
        raise ValueError(f"document {doc.id!r} has no revision; only stored revisions replicate")
    head: JsonObject = {"_id": doc.id, "_rev": doc.rev, "_revisions": _build_revisions(doc)}
    if doc.deleted:
        head["_deleted"] = True
    if doc.attachments:
        head["_attachments"] = {name: _build_attachment(att) for name, att in doc.attachments.items()}
    encoded = orjson.dumps(head)
    rest = doc.body.strip()
    if rest == EMPTY_BODY or not rest[1:-1].strip():
        return encoded
    return encoded[:-1] + b"," + rest[1:]


def _build_revisions(doc: Doc) -> JsonObject:
    assert doc.rev is not None
    generation, digest = parse_rev(doc.rev)
    return {"start": generation, "ids": list(doc.path) or [digest]}


def _build_attachment(att: Attachment) -> JsonObject:
    entry: JsonObject = {"content_type": att.content_type, "revpos": att.revpos, "digest": att.digest}
    if att.data is None:
        return entry | {"stub": True, "length": att.length} | _encoding(att)
    return entry | {"data": base64.b64encode(att.data).decode("ascii")} | _encoding(att)


def _encoding(att: Attachment) -> JsonObject:
    if att.encoding is None:
        return {}
    return {"encoding": att.encoding, "encoded_length": att.encoded_length, "length": att.length}


def parse_doc_json(value: object) -> Doc:
    """Return the document of a decoded `_bulk_get` row. Raises `BadRequest` for any other shape.

    Members that begin with an underscore and are not part of a replicated document (`_conflicts`, `_local_seq`,
    …) are left out.
    """
    if not isinstance(value, dict):
        raise BadRequest("a document must be a JSON object")
    doc_id, rev = value.get("_id"), value.get("_rev")
    if not isinstance(doc_id, str) or not isinstance(rev, str):
        raise BadRequest("a replicated document must carry _id and _rev")
    attachments = value.get("_attachments", {})
    if not isinstance(attachments, dict):
        raise BadRequest(f"document {doc_id!r}: _attachments must be an object")
    body = {name: member for name, member in value.items() if not name.startswith("_")}
    return Doc(
        id=DocId(doc_id),
        rev=Rev(rev),
        path=_parse_revisions(doc_id, rev, value.get("_revisions")),
        deleted=value.get("_deleted") is True,
        body=orjson.dumps(body),
        attachments={name: _parse_attachment(doc_id, name, entry) for name, entry in attachments.items()},
    )


def _parse_revisions(doc_id: str, rev: str, value: object) -> tuple[str, ...]:
    generation, digest = parse_rev(rev)
    if value is None:
        return (digest,)
    ids = value.get("ids") if isinstance(value, dict) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(entry, str) for entry in ids):
        raise BadRequest(f"document {doc_id!r}: _revisions must have a list of ids")
    if ids[0] != digest or len(ids) > generation:
        raise BadRequest(f"document {doc_id!r}: _revisions do not begin with {rev}")
    return tuple(ids)


def _parse_attachment(doc_id: str, name: str, entry: object) -> Attachment:
    if not isinstance(entry, Mapping):
        raise BadRequest(f"document {doc_id!r}: attachment {name!r} must be an object")
    data = _parse_data(doc_id, name, entry.get("data"))
    encoding = entry.get("encoding") if data is None else None
    return Attachment(
        content_type=str(entry.get("content_type", "application/octet-stream")),
        digest=str(entry.get("digest", "")),
        length=len(data) if data is not None else _count(entry.get("length")),
        revpos=_count(entry.get("revpos")),
        data=data,
        encoding=encoding if isinstance(encoding, str) else None,
        encoded_length=_count(entry.get("encoded_length")) if encoding else None,
    )


def _parse_data(doc_id: str, name: str, data: object) -> bytes | None:
    if data is None:
        return None
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRequest(f"document {doc_id!r}: attachment {name!r} is not base64") from exc


def _count(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
