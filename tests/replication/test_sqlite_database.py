"""One SQLite file: limits, the feed's arithmetic, shared attachments, many threads."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.document import Doc, DocId, Rev, Seq
from replication.errors import BadRequest, Conflict, IllegalDocId, StoreError, TooLarge
from replication.sqlite import Limits, SqliteDatabase, SqliteStore
from replication.sqlite.connections import Connections
from replication.sqlite.limits import MAX_ID_BYTES, MAX_PATH
from replication.store import ZERO, AllDocsQuery
from replication.testing.base import build_attachment, build_doc, build_stub, edit, put, read_feed

A = DocId("a")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store", limits=Limits(body_bytes=1000, attachment_bytes=2000))
    yield store
    store.close()


@pytest.fixture
def db(store: SqliteStore) -> Iterator[SqliteDatabase]:
    db = store.create("a")
    yield db
    assert db.check() == []


def query(db: SqliteDatabase, sql: str) -> list[tuple[object, ...]]:
    with db._connections.reading() as conn:
        return conn.execute(sql).fetchall()


# Limits


def test_what_is_too_large_fails_alone(db: SqliteDatabase) -> None:
    """Bodies, attachments, ids; at the limit they are stored."""
    docs = [
        Doc(DocId("body"), Rev("1-x"), ("x",), body=b'"' + b"y" * 999 + b'"'),
        build_doc("att", "1-x", atts={"f": build_attachment(b"y" * 2001)}),
        build_doc("é" * (MAX_ID_BYTES // 2) + "x", "1-x"),
        Doc(DocId("fits"), Rev("1-x"), ("x",), body=b'"' + b"y" * 998 + b'"'),
        build_doc("att fits", "1-x", atts={"f": build_attachment(b"y" * 2000)}),
        build_doc("é" * (MAX_ID_BYTES // 2), "1-x"),
    ]
    results = db.bulk_docs(docs, new_edits=False)
    assert [type(result.error) for result in results] == [TooLarge, TooLarge, IllegalDocId, *[type(None)] * 3]
    assert [result.error.error for result in results if result.error] == [
        "document_too_large",
        "attachment_too_large",
        "illegal_docid",
    ]
    with pytest.raises(TooLarge):
        db.put_local("x", b"y" * 1001)
    with pytest.raises(BadRequest):
        db.put_local("", b"{}")


def test_a_history_longer_than_any_is_refused(db: SqliteDatabase) -> None:
    """Before it is made into a tree."""
    path = tuple(str(n) for n in range(MAX_PATH + 1))
    (result,) = db.bulk_docs([Doc(A, Rev(f"{10**9}-0"), path)], new_edits=False)
    assert isinstance(result.error, BadRequest)


@pytest.mark.parametrize("doc_id", ["\ud800", "a\udfff"])
def test_half_a_surrogate_is_no_id(db: SqliteDatabase, doc_id: str) -> None:
    """JSON can say it, UTF-8 cannot."""
    (result,) = db.bulk_docs([build_doc(doc_id, "1-x")], new_edits=False)
    assert isinstance(result.error, IllegalDocId)


@pytest.mark.parametrize("name", ["_x", "", "\ud800"])
def test_an_attachment_name_that_cannot_be_is_refused(db: SqliteDatabase, name: str) -> None:
    """CouchDB reserves the underscore."""
    (result,) = db.bulk_docs([build_doc("a", atts={name: build_attachment(b"")})])
    assert isinstance(result.error, BadRequest)


def test_an_unknown_encoding_is_refused(db: SqliteDatabase) -> None:
    """Nobody could read it back; nothing of it is kept."""
    atts = {"f": build_attachment(b"x"), "g": build_attachment(b"y", encoding="br")}
    (result,) = db.bulk_docs([build_doc("a", "1-x", atts=atts)], new_edits=False)
    assert isinstance(result.error, BadRequest)
    assert query(db, "SELECT count(*) FROM blobs") == [(0,)]


def test_a_nul_in_an_id_is_kept(db: SqliteDatabase) -> None:
    """Ids are text to the last character."""
    put(db, build_doc("a\0b", "1-x"), build_doc("a", "1-x"), build_doc("a\0c", "1-x"))
    assert db.get(DocId("a\0b")).id == "a\0b"
    assert [row.id for row in db.all_docs(AllDocsQuery()).rows] == ["a", "a\0b", "a\0c"]


def test_a_hash_of_32_hex_digits_has_no_case(db: SqliteDatabase) -> None:
    """A peer may write it in capitals; it is the same revision."""
    put(db, build_doc("a", f"1-{'ab' * 16}"))
    upper = Rev(f"1-{'AB' * 16}")
    before = db.info().update_seq
    (result,) = db.bulk_docs([Doc(A, upper, ("AB" * 16,))], new_edits=False)
    assert (result.error, result.rev) == (None, f"1-{'ab' * 16}")
    assert db.get(A, upper).rev == f"1-{'ab' * 16}"
    assert db.revs_diff({A: [upper]}) == {}
    assert db.info().update_seq == before


# The single revision and the tree behind it


def test_one_revision_is_kept_without_a_tree(db: SqliteDatabase) -> None:
    """A second one makes the tree, purging it unmakes it."""
    put(db, build_doc("a", "1-x"), build_doc("b", "2-y", "x"))
    trees = "SELECT id, tree IS NULL FROM docs ORDER BY id"
    assert query(db, trees) == [("a", 1), ("b", 0)]
    put(db, build_doc("a", "1-z"))
    assert query(db, trees) == [("a", 0), ("b", 0)]
    db.purge({A: [Rev("1-z")]})
    assert query(db, trees) == [("a", 1), ("b", 0)]
    assert db.leaves(A) == (("1-x", False),)


def test_bodies_of_stemmed_revisions_go(db: SqliteDatabase) -> None:
    """With their attachments; those still referred to stay."""
    db.set_revs_limit(2)
    rev = edit(db, build_doc("a", atts={"keep": build_attachment(b"keep"), "drop": build_attachment(b"drop")}))
    for n in range(4):
        rev = edit(db, build_doc("a", rev, n=n, atts={"keep": build_stub()}))
    assert query(db, "SELECT count(*) FROM bodies") == [(2,)]
    assert query(db, "SELECT refs, length(data) FROM blobs JOIN blob_data USING (blob)") == [(2, 4)]


# Attachments


def test_equal_bytes_are_stored_once(db: SqliteDatabase) -> None:
    """However many documents have them, until the last goes."""
    data = bytes(1500)
    put(
        db,
        *(build_doc(f"d{n}", "1-x", atts={"f": build_attachment(data), "g": build_attachment(data)}) for n in range(9)),
    )
    assert query(db, "SELECT refs FROM blobs") == [(18,)]
    db.purge({DocId(f"d{n}"): [Rev("1-x")] for n in range(8)})
    assert db.attachment(DocId("d8"), "g").data == data
    db.purge({DocId("d8"): [Rev("1-x")]})
    assert query(db, "SELECT count(*) FROM blob_data") == [(0,)]


def test_compaction_gives_space_back(db: SqliteDatabase) -> None:
    """To the file system, after a document of many editions."""
    rev = None
    for n in range(100):
        data = n.to_bytes(2, "big") * 1000
        rev = edit(db, build_doc("a", rev, atts={"f": build_attachment(data)}))
    before = db.info()
    db.compact()
    after = db.info()
    assert after.disk_size < before.disk_size / 2
    assert after.update_seq == before.update_seq
    assert db.attachment(A, "f").data == data


# The feed


def test_pending_is_right_after_edits_and_purges(db: SqliteDatabase) -> None:
    """Across blocks of vacated seqs, from anywhere in the feed."""
    rand = random.Random(1)
    db.bulk_docs([build_doc(f"d{n}", "1-x") for n in range(3500)], new_edits=False)
    chosen = rand.sample(range(3500), 700)
    put(db, *(build_doc(f"d{n}", "2-y", "x") for n in chosen[:500]))
    db.purge({DocId(f"d{n}"): [Rev("1-x")] for n in chosen[500:]})
    numbers = [int(row.seq.partition("-")[0]) for row in db.changes().rows]
    epoch = db.info().update_seq.partition("-")[2]
    for since in [0, 1, 1022, 1023, 1024, 1025, 2047, 2048, numbers[-1] - 1, *rand.sample(range(1, numbers[-1]), 20)]:
        page = db.changes(Seq(f"{since}-{epoch}"), limit=3)
        last = int(page.last_seq.partition("-")[0])
        assert page.pending == sum(number > last for number in numbers)
        down = db.changes(limit=since, descending=True)
        assert down.pending == len(numbers) - len(down.rows)


def test_the_feed_is_in_order_and_seqs_are_never_used_twice(db: SqliteDatabase) -> None:
    """Purging the newest document does not give its seq to the next."""
    put(db, build_doc("c", "1-x"), build_doc("b", "1-x"), build_doc("a", "1-x"))
    assert [row.id for row in db.changes().rows] == ["c", "b", "a"]
    end = db.info().update_seq
    db.purge({A: [Rev("1-x")]})
    assert db.info().update_seq == end
    put(db, build_doc("d", "1-x"))
    assert db.changes().rows[-1].seq.startswith("4-")
    assert [row.id for row in db.changes(end).rows] == ["d"]
    assert db.changes(limit=2).pending == 1


def test_waiting_is_not_ended_by_what_left_the_feed(db: SqliteDatabase) -> None:
    """The seq was used, but nothing stands there any more."""
    put(db, build_doc("a", "1-x"))
    since = db.changes().last_seq
    put(db, build_doc("b", "1-x"))
    db.purge({DocId("b"): [Rev("1-x")]})
    assert db.wait_for_change(since, 0.05) is False
    put(db, build_doc("c", "1-x"))
    assert db.wait_for_change(since, 30) is True


def test_a_commit_wakes_at_once(db: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when the time to look for other processes' changes has come."""
    monkeypatch.setattr("replication.sqlite.database.POLL_S", 60.0)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(db.wait_for_change(ZERO, 60)))
    waiter.start()
    put(db, build_doc("a", "1-x"))
    waiter.join(60)
    assert answers == [True]


