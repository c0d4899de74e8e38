"""HTTP/1.1 answers out of bytes, in the order they come (RFC 9112). No I/O, everything bounded."""

from __future__ import annotations

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from replication import dictionaries
from replication.dictionaries import Shelf
from replication.errors import BadRequest, LinkCut, NotAPeer, TooLarge

MAX_HEAD_BYTES = 32 * 1024  # CouchDB's heads are below 1 KB
MAX_CHUNK_LINE = 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,8}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. Header names are lower-case; `body` is decoded, `wire_bytes` counts all that travelled."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int
    closes: bool


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of an answer whose rest never came: decoded, and the bytes that travelled for it."""

    body: bytes
    wire_bytes: int
    status: int = 0


NO_PART = Part(b"", 0)


def build_request(method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """Return the bytes of one request. `target` is the encoded path and query; `headers` must include Host."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header or path contains a line break")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def build_path(*parts: str) -> str:
    """Return a path with every part percent-encoded whole, "/" in a database name or id included."""
    return "".join("/" + quote(part, safe="") for part in parts)


class AnswerParser:
    """Feed it what the socket gives; it yields the answers that are complete.

    `check` is told status and headers as soon as they have come, and raises `NotAPeer` for those of a stranger: the
    rest of a login page is not waited for.

    Raises `NotAPeer` for bytes that are no HTTP, `TooLarge` for an answer beyond `max_bytes`, also when it would
    only be so after decompression.
    """

    def __init__(
        self,
        max_bytes: int = MAX_ANSWER_BYTES,
        shelf: Shelf | None = None,
        check: Callable[[int, Mapping[str, str]], None] = lambda _status, _headers: None,
    ) -> None:
        self._max_bytes = max_bytes
        self._check = check
        self._shelf = shelf or dictionaries.default_shelf()
        self._buffer = bytearray()
        self._head: tuple[int, dict[str, str], bool] | None = None
        self._body: _Body | None = None
        self._wire_bytes = 0

    @property
    def in_answer(self) -> bool:
        """Has part of an answer arrived that is not complete?"""
        return self._head is not None or bool(self._buffer)

    @property
    def wire_bytes(self) -> int:
        """How many bytes have come of the answer that is not complete."""
        return self._wire_bytes + len(self._buffer)

    def partial(self) -> Part:
        """Return what can be read of a good answer that is still coming; nothing where there is none."""
        if self._head is None or self._body is None or self._head[0] not in (200, 206):
            return NO_PART
        coding = self._head[1].get("content-encoding", "")
        body = _decode_part(bytes(self._body.data), coding, self._max_bytes, self._shelf)
        return Part(body, self._wire_bytes, self._head[0])

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Yield the answers that `data` completes."""
        self._buffer += data
        while (answer := self._take()) is not None:
            yield answer

    def feed_end(self) -> Answer | None:
        """Say that the connection ended. Return the answer that lasted until then; raise `LinkCut` for half a one."""
        if isinstance(self._body, _UntilEnd):
            return self._finish()
        if self.in_answer:
            raise LinkCut("the connection ended in the middle of an answer")
        return None

    def _take(self) -> Answer | None:
        if self._head is None and not self._take_head():
            return None
        assert self._body is not None
        before = len(self._buffer)
        complete = self._body.take(self._buffer)
        self._wire_bytes += before - len(self._buffer)
        if len(self._body.data) > self._max_bytes:
            raise TooLarge(f"the answer is larger than {self._max_bytes} bytes")
        return self._finish() if complete else None

    def _take_head(self) -> bool:
        # 100 Continue and other interim answers announce the real one; a loop, because a peer may send any number.
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            if end > MAX_HEAD_BYTES:
                raise NotAPeer(f"the head of the answer is larger than {MAX_HEAD_BYTES} bytes")
            status, headers, closes = parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._wire_bytes += end + 4
            if status >= 200:
                self._check(status, headers)
                self._head = (status, headers, closes)
                self._body = _body_for(status, headers, self._max_bytes)
                return True
        self._refuse_endless_head()
        return False

    def _refuse_endless_head(self) -> None:
        start = bytes(self._buffer[:7])
        if not b"HTTP/1.".startswith(start) or len(self._buffer) > MAX_HEAD_BYTES:
            raise NotAPeer(f"the answer is not HTTP/1.1: it begins with {start!r}")

    def _finish(self) -> Answer:
        assert self._head is not None
        assert self._body is not None
        status, headers, closes = self._head
        closes = closes or isinstance(self._body, _UntilEnd)
        body = _decode(bytes(self._body.data), headers.get("content-encoding", ""), self._max_bytes, self._shelf)
        answer = Answer(status, headers, body, self._wire_bytes, closes)
        self._head, self._body, self._wire_bytes = None, None, 0
        return answer


def parse_head(head: bytes) -> tuple[int, dict[str, str], bool]:
    """Return (status, headers, does the connection end after this answer). Raises `NotAPeer`."""
    lines = head.split(b"\r\n")
    matched = _STATUS_LINE.fullmatch(lines[0])
    if not matched:
        raise NotAPeer(f"the answer is not HTTP/1.1: it begins with {lines[0][:40]!r}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise NotAPeer(f"the answer has a header without a colon: {line[:40]!r}")
        headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
    connection = headers.get("connection", "").lower()
    closes = "close" in connection or (matched[1] == b"0" and "keep-alive" not in connection)
    return int(matched[2]), headers, closes


class _Body(ABC):
    """Collects one body; `take` removes its bytes from the buffer and says when it is complete."""

    def __init__(self) -> None:
        self.data = bytearray()

    @abstractmethod
    def take(self, buffer: bytearray) -> bool: ...


class _Sized(_Body):
    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length

    def take(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        self.data += piece
        del buffer[: len(piece)]
        self._left -= len(piece)
        return self._left == 0


class _UntilEnd(_Body):
    """RFC 9112 §6.3 item 8: without a length the body lasts until the connection ends."""

    def take(self, buffer: bytearray) -> bool:
        self.data += buffer
        buffer.clear()
        return False


class _Chunked(_Body):
    """RFC 9112 §7.1; extensions and trailers are skipped."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0  # of the current chunk, with its CRLF
        self._last = False

    def take(self, buffer: bytearray) -> bool:
        while True:
            if self._left:
                if not self._take_data(buffer):
                    return False
                continue
            end = buffer.find(b"\r\n")
            if end < 0:
                if len(buffer) > MAX_CHUNK_LINE:
                    raise NotAPeer("the answer has an endless chunk line")
                return False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._last:
                if not line:
                    return True
                continue  # a trailer
            self._begin_chunk(line)

    def _begin_chunk(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip()
        if not _HEX.fullmatch(size):
            raise NotAPeer(f"the answer has a chunk of size {size[:20]!r}")
        count = int(size, 16)
        self._last = count == 0
        self._left = count + 2 if count else 0

    def _take_data(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        del buffer[: len(piece)]
        wanted = max(0, min(len(piece), self._left - 2))  # the last two are CRLF
        self.data += piece[:wanted]
        self._left -= len(piece)
        return self._left == 0


def _body_for(status: int, headers: Mapping[str, str], max_bytes: int) -> _Body:
    if status in (204, 304):
        return _Sized(0)
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _Chunked()
    length = headers.get("content-length")
    if length is None:
        return _UntilEnd()
    if not (length.isascii() and length.isdigit() and len(length) <= 15):
        raise NotAPeer(f"the answer has the length {length[:40]!r}")
    if int(length) > max_bytes:
        raise TooLarge(f"the answer is {length} bytes long; {max_bytes} is the limit")
    return _Sized(int(length))


def _decode_part(data: bytes, coding: str, max_bytes: int, shelf: Shelf) -> bytes:
    """Return what can be read of the beginning of a body; b"" where nothing can."""
    if coding in ("", "identity"):
        return data
    if coding == dictionaries.CODING:
        return dictionaries.decompress_part(data, shelf, max_bytes)
    try:
        return zlib.decompressobj(wbits=31).decompress(data, max_bytes) if coding == "gzip" else b""
    except zlib.error:
        return b""


def _decode(data: bytes, coding: str, max_bytes: int, shelf: Shelf) -> bytes:
    if coding in ("", "identity") or not data:
        return data
    if coding == dictionaries.CODING:
        try:
            return dictionaries.decompress(data, shelf, max_bytes)
        except BadRequest as exc:
            raise NotAPeer(f"the answer cannot be unpacked: {exc.reason}") from exc
    if coding != "gzip":
        raise NotAPeer(f"the answer is encoded as {coding[:20]!r}, which was not asked for")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(data, max_bytes + 1)
    except zlib.error as exc:
        raise NotAPeer("the answer says gzip and is not") from exc
    if len(plain) > max_bytes or inflater.unconsumed_tail:
        raise TooLarge(f"the answer is larger than {max_bytes} bytes when decompressed")
    if not inflater.eof:
        raise NotAPeer("the answer's gzip stream is cut short")
    return plain
