"""Request bodies: bounded before they are read, unpacked within the same bound, strict JSON."""

from __future__ import annotations

from typing import Any

from flask import request

from crypto import strictjson
from crypto.errors import CryptoError, TooLarge
from replication.attached import inflate
from replication.errors import StoreError
from server.errors import Refused

JSON_BYTES = 256 * 1024  # an event with timestamps is at most 116 KB, a question about 1024 chunks 60 KB
JSON_DEPTH = 24


def read_body(limit_bytes: int) -> bytes:
    """Return the request's body, unpacked if it came gzipped. Raises `Refused("too_large")`, `Refused("malformed")`."""
    length = request.content_length
    if length is not None and length > limit_bytes:
        raise Refused("too_large", f"a body of {length} bytes; at most {limit_bytes} are read here")
    data = _read_to_end(limit_bytes)
    if length is not None and len(data) < length:
        raise Refused("malformed", f"the body ended after {len(data)} of {length} bytes; send it again")
    coding = request.headers.get("Content-Encoding", "identity").lower()
    if coding == "identity":
        return data
    if coding != "gzip":
        raise Refused("bad_content_type", f"Content-Encoding {coding[:40]!a} is not read here; use gzip or none")
    try:
        return inflate(data, limit_bytes)
    except StoreError as exc:
        raise Refused("too_large" if exc.status == 413 else "malformed", exc.reason) from exc


def _read_to_end(limit_bytes: int) -> bytes:
    """Return the body as it is sent. One `read` gives what has arrived so far, which on a weak line is a part."""
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := request.stream.read(limit_bytes + 1 - size):
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                raise Refused("too_large", f"a body of more than {limit_bytes} bytes")
    except OSError as exc:  # the line was cut: nobody will read this answer, and nothing of the body counts
        raise Refused("malformed", f"the connection ended after {size} bytes of the body") from exc
    return b"".join(pieces)


def read_json(*, limit_bytes: int = JSON_BYTES) -> dict[str, Any]:
    """Return the request's body as a JSON object. Raises `Refused`."""
    try:
        value = strictjson.parse(read_body(limit_bytes), max_bytes=limit_bytes, max_depth=JSON_DEPTH)
    except CryptoError as exc:
        raise Refused("too_large" if isinstance(exc, TooLarge) else "malformed", str(exc)) from exc
    if not isinstance(value, dict):
        raise Refused("malformed", "the body must be a JSON object")
    return value


def read_draft_request() -> tuple[str, dict[str, Any]]:
    """Return the type of event that a draft is asked of and its fields, from the request's body. Raises `Refused`."""
    asked = read_json()
    return member(asked, "type", str), member(asked, "fields", dict)


def member(fields: dict[str, Any], name: str, kind: type) -> Any:
    """Return a member of a JSON object. Raises `Refused("schema")` unless it is there and of the kind."""
    value = fields.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refused("schema", f'the body needs "{name}" ({kind.__name__})', member=name)
    return value
