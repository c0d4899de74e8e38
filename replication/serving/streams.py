"""What stands between a socket and HTTP: buffers, and request bodies of both framings (RFC 9112 §6)."""

from __future__ import annotations

import errno
import io
import re
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from replication.errors import BadRequest

BUFFER = 64 * 1024
# A socket's timeout bounds one call of sendall, so a slow line gets its bytes in pieces it can swallow in time.
WRITE_PIECE = 64 * 1024
MAX_CHUNK_LINE = 1024
MAX_TRAILERS = 64
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


def _as_plain(error: OSError) -> OSError:
    """Return what plain TCP would have raised where TLS finds the end of a connection: a peer gone, or a time over.

    `ssl.SSLError` brings numbers of OpenSSL's where an `OSError` has those of errno.h, and a time over its own words.
    """
    return (
        TimeoutError("timed out")
        if isinstance(error, TimeoutError)
        else ConnectionResetError(errno.ECONNRESET, str(error))
    )


class _Receiving(socket.SocketIO):
    """A socket to read from, with a `deadline` by `time.monotonic` for all that is read, if there is one."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        self.deadline: float | None = None

    def readinto(self, buffer: Any) -> int | None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TimeoutError("timed out")
        try:
            return super().readinto(buffer)
        except (ssl.SSLError, TimeoutError) as error:
            raise _as_plain(error) from error


class Reader(io.BufferedReader):
    """The receiving side. cheroot's own is written in Python and reads 8 KiB at a time."""

    bytes_read = 0  # cheroot's statistics ask for it

    def __init__(self, sock: socket.socket) -> None:
        self._receiving = _Receiving(sock)
        super().__init__(self._receiving, BUFFER)
        self._socket = sock

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Raise `TimeoutError` from what the block reads once the time is over, however steadily bytes trickle in."""
        self._receiving.deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._receiving.deadline = None

    def has_data(self) -> bool:
        """Return whether a byte can be read without waiting, from the buffer or the socket."""
        timeout = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            return bool(self.peek(1))
        except (OSError, ValueError):  # TLS that needs more, a connection that is gone or closed
            return False
        finally:
            self._socket.settimeout(timeout)


class Writer:
    """The sending side. `hold` keeps a head back until the first bytes of the body come."""

    bytes_written = 0

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._held = b""
        self._holding = False

    def hold(self, holding: bool) -> None:
        """Begin or end keeping back what is written; what is kept goes out with the next write or `flush`."""
        self._holding = holding

    def write(self, data: bytes) -> int:
        """Send, in pieces."""
        if self._holding:
            self._held += data
            return len(data)
        if self._held and len(data) < WRITE_PIECE:
            held, self._held = self._held, b""
            self._send(held + data)
            return len(data)
        self.flush()
        if len(data) <= WRITE_PIECE:
            self._send(data)
        else:
            view = memoryview(data)
            for begin in range(0, len(view), WRITE_PIECE):
                self._send(view[begin : begin + WRITE_PIECE])
        return len(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._send(held)

    def _send(self, data: bytes | memoryview) -> None:
        try:
            self._socket.sendall(data)
        except (ssl.SSLError, TimeoutError) as error:
            raise _as_plain(error) from error


def make_file(sock: socket.socket, mode: str = "r", bufsize: int = BUFFER) -> Any:
    """Return the reader or the writer of a socket; cheroot asks in this form."""
    return Reader(sock) if "r" in mode else Writer(sock)


class Body(ABC):
    """A request body as WSGI's `wsgi.input`. `read(n)` gives what has come, at most n bytes; b"" is the end."""

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes as soon as there are any; all of them for -1."""
        if size is not None and size >= 0:
            return self._read_some(size)
        pieces = []
        while piece := self._read_some(BUFFER):
            pieces.append(piece)
        return b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        """Return one line; for the few applications that read forms this way."""
        line = bytearray()
        while size is None or size < 0 or len(line) < size:
            char = self._read_some(1)
            line += char
            if char in (b"", b"\n"):
                break
        return bytes(line)

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    @property
    @abstractmethod
    def is_finished(self) -> bool:
        """Whether the next request begins where the stream stands."""

    @abstractmethod
    def _read_some(self, size: int) -> bytes:
        """Return what has come, at most `size` bytes; b"" is the end."""


class CountedBody(Body):
    """A body of announced length."""

    def __init__(self, reader: Reader, length: int) -> None:
        self._reader = reader
        self.remaining = length

    @property
    def is_finished(self) -> bool:
        return self.remaining == 0

    def _read_some(self, size: int) -> bytes:
        if not self.remaining or not size:
            return b""
        data = self._reader.read1(min(size, self.remaining))
        self.remaining -= len(data)
        return data


class ChunkedBody(Body):
    """A body in chunks; their sizes bound nothing, so at most a buffer is held of each."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._left = 0
        self._started = False
        self.is_done = False

    @property
    def is_finished(self) -> bool:
        return self.is_done

    def _read_some(self, size: int) -> bytes:
        if self.is_done or not size:
            return b""
        if not self._left:
            self._next_chunk()
            if self.is_done:
                return b""
        data = self._reader.read1(min(size, self._left))
        if not data:
            raise BadRequest("the chunked request body ended early; send it again")
        self._left -= len(data)
        return data

    def _next_chunk(self) -> None:
        if self._started and self._line():
            raise BadRequest("a chunk of the request body is longer than it said")
        self._started = True
        size = self._line().partition(b";")[0].strip()
        # int() alone would take signs, underscores and spaces; RFC 9112 §7.1 has hex digits only.
        if _CHUNK_SIZE.fullmatch(size) is None:
            raise BadRequest("a chunk of the request body has no size")
        self._left = int(size, 16)
        if self._left:
            return
        for _ in range(MAX_TRAILERS):
            if not self._line():
                self.is_done = True
                return
        raise BadRequest("too many trailers behind the request body")

    def _line(self) -> bytes:
        line = self._reader.readline(MAX_CHUNK_LINE)
        if not line.endswith(b"\n"):
            raise BadRequest("the chunked request body ended early or has no line breaks; send it again")
        return line.rstrip(b"\r\n")
