"""The directory of the embedded engine: files, identity, copies and rollbacks, two processes at once."""

from __future__ import annotations

import operator
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from replication.document import DocId, Seq
from replication.errors import NotFound, StoreError, Unavailable
from replication.sqlite import SqliteDatabase, SqliteStore
from replication.sqlite import store as store_module
from replication.sqlite.names import build_file_name, parse_file_name
from replication.store import ZERO
from replication.testing.base import build_attachment, build_doc, put


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(home)
    yield store
    store.close()


def ids_after(db: SqliteDatabase, since: Seq) -> list[str]:
    return [row.id for row in db.changes(since).rows]


def test_a_store_opened_again_is_the_same(home: Path, store: SqliteStore) -> None:
    """Uuid, databases, seqs and start time stay; so do checkpoints at peers."""
    put(store.create("a/b"), build_doc("x", "1-x"))
    info = store.open("a/b").info()
    store.close()
    again = SqliteStore(home)
    assert again.uuid == store.uuid
    assert again.names() == ["a/b"]
    assert again.open("a/b").info().update_seq == info.update_seq
    assert again.open("a/b").info().instance_start_time == info.instance_start_time
    again.close()


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    """`Unavailable` from the store and from what it handed out."""
    db = store.create("a")
    store.close()
    for call in (lambda: store.open("a"), lambda: store.create("b"), db.info, lambda: db.put_local("x", b"{}")):
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize("name", ["a", "a/b", "a_b", "a+b(c)$d-e", "_users", "a/sqlite", "x" * 238])
def test_a_file_name_gives_back_the_name(name: str) -> None:
    """For every legal name, within 255 bytes with the longest suffix."""
    file_name = build_file_name(name)
    assert parse_file_name(file_name) == name
    assert len(file_name + "-journal") <= 255
    assert "/" not in file_name


def test_the_longest_name_is_a_database(store: SqliteStore) -> None:
    """With its WAL beside it."""
    name = "n" + "/" * 237
    put(store.create(name), build_doc("x", "1-x"))
    assert store.names() == [name]


def test_other_files_are_no_databases(home: Path, store: SqliteStore) -> None:
    """Neither ours beside them nor strangers."""
    put(store.create("a"), build_doc("x", "1-x"))
    for name in ("README.txt", "B.sqlite", ".sqlite", "a.sqlite.bak", "new-00.part"):
        (home / name).write_bytes(b"")
    assert store.names() == ["a"]


def test_a_wal_left_by_an_interrupted_deletion_is_not_replayed(home: Path, store: SqliteStore) -> None:
    """A new database of the same name begins empty."""
    put(store.create("a"), build_doc("x", "1-x"))
    wal = (home / "a.sqlite-wal").read_bytes()
    assert wal
    store.delete("a")
    (home / "a.sqlite-wal").write_bytes(wal)
    db = store.create("a")
    assert db.changes().rows == ()
    assert db.check() == []


@pytest.mark.parametrize("how", ["garbage", "empty", "newer"])
def test_a_file_that_is_not_ours_is_refused_with_its_name(home: Path, store: SqliteStore, how: str) -> None:
    """The other databases go on."""
    put(store.create("good"), build_doc("x", "1-x"))
    store.create("bad")
    store.close()
    if how == "newer":
        conn = sqlite3.connect(home / "bad.sqlite")
        conn.execute("PRAGMA user_version = 99")
        conn.close()
    else:
        (home / "bad.sqlite").write_bytes(b"garbage" * 2000 if how == "garbage" else b"")
    again = SqliteStore(home)
    with pytest.raises(StoreError, match=r"bad\.sqlite"):
        again.open("bad").info()
    assert again.open("good").info().doc_count == 1
    again.close()


# Copies, restores, rollbacks


def test_a_copied_directory_gets_an_identity_of_its_own(home: Path, store: SqliteStore, tmp_path: Path) -> None:
    """New uuid, new epoch, new start time; what both have in common is still common."""
    db = store.create("a")
    put(db, build_doc("x", "1-x"))
    common = db.info()
    store.close()
    shutil.copytree(home, tmp_path / "copy")

    copy = SqliteStore(tmp_path / "copy")
    fork = copy.open("a")
    assert copy.uuid != store.uuid
    assert fork.info().update_seq != common.update_seq
    assert fork.info().instance_start_time != common.instance_start_time
    put(fork, build_doc("y", "1-y"))
    assert ids_after(fork, common.update_seq) == ["y"]
    assert fork.check() == []
    copy.close()

    original = SqliteStore(home)
    assert original.uuid == store.uuid
    assert original.open("a").info().update_seq == common.update_seq
    original.close()


