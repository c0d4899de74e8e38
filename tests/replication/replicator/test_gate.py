"""A closed gate holds back documents of its pair and nothing else, and is told what travelled."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc
from replication.peers import HttpPeer, LocalPeer
from replication.replicator import DatabaseState, JobState, Link, Pair, Progress
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]


class Barrier:
    """A gate with a wait for each pair, and the account of what it was told."""

    def __init__(self) -> None:
        self.wait_s: dict[str, float] = {}
        self.told: dict[str, list[int]] = {}
        self.asked = 0

    def waits_s(self, pair: Pair) -> float:
        self.asked += 1
        return self.wait_s.get(pair.label, 0.0)

    def carried(self, pair: Pair, bytes_out: int, bytes_in: int) -> None:
        entry = self.told.setdefault(pair.label, [0, 0])
        entry[0] += bytes_out
        entry[1] += bytes_in


class Watch:
    """Runs a link in a thread and waits for what its progress shall say."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[Progress] = []

    def __call__(self, progress: list[Progress]) -> None:
        with self._changed:
            self._seen = progress
            self._changed.notify_all()

    def until(self, holds: Callable[[list[Progress]], bool]) -> list[Progress]:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._seen) and holds(self._seen), 60), self._seen
            return self._seen


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_closed_gate_holds_its_pair_and_no_other(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, store: SqliteStore, events: Events, direction: str
) -> None:
    """The held pair says so with how much waits; the other is through; after `wake` with an open gate both are."""
    near.bulk_docs(events(30), new_edits=False)
    there = far_peer()
    other = store.create("other")
    other.bulk_docs(events(5, first=500), new_edits=False)
    assert there.endpoint is not None
    pair = Pair(near_peer, there, DatabaseState(near))
    if direction == "pull":
        Link([pair]).run(threading.Event())
        back = store.create("back")
        pair = Pair(there, LocalPeer(back, store.uuid), DatabaseState(back))
    free = Pair(LocalPeer(other, store.uuid), HttpPeer(there.endpoint, there.name + "x"), DatabaseState(other), 1)
    barrier, watch, stop = Barrier(), Watch(), threading.Event()
    barrier.wait_s[pair.label] = math.inf
    link = Link([pair, free], gate=barrier, on_progress=watch)
    thread = threading.Thread(target=link.run, args=(stop,), kwargs={"continuous": True})
    thread.start()
    try:
        held, _free = watch.until(lambda seen: seen[0].state is JobState.HELD and seen[1].docs_written == 5)
        assert (held.docs_written, held.held_s, held.queued_docs, held.eta_s) == (0, math.inf, 30, None)
        before = barrier.told[pair.label][0]
        asked = barrier.asked
        barrier.wait_s.clear()
        link.wake()
        done, _free = watch.until(lambda seen: seen[0].state is JobState.IDLE)
    finally:
        stop.set()
        link.wake()
        thread.join()

    assert (done.docs_written, done.held_s, done.queued_bytes, done.eta_s) == (30, None, 0, 0.0)
    assert barrier.told[pair.label][0] > before
    assert barrier.asked > asked


def test_a_gate_that_named_a_time_is_asked_again_by_itself(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events
) -> None:
    """Closed for 0.3 s three times, then open: the run goes on without being woken."""
    near.bulk_docs(events(3), new_edits=False)
    waits = [0.3, 0.3, 0.3]

    class Slow(Barrier):
        def waits_s(self, pair: Pair) -> float:
            return waits.pop() if waits else 0.0

    figures = Link([Pair(near_peer, far_peer(), DatabaseState(near))], gate=Slow()).run(threading.Event())

    assert figures.docs_written == 3
    assert figures.seconds >= 0.9


def test_the_gate_hears_of_every_byte_of_its_pair(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, address: tuple[str, int], events: Events
) -> None:
    """Over cuts as well: what left this machine is told, whether or not it arrived."""
    near.bulk_docs(events(110, size=600), new_edits=False)
    barrier = Barrier()
    with WeakLink(address, Profile(256_000, 256_000, 40, cut_every_s=0.8, cut_for_s=0.2)) as weak:
        link = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))], gate=barrier, random=lambda: 0.0)
        figures = link.run(threading.Event())

    ((out, into),) = barrier.told.values()
    assert figures.cuts >= 1
    # The question about all databases at the end is nobody's, nor is the one about torn bodies after each cut.
    assert figures.bytes_out - 400 * (1 + figures.cuts) <= out <= figures.bytes_out
    assert figures.bytes_in - 600 * (1 + figures.cuts) <= into <= figures.bytes_in


def test_a_person_can_be_told_how_much_is_left_and_how_long_it_takes(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, address: tuple[str, int], events: Events
) -> None:
    """In the middle of 200 events at 256 kbit/s the estimates agree with what is still to come."""
    near.bulk_docs(events(200, size=1000), new_edits=False)
    seen: list[tuple[Progress, int]] = []
    with WeakLink(address, Profile(256_000, 256_000, 40)) as weak:
        link = Link(
            [Pair(near_peer, far_peer(weak.port), DatabaseState(near))],
            on_progress=lambda progress: seen.append((progress[0], weak.figures().up_bytes)),
        )
        link.run(threading.Event())
        total = weak.figures().up_bytes

    entry, sent = next(each for each in seen if each[0].docs_written >= 60 and each[0].queued_docs)
    assert entry.queued_bytes is not None
    assert entry.eta_s is not None
    assert entry.queued_bytes == pytest.approx(total - sent, rel=0.5)
    # What it says follows from the rate it measured, which on a busy machine may be any below that of the line.
    assert 0 < entry.rate_bps <= 256_000 * 1.6
    assert entry.eta_s == pytest.approx(entry.queued_bytes * 8 / entry.rate_bps, rel=0.1)
