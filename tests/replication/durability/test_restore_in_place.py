"""A backup is laid over a node's own files: same inodes, same marks, same uuid. Peers that remember more miss nothing.

That is what `cp -a backup/. node/` leaves, and what a disk image or the snapshot of a stopped machine does. Nobody
calls `rebirth`; the servers are real processes at one address, as peers know them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, Figures, Link, Pair, Progress, replicate
from replication.sqlite import SqliteStore
from replication.store import Database, JsonObject
from replication.testing.base import build_doc, put
from tests.peers.servers import OurServer, Pouch

NAME = "u-h41-12-03"
COUCHDB_URL = os.environ.get("TRAM_COUCHDB_URL")


class Node:
    """A server, its files, and a backup of them."""

    def __init__(self, root: Path) -> None:
        self.files, self.backup = root / "node", root / "backup"
        self.server = OurServer(self.files)
        self.url = f"{self.server.url}/{NAME}"
        requests.put(self.url, timeout=20).raise_for_status()

    def write(self, branch: str, first: int, until: int) -> None:
        """Write documents one by one, so that each has a seq of its own."""
        for number in range(first, until):
            requests.put(f"{self.url}/{branch}-{number:02d}", json={"n": number}, timeout=20).raise_for_status()

    def ids(self, since: str = "0") -> set[str]:
        feed = requests.get(f"{self.url}/_changes", params={"since": since}, timeout=20).json()
        return {row["id"] for row in feed["results"]}

    def seq(self) -> str:
        return str(requests.get(self.url, timeout=20).json()["update_seq"])

    def uuid(self) -> str:
        return str(requests.get(self.server.url, timeout=20).json()["uuid"])

    def back_up_stopped(self) -> None:
        """The backup is of one opening, what comes after it of the next."""
        self.server.stop()
        shutil.copytree(self.files, self.backup)
        self.server.start()

    def back_up_running(self) -> None:
        """Copied under the running server, so that both are of one opening: all files as of one instant, as in a
        snapshot of the machine. A peer's link may be publishing its log just then."""
        with self.server.standing_still():
            shutil.copytree(self.files, self.backup)

    def restore(self) -> None:
        """Stop, and make every file what it was at the backup, in the inode it has."""
        self.server.stop()
        inodes = {path.name: path.stat().st_ino for path in self.files.iterdir()}
        for path in self.files.iterdir():
            if not (self.backup / path.name).exists():
                path.unlink()
        for path in self.backup.iterdir():
            with (self.files / path.name).open("r+b" if path.name in inodes else "wb") as file:
                file.truncate()
                file.write(path.read_bytes())
        same = {name for name, inode in inodes.items() if (self.files / name).stat().st_ino == inode}
        assert {"store.db", f"{NAME}.sqlite"} <= same
        self.server.start()


BACKUPS = [Node.back_up_stopped, Node.back_up_running]


