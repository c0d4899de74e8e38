"""What a leaf of a node's log is, and how leaves are packed for the way.

    leaf     {"e":"sha256-3q2-7wX…","t":1780279384,"v":1}      RFC 8785 form; hashed as RFC 6962 leaves are
    entry    6 bytes of the event's hash ‖ zigzag varint of the seconds since the entry before

A packed entry names its event by the beginning of its hash. Whoever holds the event restores the rest, and the root in
the page's checkpoint proves that it was the right one.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from crypto import merkle
from crypto.errors import Malformed
from crypto.hashing import parse_sha256_id

PREFIX_BYTES = 6  # ours would have to hold 2**24 events before two are likely to share these; see decision 0131
_MAX_VARINT_BYTES = 6
_MAX_TIME = 1 << 40


@dataclass(frozen=True, slots=True)
class Leaf:
    """An event's 32-byte hash and when the node took the event, in Unix seconds by the node's clock."""

    event: bytes
    received: int

    def data(self) -> bytes:
        """Return the bytes that are hashed."""
        # Written out instead of through `crypto.jcs`: the same bytes, and a million of them are made in a verification.
        return b'{"e":"sha256-%s","t":%d,"v":1}' % (_base64url(self.event), self.received)

    def hash(self) -> bytes:
        """Return the leaf's hash in the tree."""
        return merkle.leaf_hash(self.data())


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf as it travels: the first `PREFIX_BYTES` of the event's hash, and the time."""

    prefix: bytes
    received: int


def event_of_document(doc_id: str) -> bytes:
    """Return the hash of the event stored as `<stream>:sha256-…`. Raises `Malformed`."""
    return parse_sha256_id(doc_id.rpartition(":")[2])


def pack(leaves: Iterable[Leaf], start: int) -> bytes:
    """Return the entries of leaves; `start` is the time from which the first delta counts."""
    out, before = bytearray(), start
    for leaf in leaves:
        out += leaf.event[:PREFIX_BYTES] + _varint(leaf.received - before)
        before = leaf.received
    return bytes(out)


def unpack(data: bytes, start: int) -> list[Entry]:
    """Return the entries that `pack` packed. Raises `Malformed`."""
    found: list[Entry] = []
    at, before = 0, start
    while at < len(data):
        prefix = data[at : at + PREFIX_BYTES]
        delta, at = _read_varint(data, at + PREFIX_BYTES)
        before += delta
        if not 0 <= before < _MAX_TIME:
            raise Malformed(f"an entry's time is {before}, which is none")
        found.append(Entry(prefix, before))
    return found


def _varint(value: int) -> bytes:
    """Return LEB128 of the zigzag of `value`: small steps either way take one byte."""
    left = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (value, where the next entry begins)."""
    value = 0
    for i in range(_MAX_VARINT_BYTES):
        if at + i >= len(data):
            break
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if byte == 0 and i > 0:
                raise Malformed("a time step is not written in its shortest form")
            return (value >> 1) ^ -(value & 1), at + i + 1
    raise Malformed("the entries of a page end inside one")


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
