"""JSON values in Erlang's external term format, as far as CouchDB's index names are hashed over it.

Source: Erlang/OTP, ERTS user's guide, "External Term Format"; minor version 1.
"""

from __future__ import annotations

import struct
from typing import Any

VERSION = b"\x83"


class Atom(str):
    """A name that is an Erlang atom; plain strings are binaries."""

    __slots__ = ()


def encode_term(value: Any) -> bytes:
    """Return `term_to_binary(value, [{minor_version, 1}])`. An object is `{[{Name, Value}, …]}`, null an atom."""
    return VERSION + _encode(value)


def _encode(value: Any) -> bytes:
    match value:
        case None:
            return _encode(Atom("null"))
        case bool():
            return _encode(Atom("true" if value else "false"))
        case Atom():
            return b"d" + struct.pack(">H", len(value)) + value.encode("latin-1")
        case int():
            return _encode_integer(value)
        case float():
            return b"F" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return b"m" + struct.pack(">I", len(text)) + text
        case dict():
            return _encode((list(value.items()),))
        case tuple():
            return b"h" + bytes([len(value)]) + b"".join(map(_encode, value))
        case list():
            return _encode_list(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _encode_list(value: list[Any]) -> bytes:
    if not value:
        return b"j"
    # STRING_EXT: a list of bytes has a shorter form.
    if len(value) < 65536 and all(type(entry) is int and 0 <= entry < 256 for entry in value):
        return b"k" + struct.pack(">H", len(value)) + bytes(value)
    return b"l" + struct.pack(">I", len(value)) + b"".join(map(_encode, value)) + b"j"


def _encode_integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"a" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    size = (abs(value).bit_length() + 7) // 8
    digits = abs(value).to_bytes(size, "little")
    sign = bytes([value < 0])
    if size < 256:
        return b"n" + bytes([size]) + sign + digits
    return b"o" + struct.pack(">I", size) + sign + digits
