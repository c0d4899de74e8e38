"""`restore`: a home out of a backup, proven in a folder beside before it becomes the home.

1. the archive has the size and SHA-256 that backup.json names
2. what comes out is what the manifest lists, file by file, and nothing else
3. every SQLite file is sound, every database's counts, bodies and attachments agree
4. the node's key and certificate belong together
5. the store begins a new life: another uuid, another epoch, so that no peer trusts what it remembers of the lost one
6. node.db notes the restore
7. everything is fsynced, and one rename makes it the home
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from replication.comparing import find_unknown
from replication.migrate import Progress as Moving
from replication.migrate import migrate
from replication.sqlite import SqliteStore
from replication.store import Store
from server.backup.archive import COPY_BYTES, read_archive
from server.backup.making import Made, Report, Step
from server.backup.manifest import (
    KEY_NAME,
    MANIFEST_NAME,
    MAX_HEADER_BYTES,
    MAX_MANIFEST_BYTES,
    Header,
    Manifest,
    check_path,
    parse_manifest,
    read_header,
)
from server.backup.restored import note_restore
from server.backup.seals import Key
from server.engine import open_engine
from server.errors import Refused
from server.home import Engine, Home, read_bounded
from server.nodedb import NodeDb

_SLACK_BYTES = 64 * 1024 * 1024


def restore(folder: Path, target: Path, key: Key, report: Report, *, engine: Engine | None = None) -> Made:
    """Put the backup in `folder` back as the home `target`, which must not exist or be empty; return what it is.

    `engine`: where the databases go, None for where they were. Raises `Refused` with "home_exists", "bad_backup",
    "bad_key" or "not_empty", and `OSError`; `target` is then as it was.
    """
    if target.exists() and any(target.iterdir()):
        raise Refused(
            "home_exists", f"{target} is not empty; a restore writes over nothing: move it away, or choose another"
        )
    if os.path.ismount(target):  # it cannot be replaced by the folder beside it, which would lie on another disk
        raise Refused(
            "home_exists", f"a disk is mounted at {target}; restore into a folder on it, such as {target}/home"
        )
    header = read_header(folder)
    identities = key.open(header.sealed, _read_key(folder) if header.sealed == "passphrase" else b"")
    with _beside(target) as stage:
        archive = folder / header.archive_name
        _check_archive(archive, header, report)
        with read_archive(archive, identities) as tar:
            manifest = _Unpacking(stage, header, report).run(tar)
        home = Home.open(stage)
        _check_files(stage, manifest, report)
        _check_keys(home)
        home = home.with_settings(replace(home.settings, engine=engine or home.settings.engine, old_engine=None))
        _begin_life(home, report)
        with closing(NodeDb(stage / "node.db")) as db:
            note_restore(db, made_at=manifest.made_at, at=datetime.now(UTC))
        _sync_tree(stage)
        if target.exists():
            target.rmdir()
        stage.rename(target)
        _sync(target.parent)
    return Made(header, manifest)


def _read_key(folder: Path) -> bytes:
    return read_bounded(folder / KEY_NAME, MAX_HEADER_BYTES)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = target.with_name(f".{target.name}.restoring-{secrets.token_hex(4)}")
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _check_archive(archive: Path, header: Header, report: Report) -> None:
    report(Step("reading the archive", 0, header.archive_bytes))
    if not archive.exists():
        raise Refused("bad_backup", f"{archive} is missing; copy the whole folder of the backup")
    size = archive.stat().st_size
    if size != header.archive_bytes:
        raise Refused(
            "bad_backup", f"{archive} has {size} bytes, expected {header.archive_bytes}: it was cut; use another copy"
        )
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != header.archive_sha256:
        raise Refused(
            "bad_backup", f"{archive} is damaged: SHA-256 {found}, expected {header.archive_sha256}; use another copy"
        )


class _Unpacking:
    """Takes the files out of the tar into the stage, counting and hashing."""

    def __init__(self, stage: Path, header: Header, report: Report) -> None:
        self._stage, self._header, self._report = stage, header, report
        self._done = 0
        self._found: dict[str, tuple[int, str]] = {}

    def run(self, tar: tarfile.TarFile) -> Manifest:
        """Return the manifest, every file it lists being in the stage. Raises `Refused("bad_backup")`."""
        manifest: Manifest | None = None
        for member in tar:
            if manifest is not None or not member.isfile():
                raise Refused("bad_backup", f"the archive holds {member.name[:100]!r}, which no backup has")
            self._report(Step(member.name, self._done, self._header.plain_bytes))
            self._done += member.size
            if self._done > self._header.plain_bytes + _SLACK_BYTES:
                raise Refused("bad_backup", "the archive unpacks to more than backup.json says")
            if member.name == MANIFEST_NAME:
                manifest = parse_manifest(self._read(tar, member))
            else:
                self._extract(tar, member)
        if manifest is None or manifest.made_at != self._header.made_at or manifest.unit != self._header.unit:
            raise Refused("bad_backup", "the manifest is missing or of another backup; use another copy")
        if self._found != {entry.path: (entry.size, entry.sha256) for entry in manifest.files}:
            raise Refused("bad_backup", "the archive does not hold what its manifest lists; use another copy")
        return manifest

    def _read(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        if member.size > MAX_MANIFEST_BYTES:
            raise Refused("bad_backup", f"{MANIFEST_NAME} is larger than any can be")
        file = tar.extractfile(member)
        assert file is not None
        return file.read()

    def _extract(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._stage / check_path(member.name)
        if member.name in self._found:
            raise Refused("bad_backup", f"the archive holds {member.name!r} twice")
        for folder in reversed(path.relative_to(self._stage).parents[:-1]):
            (self._stage / folder).mkdir(mode=0o700, exist_ok=True)
        file, digest = tar.extractfile(member), hashlib.sha256()
        assert file is not None
        with path.open("xb") as out:
            os.fchmod(out.fileno(), 0o600)
            while piece := file.read(COPY_BYTES):
                out.write(piece)
                digest.update(piece)
        self._found[member.name] = (member.size, digest.hexdigest())


def _check_files(stage: Path, manifest: Manifest, report: Report) -> None:
    """Raise `Refused("bad_backup")` for a SQLite file or a database that is not sound in itself."""
    (stage / "store").mkdir(mode=0o700, exist_ok=True)
    with closing(SqliteStore(stage / "store")) as store:
        for name in store.names():
            report(Step(f"checking {name}", 0, 0))
            for finding in store.open(name).check():
                raise Refused("bad_backup", f"database {name} in the backup is not sound: {finding}")
    for entry in manifest.files:
        path = stage / entry.path
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as conn:
                for row in conn.execute("PRAGMA integrity_check"):
                    if row[0] != "ok":
                        raise Refused("bad_backup", f"{entry.path} in the backup is not sound: {row[0]}")


def _check_keys(home: Home) -> None:
    certificate = home.node_certificate()
    if certificate is not None and certificate.public_key() != home.node_key().public_key():
        raise Refused("bad_backup", "the node's key and certificate in the backup do not belong together")


def _begin_life(home: Home, report: Report) -> None:
    """Bring the databases to their engine, with a uuid and epochs nobody has seen."""
    unpacked = SqliteStore(home.path / "store")
    try:
        if home.settings.engine.kind == "sqlite":
            unpacked.rebirth()
            return
        with closing(open_engine(home, home.settings.engine)) as store:
            _refuse_strangers(store, unpacked, home.settings.engine)
            migrate(unpacked, store, _teller(report))
            from replication.couch import CouchStore  # as in `server.engine`: most nodes have no CouchDB

            assert isinstance(store, CouchStore)
            store.rebirth()
    finally:
        unpacked.close()
    shutil.rmtree(home.path / "store")
    (home.path / "store").mkdir(mode=0o700)


def _teller(report: Report) -> Callable[[Moving], None]:
    return lambda moving: report(Step(f"{moving.database}: {moving.phase}", moving.done, moving.done + moving.left))


def _refuse_strangers(store: Store, unpacked: SqliteStore, engine: Engine) -> None:
    """Raise `Refused("not_empty")` where CouchDB holds what the backup does not: perhaps the node of yesterday."""
    for name in store.names():
        stranger = name if name not in unpacked.names() else find_unknown(store.open(name), unpacked.open(name))
        if stranger is not None:
            raise Refused(
                "not_empty",
                f"CouchDB holds {stranger!r} under the prefix {engine.prefix!r}, which the backup does not: nothing is"
                " written over it; name another place with --couchdb URL --prefix P, or --sqlite",
            )


def _sync_tree(root: Path) -> None:
    for path in (*root.rglob("*"), root):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
