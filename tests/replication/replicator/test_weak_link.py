"""Over a line that keeps breaking everything arrives, and hardly anything twice."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from typing import Any

import requests

from bench.link import Link as WeakLink
from bench.link import Mode, Profile
from replication.document import Attachment, Doc, DocId, Rev
from replication.peers import Endpoint, EndpointOptions, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, JobState, Link, MemoryState, Pair, Progress
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
LeavesOf = Callable[[Database], object]

# 256 kbit/s, cut after 0.8 s for 0.2 s: what 64 kbit/s and 30 s are, only quicker to test.
QUICK_CUTS = Profile(up_bps=256_000, down_bps=256_000, rtt_ms=40, cut_every_s=0.8, cut_for_s=0.2)
# Of 120 events, 53 KB, a third and more is acknowledged by then and a third is not.
KILLED_AT = 30_000


class Run(threading.Thread):
    """A run in a thread of its own, until somebody ends it."""

    def __init__(self, link: Link, *, continuous: bool) -> None:
        self._ended = threading.Event()
        super().__init__(target=link.run, args=(self._ended,), kwargs={"continuous": continuous}, daemon=True)
        self._link = link

    def end(self) -> None:
        self._ended.set()
        self._link.wake()


def run_for(link: Link, seconds: float, *, continuous: bool = False) -> Run:
    """Start a run that ends by itself after `seconds`, so that a fault shows as missing documents, not as a hang."""
    run = Run(link, continuous=continuous)
    timer = threading.Timer(seconds, run.end)
    timer.daemon = True
    timer.start()
    run.start()
    return run


def test_push_over_cuts_resends_no_more_than_was_in_flight(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    store: SqliteStore,
    leaves_of: LeavesOf,
) -> None:
    """Every document arrives once; after each cut at most the batches under way are sent again."""
    near.bulk_docs(events(110, size=600), new_edits=False)

    with WeakLink(address, QUICK_CUTS) as weak:
        link = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))], random=lambda: 0.0)
        thread = run_for(link, 90)
        thread.join()
        figures = link.figures()
        wire = weak.figures()

    back = store.create("back")
    Link([Pair(far_peer(), LocalPeer(back, store.uuid), MemoryState())]).run(threading.Event())
    assert leaves_of(back) == leaves_of(near)
    assert figures.docs_written <= 110
    assert figures.cuts >= 1
    per_doc = link.progress()[0].bytes_out / figures.docs_written
    assert figures.resent_docs / figures.cuts * per_doc <= 32 * 1024
    # Some arrived though their answer was lost, so what counts is what is there, not what was acknowledged.
    assert 110 * per_doc > 0.5 * wire.up_bytes


def test_chunks_come_down_over_cuts(
    near: Database,
    near_peer: LocalPeer,
    store: SqliteStore,
    far_peer: FarPeer,
    address: tuple[str, int],
    leaves_of: LeavesOf,
) -> None:
    """A pull of 4 KB attachments through the same line ends with the same leaves."""
    docs = []
    for number in range(7):
        data = hashlib.shake_256(str(number).encode()).digest(4096)
        digest = hashlib.sha256(data).hexdigest()[:32]
        chunk = {"chunk": Attachment("application/octet-stream", data=data, revpos=1)}
        docs.append(Doc(DocId(f"sha256-{digest}"), Rev(f"1-{digest}"), (digest,), attachments=chunk))
    near.bulk_docs(docs, new_edits=False)
    Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())
    back = store.create("back")

    with WeakLink(address, QUICK_CUTS) as weak:
        pair = Pair(far_peer(weak.port), LocalPeer(back, store.uuid), DatabaseState(back))
        link = Link([pair], random=lambda: 0.0)
        run_for(link, 90).join()

    assert link.figures().cuts >= 1
    assert leaves_of(back) == leaves_of(near)


def test_a_killed_run_sends_nothing_again_that_was_acknowledged(
    near: Database,
    near_peer: LocalPeer,
    server: str,
    far_peer: FarPeer,
    far_name: str,
    address: tuple[str, int],
    events: Events,
) -> None:
    """A new process asks about what came after the target's last log; the rest is all it sends."""
    near.bulk_docs(events(120), new_edits=False)

    with WeakLink(address, Profile(up_bps=256_000, rtt_ms=20, cut_after_bytes=KILLED_AT)) as weak:
        first = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))])
        thread = run_for(first, 90)
        assert weak.await_cut()
        thread.end()
        thread.join(60)
        weak.restore()
        second = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))])
        run_for(second, 90).join()

    done, rest = first.figures(), second.figures()
    assert 0 < done.docs_written < 120
    assert rest.docs <= 120
    assert rest.docs_written <= 120 - done.docs_written
    assert requests.get(f"{server}/{far_name}", timeout=60).json()["doc_count"] == 120