@pytest.fixture(params=BACKUPS, ids=lambda way: way.__name__)
def back_up(request: pytest.FixtureRequest) -> Callable[[Node], None]:
    """How the backup is made."""
    way: Callable[[Node], None] = request.param
    return way


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an empty database."""
    made = Node(tmp_path)
    yield made
    made.server.stop()


class Peer(Protocol):
    """Somebody who replicates with the node and remembers how far."""

    def pull(self) -> None: ...
    def push(self) -> None: ...
    def write(self, branch: str, first: int, until: int) -> None: ...
    def ids(self) -> set[str]: ...


class MissesTheEnd(DatabaseState):
    """Notes of a run whose listing of the quiet moment never came."""

    def save_listing(self, key: str, listing: JsonObject) -> None:
        pass


class OwnPeer:
    """Our replicator, its notes in its own database."""

    def __init__(self, node: Node, store: SqliteStore) -> None:
        self._node, self._store = node, store
        self._db: Database = store.create(NAME)

    def _far(self) -> HttpPeer:
        return HttpPeer(Endpoint(self._node.server.url), NAME)

    def _near(self) -> LocalPeer:
        return LocalPeer(self._db, self._store.uuid)

    def pull(self) -> None:
        replicate(Pair(self._far(), self._near(), DatabaseState(self._db)))

    def push(self) -> None:
        replicate(Pair(self._near(), self._far(), DatabaseState(self._db)))

    def push_part(self, least: int) -> int:
        """Push until `least` documents are acknowledged, and stop in the middle. Returns how many were."""
        stop = threading.Event()

        def watch(progress: list[Progress]) -> None:
            if progress[0].docs_written >= least:
                stop.set()

        with WeakLink(("127.0.0.1", port_of(self._node)), Profile(up_bps=24_000, rtt_ms=20)) as weak:
            far = HttpPeer(Endpoint(weak.url), NAME)
            pair = Pair(self._near(), far, DatabaseState(self._db))
            return Link([pair], on_progress=watch).run(stop).docs_written

    def push_and_miss_the_end(self) -> None:
        """Push all; the line is gone before the last answer, on how far all databases are."""
        replicate(Pair(self._near(), self._far(), MissesTheEnd(self._db)))

    def push_all(self) -> Figures:
        return replicate(Pair(self._near(), self._far(), DatabaseState(self._db)))

    def write(self, branch: str, first: int, until: int) -> None:
        put(self._db, *(build_doc(f"{branch}-{number:02d}", "1-x", n=number) for number in range(first, until)))

    def ids(self) -> set[str]:
        return {row.id for row in self._db.changes().rows}


class PouchPeer:
    """PouchDB of npm, in Node."""

    def __init__(self, node: Node, pouch: Pouch) -> None:
        self._node, self._pouch = node, pouch

    def pull(self) -> None:
        self._pouch.ask("pull", url=self._node.url)

    def push(self) -> None:
        self._pouch.ask("push", url=self._node.url)

    def write(self, branch: str, first: int, until: int) -> None:
        self._pouch.ask("put", docs=[{"_id": f"{branch}-{n:02d}", "n": n} for n in range(first, until)], new_edits=True)

    def ids(self) -> set[str]:
        return set(self._pouch.ask("dump"))


class CouchPeer:
    """CouchDB with its own replicator."""

    def __init__(self, node: Node) -> None:
        assert COUCHDB_URL
        self._node, self._server, self._name = node, COUCHDB_URL.rstrip("/"), f"t{secrets.token_hex(6)}"
        self._url = f"{self._server}/{self._name}"
        requests.put(self._url, timeout=20).raise_for_status()

    def remove(self) -> None:
        requests.delete(self._url, timeout=20).raise_for_status()

    def _replicate(self, **sides: Any) -> None:
        done = requests.post(f"{self._server}/_replicate", json=sides, timeout=60)
        assert done.ok, done.text

    def pull(self) -> None:
        self._replicate(source=self._node.url, target=self._url)

    def push(self) -> None:
        self._replicate(source=self._url, target=self._node.url)

    def write(self, branch: str, first: int, until: int) -> None:
        for number in range(first, until):
            requests.put(f"{self._url}/{branch}-{number:02d}", json={"n": number}, timeout=20).raise_for_status()

    def ids(self) -> set[str]:
        return {row["id"] for row in requests.get(f"{self._url}/_all_docs", timeout=20).json()["rows"]}


@contextmanager
def open_peer(kind: str, node: Node, root: Path) -> Iterator[Peer]:
    if kind == "pouchdb":
        pouch = Pouch(root / "pouch")
        yield PouchPeer(node, pouch)
        pouch.stop()
    elif kind == "couchdb":
        if COUCHDB_URL is None:
            pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against")
        couch = CouchPeer(node)
        yield couch
        couch.remove()
    else:
        store = SqliteStore(root / "peer")
        yield OwnPeer(node, store)
        store.close()


KINDS = ["ours", pytest.param("pouchdb", marks=pytest.mark.node), pytest.param("couchdb", marks=pytest.mark.couchdb)]


@pytest.fixture(params=KINDS)
def peer(request: pytest.FixtureRequest, node: Node, tmp_path: Path) -> Iterator[Peer]:
    """Each kind of peer there is."""
    with open_peer(request.param, node, tmp_path) as made:
        yield made


def port_of(node: Node) -> int:
    return int(node.server.url.rpartition(":")[2])


def names(branch: str, until: int, first: int = 0) -> set[str]:
    return {f"{branch}-{number:02d}" for number in range(first, until)}


def test_a_peer_that_read_beyond_the_backup_hears_of_what_took_its_place(
    node: Node, peer: Peer, back_up: Callable[[Node], None]
) -> None:
    """The source is set back and goes on to other documents under the old numbers."""
    node.write("a", 0, 4)
    peer.pull()
    back_up(node)
    uuid = node.uuid()
    node.write("a", 4, 8)
    peer.pull()
    node.restore()
    node.write("b", 0, 8)

    peer.pull()

    assert node.uuid() == uuid, "nothing gave the copy away"
    assert peer.ids() == names("a", 8) | names("b", 8)


def test_a_peer_that_sent_more_than_the_backup_holds_sends_it_again(
    node: Node, peer: Peer, back_up: Callable[[Node], None]
) -> None:
    """The target is set back; what it had acknowledged and lost comes back from those who sent it."""
    peer.write("p", 0, 4)
    peer.push()
    back_up(node)
    peer.write("p", 4, 8)
    peer.push()
    assert node.ids() == names("p", 8)
    node.restore()
    assert node.ids() == names("p", 4)
    node.write("b", 0, 2)
    peer.write("p", 8, 9)

    peer.push()

    assert node.ids() == names("p", 9) | names("b", 2)


@pytest.fixture
def own_peer(node: Node, tmp_path: Path) -> Iterator[OwnPeer]:
    """Our replicator alone."""
    store = SqliteStore(tmp_path / "peer")
    yield OwnPeer(node, store)
    store.close()


def test_what_was_acknowledged_after_the_log_was_published_is_sent_again(
    node: Node, own_peer: OwnPeer, back_up: Callable[[Node], None]
) -> None:
    """The copy holds the log our note belongs to, and not the documents acknowledged between it and our last stop."""
    own_peer.write("p", 0, 4)
    own_peer.push()
    back_up(node)
    own_peer.write("q", 0, 400)
    sent = own_peer.push_part(50)
    assert 50 <= sent < 400
    assert len(node.ids()) >= 4 + sent
    node.restore()
    assert node.ids() == names("p", 4)

    own_peer.push()

    assert node.ids() == names("p", 4) | names("q", 400)


def test_a_target_as_it_was_at_an_older_quiet_moment_has_lost_what_came_later(
    node: Node, own_peer: OwnPeer, back_up: Callable[[Node], None]
) -> None:
    """It stands where our note of all databases has it, but more was acknowledged after that note."""
    own_peer.write("p", 0, 4)
    own_peer.push()
    back_up(node)
    own_peer.write("p", 4, 8)
    own_peer.push_and_miss_the_end()
    assert node.ids() == names("p", 8)
    node.restore()

    own_peer.push()

    assert node.ids() == names("p", 8)


def test_a_run_that_was_stopped_asks_and_sends_nothing_twice(node: Node, own_peer: OwnPeer) -> None:
    """Nothing was restored: the rows since the last log are asked about, and what is there stays where it is."""
    own_peer.write("p", 0, 4)
    own_peer.push()
    own_peer.write("q", 0, 400)
    sent = own_peer.push_part(50)

    again = own_peer.push_all()

    assert again.docs_written <= 400 - sent
    assert again.resent_docs == 0
    assert node.ids() == names("p", 4) | names("q", 400)


def test_a_plain_reader_of_the_feed_hears_of_what_took_its_place(node: Node, back_up: Callable[[Node], None]) -> None:
    """Any seq it was ever told leads to all that is there and was not when it was told."""
    node.write("a", 0, 4)
    early = node.seq()
    back_up(node)
    node.write("a", 4, 8)
    late = node.seq()
    node.restore()
    node.write("b", 0, 8)

    assert node.ids(early) == names("b", 8)
    assert node.ids(late) >= names("b", 8)


def test_restarts_alone_send_nobody_back(node: Node, tmp_path: Path) -> None:
    """Seqs of many openings of one file all lead on from where they were given."""
    told = {}
    for life in range(4):
        node.write(f"life{life}", 0, 2)
        told[life] = (node.seq(), node.ids())
        node.server.kill() if life % 2 else node.server.stop()
        node.server.start()
        assert node.seq() == told[life][0], "nothing was written, so nothing moves"

    for seq, known in told.values():
        assert node.ids(seq) == node.ids() - known
