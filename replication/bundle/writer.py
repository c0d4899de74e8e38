"""Writing a bundle: frame after frame into `.part` files, each made durable, renamed, read again and compared.

What is on the medium under its final name has been read back from it. If anything fails, what was written of this
bundle is taken away again, as far as the medium lets us; bundles that were there before are not touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol

from replication.bundle.acknowledgement import Acknowledgement
from replication.bundle.age import Sealer
from replication.bundle.envelope import MAX_PARTS, SUFFIX, Envelope, Signer, build_head
from replication.bundle.errors import BadBundle, MediumError, medium
from replication.bundle.feed import Stretch
from replication.bundle.frames import CLOSING, MAX_FRAMES, pack_content, pack_note, seal_frame
from replication.bundle.manifest import FrameEntry, Manifest, build_closing, build_trailer
from replication.document import Seq

PART_BYTES: Final = 1024 * 1024 * 1024  # FAT32 takes files up to 4 GiB; a quarter of it copies and fails in less time
LEAST_PART_BYTES: Final = 64 * 1024
_CLOSING_BYTES: Final = 16 * 1024  # manifest and trailer of a part that holds little
_ENTRY_BYTES: Final = 160  # and what each frame adds to its manifest
_READ_BYTES: Final = 1024 * 1024


def open_new(path: Path) -> BinaryIO:
    """Open a file for writing, replacing one of that name that an earlier attempt left."""
    return path.open("wb")


@dataclass(frozen=True, slots=True)
class PartFile:
    """A part on the medium, read back."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a bundle before its first frame; `envelope.part` is ignored."""

    envelope: Envelope
    store: str
    previous: str
    basis: Mapping[str, Seq]
    acknowledgement: Acknowledgement | None