def test_a_seq_from_before_the_fork_is_answered_from_the_fork_at_most(store: SqliteStore) -> None:
    """A peer that read on in the life we lost gets everything since the common point."""
    db = store.create("a")
    put(db, build_doc("one", "1-x"), build_doc("two", "1-x"))
    number, epoch = db.info().update_seq.split("-")
    uuid = store.uuid
    store.rebirth()
    put(db, build_doc("three", "1-x"))
    assert store.uuid != uuid
    assert (number, db.info().update_seq.partition("-")[0]) == ("2", "3")
    assert ids_after(db, Seq(f"1-{epoch}")) == ["two", "three"]
    assert ids_after(db, Seq(f"2-{epoch}")) == ["three"]
    assert ids_after(db, Seq(f"900-{epoch}")) == ["three"]
    store.rebirth()
    assert ids_after(db, Seq(f"900-{epoch}")) == ["three"]


@pytest.mark.parametrize("since", ["2-00000000", "2", "7-g1AAAACReJzLYWBgYMpgTmHgS0stKs7Mz0tVMNAz0rM"])
def test_a_seq_that_was_never_ours_is_answered_from_0(store: SqliteStore, since: str) -> None:
    """Other stores', CouchDB's, and bare numbers."""
    db = store.create("a")
    put(db, build_doc("one", "1-x"), build_doc("two", "1-x"))
    assert ids_after(db, Seq(since)) == ["one", "two"]


def test_a_seq_ahead_of_us_is_answered_from_0(store: SqliteStore) -> None:
    """Of our own epoch: then something was lost, and silence would hide it."""
    db = store.create("a")
    put(db, build_doc("one", "1-x"))
    epoch = db.info().update_seq.partition("-")[2]
    assert ids_after(db, Seq(f"5-{epoch}")) == ["one"]


def test_a_database_put_back_from_a_backup_begins_a_new_epoch(home: Path, store: SqliteStore) -> None:
    """Noticed by the mark beside it, though the directory is the same."""
    db = store.create("a")
    put(db, build_doc("one", "1-x"))
    old = db.info().update_seq
    store.close()
    backup = (home / "a.sqlite").read_bytes()

    later = SqliteStore(home)
    put(later.open("a"), build_doc("lost", "1-x"))
    lost = later.open("a").info().update_seq
    later.close()
    (home / "a.sqlite").write_bytes(backup)

    restored = SqliteStore(home)
    db = restored.open("a")
    assert restored.uuid != store.uuid
    assert ids_after(db, old) == []
    put(db, build_doc("other", "1-x"))
    assert ids_after(db, old) == ["other"]
    assert ids_after(db, lost) == ["one", "other"], "the opening that gave this seq is not known here"
    uuid = restored.uuid
    restored.close()
    again = SqliteStore(home)
    assert again.open("a").info().doc_count == 2
    assert again.uuid == uuid
    again.close()


