"""A tap on SQLite's own VFS: every write, truncation, sync, creation and deletion, told as it happens.

`sqlite3_vfs_register` is called through ctypes in the very library that Python's `sqlite3` module has loaded, with
`makeDflt`, so that the engine under test runs unmodified: the same SQLite, the same `sqlite3.connect`, no facade. The
unix VFS does the work; the tap replaces only the entries of its tables that change what would be on a disk:

    sqlite3_vfs          xOpen  xDelete
    sqlite3_io_methods   xClose xWrite xTruncate xSync
    system calls         openDirectory, which the unix VFS calls only to fsync a directory

An address of a `sqlite3_file` names an open file. The shared-memory index (-shm) goes past the tap: it is no part of
what SQLite relies on after a power cut.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p, cast
from typing import Any, NamedTuple, Protocol

OK, IOERR = 0, 10
OPEN_DELETEONCLOSE = 0x8

OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
CLOSE = CFUNCTYPE(c_int, c_void_p)
WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
OPEN_DIRECTORY = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
GET_SYSTEM_CALL = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
SET_SYSTEM_CALL = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)


class IoMethods(ctypes.Structure):
    """`struct sqlite3_io_methods` of SQLite's public header."""

    _fields_ = (
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", c_void_p),
        ("xTruncate", c_void_p),
        ("xSync", c_void_p),
        *((f"other{n}", c_void_p) for n in range(13)),
    )


class Vfs(ctypes.Structure):
    """`struct sqlite3_vfs` of SQLite's public header."""

    _fields_ = (
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", c_void_p),
        ("xDelete", c_void_p),
        *((f"other{n}", c_void_p) for n in range(11)),
        ("xSetSystemCall", c_void_p),
        ("xGetSystemCall", c_void_p),
        ("xNextSystemCall", c_void_p),
    )


class Listener(Protocol):
    """What hears about it, after it happened. Paths are absolute; `file` is whatever `opened` returned."""

    def opened(self, path: str) -> Any: ...
    def deleted(self, path: str) -> None: ...
    def wrote(self, file: Any, offset: int, data: bytes) -> None: ...
    def truncated(self, file: Any, size: int) -> None: ...
    def synced(self, file: Any) -> None: ...
    def synced_directory(self) -> None: ...


def load_library() -> ctypes.CDLL | None:
    """Return the SQLite library of Python's `sqlite3` module, None where its functions are not visible."""
    library = ctypes.CDLL(_sqlite3.__file__)  # a lookup in it also searches the libraries it was linked with
    try:
        library.sqlite3_vfs_find.restype = c_void_p
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        library.sqlite3_vfs_register.argtypes = [c_void_p, c_int]
        library.sqlite3_vfs_unregister.argtypes = [c_void_p]
    except AttributeError:
        return None
    return library


class _Base(NamedTuple):
    """The unix VFS's own methods behind one table."""

    close: Any
    write: Any
    truncate: Any
    sync: Any


