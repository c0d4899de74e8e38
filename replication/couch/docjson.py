"""`Doc` and CouchDB's JSON for it.

    Doc(id="a", rev="2-9f", path=("9f", "07"), body=b'{"n":1}')
    {"_id": "a", "_rev": "2-9f", "_revisions": {"start": 2, "ids": ["9f", "07"]}, "n": 1}

Bodies go to CouchDB as they are; what comes back is CouchDB's text of the same value. JSON carries attachments
decoded: bytes that are stored with `encoding` go as `multipart/related` (RFC 2387), as CouchDB's own replicator
sends them, and are encoded again when they come back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from replication.attached import JsonObject, build_digest, check_attachment_name, encode_again
from replication.document import Attachment, Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, IllegalDocId
from replication.jsontext import dump_json, parse_json
from replication.multipart import build_boundary, build_related
from replication.wire import check_body, parse_doc_id, parse_document

FetchStored = Callable[[DocId, Rev, str], bytes]  # (document, revision, name) -> the attachment's bytes as stored


def check_doc(doc: Doc, *, new_edits: bool) -> None:
    """Raise the `BadRequest` for a document whose JSON would spoil the batch it travels in, or mean something else."""
    parse_doc_id(doc.id)
    if doc.id.startswith("_local/"):  # CouchDB would store a local document, which has no revision to answer with
        raise IllegalDocId("Only reserved document ids may start with underscore.")
    try:
        doc.id.encode()
        for name in doc.attachments:
            check_attachment_name(name)
            name.encode()
    except UnicodeEncodeError as exc:
        raise BadRequest(f"document {doc.id!r}: its id or an attachment's name is not valid UTF-8") from exc
    if not isinstance(parse_json(doc.body), dict):
        raise BadRequest("Document must be a JSON object")
    check_body(doc.body)
    if doc.rev is None:
        if not new_edits:
            raise BadRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
        return
    generation, digest = parse_rev(doc.rev)
    if new_edits:
        return
    if not doc.path or doc.path[0] != digest or len(doc.path) > generation:
        raise BadRequest(f"document {doc.id!r}: the path must begin with the hash of {doc.rev} and end by generation 1")


def build_doc_json(doc: Doc, *, new_edits: bool, follows: bool = False) -> bytes:
    """Return the JSON text of a document that `check_doc` let pass. With `follows`, bytes are only announced."""
    head: JsonObject = {"_id": doc.id}
    if doc.rev is not None:
        head["_rev"] = doc.rev
        if not new_edits:
            head["_revisions"] = {"start": doc.generation, "ids": list(doc.path)}
    if doc.deleted:
        head["_deleted"] = True
    if doc.attachments:
        head["_attachments"] = {name: _build_attachment(entry, follows) for name, entry in doc.attachments.items()}
    encoded = dump_json(head)
    members = doc.body.strip()[1:-1].strip()
    return encoded if not members else encoded[:-1] + b"," + members + b"}"


def _build_attachment(entry: Attachment, follows: bool) -> JsonObject:
    # CouchDB takes a stub only with exactly the revpos it holds, or with none; the rest it takes from its own copy.
    known: JsonObject = {"revpos": entry.revpos} if entry.revpos > 0 else {}
    if entry.data is None:
        return {"stub": True, **known}
    known["content_type"] = entry.content_type
    if not follows:
        return {"data": base64.b64encode(entry.data).decode("ascii"), **known}
    known |= {"follows": True, "length": len(entry.data), "digest": build_digest(entry.data)}
    if entry.encoding is not None:
        known |= {"length": entry.length, "encoding": entry.encoding, "encoded_length": len(entry.data)}
    return known


def needs_multipart(doc: Doc) -> bool:
    """Return whether the document brings bytes that are stored encoded."""
    return any(entry.encoding is not None and entry.data is not None for entry in doc.attachments.values())


def build_doc_multipart(doc: Doc, *, new_edits: bool) -> tuple[str, bytes]:
    """Return (Content-Type, body) for a PUT of the document with its attachments as stored."""
    boundary = build_boundary()
    document = build_doc_json(doc, new_edits=new_edits, follows=True)
    body = b"".join(build_related(document, doc.attachments, boundary))
    return f'multipart/related; boundary="{boundary.decode("ascii")}"', body


def parse_doc(value: JsonObject, fetch_stored: FetchStored) -> Doc:
    """Return the document of one row of `_bulk_get`, asked with `revs` and `att_encoding_info`."""
    attachments = value.pop("_attachments", {})
    doc = parse_document(value, new_edits=False)
    if not attachments:
        return doc
    assert doc.rev is not None
    parsed = {}
    for name, entry in attachments.items():
        stored = parse_attachment(entry)
        if stored is None:  # CouchDB does not print the stored bytes and they cannot be made again
            stored = replace(parse_stub(entry), data=fetch_stored(doc.id, doc.rev, name))
        parsed[name] = stored
    return replace(doc, attachments=parsed)


def parse_attachment(entry: Mapping[str, Any]) -> Attachment | None:
    """Return the attachment of one member of `_attachments`, or None where its stored bytes must be fetched."""
    stub = parse_stub(entry)
    if "data" not in entry:
        return stub
    plain = base64.b64decode(entry["data"])
    data = plain if stub.encoding is None else encode_again(plain, stub.digest)
    return None if data is None else replace(stub, data=data, length=len(plain))


def parse_stub(entry: Mapping[str, Any]) -> Attachment:
    """Return the attachment without its bytes."""
    return Attachment(
        content_type=entry["content_type"],
        digest=entry["digest"],
        length=entry.get("length", 0),
        revpos=entry.get("revpos", 0),
        encoding=entry.get("encoding"),
        encoded_length=entry.get("encoded_length"),
    )
