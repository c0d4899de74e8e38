"""Bodies at rest: JSON as it came, or one Zstandard frame packed with a dictionary that ships with the program.

    {"event": …}            7b …      plain
    01 <Zstandard frame>    01 …      packed with dictionary 1

No JSON object begins with a control character, so the first byte tells. It is the number of a dictionary in `NUMBERS`,
which stands for its SHA-256 for good: files written with it lie on the disks of offices, so an entry is never changed,
reused or taken out, and its dictionary ships as long as this does.
"""

from __future__ import annotations

from collections import deque
from functools import cache

import zstandard

from replication import dictionaries
from replication.errors import StoreError

NUMBERS = {1: "ee3696cbaf0c46d7607cb1683b00da087690f4beb14271e4fcb92e3de9dc114b"}
NEWEST = max(NUMBERS)
LEVEL = 3  # 590 bytes of 1,122 in 23 µs; 6 takes twice the time for 35 bytes less, 1 leaves 45 more and is no faster
LEAST_BYTES = 96  # below that a frame wins nothing worth its call


class _Packer:
    """One dictionary with idle (de)compressors, which may be used by one thread at a time each."""

    def __init__(self, name: str) -> None:
        data = dictionaries.load(name).data
        self._packing = zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._packing.precompute_compress(level=LEVEL)
        self._unpacking = zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._compressors: deque[zstandard.ZstdCompressor] = deque()
        self._decompressors: deque[zstandard.ZstdDecompressor] = deque()

    def pack(self, body: bytes) -> bytes:
        try:
            idle = self._compressors.pop()
        except IndexError:
            # Our byte names the dictionary. No checksum: 4 bytes a row, and documents are signed.
            idle = zstandard.ZstdCompressor(
                level=LEVEL, dict_data=self._packing, write_checksum=False, write_dict_id=False
            )
        frame = idle.compress(body)
        self._compressors.append(idle)
        return frame

    def unpack(self, frame: memoryview) -> bytes:
        try:
            idle = self._decompressors.pop()
        except IndexError:
            idle = zstandard.ZstdDecompressor(dict_data=self._unpacking)
        body = idle.decompress(frame)
        self._decompressors.append(idle)
        return body


@cache
def _packer(number: int) -> _Packer:
    return _Packer(NUMBERS[number])


def pack_body(body: bytes) -> bytes:
    """Return what to store of a body: packed where that saves an eighth, as it is elsewhere."""
    if len(body) < LEAST_BYTES:
        return body
    packed = _packer(NEWEST).pack(body)
    return bytes([NEWEST]) + packed if len(packed) < len(body) - len(body) // 8 else body


def unpack_body(stored: bytes) -> bytes:
    """Return a body as it came. Raises `StoreError` for one that was packed otherwise, or harmed since."""
    number = stored[0] if stored else 0
    if number >= ord(" "):
        return stored
    if number not in NUMBERS:
        raise StoreError(f"a document is packed in a way this program does not know ({number}); update the program")
    try:
        return _packer(number).unpack(memoryview(stored)[1:])
    except zstandard.ZstdError as exc:
        raise StoreError(f"a stored document is damaged ({exc}); restore from a backup, peers send the rest") from exc
