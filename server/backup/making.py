"""`make_backup`: a home, also of a running node, as one folder that was read back before it got its name."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from replication.bundle.writer import sync_folder
from replication.migrate import Progress as Saving
from server.backup.archive import COPY_BYTES, read_archive, write_archive
from server.backup.contents import SCRATCH, Copied, copy_home, estimate_bytes
from server.backup.manifest import HEADER_NAME, KEY_NAME, MANIFEST_NAME, Entry, Header, Manifest
from server.backup.seals import Opening, Seal
from server.clocks.clock import timestamp
from server.errors import NotReady, Refused
from server.home import Home


@dataclass(frozen=True, slots=True)
class Step:
    """How far a backup or a restore is: what is being worked on, and bytes done of about so many in all."""

    what: str
    done_bytes: int
    all_bytes: int


Report = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup."""

    header: Header
    manifest: Manifest


def make_backup(home: Home, out: Path, seal: Seal, report: Report) -> Made:
    """Write a backup of the home to the new folder `out`, read it back, and return what is in it.

    The node may be running. A folder beside is renamed to `out` at the end, so that `out` is there whole or not at all.
    Raises `Refused("out_exists")`, `NotReady` while another backup of this home is made, and `OSError` (a full disk).
    """
    opening = seal.prepare()
    if out.exists():
        raise Refused("out_exists", f"{out} exists; a backup writes over nothing, choose another name")
    with _scratch_of(home) as scratch, _beside(out) as part:
        made_at = timestamp(datetime.now(UTC))
        if opening.key_age:
            _write(part / KEY_NAME, opening.key_age)
        archive = part / Header(home.unit, made_at, seal.kind, 0, "", 0).archive_name
        with write_archive(archive, opening.recipients) as (tar, written):
            packer = _Packer(tar, report, estimate_bytes(home))
            for copied in copy_home(home, scratch, packer.report_saving):
                packer.add(copied)
            manifest = packer.finish(home, made_at)
        header = Header(home.unit, made_at, seal.kind, written.size, written.sha256, packer.done_bytes)
        _write(part / HEADER_NAME, header.to_json())
        sync_folder(part)
        report(Step("reading back", 0, written.size))
        _read_back(archive, header, manifest, opening)
        part.rename(out)
        sync_folder(out.parent)
    return Made(header, manifest)


@contextmanager
def _scratch_of(home: Home) -> Iterator[Path]:
    """Give a folder inside the home, on its disk and as private as it; one backup at a time."""
    scratch = home.path / SCRATCH
    descriptor = os.open(home.path / "backup.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(scratch, ignore_errors=True)  # of a backup that was killed
        scratch.mkdir(mode=0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except BlockingIOError as exc:
        raise NotReady(f"another backup of {home.path} is being made; wait for it") from exc
    finally:
        os.close(descriptor)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    part = out.with_name(f"{out.name}.part")
    if part.exists():
        shutil.rmtree(part)  # of a backup that was killed
    new = [each for each in part.absolute().parents if not each.exists()]
    part.mkdir(mode=0o700, parents=True)
    for each in new:
        sync_folder(each.parent)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    """Write a small file durably into a folder that nobody looks into yet."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


class _Packer:
    """Adds copies to the tar, deletes them, and keeps the list for the manifest."""

    def __init__(self, tar: tarfile.TarFile, report: Report, all_bytes: int) -> None:
        self._tar, self._report, self._all_bytes = tar, report, all_bytes
        self._entries: list[Entry] = []
        self._documents: dict[str, int] = {}
        self.done_bytes = 0

    def report_saving(self, saving: Saving) -> None:
        self._report(Step(f"{saving.database} ({saving.done} documents)", self.done_bytes, self._all_bytes))

    def add(self, copied: Copied) -> None:
        self._report(Step(copied.path, self.done_bytes, self._all_bytes))
        with copied.copy.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
            file.seek(0)
            self._tar.addfile(_describe(copied.path, size), file)
        copied.copy.unlink()
        self._entries.append(Entry(copied.path, size, sha256))
        if copied.documents is not None:
            self._documents[Path(copied.path).name] = copied.documents
        self.done_bytes += size

    def finish(self, home: Home, made_at: str) -> Manifest:
        """Add the manifest as the last member and return it."""
        engine = home.settings.engine.kind
        manifest = Manifest(home.unit, made_at, engine, self._documents, tuple(self._entries))
        data = manifest.to_json()
        self._tar.addfile(_describe(MANIFEST_NAME, len(data)), io.BytesIO(data))
        self.done_bytes += len(data)
        return manifest


def _describe(path: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o600
    return info


def _read_back(archive: Path, header: Header, manifest: Manifest, opening: Opening) -> None:
    """Raise `Refused("not_written")` unless the medium gives back what was written.

    The bytes of the archive always; what is inside as well, unless it is sealed to somebody else's key.
    """
    with archive.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the medium, not from memory
        found = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    if (size, found) != (header.archive_bytes, header.archive_sha256):
        raise Refused("not_written", f"{archive} reads back other bytes than were written: do not trust this medium")
    if header.sealed == "age":
        return
    expected = [(entry.path, entry.size, entry.sha256) for entry in manifest.files]
    with read_archive(archive, opening.identities) as tar:
        inside = [(member.name, member.size, _digest(tar, member)) for member in tar]
    if inside[:-1] != expected or inside[-1][0] != MANIFEST_NAME:
        raise Refused("not_written", f"{archive} does not unpack to what was put in: do not trust this medium")


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    assert file is not None
    digest = hashlib.sha256()
    while piece := file.read(COPY_BYTES):
        digest.update(piece)
    return digest.hexdigest()
