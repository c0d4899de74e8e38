"""MIME multipart as CouchDB speaks it: one document with its attachments, and lists of such documents.

    --outer                                        multipart/mixed   (open_revs, _bulk_get)
    Content-Type: multipart/related; boundary="inner"

    --inner                                        multipart/related (PUT and GET of one document)
    Content-Type: application/json

    {"_id":"a","_attachments":{"x":{"follows":true,…}}}
    --inner
    Content-Disposition: attachment; filename="x"
    Content-Length: 5

    bytes
    --inner----outer--

Parsing follows RFC 2046 §5.1.1: preamble and epilogue are ignored, a boundary stands at the start of a line.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import quote

from replication.document import Attachment
from replication.errors import BadContentType, BadRequest, TooLarge

# RFC 2046 §5.1.1 bounds a boundary to 70 characters.
MAX_BOUNDARY = 70
MAX_PART_HEADERS = 16 * 1024
MAX_PREAMBLE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One part: header names in lower case, and its bytes."""

    headers: Mapping[str, str]
    data: bytes

    @property
    def content_type(self) -> str:
        """The header as sent, `application/json` where there is none."""
        return self.headers.get("content-type", "application/json")

    @property
    def filename(self) -> str | None:
        """The name in Content-Disposition, if one is given."""
        return parse_parameter(self.headers.get("content-disposition", ""), "filename")


def parse_parameter(header: str, name: str) -> str | None:
    """Return one parameter of a header such as `multipart/related; boundary="x"`, quotes removed (RFC 2045 §5.1)."""
    message = Message()
    message["content-disposition"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name, header="content-disposition")
    if found is None:
        return None
    # A tuple is the extended form of RFC 2231: (charset, language, value).
    return found if isinstance(found, str) else found[2]


def parse_boundary(content_type: str) -> bytes:
    """Return the boundary a multipart Content-Type names. Raises `BadContentType`."""
    boundary = parse_parameter(content_type, "boundary")
    if not boundary or len(boundary) > MAX_BOUNDARY or not boundary.isascii():
        raise BadContentType(
            f"Content-Type {content_type[:100]!r} must name a boundary of 1 to {MAX_BOUNDARY} characters"
        )
    return boundary.encode("ascii")


def parse_multipart(content_type: str, pieces: Iterable[bytes], *, max_part: int) -> Iterator[Part]:
    """Yield the parts of a body that arrives in `pieces`; at most one part and one piece are held.

    Raises `BadContentType` without a boundary, `BadRequest` for a body that ends inside a part, `TooLarge` for a
    part of more than `max_part` bytes.
    """
    return _parse_parts(parse_boundary(content_type), iter(pieces), max_part)


def _parse_parts(boundary: bytes, pieces: Iterator[bytes], max_part: int) -> Iterator[Part]:
    # The first boundary may stand at the very start: a line break before it makes all boundaries look alike.
    text = _Text(pieces, b"\r\n")
    marker = b"\r\n--" + boundary
    text.take_until(marker, MAX_PREAMBLE, "before the first boundary")
    while (end := text.take_exactly(2)) != b"--":
        if end != b"\r\n":
            raise BadRequest("multipart body: a boundary must be followed by a line break or by two dashes")
        headers = _parse_headers(text)
        yield Part(headers, text.take_until(marker, max_part, "inside a part"))


def _parse_headers(text: _Text) -> dict[str, str]:
    # `take_exactly` has eaten the line break after the boundary; none follows where the part has no headers.
    if text.peek(2) == b"\r\n":
        text.take_exactly(2)
        return {}
    block = text.take_until(b"\r\n\r\n", MAX_PART_HEADERS, "inside the headers of a part")
    headers = {}
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise BadRequest("multipart body: a header line of a part has no colon")
        headers[name.decode("latin-1").strip().lower()] = _decode(value.strip())
    return headers


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")  # CouchDB writes attachment names as raw UTF-8
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Text:
    """Bytes that arrive in pieces, read up to marks."""

    def __init__(self, pieces: Iterator[bytes], start: bytes = b"") -> None:
        self._pieces = pieces
        self._buffer = bytearray(start)

    def _more(self, where: str) -> None:
        piece = next(self._pieces, b"")
        if not piece:
            raise BadRequest(f"multipart body ended {where}; send it again")
        self._buffer += piece

    def peek(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more("after a boundary")
        return bytes(self._buffer[:count])

    def take_exactly(self, count: int) -> bytes:
        out = self.peek(count)
        del self._buffer[:count]
        return out

    def take_until(self, mark: bytes, limit: int, where: str) -> bytes:
        """Return what stands before `mark` and drop both."""
        searched = 0
        while (at := self._buffer.find(mark, searched)) < 0:
            if len(self._buffer) > limit + len(mark):
                raise TooLarge(f"multipart body: more than {limit} bytes {where}")
            searched = max(0, len(self._buffer) - len(mark) + 1)
            self._more(where)
        if at > limit:
            raise TooLarge(f"multipart body: more than {limit} bytes {where}")
        out = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        return out


def build_boundary() -> bytes:
    """Return a boundary that stands in no document: 32 random hex digits."""
    return secrets.token_hex(16).encode("ascii")


def build_related(document: bytes, attachments: Mapping[str, Attachment], boundary: bytes) -> Iterator[bytes]:
    """Yield the pieces of a multipart/related body: the document's JSON, then every attachment that has bytes."""
    yield b"--" + boundary + b"\r\nContent-Type: application/json\r\n\r\n" + document + b"\r\n--" + boundary
    for name, entry in attachments.items():
        if entry.data is not None:
            yield _build_part_head(name, entry) + entry.data + b"\r\n--" + boundary
    yield b"--"


def _build_part_head(name: str, entry: Attachment) -> bytes:
    lines = [
        f'Content-Disposition: attachment; filename="{_quote_name(name)}"',
        f"Content-Type: {_one_line(entry.content_type)}",
        f"Content-Length: {len(entry.data or b'')}",
    ]
    if entry.encoding is not None:
        lines.append(f"Content-Encoding: {entry.encoding}")
    return ("\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def _quote_name(name: str) -> str:
    """Return the name so that no quote, backslash or line break in it can end the header early."""
    if not any(char in '"\\' or ord(char) < 32 for char in name):
        return name
    return quote(name, safe=" ")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def has_bytes(attachments: Mapping[str, Attachment]) -> bool:
    """Return whether any attachment carries bytes and so needs a part of its own."""
    return any(entry.data is not None for entry in attachments.values())
