"""How many round trips pass before the first document goes to a server nobody has met."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc
from replication.peers import HttpPeer, LocalPeer, WriteAnswer
from replication.peers.channel import Exchange
from replication.peers.pending import Pending
from replication.replicator import DatabaseState, Link, MemoryState, Pair
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
RTT_MS = 200  # nothing that does not wait for an answer leaves so late


class Trips:
    """Counts the round trips behind each batch of documents: one for TCP, and one more than the longest chain of
    answers that had come when it was sent. Not the clock: that also counts what holds up the machine."""

    def __init__(self, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        assert peer.endpoint is not None
        self._asked: list[tuple[Pending[Exchange], int]] = []
        self._request, self._send = peer.endpoint.request, peer.bulk_docs
        self.of_batches: list[int] = []
        monkeypatch.setattr(peer.endpoint, "request", self.request)  # both listen, and change nothing
        monkeypatch.setattr(peer, "bulk_docs", self.bulk_docs)

    def request(self, *arguments: Any, **options: Any) -> Pending[Exchange]:
        depth = self._heard() + 1
        pending = self._request(*arguments, **options)
        self._asked.append((pending, depth))
        return pending

    def bulk_docs(self, *arguments: Any) -> Pending[WriteAnswer]:
        self.of_batches.append(1 + self._heard())
        return self._send(*arguments)

    def _heard(self) -> int:
        return max((depth for pending, depth in self._asked if pending.done), default=0)


@pytest.mark.parametrize(("is_there", "trips"), [(True, 2), (False, 3)])
def test_documents_go_out_as_soon_as_the_greeting_has_come_back(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    is_there: bool,
    trips: int,
) -> None:
    """One round trip for TCP, one for who the server is and what it has; another where the database is to be made."""
    if is_there:
        create(far_peer())
    near.bulk_docs(events(3), new_edits=False)
    with WeakLink(address, Profile(rtt_ms=RTT_MS)) as weak:
        far = far_peer(weak.port)
        batches = Trips(far, monkeypatch)
        figures = Link([Pair(near_peer, far, DatabaseState(near))]).run(threading.Event())

    assert figures.docs_written == 3
    assert batches.of_batches == [trips]


def create(peer: HttpPeer) -> None:
    """Make the database over there."""
    assert peer.endpoint is not None
    peer.endpoint.connect()
    made = peer.create()
    while not made.done:
        peer.endpoint.pump(1.0)
    made.result()
    peer.endpoint.close()


def test_a_database_with_something_in_it_is_asked_for_its_log(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes that were lost are made up for by the log over there: nothing is sent again."""
    near.bulk_docs(events(20), new_edits=False)
    Link([Pair(near_peer, far_peer(), MemoryState())]).run(threading.Event())
    far = far_peer()
    batches = Trips(far, monkeypatch)

    again = Link([Pair(near_peer, far, MemoryState())]).run(threading.Event())

    assert (again.docs_written, batches.of_batches) == (0, [])


def test_a_database_that_was_emptied_gets_everything_again(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, server: str, far_name: str, events: Events
) -> None:
    """Our note says that all is there; the server is a stranger to this process, and the database was made anew."""
    near.bulk_docs(events(20), new_edits=False)
    Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())
    requests.delete(f"{server}/{far_name}", timeout=10).raise_for_status()
    requests.put(f"{server}/{far_name}", timeout=10).raise_for_status()

    again = Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())

    assert again.docs_written == 20
