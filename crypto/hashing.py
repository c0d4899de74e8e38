"""Names made of hashes: they say which function made them, so that another can follow.

sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU      a content id: "sha256-" and 43 base64url characters
1-e3b0c44298fc1c149afbf4c8996fb924                      a CouchDB revision: "1-" and 32 hexadecimal digits
"""

from __future__ import annotations

from hashlib import sha256
from typing import NewType

from crypto import base64url
from crypto.errors import Malformed

ContentId = NewType("ContentId", str)

_PREFIX = "sha256-"
_TEXT_CHARS = 43  # 32 bytes in base64url without padding


def sha256_id(data: bytes) -> ContentId:
    """Return the content id of `data`: "sha256-" and the base64url of its SHA-256."""
    return ContentId(_PREFIX + base64url.encode(sha256(data).digest()))


def parse_sha256_id(text: str) -> bytes:
    """Return the 32 bytes a content id names. Raises `Malformed` unless it is "sha256-" and 43 base64url characters."""
    if not text.startswith(_PREFIX) or len(text) != len(_PREFIX) + _TEXT_CHARS:
        raise Malformed(f'a content id is "sha256-" and {_TEXT_CHARS} base64url characters, got {text[:60]!a}')
    return base64url.decode(text[len(_PREFIX) :])


def rev_of(data: bytes) -> str:
    """Return the revision of an immutable document by its canonical bytes: generation 1, 128 bits of SHA-256.

    It depends on the content alone, so a document gets the same revision on every road it arrives by.
    """
    return "1-" + sha256(data).hexdigest()[:32]
