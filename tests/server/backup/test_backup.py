"""`tram backup` and `tram restore`: a home into one folder and back, also while it serves, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest

from replication.document import Doc, DocId
from replication.store import AllDocsQuery, GetRequest
from server.backup import Key, Seal, make_backup, restore, restored_since
from server.backup.archive import read_archive, write_archive
from server.backup.making import Step
from server.engine import open_store
from server.errors import NotReady, Refused
from server.home import Home
from server.intake.source import Source
from server.node.assembly import Node
from server.nodedb import NodeDb
from server.verify import verify_path
from tests.disks import small_disk
from tests.server.conftest import Tram
from tests.server.couchdb import COUCHDB, needs_couchdb, prefix, remove_all

__all__ = ["prefix"]

EVENTS = "u-h41-12-03"
PLAIN, NO_KEY = Seal(), Key()


@pytest.fixture
def home(make_homes: Any, helpers: Any, key_pool: Any) -> Home:
    """A commune with one dossier in it."""
    made: Home = make_homes("H41", "H41.12.03")["H41.12.03"]
    with closing(Node(made)) as node:
        file_dossier(node, helpers, key_pool)
    return made


def file_dossier(node: Node, helpers: Any, key_pool: Any) -> str:
    from server.pki.authority import Authority

    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    event = helpers.submission(node.unit, person)
    (result,) = node.intake.admit(node.database, [person.sign(event)], source=Source("peer", "x"))
    assert result.error is None, result.error
    node.model.follower.catch_up()
    return str(event["stream"])


def silent(step: Step) -> None:
    """Report to nobody."""


def content(home: Home) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Return every document of the home's store with its path, body and attachments."""
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    with closing(open_store(home)) as store:
        for name in store.names():
            database = store.open(name)
            ids = [DocId(row.id) for row in database.all_docs(AllDocsQuery()).rows]
            docs = [
                doc for row in database.bulk_get([GetRequest(each) for each in ids], attachments=True) for doc in row
            ]
            found[name] = {
                str(doc.id): (doc.rev, doc.path, json.loads(doc.body), {n: a.data for n, a in doc.attachments.items()})
                for doc in docs
                if isinstance(doc, Doc)
            }
    return found


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_home_comes_back_whole_with_a_new_identity(home: Home, tmp_path: Path, tram: Tram) -> None:
    """Documents, keys, certificates, settings; `tram verify` holds; another uuid, and a note of the restore."""
    before = content(home)
    with closing(open_store(home)) as store:
        uuid = store.uuid

    status, out, _ = tram("backup", home.path, tmp_path / "out")
    assert (status, "found as written" in out, "NOT sealed" in out) == (0, True, True)
    status, out, err = tram("restore", tmp_path / "out", tmp_path / "again")
    assert (status, "checked file by file" in out) == (0, True), err

    again = Home.open(tmp_path / "again")
    assert content(again) == before
    assert verify_path(again.path).holds
    for name in ("keys/node.key", "certs/node.pem", "certs/chain.pem", "certs/anchors.pem"):
        assert (again.path / name).read_bytes() == (home.path / name).read_bytes()
    with closing(open_store(again)) as store:
        assert store.uuid != uuid
    with closing(Node(again)) as node, closing(Node(home)) as old:
        node.model.follower.catch_up()
        assert node.model.queries.counts() == old.model.queries.counts() != {}
        assert node.feed.epoch != old.feed.epoch
        (note,) = restored_since(node.db)
        assert (note.number, restored_since(node.db, note.number)) == (1, [])
        assert note.made_at <= note.at <= datetime.now(UTC)
        assert restored_since(old.db) == []
    private = [again.path, *again.path.glob("keys/*"), again.path / "node.json", again.path / "store"]
    assert {path.stat().st_mode & 0o077 for path in private} == {0}


def test_a_second_restore_is_noted_after_the_first(home: Home, tmp_path: Path) -> None:
    """A backup of a restored node carries its past along."""
    make_backup(home, tmp_path / "one", PLAIN, silent)
    restore(tmp_path / "one", tmp_path / "b", NO_KEY, silent)
    make_backup(Home.open(tmp_path / "b"), tmp_path / "two", PLAIN, silent)
    restore(tmp_path / "two", tmp_path / "c", NO_KEY, silent)

    with closing(NodeDb(tmp_path / "c" / "node.db")) as db:
        assert [note.number for note in restored_since(db)] == [1, 2]
        assert [note.number for note in restored_since(db, 1)] == [2]


