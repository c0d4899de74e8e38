"""Writes down everything that happens to the files of one flat directory, by SQLite and by Python.

SQLite is heard through `sqlitevfs`. The engine also links, renames, deletes and syncs through `os`, and writes its
marks through `open`: those functions are wrapped while the recording runs, do what they always did, and leave a step.
A way of changing files that is not known here stops the test instead of going unrecorded.
"""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.replication.durability.disk import Acknowledged, Disk, Image, Name, Step, Sync, SyncNames, Truncate, Write
from tests.replication.durability.sqlitevfs import Tap


class Recorder:
    """The steps taken in `root` since the recording began, and the inodes they speak of.

    `vault`, on the same file system, keeps a link to every inode seen. So an image can be laid out with the inodes it
    had: a disk that lost its power still has them, and the engine looks at them to tell a crash from a copy.
    """

    def __init__(self, root: Path, vault: Path) -> None:
        self.root, self._vault = root, vault
        self._prefix = str(root) + os.sep
        self.steps: list[Step] = []
        self._lock = threading.Lock()
        self._known: set[int] = set()
        vault.mkdir()
        self._before = {path.name: path.stat().st_ino for path in root.iterdir() if not _is_index(path.name)}
        self._content = {}
        for name, inode in self._before.items():
            if inode not in self._known:
                self._keep(root / name)
            self._content[inode] = (root / name).read_bytes()

    @contextmanager
    def recording(self, library: ctypes.CDLL) -> Iterator[None]:
        """Record inside the block."""
        patches: dict[str, Any] = {name: _Wrapped(self, getattr(os, name), note) for name, note in _NOTES.items()}
        refused: dict[str, Any] = {name: _Refused(self, name, getattr(os, name)) for name in _REFUSED}
        with (
            mock.patch.multiple(os, **patches, **refused),
            mock.patch.object(io, "open", self._open_for_python(io.open)),
            Tap(library, self).installed(),
        ):
            yield

    def acknowledge(self, number: int) -> None:
        """Note that the engine's call of this number has returned."""
        self._note(Acknowledged(number))

    def disk_at(self, position: int, names: str) -> Disk:
        """Return the disk as it was after the first `position` steps."""
        disk = Disk(dict(self._before), {inode: bytearray(content) for inode, content in self._content.items()})
        disk.play(self.steps[:position], names)
        return disk

    def lay_out(self, image: Image, directory: Path) -> None:
        """Make `directory` hold an image, each file in the inode it had. The root itself must no longer be in use."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for name, (inode, content) in image.items():
            kept = self._vault / str(inode)
            kept.write_bytes(content)
            (directory / name).hardlink_to(kept)

    # What SQLite does (`sqlitevfs.Listener`)

    def opened(self, path: str) -> int | None:
        if not self.holds(path):
            return None
        return self.found(path)

    def deleted(self, path: str) -> None:
        if self.holds(path):
            self._note(Name(self._name(path), None))

    def wrote(self, file: int | None, offset: int, data: bytes) -> None:
        if file is not None:
            self._note(Write(file, offset, data))

    def truncated(self, file: int | None, size: int) -> None:
        if file is not None:
            self._note(Truncate(file, size))

    def synced(self, file: int | None) -> None:
        if file is not None:
            self._note(Sync(file))

    def synced_directory(self) -> None:
        self._note(SyncNames())

    # What Python does

    def holds(self, path: Any) -> bool:
        """Return whether a path is of a file in the root that power cuts matter for."""
        if not isinstance(path, str | os.PathLike):
            return False
        text = os.fspath(path)
        return isinstance(text, str) and text.startswith(self._prefix) and not _is_index(text)

    def found(self, path: str) -> int:
        """Return the inode of a file, noting its name if that is new."""
        inode = Path(path).stat().st_ino
        with self._lock:
            if inode not in self._known:
                self._keep(Path(path))
                self.steps.append(Name(self._name(path), inode))
        return inode

    def _open_for_python(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def open_file(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            if not self.holds(file) or not set(mode) & set("wax+"):
                return real(file, mode, buffering, *rest, **named)
            if "b" not in mode:
                raise AssertionError(f"writing text to {file} is not recorded")
            raw = _RecordedFile(self, os.fspath(file), mode)
            if buffering == 0:
                return raw
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

        return open_file

    def _keep(self, path: Path) -> None:
        inode = path.stat().st_ino
        self._known.add(inode)
        _REAL_LINK(path, self._vault / str(inode))

    def _name(self, path: Any) -> str:
        name = os.fspath(path).removeprefix(self._prefix)
        if os.sep in name:
            raise AssertionError(f"{name}: a store is one flat directory")
        return str(name)

    def _note(self, step: Step) -> None:
        with self._lock:
            self.steps.append(step)

    # Notes of wrapped functions, after the fact

    def linked(self, source: Any, target: Any) -> None:
        if self.holds(target):
            self._note(Name(self._name(target), Path(target).stat().st_ino))

    def renamed(self, source: Any, target: Any) -> None:
        if self.holds(source) or self.holds(target):
            self._note(Name(self._name(target), None, was=self._name(source)))

    def removed(self, path: Any, **_: Any) -> None:
        self.deleted(path)

    def fsynced(self, handle: int) -> None:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            if status.st_ino == self.root.stat().st_ino:
                self.synced_directory()
        elif status.st_ino in self._known:
            self._note(Sync(status.st_ino))


_REAL_LINK = os.link
_NOTES: dict[str, Callable[..., None]] = {
    "link": Recorder.linked,
    "rename": Recorder.renamed,
    "replace": Recorder.renamed,
    "unlink": Recorder.removed,
    "remove": Recorder.removed,
    "fsync": Recorder.fsynced,
    "fdatasync": Recorder.fsynced,
}
_REFUSED = ("truncate", "symlink", "mkdir")


class _Wrapped:
    """A function of `os` that tells the recorder once it is done."""

    def __init__(self, recorder: Recorder, real: Callable[..., Any], note: Callable[..., None]) -> None:
        self._recorder, self._real, self._tell = recorder, real, note

    def __call__(self, *args: Any, **named: Any) -> Any:
        result = self._real(*args, **named)
        self._tell(self._recorder, *args, **named)
        return result


class _Refused:
    """A function of `os` that the recorder could not follow."""

    def __init__(self, recorder: Recorder, name: str, real: Callable[..., Any]) -> None:
        self._recorder, self._name, self._real = recorder, name, real

    def __call__(self, path: Any, *args: Any, **named: Any) -> Any:
        if self._recorder.holds(path):
            raise AssertionError(f"os.{self._name}({path}) is not recorded")
        return self._real(path, *args, **named)


class _RecordedFile(io.FileIO):
    """An unbuffered file written by Python."""

    def __init__(self, recorder: Recorder, path: str, mode: str) -> None:
        super().__init__(path, mode.replace("b", ""))
        self._recorder = recorder
        self._inode = recorder.found(path)
        if "w" in mode:
            recorder.truncated(self._inode, 0)

    def write(self, data: Any) -> int:
        offset = self.tell()
        written = super().write(data)
        self._recorder.wrote(self._inode, offset, bytes(data)[:written])
        return written or 0

    def truncate(self, size: int | None = None) -> int:
        done = super().truncate(size)
        self._recorder.truncated(self._inode, done)
        return done


def _is_index(name: str) -> bool:
    return name.endswith("-shm")
