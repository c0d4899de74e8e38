"""Acknowledged is durable: killed writers, full disks."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.document import DocId
from replication.errors import StorageFull
from replication.sqlite import SqliteDatabase, SqliteStore
from replication.testing.base import build_attachment, build_doc, edit, put
from tests import disks

WRITER = """
import random, sys
from replication.sqlite import SqliteStore
from replication.testing.base import build_attachment, build_doc

store = SqliteStore(sys.argv[1])
db = store.open("a")
rand = random.Random(int(sys.argv[2]))
number = 0
while True:
    docs = []
    for _ in range(rand.randint(1, 20)):
        atts = {"f": build_attachment(rand.randbytes(9000))} if rand.random() < 0.2 else None
        docs.append(build_doc(f"{sys.argv[2]}-{number}", "1-x", atts=atts, pad="y" * rand.randint(0, 3000)))
        number += 1
    results = db.bulk_docs(docs, new_edits=False)
    assert all(result.error is None for result in results)
    edited = db.bulk_docs([build_doc(docs[0].id, "1-x", edited=True)])
    assert edited[0].error is None
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, seed: int) -> None:
    """SIGKILL at a random point, again and again on the same files."""
    rand = random.Random(seed)
    store = SqliteStore(tmp_path)
    store.create("a")
    store.close()
    acknowledged: dict[int, int] = {}
    for life in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(life)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(rand.randint(1, 60)):
            acknowledged[life] = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:  # what it still said before it died
            acknowledged[life] = int(line)
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL

        again = SqliteStore(tmp_path)
        db = again.open("a")
        assert db.check() == []
        live = {row.id for row in db.changes().rows}
        for past, count in acknowledged.items():
            assert {f"{past}-{n}" for n in range(count)} <= live
        assert len(db.leaves(DocId(f"{life}-0"))) == 1
        assert db.get(DocId(f"{life}-0")).generation == 2
        assert again.uuid == store.uuid, "a crash is not a rollback"
        again.close()


def fill(db: SqliteDatabase) -> list[str]:
    """Store until nothing fits any more; return what was acknowledged."""
    stored: list[str] = []
    with pytest.raises(StorageFull, match="space"):
        store_without_end(db, stored)
    return stored


def store_without_end(db: SqliteDatabase, stored: list[str]) -> None:
    for n in range(10_000):
        put(db, build_doc(f"d{n}", "1-x", atts={"f": build_attachment(n.to_bytes(4, "big") * 8000)}))
        stored.append(f"d{n}")


def check_full(db: SqliteDatabase, stored: list[str]) -> None:
    """What was acknowledged is there, nothing else is, and reading goes on."""
    assert stored
    assert [row.id for row in db.changes().rows] == stored
    for doc_id in (stored[0], stored[-1]):
        data = int(doc_id[1:]).to_bytes(4, "big") * 8000
        assert db.attachment(DocId(doc_id), "f").data == data


def test_a_database_at_its_page_limit_stays_usable(tmp_path: Path) -> None:
    """SQLITE_FULL is `StorageFull`; once there is room the same request succeeds."""
    store = SqliteStore(tmp_path)
    db = store.create("a")
    db._connections.exclusively(lambda conn: conn.execute("PRAGMA max_page_count = 300").fetchall())
    stored = fill(db)
    check_full(db, stored)
    with pytest.raises(StorageFull):
        edit(db, build_doc("edit", atts={"f": build_attachment(bytes(100_000))}))
    db._connections.exclusively(lambda conn: conn.execute("PRAGMA max_page_count = 100000").fetchall())
    put(db, build_doc("later", "1-x"))
    assert db.check() == []
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own."""
    with disks.small_disk(tmp_path / "disk", "6m") as mount:
        yield mount


def test_a_full_disk_stops_writing_and_nothing_else(small_disk: Path) -> None:
    """The real thing: ENOSPC from the file system, in the WAL, then room again."""
    ballast = small_disk / "ballast"
    store = SqliteStore(small_disk / "store")
    db = store.create("a")
    ballast.write_bytes(bytes(1_500_000))
    stored = fill(db)
    check_full(db, stored)
    with pytest.raises(StorageFull):
        store.create("another")
    assert store.names() == ["a"]
    ballast.unlink()
    put(db, build_doc("later", "1-x"))
    assert db.check() == []
    store.close()
    again = SqliteStore(small_disk / "store")
    assert [row.id for row in again.open("a").changes().rows] == [*stored, "later"]
    assert again.uuid == store.uuid
    again.close()
