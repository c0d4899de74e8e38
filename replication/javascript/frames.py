"""What goes through the pipe: lists of byte strings, each with its length before it (4 bytes, big endian)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

_NUMBER = struct.Struct(">I")


def write(stream: IO[bytes], parts: Sequence[bytes]) -> None:
    """Send a list. Raises `OSError` where the other side is gone."""
    heads = (_NUMBER.pack(len(part)) for part in parts)
    stream.write(
        _NUMBER.pack(len(parts)) + b"".join(piece for pair in zip(heads, parts, strict=True) for piece in pair)
    )
    stream.flush()


def read(stream: IO[bytes]) -> list[bytes]:
    """Return the next list. Raises `EOFError` where the other side is gone."""
    return [_take(stream, _read_number(stream)) for _ in range(_read_number(stream))]


def _read_number(stream: IO[bytes]) -> int:
    number: int = _NUMBER.unpack(_take(stream, _NUMBER.size))[0]
    return number


def _take(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the pipe ended")
    return data