def test_a_backup_is_taken_while_documents_arrive(home: Home, tmp_path: Path, helpers: Any, key_pool: Any) -> None:
    """Each database as of one instant; no document is in the copy that node.db there does not know as admitted."""
    filed: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        with closing(Node(home)) as node:
            while not ended.is_set():
                filed.append(file_dossier(node, helpers, key_pool))
                begun.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(90)
    made = make_backup(home, tmp_path / "out", PLAIN, silent)
    ended.set()
    worker.join()
    restore(tmp_path / "out", tmp_path / "again", NO_KEY, silent)

    again = Home.open(tmp_path / "again")
    assert verify_path(again.path).holds
    events = [doc_id for doc_id in content(again)[EVENTS] if ":sha256-" in doc_id and not doc_id.startswith("cert:")]
    assert 1 < len(events) <= len(filed) + 1
    assert made.manifest.documents[f"{EVENTS}.sqlite"] == len(content(again)[EVENTS])
    with closing(Node(again)) as node:
        assert all(node.admissions.of(EVENTS, doc_id) for doc_id in events)
        node.model.follower.catch_up()
        assert sum(node.model.queries.counts().values()) == len(events)


@pytest.mark.parametrize("kind", ["age", "passphrase"])
def test_a_sealed_backup_opens_with_its_key_alone(home: Home, tmp_path: Path, kind: str) -> None:
    """Nothing of the home can be read from the folder; a wrong key is refused by name and makes nothing."""
    identity, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    if kind == "age":
        seal, key, wrong = Seal((str(identity.to_public()),)), Key(str(identity)), Key(str(other))
    else:
        seal, key, wrong = Seal(passphrase="bốn từ dễ nhớ"), Key(passphrase="bốn từ dễ nhớ"), Key(passphrase="sai")

    make_backup(home, tmp_path / "out", seal, silent)

    assert all(b"PRIVATE KEY" not in path.read_bytes() for path in (tmp_path / "out").iterdir())
    for bad in (wrong, NO_KEY):
        with pytest.raises(Refused) as caught:
            restore(tmp_path / "out", tmp_path / "again", bad, silent)
        assert caught.value.error == "bad_key"
        assert not (tmp_path / "again").exists()
    restore(tmp_path / "out", tmp_path / "again", key, silent)
    assert content(Home.open(tmp_path / "again")) == content(home)


def test_the_archive_is_a_plain_age_file_of_a_plain_tar(home: Home, tmp_path: Path) -> None:
    """`age -d | zstd -d | tar x` gets at everything without this program."""
    import io
    import tarfile

    import zstandard

    identity = pyrage.x25519.Identity.generate()
    make_backup(home, tmp_path / "out", Seal((str(identity.to_public()),)), silent)

    opened = pyrage.decrypt((tmp_path / "out" / "home.tar.zst.age").read_bytes(), [identity])
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(opened)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        names = tar.getnames()
    assert names[0].startswith("store/")
    assert names[-2:] == ["node.db", "manifest.json"]
    assert not {name for name in names if name.endswith(("-wal", ".mark", "store.db", "serve.lock", "readmodel.db"))}


def test_nothing_is_written_over(home: Home, tmp_path: Path, tram: Tram) -> None:
    """Neither a backup over a folder nor a restore over a home; both say what to do, and change nothing."""
    make_backup(home, tmp_path / "out", PLAIN, silent)
    was = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    status, _, err = tram("backup", home.path, tmp_path / "out")
    assert (status, "choose another name" in err) == (1, True)
    status, _, err = tram("restore", tmp_path / "out", home.path)
    assert (status, "not empty" in err) == (1, True)

    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == was
    assert len(restored_since_of(home)) == 0


def restored_since_of(home: Home) -> list[Any]:
    with closing(NodeDb(home.path / "node.db")) as db:
        return restored_since(db)


@pytest.mark.parametrize("place", [0.05, 0.5, 0.98])
def test_a_damaged_backup_is_refused_and_nothing_is_made_of_it(home: Home, tmp_path: Path, place: float) -> None:
    """One bit anywhere, a cut, a missing file: named, and the target is left as it was."""
    make_backup(home, tmp_path / "out", PLAIN, silent)
    archive = tmp_path / "out" / "home.tar.zst"
    good = archive.read_bytes()
    at = int(len(good) * place)
    for bad in (good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :], good[:at]):
        archive.write_bytes(bad)
        with pytest.raises(Refused, match="use another copy"):
            restore(tmp_path / "out", tmp_path / "again", NO_KEY, silent)
    archive.unlink()
    with pytest.raises(Refused, match="is missing"):
        restore(tmp_path / "out", tmp_path / "again", NO_KEY, silent)

    assert [path.name for path in tmp_path.iterdir() if "again" in path.name] == []


