"""A directory of databases, one SQLite file each.

store.db              the uuid of the store
<name>.sqlite         a database; "/" in a name is "~" in the file name
<name>.sqlite.mark    its newest position (`replication.sqlite.identity`)
new-*.part, old-*.part  a database being made or deleted. Both happen under the claim on store.db, so whoever holds that
                      and finds one has found what a power cut left.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from pathlib import Path

from replication.errors import DatabaseExists, NotFound, StoreError, Unavailable
from replication.sqlite.database import SqliteDatabase
from replication.sqlite.epochs import Tenure
from replication.sqlite.files import sync_directory
from replication.sqlite.identity import Claim, Identity, build_uuid
from replication.sqlite.limits import Limits
from replication.sqlite.names import build_file_name, check_database_name, is_database_name, parse_file_name
from replication.sqlite.roster import Roster
from replication.sqlite.schema import create_database
from replication.sqliteerrors import translated

_BESIDE = ("-wal", "-shm", "-journal", ".mark")
_PART = re.compile(r"(?:new|old)-[0-9a-f]{16}\.part(?:-wal|-shm|-journal|\.mark)?")


class SqliteStore:
    """`replication.store.Store` in one directory, which is made if need be. Several processes may share it."""

    def __init__(self, directory: Path | str, *, limits: Limits | None = None) -> None:
        self._directory = Path(directory)
        self._limits = limits or Limits()
        self._lock = threading.RLock()
        self._open: dict[str, tuple[int, SqliteDatabase]] = {}
        self._roster = Roster()
        self._closed = False
        with translated(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
        self._identity = Identity(self._directory)
        with self._identity.claim() as claim:
            self._sweep()
            if claim.is_copy or (claim.is_new and self.names()):
                self._begin_lives(claim)
            self._uuid = claim.uuid

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def uuid(self) -> str:
        return self._uuid

    def create(self, name: str) -> SqliteDatabase:
        check_database_name(name)
        path = self._directory / build_file_name(name)
        with self._lock, translated(path):
            self._check_open()
            if path.exists():
                raise DatabaseExists
            part = self._directory / f"new-{secrets.token_hex(8)}.part"
            with self._identity.claim():
                try:
                    epoch = create_database(part)
                    _remove_beside(path)  # of a deletion that a power cut interrupted
                    _publish(part, path)
                finally:
                    part.unlink(missing_ok=True)
                    _remove_beside(part)
                sync_directory(self._directory)
            return self._open_database(name, Tenure(epoch))

    def open(self, name: str) -> SqliteDatabase:
        return self._open_database(name, Tenure())

    def _open_database(self, name: str, tenure: Tenure) -> SqliteDatabase:
        with self._lock:
            self._check_open()
            path = self._directory / build_file_name(name)
            inode = _inode(path) if is_database_name(name) else None
            at_hand = self._open.get(name)
            if at_hand and at_hand[0] == inode:
                return at_hand[1]
            if at_hand:  # another process deleted it, and perhaps made it anew
                self._forget(name)
            if inode is None:
                raise NotFound("Database does not exist.")
            database = SqliteDatabase(name, path, self._limits, self._roster, tenure)
            try:
                self._notice_rollback(database)
            except BaseException:
                database.close(Unavailable("The database could not be opened."))
                raise
            self._open[name] = (inode, database)
            return database

    def _notice_rollback(self, database: SqliteDatabase) -> None:
        """Begin a life if the file is older than what it has been."""
        if database.is_rolled_back():
            with self._identity.claim() as claim:
                self._uuid = claim.uuid = build_uuid()
            database.begin_life()  # last: if this is interrupted, it is still behind its mark and all is done again

    def delete(self, name: str) -> None:
        with self._lock:
            self._check_open()
            path = self._directory / build_file_name(name)
            if not is_database_name(name) or not path.exists():
                raise NotFound("Database does not exist.")
            self._forget(name)
            # One rename decides; what a power cut leaves behind afterwards is garbage, never half a database.
            part = self._directory / f"old-{secrets.token_hex(8)}.part"
            with self._identity.claim():
                path.rename(part)
                sync_directory(self._directory)
                _remove_beside(path)
                part.unlink()

    def names(self) -> list[str]:
        found = (parse_file_name(entry.name) for entry in self._directory.iterdir())
        return sorted(name for name in found if name)

    def rebirth(self) -> None:
        """Take a new uuid and begin a new epoch in every database.

        To be called on a directory that was restored from a backup or copied by means that `Identity` cannot see.
        """
        with self._lock, self._identity.claim() as claim:
            self._begin_lives(claim)
            self._uuid = claim.uuid

    def backup(self, directory: Path) -> None:
        """Copy every database to `directory`, each at one instant, while work goes on.

        The directory is made, or must be empty: raises `FileExistsError`. Opened as a store it has a uuid and epochs
        of its own, as a restored backup must (the uuid is not in it).
        """
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty; give each backup a directory of its own")
        for name in self.names():
            self.open(name).backup(directory / build_file_name(name))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for name in list(self._open):
                self._forget(name, Unavailable("The store is closed."))

    def _sweep(self) -> None:
        """Remove what a power cut left of databases that were being made or deleted. The claim is held."""
        for entry in list(self._directory.iterdir()):
            if _PART.fullmatch(entry.name):
                entry.unlink(missing_ok=True)

    def _begin_lives(self, claim: Claim) -> None:
        """Begin a life everywhere. The databases come first: if this is interrupted, it is done again."""
        for name in self.names():
            database = self._open[name][1] if name in self._open else None
            if database is not None:
                database.begin_life()
                continue
            database = SqliteDatabase(name, self._directory / build_file_name(name), self._limits)
            try:
                database.begin_life()
            finally:
                database.close(Unavailable("The store is closed."))
        claim.uuid = build_uuid()

    def _forget(self, name: str, reason: StoreError | None = None) -> None:
        if at_hand := self._open.pop(name, None):
            at_hand[1].close(reason or NotFound("Database does not exist."))

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed.")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _publish(part: Path, path: Path) -> None:
    """Give a finished file its name. Raises `DatabaseExists` when another process was quicker."""
    try:
        os.link(part, path)  # unlike a rename it never replaces
    except FileExistsError:
        raise DatabaseExists from None
    except OSError:  # no hard links here (FAT)
        if path.exists():
            raise DatabaseExists from None
        part.rename(path)


def _remove_beside(path: Path) -> None:
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
