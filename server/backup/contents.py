"""Which files make up a home, and a copy of each as of one instant while the node works.

    store/*.sqlite     the databases: SQLite's own, or read out of CouchDB into files of the same form
    everything else    settings, keys, certificates, and whatever else lies in the home
    node.db

node.db says what was done with documents (codes given out, times of admission, leaves of the log), so it and the
databases must be of one moment: a log that names a document which is not there accuses the node of having lost it, and
a document that node.db does not know was never admitted. While node.db's write lock is held nobody admits anything;
that is as long as it takes to begin a reading transaction in each file, and on CouchDB to read what came in while the
bulk was copied. What is under way at that moment is in the state a crash would leave it in.

Left out: what is computed (readmodel.db), what belongs to this one life (locks, `store.db` with the uuid, marks), and
what SQLite keeps beside its files.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from replication.migrate import Progress, Saving
from replication.sqlite import SqliteStore
from replication.sqlite.names import build_file_name
from server.engine import open_store
from server.home import Home

SCRATCH = "backup-scratch"
_NOT_OURS = frozenset({"serve.lock", "backup.lock", "crl.lock", "bundle.lock", "readmodel.db", SCRATCH, "store"})
_SUFFIXES_LEFT_OUT = ("-wal", "-shm", "-journal", ".part", ".new")
_SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy of one file in the scratch folder. `path` is relative to the home; `documents` of a database."""

    path: str
    copy: Path
    documents: int | None = None


def copy_home(home: Home, scratch: Path, report: Callable[[Progress], None]) -> Iterator[Copied]:
    """Yield a consistent copy of each file of the home, databases first. Each may be deleted before the next."""
    with ExitStack() as stack:
        files = _list_files(home.path)
        saving, databases = _open_databases(home, scratch, report, stack)
        with _no_admission(home.path / "node.db"):
            if saving is not None:
                saving.run()
            pinned = {path: stack.enter_context(_pinned(path)) for path in (*databases(), *files) if _is_sqlite(path)}
        for path, conn in pinned.items():
            if path.parent.name in ("store", "saved"):
                yield _copy_sqlite(f"store/{path.name}", conn, scratch / "file", is_database=True)
        for path in sorted(files, key=lambda path: path.name == "node.db"):
            name = path.relative_to(home.path).as_posix()
            if path in pinned:
                yield _copy_sqlite(name, pinned[path], scratch / "file", is_database=False)
            elif (copy := _copy_plain(path, scratch / "file")) is not None:
                yield Copied(name, copy)


def estimate_bytes(home: Home) -> int:
    """Return about how many bytes there are to copy, for a progress in percent."""
    folders = [home.path / "store"] if home.settings.engine.kind == "sqlite" else []
    stored = [path for folder in folders if folder.exists() for path in folder.iterdir()]
    return sum(path.stat().st_size for path in (*stored, *_list_files(home.path)) if path.is_file())


def _open_databases(
    home: Home, scratch: Path, report: Callable[[Progress], None], stack: ExitStack
) -> tuple[Saving | None, Callable[[], list[Path]]]:
    """Return what lists the database files; for CouchDB also what brings them up to date, the bulk being done."""
    store = stack.enter_context(closing(open_store(home)))
    if isinstance(store, SqliteStore):
        return None, lambda: [home.path / "store" / build_file_name(name) for name in store.names()]
    saved = stack.enter_context(closing(SqliteStore(scratch / "saved")))
    saving = Saving(store, saved, report)
    saving.run()
    return saving, lambda: [scratch / "saved" / build_file_name(name) for name in saved.names()]


@contextmanager
def _no_admission(node_db: Path) -> Iterator[None]:
    """Keep everybody from writing to node.db for the block, and so from admitting documents."""
    if not node_db.exists():  # the home was never served
        yield
        return
    with closing(_connect(node_db)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        yield
        conn.execute("ROLLBACK")


@contextmanager
def _pinned(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection in a reading transaction that has begun: it sees this instant until the block ends."""
    with closing(_connect(path)) as conn:
        conn.execute("BEGIN")
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield conn


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30, isolation_level=None)


def _copy_sqlite(name: str, conn: sqlite3.Connection, copy: Path, *, is_database: bool) -> Copied:
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        conn.backup(target)
        # One file, nothing beside it: whoever opens it next chooses the journal anew, a store's database has WAL.
        target.execute(f"PRAGMA journal_mode = {'WAL' if is_database else 'DELETE'}")
        sql = "SELECT doc_count + del_count FROM state"
        documents = target.execute(sql).fetchone()[0] if is_database else None
    return Copied(name, copy, documents)


def _copy_plain(path: Path, copy: Path) -> Path | None:
    """Return a copy of a file as it is now, if it was replaced meanwhile; None if it went."""
    try:
        return Path(shutil.copyfile(path, copy))
    except FileNotFoundError:
        return None


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except FileNotFoundError:  # it went since it was listed
        return False


def _list_files(root: Path) -> list[Path]:
    """Return the files that go along as they are or by SQLite's backup, sorted."""
    found = []
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        if inside.parts[0] in _NOT_OURS or inside.parts[0].startswith("readmodel.db"):
            continue
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_SUFFIXES_LEFT_OUT):
            found.append(path)
    return sorted(found)
