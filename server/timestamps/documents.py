"""The documents by which time-stamps travel. Format: docs/formats/timestamp.md.

{"_id": "tst:sha256-…", "_rev": "1-…",
 "tst": {"v": 1, "of": "<document id of the event>", "token": "<base64 of the token's DER>"}}
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from crypto import strictjson
from crypto.errors import Malformed
from replication.document import Doc
from server.dossier.documents import timestamp_doc
from server.errors import Refused
from server.log.leaves import event_of_document
from server.timestamps.token import MAX_TOKEN_BYTES, Token, parse_token

VERSION = 1
MAX_BODY_BYTES = 20 * 1024
_MAX_OF_CHARS = 256
_MAX_TEXT_CHARS = MAX_TOKEN_BYTES * 4 // 3 + 4


@dataclass(frozen=True, slots=True)
class TimestampDocument:
    """A token, and the document id of the event whose signature it stamps. Nothing is verified yet."""

    of: str
    event: bytes
    token: Token


def build_timestamp(of: str, token: bytes) -> Doc:
    """Return the document that brings a token (DER) about the event stored as `of`."""
    text = base64.b64encode(token).decode("ascii")
    return timestamp_doc({"tst": {"v": VERSION, "of": of, "token": text}})


def parse_timestamp(body: bytes) -> TimestampDocument:
    """Return what a time-stamp document holds. Raises `Refused("schema")`, `CryptoError`."""
    value = strictjson.parse(body, max_bytes=MAX_BODY_BYTES, max_depth=3)
    fields = value.get("tst") if isinstance(value, dict) and value.keys() == {"tst"} else None
    if not isinstance(fields, dict) or fields.keys() != {"v", "of", "token"}:
        raise Refused("schema", 'expected {"tst": {"v", "of", "token"}}')
    if type(fields["v"]) is not int or fields["v"] != VERSION:
        raise Refused("schema", f"this program reads version {VERSION}; update it")
    of, text = fields["of"], fields["token"]
    if not isinstance(of, str) or not 0 < len(of) <= _MAX_OF_CHARS:
        raise Refused("schema", '"of" is the document id of an event')
    if not isinstance(text, str) or len(text) > _MAX_TEXT_CHARS:
        raise Refused("schema", f'"token" is base64 of at most {MAX_TOKEN_BYTES} bytes')
    return TimestampDocument(of, event_of_document(of), parse_token(_decode(text)))


def _decode(text: str) -> bytes:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Malformed(f"not base64: {exc}") from exc
    if base64.b64encode(der).decode("ascii") != text:
        raise Malformed("base64 in another spelling than its own")
    return der