def test_a_captive_portal_is_no_peer_and_nothing_counts_as_sent(
    near: Database,
    near_peer: LocalPeer,
    server: str,
    far_name: str,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
) -> None:
    """While the portal answers 200 with its page the pair says so; when it is gone everything goes out."""
    near.bulk_docs(events(20), new_edits=False)
    seen: list[Progress] = []
    met = threading.Event()

    def watch(progress: list[Progress]) -> None:
        seen.append(progress[0])
        if progress[0].state is JobState.CUT:
            met.set()

    with WeakLink(address, Profile(mode=Mode.PORTAL)) as weak:
        weak.cut()
        link = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))], on_progress=watch)
        thread = run_for(link, 90)
        assert met.wait(60)
        weak.restore()
        thread.join()

    assert any("web page" in (entry.last_error or "") for entry in seen)
    assert link.figures().docs_written == 20
    assert requests.get(f"{server}/{far_name}", timeout=60).json()["doc_count"] == 20


def test_a_black_hole_is_noticed_and_left(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, address: tuple[str, int], events: Events
) -> None:
    """No reset ever comes; with no byte moving for `stall_s` the run opens another connection."""
    near.bulk_docs(events(100), new_edits=False)

    with WeakLink(address, Profile(512_000, rtt_ms=20, cut_after_bytes=20_000, mode=Mode.BLACKHOLE)) as weak:
        pair = Pair(near_peer, far_peer(weak.port, stall_s=1.0), DatabaseState(near))
        link = Link([pair])
        thread = run_for(link, 90)
        assert weak.await_cut()
        weak.restore()
        thread.join()

    assert link.figures().cuts >= 1  # more where the whole machine stood still for a second
    assert link.progress()[0].state is JobState.DONE


def test_a_mute_line_is_left_after_the_time_its_silences_make_likely(
    near: Database, near_peer: LocalPeer, our_server: str, events: Events
) -> None:
    """After some answers the run does not sit out the 20 seconds that hold for a line nobody knows."""
    near.bulk_docs(events(200), new_edits=False)
    to = "127.0.0.1", int(our_server.rpartition(":")[2])
    silences: list[int] = []

    def watch(progress: list[Progress]) -> None:
        if progress[0].state is JobState.CUT:
            found = re.fullmatch(r".*no byte moved for (\d+) s.*", progress[0].last_error or "")
            assert found, progress[0].last_error
            silences.append(int(found[1]))

    with WeakLink(to, Profile(256_000, rtt_ms=20, cut_after_bytes=40_000, mode=Mode.BLACKHOLE)) as weak:
        far = HttpPeer(Endpoint(weak.url, options=EndpointOptions(least_stall_s=1.0)), "far")
        link = Link([Pair(near_peer, far, DatabaseState(near))], on_progress=watch)
        thread = run_for(link, 90)
        assert weak.await_cut()
        weak.restore()
        thread.join()

    assert link.progress()[0].state is JobState.DONE
    assert silences
    assert silences[0] < 19  # the line's own silence, whatever else took its time


def test_a_cut_over_the_last_question_leaves_the_pair_done(
    near: Database, near_peer: LocalPeer, our_server: str, far_store: SqliteStore, events: Events
) -> None:
    """All is over there and written down; how far the server is now is not worth another connection."""
    near.bulk_docs(events(5), new_edits=False)
    endings = list[str]()
    with WeakLink(("127.0.0.1", int(our_server.rpartition(":")[2]))) as weak:
        endpoint = Endpoint(weak.url)
        link = Link([Pair(near_peer, HttpPeer(endpoint, "far"), DatabaseState(near))])
        ask = endpoint.request

        def cut_the_last(method: str, target: str, *rest: Any, **options: Any) -> Any:
            pending = ask(method, target, *rest, **options)
            if "_tram/seqs" in target and link.figures().docs_written == 5:
                endings.append(target)
                weak.cut()
            return pending

        endpoint.request = cut_the_last  # type: ignore[method-assign]  # listens, and cuts the line once
        run_for(link, 60).join()

    assert len(endings) == 1
    assert (link.progress()[0].state, link.figures().cuts) == (JobState.DONE, 1)
    assert far_store.open("far").info().doc_count == 5


def test_flipped_bits_accuse_no_document(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, address: tuple[str, int], events: Events
) -> None:
    """A compressed body with a wrong bit fails whole; sent again it is taken, and no document is called bad."""
    near.bulk_docs(events(80), new_edits=False)

    with WeakLink(address, Profile(up_bps=1_000_000, corrupt_every=15_000, seed=3)) as weak:
        link = Link([Pair(near_peer, far_peer(weak.port, stall_s=2.0), DatabaseState(near))])
        run_for(link, 90).join()

    assert link.progress()[0].state is JobState.DONE
    assert link.figures().refused == 0


def test_a_relay_follows_its_own_database_and_stops_promptly(
    near: Database, near_peer: LocalPeer, store: SqliteStore, far_peer: FarPeer, events: Events
) -> None:
    """Continuous push and pull on one connection: what is written here appears behind the server, and back here."""
    near.bulk_docs(events(3), new_edits=False)
    back = store.create("back")
    there = far_peer()
    link = Link(
        [
            Pair(near_peer, there, DatabaseState(near)),
            Pair(there, LocalPeer(back, store.uuid), DatabaseState(back), priority=1),
        ]
    )
    thread = run_for(link, 90, continuous=True)

    for count in (3, 5):
        near.bulk_docs(events(count), new_edits=False)
        while (info := back.info()).doc_count < count:
            assert back.wait_for_change(info.update_seq, 60)
    thread.end()
    thread.join(60)

    assert not thread.is_alive()
    assert back.info().doc_count == 5
