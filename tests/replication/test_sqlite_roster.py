"""How many files the embedded store holds open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from replication.document import Doc, DocId, Rev
from replication.sqlite import SqliteStore
from replication.sqlite.connections import IDLE_READERS
from replication.sqlite.roster import AWAKE, Roster

MANY = AWAKE + 40


def count_open(directory: Path) -> int:
    """Return how many of this process's handles are databases in `directory` (Linux)."""
    handles = (entry for entry in Path("/proc/self/fd").iterdir() if entry.exists())
    return sum(entry.resolve().parent == directory and entry.resolve().suffix == ".sqlite" for entry in handles)


def write(store: SqliteStore, number: int) -> None:
    (result,) = store.open(f"db{number}").bulk_docs([Doc(DocId("a"), Rev("1-x"), ("x",))], new_edits=False)
    assert result.error is None


def test_a_store_of_many_databases_holds_few_open(tmp_path: Path) -> None:
    """Those longest unused close; each opens again by itself and has lost nothing."""
    store = SqliteStore(tmp_path)
    for number in range(MANY):
        store.create(f"db{number}")
        write(store, number)
        assert store.open(f"db{number}").info().doc_count == 1

    assert 0 < count_open(tmp_path) <= 2 * AWAKE
    assert all(store.open(f"db{number}").get(DocId("a")).rev == "1-x" for number in range(MANY))
    store.close()
    assert count_open(tmp_path) == 0


def test_readers_of_a_crowd_close_with_it(tmp_path: Path) -> None:
    """As many as read at once were open; a few stay."""
    store = SqliteStore(tmp_path)
    database = store.create("db")
    write_many = [Doc(DocId(f"d{n}"), Rev("1-x"), ("x",), body=b'{"t":"%b"}' % (b"x" * 5000)) for n in range(2000)]
    database.bulk_docs(write_many, new_edits=False)
    with ThreadPoolExecutor(16) as crowd:
        found = list(crowd.map(lambda _: len(database.changes().rows), range(64)))
    # SQLite itself keeps handles until the last connection of a file closes; the caches go with the connections.
    held = len(database._connections._readers)
    store.close()

    assert found == [2000] * 64
    assert 0 < held <= IDLE_READERS


def test_databases_rest_while_they_are_used(tmp_path: Path) -> None:
    """Threads that read and write more databases than may be awake get in nobody's way."""
    store = SqliteStore(tmp_path)
    store._roster = Roster(2)
    for number in range(6):
        store.create(f"db{number}")

    def work(seed: int) -> int:
        for step in range(20):
            database = store.open(f"db{(seed + step) % 6}")
            doc = Doc(DocId(f"{seed}-{step}"), Rev("1-x"), ("x",))
            assert database.bulk_docs([doc], new_edits=False)[0].error is None
            assert database.get(doc.id).rev == "1-x"
        return 20

    with ThreadPoolExecutor(4) as crowd:
        assert sum(crowd.map(work, range(4))) == 80
    assert sum(store.open(f"db{number}").info().doc_count for number in range(6)) == 80
    store.close()