@pytest.mark.parametrize("step", ["SqliteDatabase.begin_life", "build_uuid"])
def test_an_interrupted_new_life_is_begun_again(
    home: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The power goes behind one of the two steps: the next opening gives the store a new uuid all the same."""
    put(store.create("a"), build_doc("one", "1-x"))
    store.close()
    backup = (home / "a.sqlite").read_bytes()
    later = SqliteStore(home)
    put(later.open("a"), build_doc("lost", "1-x"))
    told = later.open("a").info().instance_start_time
    later.close()
    (home / "a.sqlite").write_bytes(backup)
    done = operator.attrgetter(step)(store_module)

    def do_and_die(*arguments: Any) -> None:
        done(*arguments)
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(f"replication.sqlite.store.{step}", do_and_die)
        cut = SqliteStore(home)
        with pytest.raises(RuntimeError, match="power"):
            cut.open("a")
        cut.close()

    again = SqliteStore(home)
    assert again.open("a").info().instance_start_time != told
    assert again.uuid != store.uuid
    again.close()


def test_databases_without_their_store_file_are_taken_as_a_copy(home: Path, store: SqliteStore) -> None:
    """Somebody kept the databases and lost the rest."""
    db = store.create("a")
    seq = db.info().update_seq
    store.close()
    (home / "store.db").unlink()
    again = SqliteStore(home)
    assert again.uuid != store.uuid
    assert again.open("a").info().update_seq != seq
    again.close()


def test_a_damaged_mark_is_no_rollback(home: Path, store: SqliteStore) -> None:
    """It is written without fsync, so a power cut may leave anything in it."""
    put(store.create("a"), build_doc("x", "1-x"))
    store.close()
    (home / "a.sqlite.mark").write_bytes(b"\0" * 28)
    again = SqliteStore(home)
    put(again.open("a"), build_doc("y", "1-y"))
    assert again.uuid == store.uuid
    again.close()


def test_a_backup_opens_as_a_store_of_its_own(home: Path, store: SqliteStore, tmp_path: Path) -> None:
    """Documents, attachments and local documents of one instant; another uuid, another epoch."""
    db = store.create("a/b")
    put(db, build_doc("x", "1-x", atts={"f": build_attachment(b"bytes")}))
    db.put_local("checkpoint", b"{}")
    before = db.info().update_seq
    store.backup(tmp_path / "backup")
    put(db, build_doc("later", "1-x"))
    with pytest.raises(FileExistsError):
        store.backup(tmp_path / "backup")

    restored = SqliteStore(tmp_path / "backup")
    copy = restored.open("a/b")
    assert restored.uuid != store.uuid
    assert copy.attachment(DocId("x"), "f").data == b"bytes"
    assert copy.get_local("checkpoint").body == b"{}"
    assert ids_after(copy, before) == []
    put(copy, build_doc("other", "1-x"))
    assert ids_after(copy, db.info().update_seq) == ["other"]
    assert copy.check() == []
    restored.close()


# Two processes


def test_a_change_by_another_process_is_seen_and_wakes(home: Path, store: SqliteStore) -> None:
    """Within the polling interval, without a signal between them."""
    db = store.create("a")
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(db.wait_for_change(ZERO, 30)))
    waiter.start()
    program = (
        "import sys; from replication.sqlite import SqliteStore; from replication.testing.base import build_doc, put; "
        "store = SqliteStore(sys.argv[1]); put(store.open('a'), build_doc('x', '1-x')); "
        "print(store.uuid); store.close()"
    )
    done = subprocess.run([sys.executable, "-c", program, str(home)], check=True, capture_output=True, text=True)
    waiter.join(60)
    assert answers == [True]
    assert done.stdout.strip() == store.uuid
    assert db.get(DocId("x")).rev == "1-x"
    put(db, build_doc("y", "1-y"))
    assert db.info().update_seq.startswith("2-")


def test_a_database_made_anew_by_another_store_is_opened_anew(home: Path, store: SqliteStore) -> None:
    """The old object says it is gone; `open` gives the new one."""
    old = store.create("a")
    put(old, build_doc("old", "1-x"))
    other = SqliteStore(home)
    other.delete("a")
    with pytest.raises(NotFound):
        store.open("a")
    put(other.create("a"), build_doc("new", "1-x"))
    assert [row.id for row in store.open("a").changes().rows] == ["new"]
    with pytest.raises(NotFound, match=r"^Database does not exist\.$"):
        old.info()
    other.close()


def test_deleting_a_database_wakes_who_waits_for_it(store: SqliteStore) -> None:
    """With `NotFound`, not after the whole timeout."""
    db = store.create("a")
    caught: list[type[BaseException]] = []
    started = threading.Event()

    def wait() -> None:
        started.set()
        try:
            db.wait_for_change(ZERO, 60)
        except NotFound as exc:
            caught.append(type(exc))

    waiter = threading.Thread(target=wait)
    waiter.start()
    started.wait()
    store.delete("a")
    waiter.join(60)
    assert caught == [NotFound]


def test_readers_never_join_an_old_file_with_a_new_one(store: SqliteStore) -> None:
    """Deleting and making anew while others open and read: each sees one database or none."""
    stop = threading.Event()
    seen: list[list[str]] = []
    wrong: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append([row.id for row in store.open("a").changes().rows])
            except NotFound:
                continue
            except BaseException as exc:
                wrong.append(exc)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(15):
        db = store.create("a")
        put(db, build_doc(str(number), "1-x"))
        assert db.check() == []
        store.delete("a")
    stop.set()
    for reader in readers:
        reader.join(60)
    assert wrong == []
    assert all(len(ids) <= 1 for ids in seen)