def forge(out: Path, tmp_path: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> None:
    """Write the archive of a backup anew with other members, its header made to fit."""
    import io
    import tarfile

    with read_archive(out / "home.tar.zst", ()) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
    (out / "home.tar.zst").unlink()
    with write_archive(out / "home.tar.zst", ()) as (tar, written):
        for name, data in change(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    header = json.loads((out / "backup.json").read_bytes())
    header |= {"archive_bytes": written.size, "archive_sha256": written.sha256}
    (out / "backup.json").write_text(json.dumps(header))


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "store/../../outside", "store//x", "C:\\x"])
def test_a_file_that_would_leave_the_home_is_refused(home: Home, tmp_path: Path, name: str) -> None:
    """Paths are checked before anything is written."""
    make_backup(home, tmp_path / "out", PLAIN, silent)
    forge(tmp_path / "out", tmp_path, lambda members: [(name, b"x"), *members])

    with pytest.raises(Refused, match="no file of a home"):
        restore(tmp_path / "out", tmp_path / "again", NO_KEY, silent)

    assert not (tmp_path / "outside").exists()


def test_a_file_more_or_less_or_changed_is_refused(home: Home, tmp_path: Path) -> None:
    """The archive must hold what its manifest lists, byte for byte, and its databases must be sound."""
    make_backup(home, tmp_path / "out", PLAIN, silent)
    forgeries: list[Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]] = [
        lambda members: [("extra", b"x"), *members],
        lambda members: members[1:],
        lambda members: [(name, data.replace(b"H41", b"H42")) for name, data in members],
        lambda members: [*members, ("after", b"x")],
        lambda members: members[:-1],
    ]
    for number, change in enumerate(forgeries):
        out = tmp_path / f"out{number}"
        shutil.copytree(tmp_path / "out", out)
        forge(out, tmp_path, change)
        with pytest.raises(Refused) as caught:
            restore(out, tmp_path / "again", NO_KEY, silent)
        assert caught.value.error == "bad_backup"
    assert not (tmp_path / "again").exists()


def test_a_database_that_contradicts_itself_is_not_put_in_place(home: Home, tmp_path: Path) -> None:
    """Hashes prove the copy, not the original: counts and bodies are gone through as well."""
    with closing(sqlite3.connect(home.path / "store" / f"{EVENTS}.sqlite", isolation_level=None)) as conn:
        conn.execute("UPDATE state SET doc_count = doc_count + 1")
    make_backup(home, tmp_path / "out", PLAIN, silent)

    with pytest.raises(Refused, match=f"database {EVENTS} in the backup is not sound"):
        restore(tmp_path / "out", tmp_path / "again", NO_KEY, silent)


def test_one_backup_at_a_time_and_a_killed_one_leaves_no_trace(home: Home, tmp_path: Path) -> None:
    """The second is refused while the first works; what a kill left behind is removed by the next."""
    (home.path / "backup-scratch").mkdir()
    (home.path / "backup-scratch" / "left").write_bytes(b"x")
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "left").write_bytes(b"x")

    def second(step: Step) -> None:
        if not (tmp_path / "other").exists():
            with pytest.raises(NotReady):
                make_backup(home, tmp_path / "other", PLAIN, silent)

    make_backup(home, tmp_path / "out", PLAIN, second)

    assert files_of(tmp_path / "out") == {"backup.json", "home.tar.zst"}
    assert not (home.path / "backup-scratch").exists()
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_full_disk_leaves_neither_half_a_backup_nor_scratch(home: Home, tmp_path: Path, sealed: bool) -> None:
    """The error is the system's; the medium is left as it was."""
    seal = Seal((str(pyrage.x25519.Identity.generate().to_public()),)) if sealed else PLAIN
    with small_disk(tmp_path / "stick", "4k") as disk:
        with pytest.raises(OSError, match="No space left"):
            make_backup(home, disk / "out", seal, silent)
        assert list(disk.iterdir()) == []
        assert not (home.path / "backup-scratch").exists()


