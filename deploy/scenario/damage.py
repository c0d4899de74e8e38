"""Do to a home what a bad disk or a forger would: change one byte of one stored chunk, behind every program's back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from replication.document import Doc, DocId
from replication.store import AllDocsQuery, Database, Store
from server.engine import open_store
from server.home import Home

PROBE_BYTES = 64  # long enough to be found once, short enough to lie within one page of the file


def flip_one_byte(home: Path) -> str:
    """Change one byte of a chunk stored in `home` and return that chunk's id.

    On SQLite the byte is changed in the file itself. CouchDB lets nobody at its files, so there the chunk is purged and
    put back under the same id and revision with one byte changed, which is what someone with its password can do.
    """
    opened = Home.open(home)
    with closing(open_store(opened)) as store:
        database, chunk = _some_chunk(store)
        data = chunk.attachments["chunk"].data or b""
        if opened.settings.engine.kind == "couchdb":
            _replace(database, chunk, data)
            return chunk.id
    _flip_in_files(home / "store", data[len(data) // 2 :][:PROBE_BYTES])
    return chunk.id


def _some_chunk(store: Store) -> tuple[Database, Doc]:
    for name in store.names():
        if name.startswith("f-"):
            database = store.open(name)
            rows = database.all_docs(AllDocsQuery(start="sha256-", end="sha256-~", limit=1)).rows
            if rows:
                return database, database.get(DocId(rows[0].id), attachments=True)
    raise LookupError("this home holds no chunk")


def _replace(database: Database, chunk: Doc, data: bytes) -> None:
    if chunk.rev is None:
        raise LookupError(f"{chunk.id} has no revision")
    attachment = replace(chunk.attachments["chunk"], data=_flipped(data, len(data) // 2), digest="")
    database.purge({chunk.id: [chunk.rev]})
    database.bulk_docs([replace(chunk, attachments={"chunk": attachment})], new_edits=False)


def _flip_in_files(folder: Path, probe: bytes) -> None:
    for path in sorted(folder.glob("f-*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = path.read_bytes()
        at = content.find(probe)
        if at >= 0:
            path.write_bytes(_flipped(content, at))
            return
    raise LookupError("the chunk's bytes were found in no file")


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
