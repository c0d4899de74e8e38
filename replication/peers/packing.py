"""Request bodies as gzip (RFC 1952), with the base64 of attachments in deflate blocks of its own.

A photograph's base64 has no repetitions worth looking for, and 64 characters that are equally likely: six bits each,
if nothing else stands in the same block. zlib mixes it with the JSON around it and finds chance repetitions of three
characters, which cost more than they save: 33,342 bytes for 32 KiB, so 33,145. The JSON between two attachments may
point back over them to the JSON before, as one stream would: that is most of what a second chunk in a body costs.
"""

from __future__ import annotations

import re
import struct
import zlib

LEVEL = 6
# Shorter runs are not worth a block: its table takes some 60 bytes, and the flush before it 5.
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{4096,}={0,2}")
# RFC 1952 §2.3: magic, deflate, no flags, no time, no hint, unknown system.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_RAW = -15
_WINDOW = 32_768
_MOST_MEMORY = 9


def build_gzip(body: bytes) -> bytes:
    """Return `body` compressed; the same bytes each time."""
    pieces, end = [_HEAD], 0
    for run in _BASE64.finditer(body):
        pieces.append(_deflate(body[end : run.start()], zlib.Z_DEFAULT_STRATEGY, zlib.Z_SYNC_FLUSH, _before(body, end)))
        pieces.append(_deflate(run.group(), zlib.Z_HUFFMAN_ONLY, zlib.Z_SYNC_FLUSH))
        end = run.end()
    pieces.append(_deflate(body[end:], zlib.Z_DEFAULT_STRATEGY, zlib.Z_FINISH, _before(body, end)))
    pieces.append(struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF))
    return b"".join(pieces)


def _before(body: bytes, at: int) -> bytes:
    """Return what a reader of the stream still remembers at `at` (RFC 1951 §2: 32 KiB)."""
    return body[max(0, at - _WINDOW) : at]


def _deflate(data: bytes, strategy: int, flush: int, before: bytes = b"") -> bytes:
    """Return raw deflate blocks; after `Z_SYNC_FLUSH` they end at a whole byte, and more may follow."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW, _MOST_MEMORY, strategy, before)
    return packer.compress(data) + packer.flush(flush)
