"""Check one stored document alone: is it what its id and revision say, and is what it says signed?

The checks are those of intake, made again from the stored bytes by the formats' own definitions; nothing intake noted
is believed. What spans documents (is the certificate here, are all chunks here) is in `server.verify.database`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crypto import strictjson
from crypto.chain import ChainCache, TrustAnchors, VerifiedSigner, verify_actor, verify_chain
from crypto.crl import CrlSet
from crypto.errors import UntrustedChain
from crypto.event import parse_signed_event, verify_event_signature
from crypto.hashing import rev_of, sha256_id
from replication.document import Doc
from server.dossier.event import StoredEvent, parse_stored
from server.dossier.manifest import Manifest, parse_manifest
from server.errors import Refused

MAX_BODY_BYTES = 1024 * 1024  # the largest document of ours is a CRL of some hundred KiB
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Trust:
    """What signatures are judged by: anchors, the certificates and CRLs found beside the documents, the present."""

    anchors: TrustAnchors
    certificates: Mapping[str, bytes]
    crls: CrlSet
    now: datetime
    cache: ChainCache


def kind_of(doc_id: str) -> str:
    """Return what a document of this id has to be: certificate, crl, manifest, chunk or event."""
    for prefix, kind in (("cert:", "certificate"), ("crl:", "crl"), ("file:", "manifest"), ("sha256-", "chunk")):
        if doc_id.startswith(prefix):
            return kind
    return "event"


def verify_named_bytes(doc: Doc, prefix: str, data: bytes) -> bytes:
    """Return `data` if the document's id (after `prefix`) and revision are made of it. Raises `Refused`."""
    if doc.id != prefix + sha256_id(data):
        raise Refused("bad_hash", f"its content hashes to {sha256_id(data)}, not to its id")
    if doc.rev != rev_of(data):
        raise Refused("bad_id", f"its revision is {doc.rev}, its content gives {rev_of(data)}")
    return data


def verify_chunk(doc: Doc) -> bytes:
    """Return the bytes of a chunk document. Raises `Refused` unless it is one attachment that hashes to its id."""
    attachment = doc.attachments.get("chunk")
    if doc.attachments.keys() != {"chunk"} or attachment is None or attachment.data is None or doc.body != b"{}":
        raise Refused("bad_file", "a chunk document is one attachment called chunk and nothing else")
    if attachment.content_type != "application/octet-stream" or attachment.encoding is not None:
        raise Refused("bad_file", f"a chunk is application/octet-stream, this is {attachment.content_type[:40]!a}")
    return verify_named_bytes(doc, "", attachment.data)


def verify_manifest(doc: Doc) -> Manifest:
    """Return the manifest in a document. Raises `Refused` unless its id is the hash of its canonical form."""
    fields = _fields(doc, {"manifest"})
    manifest = parse_manifest(fields["manifest"])
    verify_named_bytes(doc, "file:", manifest.canonical())
    return manifest


def verify_der(doc: Doc, member: str, prefix: str, parse: Callable[[bytes], object]) -> bytes:
    """Return the DER in a certificate or CRL document. Raises `Refused` for the document, `CryptoError` for the DER."""
    fields = _fields(doc, {member})
    der = decode_base64(fields[member])
    verify_named_bytes(doc, prefix, der)
    parse(der)
    return der


def verify_event(doc: Doc, trust: Trust) -> tuple[StoredEvent, str]:
    """Return the event in a document, and a remark ("" when there is none), once it is proven.

    Proven are: canonical form, id, revision, schema, the signature, the signer's path to an anchor, and that the actor
    is the signer. Where the certificate is outside its validity now but was inside when the author says to have signed,
    the remark says so: how much that is worth depends on the receipt. Raises `Refused` or `CryptoError`.
    """
    fields = _fields(doc, {"event", "signatures"})
    signed = parse_signed_event(fields)
    stored = parse_stored(signed.event)
    if doc.id != f"{stored.event.stream}:{signed.id}":
        raise Refused("bad_hash", f"its event hashes to {signed.id}, not to its id")
    if doc.rev != signed.rev:
        raise Refused("bad_id", f"its revision is {doc.rev}, its event gives {signed.rev}")
    leaf = trust.certificates.get(signed.fingerprint)
    if leaf is None:
        raise Refused("unknown_certificate", f"the certificate {signed.fingerprint} of its signer is not here")
    signer, remark = _verify_signer(leaf, trust, datetime.fromtimestamp(signed.iat, UTC))
    verify_event_signature(signed, signer=signer)
    verify_actor(signer, stored.event.actor)
    return stored, remark


def decode_base64(value: Any) -> bytes:
    """Return the bytes of standard base64 text in its only spelling. Raises `Refused("schema")`."""
    try:
        data = b64decode(value, validate=True)
    except (Error, ValueError, TypeError) as exc:
        raise Refused("schema", f"not base64: {exc}") from exc
    if b64encode(data).decode("ascii") != value:
        raise Refused("schema", "base64 with loose bits at its end")
    return data


def _verify_signer(leaf: bytes, trust: Trust, claimed: datetime) -> tuple[VerifiedSigner, str]:
    def at(instant: datetime) -> VerifiedSigner:
        others = list(trust.certificates.values())
        return verify_chain(leaf, others, anchors=trust.anchors, at=instant, crls=trust.crls, cache=trust.cache)

    try:
        return at(trust.now), ""
    except UntrustedChain as exc:
        if exc.reason_code not in ("expired", "revoked"):
            raise
        return at(claimed), f"its signer's certificate is {exc.reason_code} now; it was not when signing is claimed"


def _fields(doc: Doc, expected: set[str]) -> dict[str, Any]:
    if doc.attachments or doc.deleted:
        raise Refused("not_immutable", "it has been deleted, or carries attachments it must not have")
    fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_DEPTH)
    if not isinstance(fields, dict) or fields.keys() != expected:
        raise Refused("schema", f"expected exactly the members {', '.join(sorted(expected))}")
    return fields
