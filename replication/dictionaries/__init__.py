"""Zstandard with a dictionary both ends hold: `Content-Encoding: dcz` (RFC 9842 §5), in requests and in answers.

    5e 2a 4d 18 20 00 00 00   <32 bytes: SHA-256 of the dictionary>   <Zstandard frame, the dictionary as raw content>

A dictionary is named by its SHA-256 and never changes; files lie here as `<sha256>.zdict`, made by
`python -m bench.train_dictionary` of made-up events, newest first in `SHIPPED`. One is taken out only when no node in
the field speaks it any more; its file stays even then, for databases are packed with it (`replication.sqlite.packing`).
What comes in is bounded while it is unpacked: in memory, window and size.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Protocol

import zstandard

from replication.errors import BadRequest, TooLarge

CODING = "dcz"
MAGIC = b"\x5e\x2a\x4d\x18\x20\x00\x00\x00"
HEADER_BYTES = len(MAGIC) + 32
MAX_DICTIONARY_BYTES = 1024 * 1024
MAX_WINDOW_BYTES = 8 * 1024 * 1024  # what RFC 9842 §5 asks a decoder to allow
# A block of 128 KiB may lie in 4 bytes: what is unpacked from one sip is never more than 8 MiB.
SIP = 256
# Newest first. The first one both ends have is used.
SHIPPED: tuple[str, ...] = ("ee3696cbaf0c46d7607cb1683b00da087690f4beb14271e4fcb92e3de9dc114b",)
# Level 19 takes 10 ms for a batch of a weak link and seconds for a megabyte.
LEVELS = ((64 * 1024, 19), (512 * 1024, 9))
FAST_LEVEL = 3
STREAM_LEVEL = 12
_NAME = re.compile(r"[0-9a-f]{64}")


class Unpacker(Protocol):
    """Zstandard's own unpacking object. `eof` is set at the end of the frame, `unused_data` is what follows it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes) -> bytes: ...


class UnknownDictionary(BadRequest):
    """A body packed with a dictionary that is not here. `name` is its SHA-256 in hex."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the dictionary {name} is not known here")
        self.name = name


class Dictionary:
    """One dictionary. `name` is the SHA-256 of `data` in hex."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.digest = hashlib.sha256(data).digest()
        self.name = self.digest.hex()
        self._raw = zstandard.ZstdCompressionDict(data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        # Digesting it anew takes longer than packing a batch: once for each level that is asked for.
        self._prepared: dict[int, zstandard.ZstdCompressionDict] = {}

    def compress(self, data: bytes) -> bytes:
        """Return `data` as one dcz body."""
        level = next((level for size, level in LEVELS if len(data) <= size), FAST_LEVEL)
        return MAGIC + self.digest + self._packer(level).compress(data)

    def _packer(self, level: int) -> zstandard.ZstdCompressor:
        prepared = self._prepared.get(level)
        if prepared is None:
            prepared = zstandard.ZstdCompressionDict(self.data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            prepared.precompute_compress(level=level)
            self._prepared[level] = prepared
        return zstandard.ZstdCompressor(level=level, dict_data=prepared, write_checksum=True)

    def compress_pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a dcz body piece by piece; what went in with a piece can be read when its output has arrived."""
        packer = self._packer(STREAM_LEVEL).compressobj()
        head = MAGIC + self.digest
        for piece in pieces:
            out = packer.compress(piece) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            yield head + out
            head = b""
        yield head + packer.flush()

    def unpacker(self) -> Unpacker:
        """Return what unpacks one Zstandard frame piece by piece."""
        return zstandard.ZstdDecompressor(dict_data=self._raw, max_window_size=MAX_WINDOW_BYTES).decompressobj()


class Shelf:
    """The dictionaries at hand: those shipped, and those fetched since. Safe from several threads."""

    def __init__(self, names: Iterable[str] = SHIPPED) -> None:
        self._lock = threading.Lock()
        self._held = {name: load(name) for name in names}

    def names(self) -> tuple[str, ...]:
        """Return the names of all, the preferred first."""
        with self._lock:
            return tuple(self._held)

    def get(self, name: str) -> Dictionary | None:
        with self._lock:
            return self._held.get(name)

    def add(self, data: bytes, name: str) -> Dictionary:
        """Keep a dictionary that was fetched under `name`. Raises `BadRequest` if the bytes are not what it names."""
        if len(data) > MAX_DICTIONARY_BYTES or hashlib.sha256(data).hexdigest() != name:
            raise BadRequest(f"these {len(data)} bytes are not the dictionary {name}")
        made = Dictionary(data)
        with self._lock:
            return self._held.setdefault(name, made)

    def common(self, others: Iterable[str]) -> Dictionary | None:
        """Return the best dictionary that is also among `others`."""
        wanted = set(others)
        with self._lock:
            return next((held for name, held in self._held.items() if name in wanted), None)


@cache
def default_shelf() -> Shelf:
    """Return the shelf of this process."""
    return Shelf()


@cache
def load(name: str) -> Dictionary:
    """Return a shipped dictionary. Raises `FileNotFoundError` for one that is not, `BadRequest` for a spoiled file."""
    if not is_name(name):
        raise FileNotFoundError(f"no dictionary is called {name[:80]!r}")
    data = (resources.files(__name__) / f"{name}.zdict").read_bytes()
    dictionary = Dictionary(data)
    if dictionary.name != name:
        raise BadRequest(f"the file of dictionary {name} holds other bytes; install the package again")
    return dictionary


def is_name(text: str) -> bool:
    """Is this 64 lower-case hex digits?"""
    return bool(_NAME.fullmatch(text))


def decompress(body: bytes, shelf: Shelf, limit: int) -> bytes:
    """Return the plain bytes of a whole dcz body, at most `limit`.

    Raises `UnknownDictionary`, `TooLarge`, `BadRequest` for anything that is no whole dcz body.
    """
    plain, is_whole = _unpack(body, shelf, limit)
    if len(plain) > limit:
        raise TooLarge(f"the body unpacks to more than {limit} bytes")
    if not is_whole:
        raise BadRequest("the compressed body is cut short")
    return plain


def decompress_part(body: bytes, shelf: Shelf, limit: int) -> bytes:
    """Return the plain bytes that can be read of the beginning of a dcz body, about `limit`; b"" if none can."""
    try:
        return _unpack(body, shelf, limit)[0]
    except BadRequest:
        return b""


def _unpack(body: bytes, shelf: Shelf, limit: int) -> tuple[bytes, bool]:
    """Return (plain bytes, is the frame whole). Stops soon after `limit`."""
    if len(body) < HEADER_BYTES or not body.startswith(MAGIC):
        raise BadRequest("the body is not dcz: it has no dictionary header (RFC 9842, section 5)")
    name = body[len(MAGIC) : HEADER_BYTES].hex()
    dictionary = shelf.get(name)
    if dictionary is None:
        raise UnknownDictionary(name)
    unpacker, pieces, size = dictionary.unpacker(), [], 0
    try:
        for begin in range(HEADER_BYTES, len(body), SIP):
            if unpacker.eof:
                raise BadRequest("something follows the compressed body")
            pieces.append(unpacker.decompress(body[begin : begin + SIP]))
            size += len(pieces[-1])
            if size > limit:
                break
    except zstandard.ZstdError as exc:
        raise BadRequest("the body is not properly compressed") from exc
    if unpacker.unused_data:
        raise BadRequest("something follows the compressed body")
    return b"".join(pieces), unpacker.eof
