"""The documents of docs/architecture.md, "Documents": each immutable, with an id and a revision made of its content.

The same thing arriving by phone, LAN, WAN or USB makes the same document with the same revision; stores take them with
`new_edits=False`, and a second copy costs nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5
from typing import Any

from crypto import jcs
from crypto.hashing import rev_of, sha256_id
from replication.document import Attachment, Doc, DocId, Rev
from server.dossier.event import canonical_bytes, document_id
from server.dossier.manifest import Manifest

CHUNK = "chunk"  # the name of the attachment that is the chunk
CERTIFICATE_PREFIX = "cert:"
CRL_PREFIX = "crl:"
FILE_PREFIX = "file:"
LOG_PREFIX = "log:"
TIMESTAMP_PREFIX = "tst:"


def event_doc(signed: Mapping[str, Any]) -> Doc:
    """Return the document of a signed event `{"event", "signatures"}`."""
    payload = canonical_bytes(signed["event"])
    name = document_id(signed["event"]["stream"], sha256_id(payload))
    return _doc(name, payload, {"event": signed["event"], "signatures": signed["signatures"]})


def certificate_doc(der: bytes) -> Doc:
    """Return the document of a certificate in DER."""
    return _doc(CERTIFICATE_PREFIX + sha256_id(der), der, {"certificate": b64encode(der).decode("ascii")})


def crl_doc(der: bytes) -> Doc:
    """Return the document of a certificate revocation list in DER."""
    return _doc(CRL_PREFIX + sha256_id(der), der, {"crl": b64encode(der).decode("ascii")})


def log_doc(fields: Mapping[str, Any]) -> Doc:
    """Return the document of a page of a log, or of a cosigned checkpoint: `{"page": …}` or `{"cosigned": …}`."""
    content = jcs.canonical(dict(fields))
    return _doc(LOG_PREFIX + sha256_id(content), content, dict(fields))


def timestamp_doc(fields: Mapping[str, Any]) -> Doc:
    """Return the document of a time-stamp over an event: `{"tst": …}`."""
    content = jcs.canonical(dict(fields))
    return _doc(TIMESTAMP_PREFIX + sha256_id(content), content, dict(fields))


def manifest_doc(manifest: Manifest) -> Doc:
    """Return the document of a file manifest."""
    return _doc(FILE_PREFIX + manifest.id, manifest.canonical(), {"manifest": manifest.value()})


def chunk_doc(data: bytes) -> Doc:
    """Return the document of one chunk: nothing but one attachment, `chunk`, of application/octet-stream."""
    digest = "md5-" + b64encode(md5(data, usedforsecurity=False).digest()).decode("ascii")
    chunk = Attachment("application/octet-stream", digest, len(data), 1, data)
    return _doc(sha256_id(data), data, {}, {CHUNK: chunk})


def _doc(name: str, content: bytes, fields: dict[str, Any], attachments: Mapping[str, Attachment] | None = None) -> Doc:
    rev = rev_of(content)
    path = (rev.removeprefix("1-"),)
    return Doc(DocId(name), Rev(rev), path, False, jcs.canonical(fields), attachments or {})
