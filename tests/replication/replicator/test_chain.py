"""Many nodes at once: tiers in a row, each a process of its own, and a hundred that come back together."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Mode, Profile
from bench.peers import HttpServer, ours
from replication.document import Doc
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import Link, MemoryState, Pair
from replication.store import Database
from replication.wire import render_document

Events = Callable[..., list[Doc]]
DOCS = 300


def count(server: HttpServer, name: str = "db") -> int:
    """Return how many documents a database of the server holds, 0 before there is one."""
    answer = requests.get(f"{server.url}/{name}", timeout=60)
    return int(answer.json()["doc_count"]) if answer.status_code == 200 else 0


def write(server: HttpServer, docs: list[Doc]) -> None:
    rows = b",".join(render_document(doc, revs=True, data=True) for doc in docs)
    server.call("POST", "/db/_bulk_docs", b'{"new_edits":false,"docs":[' + rows + b"]}")


@contextlib.contextmanager
def follow(source: str, target: str, name: str = "db") -> Iterator[None]:
    """Run `python -m replication sync --continuous` between two servers; it must end well when told to."""
    command = [sys.executable, "-m", "replication", "sync", f"{source}/db", f"{target}/{name}", "--continuous"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        pause.wait(0.05)


@pytest.mark.slow
def test_four_tiers_pass_on_what_they_are_still_receiving(events: Events) -> None:
    """Commune, cluster, district and province in a row: the province has documents while the first link still sends;
    what is written later follows; and the commune may also go to the province directly."""
    with contextlib.ExitStack() as stack:
        tiers = [stack.enter_context(ours()) for _ in range(4)]
        for tier in tiers:
            stack.callback(tier.hang_up)
            tier.call("PUT", "/db")
        write(tiers[0], events(DOCS, size=1200))
        port = int(tiers[1].url.rpartition(":")[2])
        line = Profile(512_000, 512_000, 100, cut_after_bytes=60_000, mode=Mode.STALL)
        weak = stack.enter_context(WeakLink(("127.0.0.1", port), line))
        for source, target in ((tiers[2], tiers[3]), (tiers[1], tiers[2])):
            stack.enter_context(follow(source.url, target.url))
        stack.enter_context(follow(tiers[0].url, weak.url))

        until(lambda: count(tiers[3]) > 0)
        assert count(tiers[1]) < DOCS  # the first hop stands still in the middle, the third has begun
        assert weak.await_cut()
        weak.restore()
        until(lambda: count(tiers[3]) == DOCS)

        write(tiers[0], events(5, first=DOCS))
        until(lambda: count(tiers[3]) == DOCS + 5)

        stack.enter_context(follow(tiers[0].url, tiers[3].url, "straight"))
        until(lambda: count(tiers[3], "straight") == DOCS + 5)


@pytest.mark.slow
def test_a_hundred_links_that_come_back_together_leave_the_server_responsive(
    near: Database, near_peer: LocalPeer, events: Events
) -> None:
    """Each brings twenty documents at the same moment: all are through, none far behind the others, and whoever asks
    the server in between has an answer long before the last of them is done."""
    near.bulk_docs(events(20), new_edits=False)
    done: list[int] = []
    answered: list[int] = []
    with ours() as server:
        server.hang_up()
        start, over = threading.Barrier(101), threading.Event()

        def bring(number: int) -> None:
            pair = Pair(near_peer, HttpPeer(Endpoint(server.url), f"commune-{number}"), MemoryState())
            link = Link([pair])
            start.wait()
            figures = link.run(threading.Event())
            assert (figures.docs_written, figures.refused) == (20, 0)
            done.append(number)

        def ask() -> None:
            with requests.Session() as session:
                while not over.wait(0.05):
                    session.get(f"{server.url}/", timeout=120).raise_for_status()
                    answered.append(len(done))

        threads = [threading.Thread(target=bring, args=(number,), daemon=True) for number in range(100)]
        asking = threading.Thread(target=ask)
        for thread in [*threads, asking]:
            thread.start()
        start.wait()
        for thread in threads:
            thread.join(180)
        over.set()
        asking.join()

    assert sorted(done) == list(range(100))
    meanwhile = sum(behind < 100 for behind in answered)
    print(f"{meanwhile} answers before the last link was done, the links done at each: {answered}")
    assert meanwhile >= 5
