"""Manifests and chunks at the door: the name is the hash, and that is all there is to prove.

Nobody signs them. The signed event names the manifest, the manifest the chunks; a chunk no event leads to is never
shown to anybody, and who may send any is a matter of access.
"""

from __future__ import annotations

from crypto import strictjson
from crypto.hashing import rev_of, sha256_id
from replication.document import Doc
from server.dossier.documents import CHUNK, FILE_PREFIX
from server.dossier.manifest import MAX_CHUNK_BYTES, Manifest, parse_manifest
from server.errors import Refused
from server.intake.documents import check_name
from server.intake.refusal import refusing

MAX_MANIFEST_BYTES = 64 * 1024  # 1024 chunks take 55 KB


def check_manifest_document(doc: Doc) -> Manifest:
    """Return the manifest in `doc`. Its chunks may still be on their way. Raises `Refused`."""
    if len(doc.body) > MAX_MANIFEST_BYTES:  # 1
        raise Refused("too_large", f"a manifest of {len(doc.body)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    with refusing():
        fields = strictjson.parse(doc.body, max_bytes=MAX_MANIFEST_BYTES, max_depth=4)  # 2
    if not isinstance(fields, dict) or fields.keys() != {"manifest"}:
        raise Refused("schema", 'the document of a manifest has exactly one member, "manifest"')
    manifest = parse_manifest(fields["manifest"])  # 3
    check_name(doc, FILE_PREFIX + manifest.id, rev_of(manifest.canonical()))  # 4
    return manifest


def check_chunk_document(doc: Doc) -> bytes:
    """Return the bytes of the chunk in `doc`. Raises `Refused`: "bad_hash" if they are not what its name says."""
    chunk = doc.attachments.get(CHUNK)
    if doc.body.strip() != b"{}" or chunk is None or len(doc.attachments) != 1:  # 3
        raise Refused("schema", f'a chunk is a document with one attachment, "{CHUNK}", and nothing else')
    if chunk.data is None or chunk.encoding is not None:
        raise Refused("schema", "a chunk brings its bytes with it, as they are")
    if chunk.content_type != "application/octet-stream":
        raise Refused("schema", f"a chunk is application/octet-stream, this one {chunk.content_type[:60]!a}")
    if not 1 <= len(chunk.data) <= MAX_CHUNK_BYTES:  # 1
        raise Refused("too_large", f"a chunk has 1 to {MAX_CHUNK_BYTES} bytes, this one {len(chunk.data)}")
    name = str(sha256_id(chunk.data))
    if doc.id != name:  # 4
        raise Refused("bad_hash", f"these bytes are {name}, they came as {doc.id}; send the chunk again")
    check_name(doc, name, rev_of(chunk.data))
    return chunk.data
