"""A node is stopped, its files are set back to a backup and it comes up again, while a neighbour's run goes on.

The run is continuous and nobody touches it. What was acknowledged to it and is gone must come back.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.link import Link as WeakLink
from replication.errors import LinkCut
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, JobState, Link, Pair
from replication.sqlite import SqliteStore
from replication.store import Database
from replication.testing.base import build_doc, put
from tests.replication.durability.test_restore_in_place import NAME, Node, names

COUCHDB_URL = os.environ.get("TRAM_COUCHDB_URL")
LIMIT_S = 120.0


class Neighbour:
    """Our side: a database, and a run that goes on."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.db: Database = store.create("near")

    def push(self, url: str, name: str = NAME) -> Pair:
        return Pair(self._near(), HttpPeer(Endpoint(url), name), DatabaseState(self.db))

    def both_ways(self, url: str) -> list[Pair]:
        far = HttpPeer(Endpoint(url), NAME)
        state = DatabaseState(self.db)
        return [Pair(self._near(), far, state), Pair(far, self._near(), state, priority=1)]

    def _near(self) -> LocalPeer:
        return LocalPeer(self.db, self.store.uuid)

    def write(self, branch: str, first: int, until: int) -> None:
        put(self.db, *(build_doc(f"{branch}-{number:02d}", "1-x", n=number) for number in range(first, until)))

    def ids(self) -> set[str]:
        return {row.id for row in self.db.changes().rows}


@contextmanager
def running(*pairs: Pair) -> Iterator[Link]:
    """A continuous run in a thread of its own."""
    link, stop = Link(pairs), threading.Event()
    thread = threading.Thread(target=link.run, args=(stop,), kwargs={"continuous": True})
    thread.start()
    try:
        yield link
        assert thread.is_alive(), "the run ended by itself"
    finally:
        stop.set()
        link.wake()
        thread.join(60)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> bool:
    """Return whether it came true within the limit."""
    begun, pause = time.monotonic(), threading.Event()
    while not condition() and time.monotonic() < begun + LIMIT_S:
        pause.wait(0.1)
    print(f"waited {time.monotonic() - begun:.1f} s")
    return condition()


def written(link: Link, wanted: int) -> int:
    """Return how many documents the run counts as written: once they are `wanted`, or when the limit is over."""
    wait_for(lambda: link.figures().docs_written >= wanted)
    return link.figures().docs_written


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an empty database."""
    made = Node(tmp_path)
    yield made
    made.server.stop()


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[Neighbour]:
    """Our side."""
    store = SqliteStore(tmp_path / "neighbour")
    yield Neighbour(store)
    store.close()


def test_what_a_node_lost_comes_back_over_the_link_that_stayed_on(node: Node, neighbour: Neighbour) -> None:
    """Both ways: its own documents that we had read, and ours that it had acknowledged; nothing else is written."""
    node.write("a", 0, 4)
    neighbour.write("p", 0, 4)
    with running(*neighbour.both_ways(node.server.url)) as link:
        everything = names("a", 4) | names("p", 4)
        assert wait_for(lambda: node.ids() == neighbour.ids() == everything)
        node.back_up_running()
        node.write("a", 4, 8)
        neighbour.write("p", 4, 8)
        everything = names("a", 8) | names("p", 8)
        assert wait_for(lambda: node.ids() == neighbour.ids() == everything)
        assert written(link, 16) == 16, "acknowledged a moment after it is there"

        node.restore()

        assert wait_for(lambda: node.ids() == neighbour.ids() == everything)
        neighbour.write("p", 8, 9)
        assert wait_for(lambda: node.ids() == neighbour.ids() == everything | names("p", 9))
        # Fewer are counted where a run that begins anew leaves an answer behind: it asks, and finds them there.
        assert link.figures().docs_written <= 16 + 8 + 1, "what it had lost and one more, nothing else"


def test_a_target_nothing_is_pulled_from_is_looked_after_too(node: Node, neighbour: Neighbour) -> None:
    """Push alone, and everything was quiet when the node was set back."""
    neighbour.write("p", 0, 4)
    with running(neighbour.push(node.server.url)):
        assert wait_for(lambda: node.ids() == names("p", 4))
        node.back_up_running()
        neighbour.write("p", 4, 8)
        assert wait_for(lambda: node.ids() == names("p", 8))

        node.restore()

        assert wait_for(lambda: node.ids() == names("p", 8))


def test_a_log_still_to_be_written_waits_until_the_node_has_answered(node: Node, neighbour: Neighbour) -> None:
    """Written first thing after the restart it would say that the node holds what it has lost."""
    neighbour.write("p", 0, 4)
    pair, breaks = neighbour.push(node.server.url), threading.Event()
    assert pair.target.endpoint is not None
    ask = pair.target.endpoint.request

    def request(method: str, target: str, *rest: Any, **options: Any) -> Any:
        if breaks.is_set() and method == "PUT" and "_local" in target:
            raise LinkCut("the line broke over the log")
        return ask(method, target, *rest, **options)

    pair.target.endpoint.request = request  # type: ignore[method-assign]  # the line breaks over one kind of request
    with running(pair) as link:
        assert wait_for(lambda: link.progress()[0].state is JobState.IDLE and node.ids() == names("p", 4))
        node.back_up_running()
        breaks.set()
        neighbour.write("p", 4, 8)
        assert written(link, 8) == 8

        node.restore()
        breaks.clear()

        assert wait_for(lambda: node.ids() == names("p", 8))


def test_a_restart_alone_sends_nothing_again(node: Node, neighbour: Neighbour) -> None:
    """The run asks what is still there, finds all of it, and goes on."""
    neighbour.write("p", 0, 8)
    with running(neighbour.push(node.server.url)) as link:
        assert wait_for(lambda: node.ids() == names("p", 8))
        assert written(link, 8) == 8, "acknowledged a moment after it is there"
        node.server.stop()
        node.server.start()
        neighbour.write("p", 8, 10)
        assert wait_for(lambda: node.ids() == names("p", 10))

    assert link.figures().docs_written <= 10
    assert link.figures().resent_docs == 0


@pytest.fixture
def couch_database() -> Iterator[str]:
    """The name of a database of CouchDB, removed afterwards."""
    if COUCHDB_URL is None:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against")
    name = "s" + secrets.token_hex(6)
    yield name
    requests.delete(f"{COUCHDB_URL.rstrip('/')}/{name}", timeout=20)


@pytest.mark.couchdb
def test_a_database_made_anew_in_couchdb_gets_everything_again(neighbour: Neighbour, couch_database: str) -> None:
    """It says when it was made; it is asked after each cut, and a cut there is when its server restarts."""
    assert COUCHDB_URL is not None
    couch, name = COUCHDB_URL.rstrip("/"), couch_database

    def ids() -> set[str]:
        answer = requests.get(f"{couch}/{name}/_all_docs", timeout=20).json()
        return {row["id"] for row in answer.get("rows", ())}

    host, _colon, port = couch.rpartition(":")
    with WeakLink(("127.0.0.1", int(port))) as line:
        neighbour.write("p", 0, 4)
        with running(neighbour.push(f"{host[: host.rindex('@') + 1]}127.0.0.1:{line.port}", name)):
            assert wait_for(lambda: ids() == names("p", 4))
            line.cut()
            requests.delete(f"{couch}/{name}", timeout=20).raise_for_status()
            # CouchDB counts the time a database was made in seconds.
            threading.Event().wait(1.1)
            requests.put(f"{couch}/{name}", timeout=20).raise_for_status()
            line.restore()
            neighbour.write("p", 4, 5)

            assert wait_for(lambda: ids() == names("p", 5))
