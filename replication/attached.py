"""Attachments in CouchDB's JSON: stubs, inline, following behind or encoded; and the gzip some are kept in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from replication.document import Attachment
from replication.errors import BadRequest, DocValidation, TooLarge

JsonObject = dict[str, Any]
PIECE = 1024 * 1024
OCTETS = "application/octet-stream"
# In the greeting of a server that reads and writes `encoded_data`.
ENCODED_FEATURE = "tram-encoded/1"
COUCHDB_LEVEL = 8  # [attachments] compression_level
MAX_DECODED = 64 * 1024 * 1024  # as large as an attachment may be plain


def parse_attachment(name: str, entry: object, followed: Mapping[str, bytes] | None = None) -> Attachment:
    """Return one member of `_attachments`: with its bytes, or a stub with `data` None.

    Bytes that follow or stand under `encoded_data` are kept in their `encoding`. Inline `data` is the decoded form:
    where `encoding` and `digest` stand beside it and the encoded form can be made again exactly, that is kept, and
    otherwise the decoded one, with `digest` left to tell that its sender has other bytes (`is_recoded`).

    Raises `BadRequest` for bytes that are no base64, `DocValidation` for any other fault.
    """
    check_attachment_name(name)
    if not isinstance(entry, dict):
        raise DocValidation(f"Attachment {name!r} must be an object")
    encoding = entry.get("encoding")
    if encoding == "identity":
        encoding = None
    if encoding not in (None, "gzip"):
        raise DocValidation(f"Attachment {name!r}: encoding must be gzip or absent, not {encoding!r}")
    data, digest = _parse_data(name, entry, followed), _parse_text(name, entry, "digest")
    length = len(data) if data is not None and encoding is None else _parse_count(name, entry, "length")
    if data is not None and _is_inline(entry):
        # CouchDB reads inline bytes as the decoded ones, whatever the digest beside them speaks of.
        length, packed = len(data), encode_again(data, digest) if encoding is not None else None
        data, encoding, digest = (data, None, digest if encoding else "") if packed is None else (packed, encoding, "")
    elif data is not None:
        digest = _check_digest(name, digest, data)
        if encoding is not None:
            length = count_inflated(data, MAX_DECODED)  # what cannot be unpacked would spoil every answer it stands in
    return Attachment(
        content_type=_parse_text(name, entry, "content_type") or OCTETS,
        digest=digest,
        length=length,
        revpos=_parse_count(name, entry, "revpos"),
        data=data,
        encoding=encoding,
        encoded_length=None if encoding is None else (len(data) if data is not None else length),
    )


def _is_inline(entry: JsonObject) -> bool:
    return entry.get("follows") is not True and "encoded_data" not in entry


def check_attachment_name(name: str) -> None:
    """Raise `BadRequest` for a name that begins with an underscore."""
    if name[:1] == "_":
        raise BadRequest(f"Attachment name '{name}' starts with prohibited character '_'")


def _parse_data(name: str, entry: JsonObject, followed: Mapping[str, bytes] | None) -> bytes | None:
    if entry.get("stub") is True:
        return None
    if entry.get("follows") is True:
        if followed is None or name not in followed:
            raise BadRequest(f"Attachment {name!r} says that its bytes follow, and no part of the body holds them")
        _check_length(name, entry, len(followed[name]))
        return followed[name]
    member = "encoded_data" if "encoded_data" in entry else "data"
    try:
        data = binascii.a2b_base64(b"".join(entry[member].encode("ascii").split()), strict_mode=True)
    except (KeyError, AttributeError, ValueError):
        raise BadRequest(f"Invalid attachment data for {name}") from None
    if member == "encoded_data":
        _check_length(name, entry, len(data))
    return data


def _check_length(name: str, entry: JsonObject, found: int) -> None:
    """Raise `BadRequest` where the bytes that came are not as many as were announced."""
    member = "encoded_length" if entry.get("encoding") == "gzip" else "length"
    if member in entry and entry[member] != found:
        raise BadRequest(f"Attachment {name!r}: {found} bytes came, announced were {entry[member]!r}; send them again")


def _check_digest(name: str, digest: str, data: bytes) -> str:
    """Return "" for the store to compute its own; raise `BadRequest` for bytes that are not those announced."""
    found = build_digest(data)
    if digest.startswith("md5-") and found != digest:
        raise BadRequest(f"Attachment {name!r}: the bytes have digest {found}, announced was {digest}; send them again")
    return ""


def build_digest(data: bytes) -> str:
    """Return CouchDB's digest of an attachment: `md5-` and base64."""
    return "md5-" + base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def is_recoded(entry: Attachment) -> bool:
    """Return whether a parsed attachment has its content in other bytes than its sender stores (another gzip)."""
    return entry.data is not None and entry.digest != ""


