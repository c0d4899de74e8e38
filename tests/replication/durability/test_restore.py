"""A store comes back from a copy: peers notice, find the last common point, and miss nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from replication.document import Seq
from replication.peers import LocalPeer
from replication.replicator import DatabaseState, Link, MemoryState, Pair, replicate
from replication.replicator.checkpoint import build_log_doc, common_log, parse_log_doc
from replication.sqlite import SqliteDatabase, SqliteStore
from replication.testing.base import build_doc, put
from tests.replication.cutline import FarPeer, Line

NAME = "u-h41-12-03"
BEFORE, AT_COPY, AFTER = 5, 10, 15  # documents at the peer's first look, at the copy, at its last look


def write(db: SqliteDatabase, first: int, until: int, *, branch: str = "a") -> None:
    """Write documents in calls of their own, so that each has a seq that peers may have been told."""
    for number in range(first, until):
        put(db, build_doc(f"{branch}-{number:02d}", "1-x", n=number))


def copy_backup(store: SqliteStore, to: Path) -> None:
    """The backup the engine makes while it works."""
    store.backup(to)


def copy_files(store: SqliteStore, to: Path) -> None:
    """What somebody does who copies the folder of a running node: every file, WALs and marks too."""
    shutil.copytree(store.directory, to)


def copy_stopped(store: SqliteStore, to: Path) -> None:
    """The same with the node stopped."""
    store.close()
    shutil.copytree(store.directory, to)


COPIES = [copy_backup, copy_files, copy_stopped]


class Rig:
    """A node that was copied at one moment, went on, and was lost; and peers that had read it to various points."""

    def __init__(self, root: Path, copy: Callable[[SqliteStore, Path], None]) -> None:
        self.copy = root / "copy"
        self.is_of_another_opening = copy is copy_stopped
        original = SqliteStore(root / "original")
        db = original.create(NAME)
        self.peers = {label: SqliteStore(root / label) for label in ("never", "before", "at", "after", "between")}
        self.seqs: dict[str, Seq] = {}
        self.known: dict[str, set[str]] = {}
        write(db, 0, BEFORE)
        self._look(original, "before", "between")
        write(db, BEFORE, AT_COPY)
        self._look(original, "at")
        copy(original, self.copy)
        if copy is copy_stopped:
            original = SqliteStore(root / "original")
            db = original.open(NAME)
        write(db, AT_COPY, AFTER)
        self._look(original, "after", "between")
        self.uuid = original.uuid
        original.close()

    def _look(self, store: SqliteStore, *labels: str) -> None:
        """Let peers replicate from the node, and note what a plain reader of its feed knows now."""
        for label in labels:
            peer = self.peers[label]
            target = peer.open(NAME) if NAME in peer.names() else peer.create(NAME)
            db = store.open(NAME)
            replicate(Pair(LocalPeer(db, store.uuid), LocalPeer(target, peer.uuid), MemoryState()))
            page = db.changes()
            self.seqs[label] = page.last_seq
            self.known[label] = {row.id for row in page.rows}

    def close(self) -> None:
        for peer in self.peers.values():
            peer.close()


@pytest.fixture(params=COPIES, ids=lambda copy: copy.__name__)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, request.param)
    yield made
    made.close()


def ids(db: SqliteDatabase) -> set[str]:
    return {row.id for row in db.changes().rows}


def test_a_copy_is_a_store_of_its_own(rig: Rig) -> None:
    """Another uuid, another epoch, the content of the moment it was made."""
    original_epoch = rig.seqs["at"].partition("-")[2]
    store = SqliteStore(rig.copy)
    db = store.open(NAME)

    assert store.uuid != rig.uuid
    assert db.info().update_seq.partition("-")[2] != original_epoch
    assert db.check() == []
    assert ids(db) == {f"a-{number:02d}" for number in range(AT_COPY)}
    store.close()


def test_a_reader_of_the_feed_misses_nothing_of_a_copy(rig: Rig) -> None:
    """From before, at and beyond the end of the copy: the feed begins at the last common point at the latest, and where
    the copy knows the opening in which the seq was given, there."""
    store = SqliteStore(rig.copy)
    db = store.open(NAME)
    write(db, 0, AFTER, branch="b")  # more than was lost, so that the old numbers mean other documents now
    for label, seq in rig.seqs.items():
        heard = {row.id for row in db.changes(seq).rows}
        assert heard >= ids(db) - rig.known[label], label
    heard_after = {row.id for row in db.changes(rig.seqs["after"]).rows}
    lost_with_its_opening = ids(db) if rig.is_of_another_opening else {f"b-{number:02d}" for number in range(AFTER)}
    assert heard_after == lost_with_its_opening
    store.close()


@pytest.mark.parametrize("label", ["never", "before", "at", "after", "between"])
def test_a_peer_replicates_with_a_copy_until_both_hold_everything(rig: Rig, label: str) -> None:
    """Both ways with the real replicator; what the node had lost comes back from the peers that had it."""
    store = SqliteStore(rig.copy)
    db = store.open(NAME)
    write(db, 0, AFTER, branch="b")
    peer = rig.peers[label]
    theirs = peer.open(NAME) if NAME in peer.names() else peer.create(NAME)
    before = ids(db) | ids(theirs)

    replicate(Pair(LocalPeer(db, store.uuid), LocalPeer(theirs, peer.uuid), DatabaseState(db)))
    replicate(Pair(LocalPeer(theirs, peer.uuid), LocalPeer(db, store.uuid), DatabaseState(db)))

    assert ids(db) == ids(theirs) == before
    store.close()


def test_two_copies_that_both_go_on_are_told_apart(tmp_path: Path) -> None:
    """A cloned disk image, brought up twice: a peer of both gets the documents of both."""
    original = SqliteStore(tmp_path / "original")
    write(original.create(NAME), 0, 5)
    original.close()
    twins = []
    for name in ("one", "two"):
        shutil.copytree(tmp_path / "original", tmp_path / name)
        twins.append(SqliteStore(tmp_path / name))
        write(twins[-1].open(NAME), 0, 5, branch=name)
    peer = SqliteStore(tmp_path / "peer")
    target = peer.create(NAME)

    for _ in range(2):
        for twin in twins:
            source = LocalPeer(twin.open(NAME), twin.uuid)
            replicate(Pair(source, LocalPeer(target, peer.uuid), DatabaseState(target)))
        for twin in twins:
            write(twin.open(NAME), 5, 8, branch=twin.directory.name)
    for twin in twins:
        source = LocalPeer(twin.open(NAME), twin.uuid)
        replicate(Pair(source, LocalPeer(target, peer.uuid), DatabaseState(target)))

    assert len({original.uuid, *(twin.uuid for twin in twins)}) == 3
    assert ids(target) == ids(twins[0].open(NAME)) | ids(twins[1].open(NAME))
    for store in (*twins, peer):
        store.close()


def test_a_database_put_back_in_its_place_is_noticed(tmp_path: Path) -> None:
    """One file from the backup over the living one: the mark beside it knows better."""
    store = SqliteStore(tmp_path / "node")
    db = store.create(NAME)
    write(db, 0, 5)
    store.backup(tmp_path / "backup")
    write(db, 5, 10)
    told, uuid = db.info().update_seq, store.uuid
    store.close()
    shutil.copyfile(tmp_path / "backup" / f"{NAME}.sqlite", tmp_path / "node" / f"{NAME}.sqlite")

    again = SqliteStore(tmp_path / "node")
    restored = again.open(NAME)
    write(restored, 0, 10, branch="b")

    assert again.uuid != uuid
    assert {row.id for row in restored.changes(told).rows} == {f"b-{number:02d}" for number in range(10)}
    again.close()


def replaced_folder(node: Path, copy: Path) -> SqliteStore:
    """`rm -r node; cp -a copy node`."""
    shutil.rmtree(node)
    shutil.copytree(copy, node)
    return SqliteStore(node)


def overwritten_files(node: Path, copy: Path) -> SqliteStore:
    """`cp -a copy/. node/`: the old files, with old content. Only who does it can know, and must say so."""
    for path in copy.iterdir():
        shutil.copyfile(path, node / path.name)
    store = SqliteStore(node)
    store.rebirth()
    return store


@pytest.mark.parametrize("restore", [replaced_folder, overwritten_files])
def test_a_folder_put_back_whole_is_a_new_life(tmp_path: Path, restore: Callable[[Path, Path], SqliteStore]) -> None:
    """Marks, uuid and databases all from the copy, and on ext4 in files of the same inode numbers."""
    node, copy = tmp_path / "node", tmp_path / "copy"
    store = SqliteStore(node)
    db = store.create(NAME)
    write(db, 0, 5)
    store.close()
    shutil.copytree(node, copy)
    store = SqliteStore(node)
    db = store.open(NAME)
    write(db, 5, 10)
    told, uuid = db.info().update_seq, store.uuid
    store.close()

    again = restore(node, copy)
    restored = again.open(NAME)
    write(restored, 0, 10, branch="b")

    assert again.uuid != uuid
    heard = {row.id for row in restored.changes(told).rows}
    assert heard >= {f"b-{number:02d}" for number in range(10)}
    again.close()


def test_the_logs_of_both_sides_are_compared_as_couchdb_does(tmp_path: Path) -> None:
    """A side set back remembers older sessions only: the newest one both know decides, else the beginning."""
    old = {"session_id": "s1", "recorded_seq": "5-aaaaaaaa", "end_time": "", "docs_written": 5}
    new = {"session_id": "s2", "recorded_seq": "15-aaaaaaaa", "end_time": "", "docs_written": 10}
    other = {"session_id": "s3", "recorded_seq": "9-aaaaaaaa", "end_time": "", "docs_written": 4}

    ahead = parse_log_doc({"session_id": "s2", "history": [new, old]})
    behind = parse_log_doc({"session_id": "s1", "history": [old]})
    stranger = parse_log_doc({"session_id": "s3", "history": [other]})

    assert common_log(ahead, behind).recorded_seq == common_log(behind, ahead).recorded_seq == "5-aaaaaaaa"
    assert common_log(ahead, stranger).recorded_seq == "0"
    assert parse_log_doc(build_log_doc(ahead)) == ahead


def _push(source: Path, target: Path, documents: int | None = None) -> set[str]:
    """Let one store meet another, for so many documents; return what the other holds then."""
    here, there = SqliteStore(source), SqliteStore(target)
    ours, theirs = (store.open(NAME) if NAME in store.names() else store.create(NAME) for store in (here, there))
    line = Line(documents)
    pair = Pair(LocalPeer(ours, "1" * 32), FarPeer(theirs, "2" * 32, line), DatabaseState(ours))
    Link([pair], random=lambda: 0.0).run(line.dead)
    held = ids(theirs)
    here.close()
    there.close()
    return held


def _put_back(copy: Path, store: Path) -> None:
    shutil.rmtree(store)
    shutil.copytree(copy, store)


def test_first_the_target_is_set_back_and_then_the_source(tmp_path: Path) -> None:
    """They meet in between, and the line goes. What the source had noted before, of the target as it was before, must
    not count again once the source is back there."""
    source, target = tmp_path / "source", tmp_path / "target"
    store = SqliteStore(target)
    store.create(NAME)
    store.close()
    shutil.copytree(target, tmp_path / "target-copy")
    store = SqliteStore(source)
    write(store.create(NAME), 0, 10)
    store.close()
    assert len(_push(source, target)) == 10
    shutil.copytree(source, tmp_path / "source-copy")

    _put_back(tmp_path / "target-copy", target)
    assert len(_push(source, target, 2)) == 2
    _put_back(tmp_path / "source-copy", source)

    assert _push(source, target) == {f"a-{number:02d}" for number in range(10)}
