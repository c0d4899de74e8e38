"""The archive as a stream: tar inside Zstandard inside age, one pass each way, in constant memory.

age reads from one file and writes to another, so it runs in a thread at the end of a pipe.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

import pyrage
import zstandard

from server.errors import Refused

LEVEL = 9  # a third smaller than 3 on a home of events, and still faster than a USB stick takes it
COPY_BYTES = 1024 * 1024
MAX_WINDOW_BYTES = 128 * 1024 * 1024


class _Counted:
    """A file being written, with the size and SHA-256 of what went in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as exc:
            self.error = exc  # age hands on its words and not its number
            raise
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _Pump(threading.Thread):
    """Runs one end of a pipe; `finish` waits for it and raises what it raised."""

    def __init__(self, work: Callable[[], None], end: BinaryIO) -> None:
        super().__init__(name="age", daemon=True)
        self._work, self._end = work, end
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as exc:  # handed to the thread that waits
            self._error = exc
        finally:
            with suppress(OSError):
                self._end.close()  # the other end sees the end of the stream, or that nobody reads any more

    def finish(self) -> None:
        self.join()
        if self._error is not None:
            raise self._error


class Written:
    """What `write_archive` wrote; known when its block has ended."""

    size = 0
    sha256 = ""


@contextmanager
def write_archive(
    path: Path, recipients: Sequence[pyrage.x25519.Recipient]
) -> Iterator[tuple[tarfile.TarFile, Written]]:
    """Give a tar to add to for the block; afterwards the file is whole, fsynced, and its size and SHA-256 known."""
    written = Written()
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        counted = _Counted(file)
        with (
            _sealed(counted, recipients) as sink,
            zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(sink, closefd=False) as packed,
            tarfile.open(mode="w|", fileobj=packed, format=tarfile.PAX_FORMAT) as tar,
        ):
            yield tar, written
        file.flush()
        os.fsync(file.fileno())
    written.size, written.sha256 = counted.size, counted.sha256


@contextmanager
def _sealed(sink: _Counted, recipients: Sequence[pyrage.x25519.Recipient]) -> Iterator[IO[bytes]]:
    if not recipients:
        yield cast("IO[bytes]", sink)  # zstandard only writes to it
        return
    read_end, write_end = os.pipe()
    reader, writer = os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb", buffering=COPY_BYTES)

    def encrypt() -> None:
        try:
            pyrage.encrypt_io(reader, sink, list(recipients))
        except pyrage.EncryptError:
            raise sink.error or OSError("age could not seal the backup") from None

    pump = _Pump(encrypt, reader)
    pump.start()
    try:
        yield writer
        with suppress(BrokenPipeError):  # the pump stopped reading: it says why
            writer.close()
    except BrokenPipeError:
        pump.finish()
        raise
    finally:
        with suppress(BrokenPipeError):
            writer.close()
    pump.finish()


@contextmanager
def read_archive(path: Path, identities: Sequence[pyrage.x25519.Identity]) -> Iterator[tarfile.TarFile]:
    """Give the tar inside for the block. Raises `Refused("bad_backup")` or `("bad_key")` for what cannot be read."""
    try:
        with (
            path.open("rb") as file,
            _opened(file, identities) as source,
            zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(source) as plain,
            tarfile.open(mode="r|", fileobj=plain) as tar,
        ):
            yield tar
            while plain.read(COPY_BYTES):  # to the end, where Zstandard and age have their last checksums
                pass
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as exc:
        raise Refused("bad_backup", f"{path} is damaged: {exc}; use another copy of this backup") from exc
    except pyrage.DecryptError as exc:
        raise Refused("bad_key", f"{path} cannot be opened with this identity, or is damaged: {exc}") from exc


@contextmanager
def _opened(file: BinaryIO, identities: Sequence[pyrage.x25519.Identity]) -> Iterator[IO[bytes]]:
    if not identities:
        yield file
        return
    read_end, write_end = os.pipe()
    reader, writer = os.fdopen(read_end, "rb", buffering=COPY_BYTES), os.fdopen(write_end, "wb")

    def decrypt() -> None:
        with suppress(BrokenPipeError):  # whoever reads found something wrong and says so
            pyrage.decrypt_io(file, writer, list(identities))
            writer.flush()

    pump = _Pump(decrypt, writer)
    pump.start()
    try:
        yield reader
    finally:
        reader.close()
        pump.finish()  # what age found wrong says more than the end of the stream it caused
