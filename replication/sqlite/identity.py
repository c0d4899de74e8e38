"""Noticing that files are no longer what peers remember: a copied directory, a database put back from a backup.

Two cheap marks, neither of which a writer waits for (docs/decisions/0012 has what they catch and miss):

- `store.db` holds the store's uuid and the birth of the file it is in: its inode, and the generation of that inode
  where the system tells it. A copy has another.
- `<database>.mark` holds the newest position a commit reached, written after the commit and without fsync. A database
  that is behind its own mark was rolled back.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import struct
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from replication.sqliteerrors import translated

try:
    import fcntl
except ImportError:  # Windows: a file's number there is never given to another one
    fcntl = None  # type: ignore[assignment]  # asked for before it is used

_MARK = re.compile(rb"([0-9a-f]{8}) (\d{18})\n")
# FS_IOC_GETVERSION of linux/fs.h, _IOR('v', 1, long), as most architectures number it; others answer with an error.
_GET_GENERATION = 0x80007601 | struct.calcsize("l") << 16
# `read_birth` opens and closes the file, and a close drops every POSIX lock its process has on it. So one at a time.
_claiming = threading.Lock()


class Identity:
    """The uuid of a store, in a small SQLite file because that brings locks and atomic writes along."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "store.db"

    @contextlib.contextmanager
    def claim(self) -> Iterator[Claim]:
        """Hold the identity against other processes, and write what the block left in the claim."""
        with _claiming, translated(self._path):
            if not self._path.exists():
                self._path.touch()
            birth = read_birth(self._path)
            conn = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            try:
                conn.execute("PRAGMA synchronous = FULL")
                conn.execute("BEGIN IMMEDIATE")
                conn.execute("CREATE TABLE IF NOT EXISTS store (uuid TEXT NOT NULL, inode TEXT NOT NULL)")
                row = conn.execute("SELECT uuid, CAST(inode AS TEXT) FROM store").fetchone()
                claim = Claim(row[0], is_new=False, is_copy=row[1] != birth) if row else Claim(build_uuid())
                yield claim
                if (claim.uuid, birth) != row:
                    conn.execute("DELETE FROM store")
                    conn.execute("INSERT INTO store VALUES (?, ?)", (claim.uuid, birth))
                conn.execute("COMMIT")
            finally:
                conn.close()


def read_birth(path: Path) -> str:
    """Return what tells a file from every other that ever had its name: "<inode>" or "<inode>-<generation>".

    An inode number alone is not enough: ext4 gives the number of a file just deleted to the next one made, so that
    `rm -r` and `cp -a` of a whole folder bring the same numbers back. The generation is drawn anew each time.
    """
    inode = path.stat().st_ino
    if fcntl is None:
        return str(inode)
    with path.open("rb") as file:
        try:
            answer = fcntl.ioctl(file, _GET_GENERATION, bytes(8))
        except OSError:  # not on this file system: tmpfs and others, which do not hand numbers out again soon
            return str(inode)
    return f"{inode}-{struct.unpack_from('I', answer)[0]}"


@dataclass
class Claim:
    """A store's uuid while it is being looked at. `is_copy`: the file is not where this uuid was given."""

    uuid: str
    is_new: bool = True
    is_copy: bool = False


def build_uuid() -> str:
    """Return 32 random hex digits."""
    return uuid.uuid4().hex


@dataclass
class Mark:
    """The newest known position of one database, in a file beside it. `write` is cheap and promises nothing."""

    path: Path
    _file: BinaryIO | None = None
    _last: tuple[str, int] | None = field(default=None)

    def read(self) -> tuple[str, int] | None:
        """Return (epoch, seq), or None where there is no readable mark."""
        try:
            found = _MARK.fullmatch(self.path.read_bytes())
        except FileNotFoundError:
            return None
        return (found[1].decode(), int(found[2])) if found else None

    def write(self, epoch: str, seq: int) -> None:
        if (epoch, seq) == self._last:
            return
        try:
            if self._file is None:
                self._file = self.path.open("r+b" if self.path.exists() else "w+b", buffering=0)
            self._file.seek(0)
            self._file.write(f"{epoch} {seq:018d}\n".encode())
        except OSError:
            # The commit is durable already; a mark that cannot be written only makes a rollback harder to notice.
            self.close()
            return
        self._last = (epoch, seq)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