def encode_again(plain: bytes, digest: str) -> bytes | None:
    """Return the gzip text CouchDB stores for `plain`, or None where that was made in another way than CouchDB's.

    The digest proves that the outcome is the stored one, and saves a request for each compressed attachment.
    """
    packer = zlib.compressobj(COUCHDB_LEVEL, wbits=31)
    data = packer.compress(plain) + packer.flush()
    return data if build_digest(data) == digest else None


def _parse_text(name: str, entry: JsonObject, member: str) -> str:
    value = entry.get(member, "")
    if not isinstance(value, str):
        raise DocValidation(f"Attachment {name!r}: {member} must be a string")
    return value


def _parse_count(name: str, entry: JsonObject, member: str) -> int:
    value = entry.get(member, 0)
    if type(value) is not int or value < 0:
        raise DocValidation(f"Attachment {name!r}: {member} must be a whole number")
    return value


def render_attachment(entry: Attachment, data: bool, follows: bool, encoding_info: bool, encoded: bool) -> JsonObject:
    """Return the member of `_attachments`; the options are those of `replication.wire.render_document`."""
    out: JsonObject = {"content_type": entry.content_type, "revpos": entry.revpos}
    if entry.digest:
        out["digest"] = entry.digest
    if entry.data is None or not (data or follows):
        out |= {"length": entry.length, "stub": True}
    elif follows:
        out |= {"length": entry.length, "follows": True}
    elif encoded and entry.encoding is not None:
        out |= {"length": entry.length, "encoded_data": base64.b64encode(entry.data).decode("ascii")}
        encoding_info = True
    else:
        out["data"] = base64.b64encode(decode_attachment(entry)).decode("ascii")
    if encoding_info and entry.encoding is not None:
        out |= {"encoding": entry.encoding, "encoded_length": entry.encoded_length}
    return out


def decode_attachment(entry: Attachment) -> bytes:
    """Return the attachment's bytes without their content encoding.

    Raises `TooLarge` where gzip holds more than an attachment may: such a file is a trap.
    """
    assert entry.data is not None  # no stub is decoded
    if entry.encoding is None:
        return entry.data
    return inflate(entry.data, MAX_DECODED)


def count_inflated(raw: bytes, limit: int) -> int:
    """Return how many bytes a gzip text unpacks to, at most `limit`. Raises as `inflate`, and holds little."""
    return sum(map(len, _inflate_pieces(raw, limit)))


def inflate(raw: bytes, limit: int) -> bytes:
    """Return the content of a gzip text of at most `limit` bytes.

    Raises `BadRequest("Request body is not properly gzipped.")`, `TooLarge`.
    """
    return b"".join(_inflate_pieces(raw, limit))


def _inflate_pieces(raw: bytes, limit: int) -> Iterator[bytes]:
    decoder, total = zlib.decompressobj(wbits=31), 0
    try:
        while raw:
            piece = decoder.decompress(raw, min(PIECE, limit - total + 1))
            total += len(piece)
            if total > limit:
                raise TooLarge(f"the gzip text unpacks to more than {limit} bytes")
            yield piece
            raw = decoder.unconsumed_tail or decoder.unused_data
            if decoder.eof and raw:
                decoder = zlib.decompressobj(wbits=31)
    except zlib.error:
        raise BadRequest("Request body is not properly gzipped.") from None
    if not decoder.eof:
        raise BadRequest("Request body is not properly gzipped.")