def test_a_medium_that_syncs_no_folders_takes_a_backup(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network drives answer EINVAL to an fsync of a folder; what was written is flushed with everything else."""
    fsync, synced = os.fsync, list[str]()

    def no_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    monkeypatch.setattr(os, "sync", lambda: synced.append(""))
    make_backup(home, tmp_path / "out", Seal(passphrase="bốn từ dễ nhớ"), silent)
    monkeypatch.undo()

    assert synced
    restore(tmp_path / "out", tmp_path / "again", Key(passphrase="bốn từ dễ nhớ"), silent)


def test_folders_made_for_a_backup_are_on_the_medium_with_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every folder in which a name is new was synced before the backup is called made."""
    fsync, synced = os.fsync, set[Path]()

    def recording(descriptor: int) -> None:
        fsync(descriptor)
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", recording)
    make_backup(home, tmp_path / "backups" / "2026" / "november", PLAIN, silent)

    assert {tmp_path, tmp_path / "backups", tmp_path / "backups" / "2026"} <= synced


def test_a_file_that_goes_while_the_backup_begins_is_left_out(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle kept for others that expires, a file written beside another: listed, and gone when it is opened."""
    from server.backup import contents

    listed = contents._list_files
    monkeypatch.setattr(contents, "_list_files", lambda root: [*listed(root), root / "relay" / "gone.tram"])

    made = make_backup(home, tmp_path / "out", PLAIN, silent)

    assert all("gone" not in entry.path for entry in made.manifest.files)


def test_a_disk_mounted_where_the_home_shall_be_is_named_before_anything_is_unpacked(
    home: Home, tmp_path: Path
) -> None:
    """A mount point cannot be renamed over: the error says so at once and where the home can go on that disk."""
    make_backup(home, tmp_path / "out", PLAIN, silent)
    steps: list[Step] = []
    with small_disk(tmp_path / "disk", "50m") as disk:
        with pytest.raises(Refused, match=f"{disk}/home"):
            restore(tmp_path / "out", disk, NO_KEY, steps.append)
        assert steps == []
        restore(tmp_path / "out", disk / "home", NO_KEY, silent)
        assert verify_path(disk / "home").holds


def test_wrong_words_on_the_command_line_are_answered_with_the_right_ones(
    home: Home, tmp_path: Path, tram: Tram
) -> None:
    """No recipient, no backup, contradicting engines."""
    for arguments, word in (
        (("backup", home.path, tmp_path / "o", "--to", "age1nonsense"), "age1…"),
        (("backup", tmp_path, tmp_path / "o"), "not a node's home"),
        (("restore", tmp_path / "none", tmp_path / "d"), "is not a backup"),
    ):
        status, _, err = tram(*arguments)
        assert (status, word in err) == (1, True), err
    make_backup(home, tmp_path / "out", PLAIN, silent)
    status, _, err = tram("restore", tmp_path / "out", tmp_path / "d", "--sqlite", "--prefix", "p-")
    assert (status, "--couchdb URL" in err) == (1, True)
    assert not (tmp_path / "d").exists()


@pytest.fixture
def second_prefix(prefix: str) -> Iterator[str]:
    """What the databases put back begin with."""
    yield f"{prefix}b-"
    remove_all(f"{prefix}b-")


@pytest.mark.couchdb
@needs_couchdb
def test_a_node_on_couchdb_is_backed_up_and_restored_to_either_engine(
    home: Home, tmp_path: Path, tram: Tram, prefix: str, second_prefix: str
) -> None:
    """Through the store interface, and never over what CouchDB still holds."""
    assert tram("migrate", home.path, "--to", "couchdb", COUCHDB, "--prefix", prefix)[0] == 0
    home = Home.open(home.path)
    before = content(home)

    status, _, err = tram("backup", home.path, tmp_path / "out")
    assert status == 0, err
    with closing(open_store(home)) as store:
        store.open(EVENTS).bulk_docs([Doc(DocId("later"), None, (), body=b"{}")])
    status, _, err = tram("restore", tmp_path / "out", tmp_path / "same")
    assert (status, "'later'" in err, (tmp_path / "same").exists()) == (1, True, False)
    assert tram("restore", tmp_path / "out", tmp_path / "embedded", "--sqlite")[0] == 0
    arguments = ("--couchdb", COUCHDB, "--prefix", second_prefix)
    status, _, err = tram("restore", tmp_path / "out", tmp_path / "couch", *arguments)
    assert status == 0, err

    for name in ("embedded", "couch"):
        again = Home.open(tmp_path / name)
        assert content(again) == before
        assert verify_path(again.path).holds
        assert len(restored_since_of(again)) == 1
