"""How many round trips pass before the first document goes to a server nobody has met."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc
from replication.peers import HttpPeer, LocalPeer, WriteAnswer
from replication.peers.pending import Pending
from replication.replicator import DatabaseState, Link, MemoryState, Pair
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
RTT_MS = 400


def note_batches(peer: HttpPeer) -> list[float]:
    """Return a list that grows, with each batch of documents, by the moment it was sent (monotonic)."""
    sent: list[float] = []
    send = peer.bulk_docs

    def bulk_docs(*arguments: object) -> Pending[WriteAnswer]:
        sent.append(time.monotonic())
        return send(*arguments)  # type: ignore[arg-type]

    peer.bulk_docs = bulk_docs  # type: ignore[method-assign, assignment]
    return sent


@pytest.mark.parametrize(("is_there", "trips"), [(True, 2), (False, 3)])
def test_documents_go_out_as_soon_as_the_greeting_has_come_back(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    is_there: bool,
    trips: int,
) -> None:
    """One round trip for TCP, one for who the server is and what it has; another where the database is to be made."""
    if is_there:
        create(far_peer())
    near.bulk_docs(events(3), new_edits=False)
    with WeakLink(address, Profile(rtt_ms=RTT_MS)) as weak:
        far = far_peer(weak.port)
        sent = note_batches(far)
        begun = time.monotonic()
        figures = Link([Pair(near_peer, far, DatabaseState(near))]).run(threading.Event())

    assert figures.docs_written == 3
    assert [int((at - begun) * 1000 / RTT_MS) for at in sent] == [trips]


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
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events
) -> None:
    """Notes that were lost are made up for by the log over there: nothing is sent again."""
    near.bulk_docs(events(20), new_edits=False)
    Link([Pair(near_peer, far_peer(), MemoryState())]).run(threading.Event())
    far = far_peer()
    sent = note_batches(far)

    again = Link([Pair(near_peer, far, MemoryState())]).run(threading.Event())

    assert (again.docs_written, sent) == (0, [])


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
