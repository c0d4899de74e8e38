"""`Doc` and CouchDB's JSON for it.

    Doc(id="a", rev="2-9f", path=("9f", "07"), body=b'{"n":1}')
    {"_id": "a", "_rev": "2-9f", "_revisions": {"start": 2, "ids": ["9f", "07"]}, "n": 1}

Bodies go to CouchDB as they are; what comes back is CouchDB's text of the same value.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from replication.couch.jsontext import dump_json, parse_json
from replication.document import EMPTY_BODY, Attachment, Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, DocValidation, Unavailable

JsonObject = dict[str, Any]
FetchStored = Callable[[DocId, Rev, str], bytes]
"""Fetches one attachment's bytes as stored: (document, revision, name)."""

STANDARD_BASE = 1_000_000


def check_doc(doc: Doc, *, new_edits: bool) -> None:
    """Raise `BadRequest` for a document whose JSON would spoil the batch it travels in, or mean something else."""
    try:
        doc.id.encode()
        body = parse_json(doc.body)
    except ValueError as exc:
        raise BadRequest(f"document {doc.id!r} is not valid JSON in UTF-8: {exc}") from exc
    if not isinstance(body, dict):
        raise BadRequest("Document must be a JSON object")
    for member in body:
        if member.startswith("_"):
            raise DocValidation(f"Bad special document member: {member}")
    if new_edits:
        if doc.rev is not None:
            parse_rev(doc.rev)
        return
    if doc.rev is None:
        raise BadRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
    generation, digest = parse_rev(doc.rev)
    if not doc.path or doc.path[0] != digest or len(doc.path) > generation:
        raise BadRequest(f"document {doc.id!r}: the path must begin with the hash of {doc.rev} and end at generation 1")


def build_doc_json(doc: Doc, *, new_edits: bool, follows: bool = False) -> bytes:
    """Return the JSON text of a document that `check_doc` let pass, for `_bulk_docs` or PUT.

    With `follows` attachments are announced and not included; see `replication.couch.multipart`.
    """
    head: JsonObject = {"_id": doc.id}
    if doc.rev is not None:
        head["_rev"] = doc.rev
        if not new_edits:
            head["_revisions"] = {"start": doc.generation, "ids": list(doc.path)}
    if doc.deleted:
        head["_deleted"] = True
    if doc.attachments:
        head["_attachments"] = {
            name: _build_attachment(attachment, follows=follows) for name, attachment in doc.attachments.items()
        }
    encoded, body = dump_json(head), doc.body.strip()
    members = body[1:-1].strip()
    return encoded if not members else encoded[:-1] + b"," + members + b"}"


def _build_attachment(attachment: Attachment, *, follows: bool) -> JsonObject:
    # CouchDB takes a stub only with exactly the revpos it holds, or with none; digest and length it takes from its
    # own copy.
    known: JsonObject = {"revpos": attachment.revpos} if attachment.revpos > 0 else {}
    if attachment.data is None:
        return {"stub": True, **known}
    known["content_type"] = attachment.content_type
    if not follows:
        return {"data": base64.b64encode(attachment.data).decode("ascii"), **known}
    md5 = base64.b64encode(hashlib.md5(attachment.data, usedforsecurity=False).digest()).decode("ascii")
    known |= {"follows": True, "length": len(attachment.data), "digest": f"md5-{md5}"}
    if attachment.encoding is not None:
        known |= {"encoding": attachment.encoding, "encoded_length": len(attachment.data), "length": attachment.length}
    return known


def parse_doc(value: Mapping[str, Any], fetch_stored: FetchStored) -> Doc:
    """Return the document of CouchDB's JSON, as `_bulk_get` gives it with `revs` and `att_encoding_info`."""
    doc_id, rev = DocId(value["_id"]), Rev(value["_rev"])
    body = {name: member for name, member in value.items() if not name.startswith("_")}
    return Doc(
        id=doc_id,
        rev=rev,
        path=tuple(value["_revisions"]["ids"]),
        deleted=value.get("_deleted") is True,
        body=dump_json(body) if body else EMPTY_BODY,
        attachments={
            name: _parse_attachment(entry, lambda name=name: fetch_stored(doc_id, rev, name))
            for name, entry in value.get("_attachments", {}).items()
        },
    )


def _parse_attachment(entry: Mapping[str, Any], fetch: Callable[[], bytes]) -> Attachment:
    digest, encoding = entry["digest"], entry.get("encoding")
    plain = base64.b64decode(entry["data"]) if "data" in entry else None
    data = plain
    if plain is not None and encoding is not None:
        # JSON carries the decoded bytes, but digest and replication speak of the stored ones.
        data = encode_again(plain, digest) or fetch()
    return Attachment(
        content_type=entry["content_type"],
        digest=digest,
        length=entry["length"] if plain is None else len(plain),
        revpos=entry.get("revpos", 0),
        data=data,
        encoding=encoding,
        encoded_length=entry.get("encoded_length"),
    )


def encode_again(plain: bytes, digest: str) -> bytes | None:
    """Return the gzip text CouchDB stores for `plain`, or None where it was made in another way than CouchDB's.

    CouchDB compresses with zlib at level 8 (its default `compression_level`); the digest proves that the outcome is
    the same, and saves fetching it.
    """
    packer = zlib.compressobj(8, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    data = packer.compress(plain) + packer.flush()
    return data if build_digest(data) == digest else None


def build_digest(data: bytes) -> str:
    """Return CouchDB's digest of attachment bytes: "md5-" and base64."""
    return "md5-" + base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")
