"""What SQLite and the system raise about a database file, in our words; for the stores and a node's other files."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replication.errors import NotFound, StorageFull, StoreError, Unavailable


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into our errors: what happened, to which file, what to do."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _translate(exc, path) from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path) from exc
        raise


def _translate(exc: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(exc, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _is_full(path)):
        return _full(path)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"{path.name} is held by another process; try again")
    if primary == sqlite3.SQLITE_CANTOPEN and not path.exists():
        return NotFound("Database does not exist.")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(f"{path.name} is damaged ({exc}); restore it from a backup and let peers send the rest")
    return StoreError(f"{path.name}: {exc} ({getattr(exc, 'sqlite_errorname', 'no code')})")


def _full(path: Path) -> StorageFull:
    return StorageFull(
        f"No space left for {path.name}; nothing of this request is acknowledged. Free some and send it again."
    )


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < 1 << 20
    except OSError:
        return False