def test_purging_what_is_no_revision_is_refused(db: SqliteDatabase) -> None:
    """Of a known document or an unknown one, and then nothing is purged."""
    put(db, build_doc("a", "1-x"))
    for wanted in ({A: [Rev("1-x")], DocId("b"): [Rev("no")]}, {A: [Rev("1-x"), Rev("no")]}):
        with pytest.raises(BadRequest):
            db.purge(wanted)
    assert db.get(A).rev == "1-x"


def test_the_offset_is_counted_only_while_that_is_cheap(db: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a page deep in a large database costs what the first page costs."""
    monkeypatch.setattr("replication.sqlite.reading.COUNTED", 5)
    put(db, *(build_doc(f"d{n}", "1-x") for n in range(9)), build_doc("a", "1-x", deleted=True))
    offsets = [db.all_docs(AllDocsQuery(start=f"d{n}", limit=1)).offset for n in range(9)]
    assert offsets == [0, 1, 2, 3, 4, None, None, None, None]
    assert db.all_docs(AllDocsQuery(start="d8", limit=1)).rows[0].id == "d8"


# Many threads


def test_a_reader_sees_one_instant(db: SqliteDatabase) -> None:
    """What is committed while it reads comes with its next look."""
    with db._connections.reading() as conn:
        before = conn.execute("SELECT update_seq FROM state").fetchone()
        put(db, build_doc("a", "1-x"))
        assert conn.execute("SELECT update_seq FROM state").fetchone() == before
        assert conn.execute("SELECT count(*) FROM docs").fetchone() == (0,)
    assert db.info().doc_count == 1


def test_many_threads_write_and_read_at_once(db: SqliteDatabase) -> None:
    """Nothing is lost, counted twice or seen half."""
    errors: list[BaseException] = []

    def write(thread: int) -> None:
        try:
            for n in range(25):
                put(db, build_doc(f"{thread}.{n}.a", "1-x"), build_doc(f"{thread}.{n}.b", "1-x"))
                results = db.bulk_docs([build_doc("shared", db.get(DocId("shared")).rev, n=n, by=thread)])
                assert results[0].error is None or isinstance(results[0].error, Conflict)
                db.put_local(f"checkpoint-{thread}", b"{}")
        except BaseException as exc:
            errors.append(exc)

    def read() -> None:
        try:
            while len(feed := read_feed(db)) < 6 * 25 * 2 + 1:
                halves = {doc_id[:-2] for doc_id in feed if doc_id != "shared"}
                assert len(feed) == 2 * len(halves) + 1, "half a batch was seen"
        except BaseException as exc:
            errors.append(exc)

    put(db, build_doc("shared", "1-x"))
    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)] + [threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert db.info().doc_count == 301
    assert db.get_local("checkpoint-5").rev == "0-25"


def test_writes_that_wait_share_one_commit(store: SqliteStore) -> None:
    """One fsync for all of them; the one that fails fails alone."""
    path = store.create("b").path
    commits = []
    connections = Connections(path, lambda conn: commits.append(1))
    outcomes: dict[int, object] = {}

    def write(number: int) -> None:
        def run(conn: object) -> int:
            if number == 3:
                raise Conflict
            return number

        try:
            outcomes[number] = connections.write(run)
        except Conflict as exc:
            outcomes[number] = type(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]

    def hold(conn: object) -> None:
        for thread in threads:
            thread.start()
        while len(connections._waiting) < len(threads):
            pass  # each appends itself before it asks for the lock held here

    connections.exclusively(hold)
    for thread in threads:
        thread.join(60)
    assert outcomes == {n: Conflict if n == 3 else n for n in range(8)}
    assert len(commits) == 1
    connections.close(StoreError("closed"))


def test_what_raised_inside_a_write_left_nothing(store: SqliteStore) -> None:
    """Its savepoint is rolled back though the transaction commits."""
    db = store.create("b")

    def run(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO localdocs VALUES ('x', 1, x'')")
        raise Conflict

    with pytest.raises(Conflict):
        db._connections.write(run)
    assert list(db.local_docs()) == []
