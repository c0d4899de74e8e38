"""Which chunks go with a file: those that no other file needs, found without knowing all of them at once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from crypto.hashing import sha256_id
from replication.sqlite import SqliteStore
from replication.store import Database
from server.dossier.documents import manifest_doc
from server.dossier.manifest import CHUNK_BYTES, Manifest
from server.erasure.filesweep import unneeded_chunks

CHUNKS = 100


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database of files."""
    store = SqliteStore(tmp_path)
    yield store.create("f-h41-12-03")
    store.close()


def name(text: str) -> str:
    """A content id, of nothing in particular."""
    return str(sha256_id(sha256(text.encode()).digest()))


def put(database: Database, *files: tuple[str, ...]) -> list[str]:
    """Write manifests that name these chunks; return their content ids."""
    manifests = [Manifest(name(f"{chunks}"), len(chunks) * CHUNK_BYTES, chunks, CHUNK_BYTES) for chunks in files]
    database.bulk_docs([manifest_doc(each) for each in manifests], new_edits=False)
    return [each.id for each in manifests]


def test_what_another_file_names_stays(database: Database) -> None:
    """Also what two files that go have in common goes; what nobody names was not asked about."""
    own, shared, common, idle = (name(each) for each in ("own", "shared", "common", "idle"))
    first, second, _ = put(database, (own, shared, common), (common,), (shared, name("other")))

    assert unneeded_chunks(database, [first]) == [own]
    assert unneeded_chunks(database, [first, second]) == sorted([own, common])
    assert unneeded_chunks(database, [second], [idle, shared]) == [idle]
    assert unneeded_chunks(database, [name("no such manifest")]) == []


def test_memory_does_not_grow_with_the_files_of_a_unit(database: Database) -> None:
    """Four times as many files are read a page at a time, and their chunks forgotten."""

    def fill(first: int, last: int) -> str:
        files = [tuple(name(f"{i}-{k}") for k in range(CHUNKS)) for i in range(first, last)]
        return put(database, *files)[0]

    def measure() -> int:
        tracemalloc.start()
        try:
            assert len(unneeded_chunks(database, [going])) == CHUNKS
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    going = fill(0, 600)
    few = measure()
    fill(600, 2400)

    assert measure() < 1.3 * few