class _Digest(Protocol):
    """What `hashlib` gives; its own type has no public name."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class _Part:
    """A part at work."""

    number: int
    path: Path
    file: BinaryIO
    digest: _Digest = field(default_factory=sha256)
    size: int = 0
    frames: list[FrameEntry] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.size += len(data)

    def closing_bytes(self) -> int:
        return _CLOSING_BYTES + _ENTRY_BYTES * len(self.frames)


class BundleWriter:
    """One bundle being written to `folder` as `<name>.001.tram` and so on. Use it as a context: what was not finished
    is removed. `limit_bytes` is what all parts together may take; `on_bytes` is told how many bytes are written."""

    def __init__(
        self,
        folder: Path,
        name: str,
        plan: Plan,
        *,
        signer: Signer,
        sealer: Sealer,
        limit_bytes: int,
        part_bytes: int = PART_BYTES,
        on_bytes: Callable[[int], None] = lambda _: None,
        open_file: Callable[[Path], BinaryIO] = open_new,
    ) -> None:
        if part_bytes < LEAST_PART_BYTES:
            raise BadBundle(f"a part of {part_bytes} bytes is too small; give at least {LEAST_PART_BYTES}")
        self._folder = folder
        self._name = name
        self._plan = plan
        self._signer = signer
        self._sealer = sealer
        self._limit_bytes = limit_bytes
        self._part_bytes = part_bytes
        self._on_bytes = on_bytes
        self._open_file = open_file
        self._part: _Part | None = None
        self._done: list[PartFile] = []
        self._finished = False
        self._extra_bytes = len(repr(plan.acknowledgement))

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self._remove()

    @property
    def size(self) -> int:
        """Bytes written so far, in all parts."""
        return sum(part.size for part in self._done) + (self._part.size if self._part else 0)

    @property
    def left(self) -> int:
        """Bytes that may still be written, manifests counted."""
        return max(0, self._limit_bytes - self.size - _CLOSING_BYTES - self._extra_bytes)

    def add(self, section: str, database: str, stretch: Stretch) -> bool:
        """Write a stretch as a frame; False, and nothing written, if it does not fit into `limit_bytes` any more.

        Raises `MediumError`. An empty stretch always fits.
        """
        if not stretch.records:
            return True
        return self._add(section, database, stretch.since, stretch.until, stretch.records)

    def add_note(self, name: str, data: bytes) -> bool:
        """Write a signed note as a frame of section "extras"; False if it does not fit."""
        return self._add("extras", "extras", Seq("0"), Seq("0"), [pack_note(name, data)])

    def finish(self, until: Mapping[str, Seq]) -> list[PartFile]:
        """Close the last part with how far each database goes, and return all parts. Raises `MediumError`."""
        self._close(self._current(), until)
        self._finished = True
        return self._done

    def _add(self, section: str, database: str, since: Seq, until: Seq, records: Sequence[bytes]) -> bool:
        part = self._current()
        while True:
            head, payload = self._seal(part, section, database, since, until, records)
            needed = len(head) + len(payload) + part.closing_bytes() + self._extra_bytes
            if self.size + needed > self._limit_bytes:
                return False
            if (part.size + needed <= self._part_bytes and len(part.frames) < MAX_FRAMES) or not part.frames:
                break
            self._close(part, None)  # sealed anew below: a frame says which part it is in
            part = self._current()
        entry = FrameEntry(
            len(part.frames),
            part.size,
            len(payload),
            sha256(payload).digest(),
            section,
            database,
            since,
            until,
            len(records),
        )
        with medium(part.path):
            part.write(head)
            part.write(payload)
        part.frames.append(entry)
        self._on_bytes(self.size)
        return True

    def _seal(
        self, part: _Part, section: str, database: str, since: Seq, until: Seq, records: Sequence[bytes]
    ) -> tuple[bytes, bytes]:
        plain = pack_content(
            bundle=self._plan.envelope.id,
            part=part.number,
            index=len(part.frames),
            section=section,
            database=database,
            since=since,
            until=until,
            records=records,
        )
        return seal_frame(plain, len(part.frames), section, self._sealer)

    def _current(self) -> _Part:
        """Return the part at work, begun if there is none."""
        if self._part is None:
            number = len(self._done) + 1
            if number > MAX_PARTS:
                raise BadBundle(f"more than {MAX_PARTS} parts; give a larger --part-size")
            path = self._folder / f"{self._name}.{number:03d}{SUFFIX}.part"
            with medium(path):
                self._part = _Part(number, path, self._open_file(path))
                self._part.write(build_head(self._envelope(number), self._signer))
        return self._part

    def _envelope(self, number: int) -> Envelope:
        return replace(self._plan.envelope, part=number)

    def _close(self, part: _Part, until: Mapping[str, Seq] | None) -> None:
        """Write the manifest, make the part durable, give it its name, and read it again."""
        manifest = Manifest(
            envelope=self._envelope(part.number),
            store=self._plan.store,
            is_last=until is not None,
            previous=self._plan.previous,
            basis=self._plan.basis,
            until=until or {},
            acknowledgement=self._plan.acknowledgement,
            frames=tuple(part.frames),
        )
        offset = part.size
        head, payload = seal_frame(build_closing(manifest, self._signer), CLOSING, "closing", self._sealer)
        final = part.path.with_name(part.path.name.removesuffix(".part"))
        with medium(part.path):
            for data in (head, payload, build_trailer(offset)):
                part.write(data)
            part.file.flush()
            os.fsync(part.file.fileno())
            part.file.close()
            part.path.replace(final)
            sync_folder(self._folder)
        self._part = None
        self._done.append(PartFile(final, part.size, part.digest.hexdigest()))
        verify_copy(self._done[-1])

    def _remove(self) -> None:
        """Take away what was written; a medium that is gone keeps what it has."""
        paths = [part.path for part in self._done]
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.file.close()
            paths.append(self._part.path)
        for path in paths:
            with contextlib.suppress(OSError):  # the error that brought us here is the one to be told
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, with everything else where folders cannot be synced (some network drives)."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
        os.sync()
    finally:
        os.close(descriptor)


def verify_copy(part: PartFile) -> None:
    """Read a part from the medium, not from memory, and return if it is what was written. Raises `MediumError`."""
    digest = sha256()
    with medium(part.path), part.path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while data := file.read(_READ_BYTES):
            digest.update(data)
    if digest.hexdigest() != part.sha256:
        raise MediumError("failed", f"{part.path}: what was read back is not what was written; take another stick")
