"""Base64url without padding (RFC 4648 §5, RFC 7515 §2), in the one spelling each byte string has."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from crypto.errors import Malformed


def encode(data: bytes) -> str:
    """Return `data` as base64url text without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes `text` spells.

    Raises `Malformed` for padding, whitespace, characters outside the URL alphabet, an impossible length and
    left-over bits that are not zero. The library decoder forgives all of these; since `encode` gives every byte string
    exactly one spelling, comparing with it forgives none.
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as exc:  # binascii.Error, and non-ASCII text
        raise Malformed(f"not base64url: {_shown(text)}") from exc
    if encode(data) != text:
        raise Malformed(f"not base64url in its only spelling (no padding, no stray characters): {_shown(text)}")
    return data


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