class Tap:
    """The tap itself; `errors` holds what went wrong in a listener, where no exception can travel."""

    def __init__(self, library: ctypes.CDLL, listener: Listener) -> None:
        self._library = library
        self._listener = listener
        self._files: dict[int, tuple[Any, _Base]] = {}
        self._tables: dict[int, tuple[IoMethods, _Base]] = {}
        self._base_address = library.sqlite3_vfs_find(b"unix")
        base = cast(self._base_address, POINTER(Vfs)).contents
        self._base_open, self._base_delete = OPEN(base.xOpen), DELETE(base.xDelete)
        self._get_call = GET_SYSTEM_CALL(base.xGetSystemCall)
        self._set_call = SET_SYSTEM_CALL(base.xSetSystemCall)
        self._base_directory = OPEN_DIRECTORY(self._get_call(self._base_address, b"openDirectory"))
        self.errors: list[BaseException] = []
        # The C side keeps bare pointers, so these objects must live as long as it does.
        self._kept = [OPEN(self._open), DELETE(self._delete), CLOSE(self._close), WRITE(self._write)]
        self._kept += [TRUNCATE(self._truncate), SYNC(self._sync), OPEN_DIRECTORY(self._open_directory)]
        self._vfs = Vfs.from_buffer_copy(base)
        self._vfs.zName = b"tap"
        self._vfs.xOpen, self._vfs.xDelete = _address(self._kept[0]), _address(self._kept[1])

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be SQLite's default VFS inside the block. All connections of the block must be closed before it ends."""
        self._library.sqlite3_vfs_register(byref(self._vfs), 1)
        self._set_call(self._base_address, b"openDirectory", _address(self._kept[6]))
        try:
            yield
        finally:
            self._set_call(self._base_address, b"openDirectory", None)
            self._library.sqlite3_vfs_register(self._base_address, 1)
            self._library.sqlite3_vfs_unregister(byref(self._vfs))
        if self.errors:
            raise self.errors[0]
        if self._files:
            raise AssertionError(f"{len(self._files)} files are still open: their methods are gone with the tap")

    def _tell(self, action: Callable[[], None]) -> int:
        try:
            action()
        except BaseException as exc:
            self.errors.append(exc)
            return IOERR
        return OK

    def _open(self, _vfs: int, name: int, file: int, flags: int, out_flags: Any) -> int:
        # `name` stays a bare pointer: SQLite looks for URI parameters behind its terminating zero.
        code = self._base_open(self._base_address, name, file, flags, out_flags)
        if code != OK or not name or flags & OPEN_DELETEONCLOSE:
            return int(code)
        path = os.fsdecode(ctypes.string_at(name))
        base = self._divert(file)
        self._files[file] = None, base

        def note() -> None:
            self._files[file] = self._listener.opened(path), base

        return self._tell(note)

    def _divert(self, file: int) -> _Base:
        """Give an open file a table of methods that pass here, and return the methods it had."""
        at = cast(file, POINTER(c_void_p))
        original = at.contents.value
        assert original is not None
        if original not in self._tables:  # one for each of SQLite's ways of locking
            table = IoMethods.from_buffer_copy(cast(original, POINTER(IoMethods)).contents)
            base = _Base(CLOSE(table.xClose), WRITE(table.xWrite), TRUNCATE(table.xTruncate), SYNC(table.xSync))
            table.xClose, table.xWrite = _address(self._kept[2]), _address(self._kept[3])
            table.xTruncate, table.xSync = _address(self._kept[4]), _address(self._kept[5])
            self._tables[original] = table, base
        table, base = self._tables[original]
        at[0] = ctypes.addressof(table)
        return base

    def _close(self, file: int) -> int:
        _, base = self._files.pop(file)
        return int(base.close(file))

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        of, base = self._files[file]
        code = int(base.write(file, data, size, offset))
        return (
            self._tell(lambda: self._listener.wrote(of, offset, ctypes.string_at(data, size))) if code == OK else code
        )

    def _truncate(self, file: int, size: int) -> int:
        of, base = self._files[file]
        code = int(base.truncate(file, size))
        return self._tell(lambda: self._listener.truncated(of, size)) if code == OK else code

    def _sync(self, file: int, flags: int) -> int:
        of, base = self._files[file]
        code = int(base.sync(file, flags))
        return self._tell(lambda: self._listener.synced(of)) if code == OK else code

    def _delete(self, _vfs: int, name: bytes, sync_directory: int) -> int:
        path = os.fsdecode(name)
        there = os.path.exists(path)  # noqa: PTH110  # called for every statement's journal
        # 0: the directory is synced after the deletion was noted, not before.
        code = int(self._base_delete(self._base_address, name, 0))
        if code == OK and there:
            code = self._tell(lambda: self._listener.deleted(path))
        if code == OK and sync_directory:
            code = self._tell(self._listener.synced_directory)
        return code

    def _open_directory(self, name: bytes, out_handle: Any) -> int:
        code = int(self._base_directory(name, out_handle))
        return self._tell(self._listener.synced_directory) if code == OK else code


def _address(function: Any) -> int:
    return cast(function, c_void_p).value or 0
