"""Documents between CouchDB's JSON and `Doc`.

`body` of a `Doc` is spliced into answers as it is stored: nothing is parsed to be printed again.

    {"_id":"a","_rev":"2-9f","n":1,"_revisions":{"start":2,"ids":["9f","07"]}}
     ╰─ head ──────────────╯ ╰body╯ ╰─ tail: tombstone, history, meta, attachments ─╯
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from replication.attached import JsonObject, parse_attachment, render_attachment
from replication.document import CONTENT_MEMBERS, EMPTY_BODY, Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, DocValidation, IllegalDocId
from replication.jsontext import dump_json, parse_json

# Members CouchDB itself adds to answers; clients send them back, and they say nothing about the document.
_IGNORED = frozenset(("_revs_info", "_local_seq", "_conflicts", "_deleted_conflicts"))
_NEEDS_REV = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified"
_HEX32 = re.compile(r"[0-9a-fA-F]{32}")


def parse_wire_rev(rev: object) -> Rev:
    """Return a revision as stored: hashes of 32 hex digits in lower case. Raises `BadRequest("Invalid rev format")`."""
    if not isinstance(rev, str):
        raise BadRequest("Invalid rev format")
    generation, digest = parse_rev(rev)
    return Rev(f"{generation}-{_parse_hash(digest)}")


def _parse_hash(digest: str) -> str:
    if len(digest) != 32:
        return digest
    if not _HEX32.fullmatch(digest):
        raise BadRequest("Invalid rev format")
    return digest.lower()


def followed_names(value: object) -> list[str]:
    """Return the attachments whose bytes follow in later parts of a multipart body, in their order."""
    attachments = value.get("_attachments") if isinstance(value, dict) else None
    if not isinstance(attachments, dict):
        return []
    return [name for name, entry in attachments.items() if isinstance(entry, dict) and entry.get("follows") is True]


def parse_document(value: object, *, new_edits: bool = True, followed: Mapping[str, bytes] | None = None) -> Doc:
    """Return the document of a decoded JSON object; `id` is "" where `_id` is absent.

    With `new_edits`, `rev` is the revision edited and `path` is empty; without, `rev` and `path` are the history
    to be merged. `followed` holds the bytes of attachments marked `follows`.

    Raises `BadRequest`, `IllegalDocId` and `DocValidation` with CouchDB's reasons.
    """
    if not isinstance(value, dict):
        raise BadRequest("Document must be a JSON object")
    special = [name for name in value if name[:1] == "_"]
    members = {name: value.pop(name) for name in special}
    doc_id = parse_doc_id(members.pop("_id")) if "_id" in members else DocId("")
    rev, path = _parse_history(members)
    deleted = _pop_typed(members, "_deleted", bool) or False
    attachments = _pop_typed(members, "_attachments", dict) or {}
    for name, member in members.items():
        if name in CONTENT_MEMBERS:
            value[name] = member
        elif name not in _IGNORED:
            raise DocValidation(f"Bad special document member: {name}")
    if not new_edits and rev is None:
        raise BadRequest(_NEEDS_REV)
    return Doc(
        id=doc_id,
        rev=rev,
        path=() if new_edits else path,
        deleted=deleted,
        body=dump_json(value) if value else EMPTY_BODY,
        attachments={name: parse_attachment(name, entry, followed) for name, entry in attachments.items()},
    )


def parse_doc_id(doc_id: object) -> DocId:
    """Return a legal document id, design and local ones included. Raises `IllegalDocId` with CouchDB's reasons."""
    if not isinstance(doc_id, str):
        raise IllegalDocId("Document id must be a string")
    if not doc_id:
        raise IllegalDocId("Document id must not be empty")
    if doc_id[0] == "_":
        if doc_id in ("_design/", "_local/"):
            raise IllegalDocId(f"Illegal document id `{doc_id}`")
        if not doc_id.startswith(("_design/", "_local/")):
            raise IllegalDocId("Only reserved document ids may start with underscore.")
    return DocId(doc_id)


def check_body(body: bytes) -> None:
    """Raise `DocValidation` for content with a member that begins with "_" and is none of `CONTENT_MEMBERS`.

    Spliced into an answer, such a member would speak for the document. Only a text in which one may be is parsed.
    """
    if b'"_' not in body and b"\\u005" not in body:  # the second is how an underscore may be escaped
        return
    value = parse_json(body)
    for name in value if isinstance(value, dict) else ():
        if name[:1] == "_" and name not in CONTENT_MEMBERS:
            raise DocValidation(f"Bad special document member: {name}")


def _pop_typed(members: JsonObject, name: str, kind: type) -> Any:
    value = members.pop(name, None)
    if value is not None and not isinstance(value, kind):
        raise DocValidation(f"Bad special document member: {name}")
    return value


def _parse_history(members: JsonObject) -> tuple[Rev | None, tuple[str, ...]]:
    """Take `_rev` and `_revisions` out of `members`; the second wins where both speak, as in CouchDB."""
    revisions = _pop_typed(members, "_revisions", dict)
    given = members.pop("_rev", None)
    # A local document that was read and is written back brings "0-<n>", which names no revision of a tree.
    rev = None if given is None or (isinstance(given, str) and given.startswith("0-")) else parse_wire_rev(given)
    if revisions is None:
        return rev, (parse_rev(rev)[1],) if rev else ()
    start, ids = revisions.get("start"), revisions.get("ids")
    if type(start) is not int:
        raise DocValidation("_revisions.start isn't an integer.")
    if not isinstance(ids, list):
        raise DocValidation("_revisions.ids isn't a array.")
    if not all(isinstance(entry, str) for entry in ids):
        raise DocValidation("RevId isn't a string")
    if not ids or start == 0:  # 0 is how a local document shows that it has no history
        return rev, ()
    if len(ids) > start:
        raise DocValidation(f"_revisions has {len(ids)} ids, more than its generation {start}.")
    try:
        path = tuple(_parse_hash(entry) for entry in ids)
    except BadRequest:
        raise DocValidation("RevId isn't a valid hexadecimal") from None
    return Rev(f"{start}-{path[0]}"), path


def render_document(
    doc: Doc,
    *,
    revs: bool = False,
    meta: Mapping[str, Any] | None = None,
    data: bool = False,
    follows: bool = False,
    encoding_info: bool = False,
    encoded: bool = False,
) -> bytes:
    """Return `doc` as CouchDB's JSON.

    `revs` adds `_revisions`, `meta` members such as `_conflicts`. Attachments that carry bytes are printed as
    base64 with `data`, as `follows` with `follows` (their bytes come in later parts), and as stubs otherwise.
    `encoding_info` tells the stored encoding and its length. `encoded`, which only our own nodes understand, prints
    the bytes of encoded attachments as they are stored, under `encoded_data`.
    """
    parts = [b'{"_id":', orjson.dumps(doc.id)]
    if doc.rev is not None:
        parts += (b',"_rev":', orjson.dumps(doc.rev))
    inner = doc.body[1:-1]
    if inner and not inner.isspace():
        parts += (b",", inner)
    if doc.deleted:
        parts.append(b',"_deleted":true')
    if revs and doc.path:
        parts += (b',"_revisions":', orjson.dumps({"start": doc.generation, "ids": doc.path}))
    for name, value in (meta or {}).items():
        parts += (b",", orjson.dumps(name), b":", orjson.dumps(value))
    if doc.attachments:
        rendered = {
            name: render_attachment(entry, data, follows, encoding_info, encoded)
            for name, entry in doc.attachments.items()
        }
        parts += (b',"_attachments":', orjson.dumps(rendered))
    parts.append(b"}")
    return b"".join(parts)
