"""Check everything a node's home stores, with the root certificate it was given as the only thing believed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509

from crypto.chain import TrustAnchors
from replication.store import Store
from server.errors import Refused
from server.home import Engine, Home
from server.verify.database import DAMAGE, Contents, verify_database, verify_files, verify_references
from server.verify.report import Report


def verify_home(path: Path, *, now: datetime, roots: Sequence[x509.Certificate] = ()) -> Report:
    """Return what checking the home at `path` found.

    `roots` are the certificates to believe; without them those the home itself was set up with, which shows that the
    home is consistent, not that it is the right province's. Raises `Refused` if `path` is no home, or knows no root.
    """
    home = Home.open(path)
    trusted = list(roots) or home.anchors()
    if not trusted:
        raise Refused("bad_home", f"{path} holds no root certificate; name one with --root FILE")
    report = Report()
    if home.settings.engine.kind == "sqlite":
        verify_sqlite_files(path / "store", report)
    with opened_store(home.settings.engine, path) as store:
        _verify_store(store, TrustAnchors(trusted), now, report)
    return report


def verify_sqlite_files(folder: Path, report: Report) -> None:
    """Ask SQLite itself whether the files of the embedded engine are sound."""
    for file in sorted(folder.glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                answers = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
        except sqlite3.DatabaseError as exc:
            answers = [str(exc)]
        if answers != ["ok"]:
            report.fault("store", file.name, "; ".join(map(str, answers)))


@contextmanager
def opened_store(engine: Engine, home: Path) -> Iterator[Store]:
    """Open the home's store, whichever engine it is on, for the block."""
    store: Store
    if engine.kind == "couchdb":
        from replication.couch import CouchStore

        if engine.url is None:
            raise Refused("bad_home", f"{home} is on CouchDB but names no address")
        store = CouchStore(engine.url, prefix=engine.prefix)
    else:
        from replication.sqlite import SqliteStore

        store = SqliteStore(home / "store")
    try:
        yield store
    finally:
        store.close()


def _verify_store(store: Store, anchors: TrustAnchors, now: datetime, report: Report) -> None:
    found: dict[str, Contents] = {}
    whole: dict[str, set[str]] = {}
    for name in (name for name in store.names() if name == "registry" or name.startswith(("u-", "f-"))):
        try:
            database = store.open(name)
            found[name] = verify_database(database, anchors, now, report)
            whole[name] = verify_files(found[name], database, report)
        except DAMAGE as exc:
            report.fault(name, "(the database)", f"it cannot be read to its end: {exc}")
    for name, contents in found.items():
        files = "f-" + name.removeprefix("u-")
        verify_references(contents, whole.get(files, set()), report)
