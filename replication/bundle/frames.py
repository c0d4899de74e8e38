"""Frames: up to a mebibyte of documents of one database, compressed, sealed, and readable without its neighbours.

    head     "\\xf1TRAMfr\\n"  u32 index  u32 length  u32 crc32(payload)  u32 crc32(head so far)        24 bytes
    payload  age( zstd( u32 length, JSON {"bundle","part","index","section","db","since","until","count"}, documents ) )

The index of the closing frame, which holds the manifest, is `CLOSING`. Every length is declared and checked before
anything is allocated for it: the payload's in the head, the unpacked one in the zstd frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from crypto import jcs
from replication.bundle import checks
from replication.bundle.age import Opener, Sealer
from replication.bundle.envelope import MAX_PARTS, parse_json
from replication.bundle.errors import BadBundle, Damaged
from replication.bundle.records import unpack_documents
from replication.document import Doc, Seq

MAGIC: Final = b"\xf1TRAMfr\n"
HEAD: Final = struct.Struct(">8sIIII")
CLOSING: Final = 0xFFFFFFFF
MAX_FRAMES: Final = 100_000
MAX_NOTES: Final = 64  # in one frame; there is one of each kind, and a frame for each
FRAME_BYTES: Final = 1024 * 1024  # a frame is closed before it grows beyond; what damage costs at most
MAX_PLAIN: Final = 16 * 1024 * 1024  # one document may be larger than a frame: a revocation list of 5 MB, a manifest
MAX_SEALED: Final = MAX_PLAIN + 1024 * 1024
_LENGTH = struct.Struct(">I")
_MAX_HEAD_JSON = 16 * 1024
# JSON shrinks to a third and photographs not at all: time is spent where it helps.
_LEVELS: Final = {"files": 1, "previews": 1, "asked": 1}
_LEVEL: Final = 9


@dataclass(frozen=True, slots=True)
class FrameHead:
    """What stands before a payload."""

    index: int
    length: int
    crc: int

    def pack(self) -> bytes:
        first = HEAD.pack(MAGIC, self.index, self.length, self.crc, 0)[:-4]
        return first + struct.pack(">I", zlib.crc32(first))


def parse_frame_head(data: bytes) -> FrameHead:
    """Return the head in 24 bytes. Raises `Damaged`, also for a length beyond `MAX_SEALED`."""
    if len(data) != HEAD.size:
        raise Damaged("it ends where a frame should begin")
    magic, index, length, crc, head_crc = HEAD.unpack(data)
    if magic != MAGIC or zlib.crc32(data[:-4]) != head_crc or not 0 < length <= MAX_SEALED:
        raise Damaged("no frame begins here")
    return FrameHead(index, length, crc)


@dataclass(frozen=True, slots=True)
class FrameContent:
    """What a frame holds: documents of one database that stand in its source's feed after `since`, up to `until`.

    `section` says why they are in: "events", "previews", "files", "asked" (named by the other side), "extras" (the
    documents are then signed notes by name, of no database).
    """

    bundle: str
    part: int
    index: int
    section: str
    database: str
    since: Seq
    until: Seq
    docs: tuple[Doc, ...] = ()
    notes: tuple[tuple[str, bytes], ...] = ()


def pack_content(
    *, bundle: str, part: int, index: int, section: str, database: str, since: str, until: str, records: Sequence[bytes]
) -> bytes:
    """Return the plain bytes of a frame of packed documents."""
    head = {
        "bundle": bundle,
        "part": part,
        "index": index,
        "section": section,
        "db": database,
        "since": since,
        "until": until,
        "count": len(records),
    }
    return _with_head(head, records)


def _with_head(head: dict[str, Any], rest: Sequence[bytes]) -> bytes:
    text = jcs.canonical(head)
    return b"".join((_LENGTH.pack(len(text)), text, *rest))


def seal_frame(plain: bytes, index: int, section: str, sealer: Sealer) -> tuple[bytes, bytes]:
    """Return (head, payload) of a frame. Raises `BadBundle` beyond `MAX_PLAIN`: such a document never gets in."""
    if len(plain) > MAX_PLAIN:
        raise BadBundle(f"a frame of {len(plain)} bytes; at most {MAX_PLAIN} fit")
    packed = zstandard.ZstdCompressor(level=_LEVELS.get(section, _LEVEL), write_content_size=True).compress(plain)
    payload = sealer.seal(packed)
    return FrameHead(index, len(payload), zlib.crc32(payload)).pack(), payload


def open_frame(payload: bytes, opener: Opener) -> bytes:
    """Return the plain bytes of a payload, at most `MAX_PLAIN`. Raises `Damaged`, `Sealed`, `BadBundle`."""
    packed = opener.open(payload)
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if not 0 < size <= MAX_PLAIN:  # unknown is a number near 2^64
            raise BadBundle(f"the frame says it unpacks to {size} bytes; at most {MAX_PLAIN} are taken")
        plain = zstandard.ZstdDecompressor(max_window_size=MAX_PLAIN).decompress(packed, max_output_size=size)
    except zstandard.ZstdError as exc:
        raise Damaged(f"the frame does not unpack: {exc}") from exc
    return bytes(plain)


def parse_content(plain: bytes) -> FrameContent:
    """Return what a frame holds. Raises `BadBundle`, `Damaged`. The documents are parsed, not proven."""
    head, start = _parse_head(plain)
    section = checks.text(head.get("section"), "section", 16)
    count = checks.whole(head.get("count"), "count", MAX_PLAIN)
    is_notes = section == "extras"
    return FrameContent(
        bundle=checks.hex_id(head.get("bundle"), "bundle"),
        part=checks.whole(head.get("part"), "part", MAX_PARTS, 1),
        index=checks.whole(head.get("index"), "index", MAX_FRAMES),
        section=section,
        database=checks.database(head.get("db"), "db"),
        since=Seq(checks.seq(head.get("since"), "since")),
        until=Seq(checks.seq(head.get("until"), "until")),
        docs=() if is_notes else tuple(unpack_documents(plain, start, count)),
        notes=tuple(_unpack_notes(plain, start, count)) if is_notes else (),
    )


def pack_note(name: str, data: bytes) -> bytes:
    """Return one signed note for a frame of section "extras"."""
    encoded = name.encode("utf-8")
    return _LENGTH.pack(len(encoded)) + encoded + _LENGTH.pack(len(data)) + data


def _unpack_notes(plain: bytes, start: int, count: int) -> list[tuple[str, bytes]]:
    if count > MAX_NOTES:
        raise BadBundle(f"a frame of {count} notes; at most {MAX_NOTES} are read")
    notes = []
    for _ in range(count):
        name, start = _take(plain, start)
        data, start = _take(plain, start)
        notes.append((checks.text(name.decode("ascii", "replace"), "name of a note", 80), data))
    if start != len(plain):
        raise Damaged("something follows the last note of the frame")
    return notes


def _take(plain: bytes, start: int) -> tuple[bytes, int]:
    if start + _LENGTH.size > len(plain):
        raise Damaged("the frame ends inside a note")
    (size,) = _LENGTH.unpack_from(plain, start)
    start += _LENGTH.size
    if start + size > len(plain):
        raise Damaged("the frame ends inside a note")
    return plain[start : start + size], start + size


def _parse_head(plain: bytes) -> tuple[dict[str, Any], int]:
    if len(plain) < _LENGTH.size:
        raise Damaged("the frame is empty")
    (size,) = _LENGTH.unpack_from(plain)
    if size > _MAX_HEAD_JSON or _LENGTH.size + size > len(plain):
        raise Damaged("the frame's description cannot be read")
    head = parse_json(plain[_LENGTH.size : _LENGTH.size + size], _MAX_HEAD_JSON, 1)
    if not isinstance(head, dict):
        raise BadBundle("a frame begins with an object")
    return head, _LENGTH.size + size
