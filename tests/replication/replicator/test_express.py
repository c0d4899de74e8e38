"""What somebody waits for goes ahead of the feed, once, and never in the way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc, DocId, Rev
from replication.errors import StoreError
from replication.peers import Endpoint, HttpPeer, LocalPeer, Outgoing, WriteAnswer
from replication.peers.bodies import Body
from replication.peers.pending import Pending
from replication.replicator import DatabaseState, Figures, Link, Pair
from replication.sqlite import SqliteStore
from replication.store import Database, GetRequest, RevsDiff

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
Express = Callable[[], Sequence[DocId]]
BuildPair = Callable[[str, HttpPeer, Express], tuple[Pair, Callable[[], list[str]]]]
LINE = Profile(256_000, 256_000, 40)


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Callable[[HttpPeer], list[str]]:
    """A function that returns a list which grows by the ids of what a peer is sent from now on."""

    def build(peer: HttpPeer) -> list[str]:
        order: list[str] = []
        send = peer.bulk_docs

        def note(docs: Sequence[Outgoing], body: Body | None = None) -> Pending[WriteAnswer]:
            order.extend(out.doc.id for out in docs)
            return send(docs, body)

        monkeypatch.setattr(peer, "bulk_docs", note)
        return order

    return build


@pytest.fixture
def build_pair(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    store: SqliteStore,
    listen: Callable[[HttpPeer], list[str]],
) -> BuildPair:
    """A function that returns a pair which carries the documents of `near`, pushed to the peer it is given or pulled
    back from there, with what is wanted first; and a function that lists ids in order of arrival."""

    def build(direction: str, far: HttpPeer, express: Express) -> tuple[Pair, Callable[[], list[str]]]:
        if direction == "push":
            order = listen(far)
            return Pair(near_peer, far, DatabaseState(near), express=express), lambda: order
        Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())
        back = store.create("back")
        pair = Pair(far, LocalPeer(back, store.uuid), DatabaseState(back), express=express)
        return pair, lambda: [str(row.id) for row in back.changes().rows]

    return build


def event_id(number: int) -> DocId:
    return DocId(f"event-{number:05d}")


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_wanted_documents_arrive_first_and_once(
    near: Database,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    build_pair: BuildPair,
    direction: str,
) -> None:
    """The last three of 60 are wanted, in another order, with one nobody has: they come first, then the rest."""
    near.bulk_docs(events(60), new_edits=False)
    wanted = [event_id(59), DocId("nobody-has-this"), event_id(57), event_id(58)]
    with WeakLink(address, LINE) as weak:
        pair, arrived = build_pair(direction, far_peer(weak.port), lambda: wanted)
        figures = Link([pair]).run(threading.Event())
        up, down = weak.figures().up_bytes, weak.figures().down_bytes

    order = arrived()
    assert order[:3] == [event_id(59), event_id(57), event_id(58)]
    assert sorted(order) == [event_id(number) for number in range(60)]
    assert (figures.docs_written, figures.refused, figures.resent_docs) == (60, 0, 0)
    # Each crossed the line once: a kilobyte as CouchDB answers, half of that compressed.
    assert (up if direction == "push" else down) < 60 * (700 if direction == "push" else 1300)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_what_becomes_wanted_later_overtakes_the_feed_after_wake(
    near: Database,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    build_pair: BuildPair,
    direction: str,
) -> None:
    """While 300 documents go out, somebody wants one of the last: it does not wait for its turn."""
    near.bulk_docs(events(300), new_edits=False)
    wanted: list[DocId] = []
    with WeakLink(address, LINE) as weak:
        pair, arrived = build_pair(direction, far_peer(weak.port), lambda: list(wanted))

        def want(_progress: object) -> None:
            if len(arrived()) >= 20 and not wanted:
                wanted.append(event_id(290))
                link.wake()

        link = Link([pair], on_progress=want)
        figures = link.run(threading.Event())

    order = arrived()
    print(f"{direction}: behind {order.index(event_id(290))}")
    assert order.index(event_id(290)) < 150
    assert sorted(order) == [event_id(number) for number in range(300)]
    assert figures.docs_written == 300


@pytest.fixture
def half_sent(near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events) -> Database:
    """`near` with 60 events that are over there and 20 more that are not."""
    near.bulk_docs(events(60, size=2000), new_edits=False)
    Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())
    near.bulk_docs(events(20, first=60, size=2000), new_edits=False)
    return near


def forget_and_push(near: Database, far: HttpPeer, wanted: Sequence[DocId]) -> Figures:
    """Push as a store that has moved or was put back, and remembers nothing of what was sent."""
    return Link([Pair(LocalPeer(near, "f" * 32), far, DatabaseState(near), express=lambda: wanted)]).run(
        threading.Event()
    )


def test_what_is_wanted_and_over_there_already_is_not_sent_again(
    half_sent: Database, far_peer: FarPeer, address: tuple[str, int], listen: Callable[[HttpPeer], list[str]]
) -> None:
    """After a move or a restore nobody remembers what was sent: it is asked about, and only what is missing goes, the
    wanted first."""
    with WeakLink(address, LINE) as weak:
        far = far_peer(weak.port)
        order = listen(far)
        wanted = [event_id(number) for number in (*range(40), 79, *range(40, 60), 78)]
        figures = forget_and_push(half_sent, far, wanted)

    assert max(order.index(event_id(79)), order.index(event_id(78))) < 10
    assert sorted(order) == [event_id(number) for number in range(60, 80)]
    assert (figures.docs_written, figures.resent_docs) == (20, 0)


def test_a_question_about_wanted_documents_survives_a_cut(
    half_sent: Database, far_peer: FarPeer, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line breaks while it is asked what is over there: it is asked again, and nothing is sent twice."""
    asked: list[set[str]] = []
    with WeakLink(address, LINE) as weak:
        far = far_peer(weak.port)
        ask = far.revs_diff

        def note(wanted: Mapping[DocId, Sequence[Rev]]) -> Pending[dict[DocId, RevsDiff]]:
            pending = ask(wanted)
            asked.append(set(wanted))
            if len(asked) == 1:
                weak.cut()
                weak.restore()
            return pending

        monkeypatch.setattr(far, "revs_diff", note)
        wanted = [event_id(number) for number in (3, 78, 7, 79)]
        figures = forget_and_push(half_sent, far, wanted)

    assert figures.cuts == 1
    assert set(wanted) == asked[0] == asked[1]
    assert (figures.docs_written, figures.resent_docs) == (20, 0)


def test_express_over_cuts_loses_nothing(
    near: Database,
    near_peer: LocalPeer,
    server: str,
    far_name: str,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
) -> None:
    """Uncertain express documents are asked about like others, and the feed does not wait for them for ever."""
    near.bulk_docs(events(110, size=600), new_edits=False)
    with WeakLink(address, Profile(256_000, 256_000, 40, cut_every_s=0.8, cut_for_s=0.2)) as weak:
        pair = Pair(
            near_peer,
            far_peer(weak.port),
            DatabaseState(near),
            express=lambda: [event_id(number) for number in range(109, 30, -1)],
        )
        link = Link([pair], random=lambda: 0.0)
        figures = link.run(threading.Event())

    assert figures.cuts >= 1
    assert requests.get(f"{server}/{far_name}", timeout=60).json()["doc_count"] == 110


def test_an_express_document_that_cannot_be_read_holds_up_nothing(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked for by name it spoils every answer; the others go ahead all the same, and the feed names it once."""
    near.bulk_docs(events(20), new_edits=False)
    whole = near.bulk_get

    def spoiled(rows: Sequence[GetRequest], **options: Any) -> object:
        if any(row.id == event_id(18) for row in rows):
            raise StoreError("this row cannot be read")
        return whole(rows, **options)

    monkeypatch.setattr(near, "bulk_get", spoiled)
    wanted = [event_id(18), event_id(19), event_id(17)]

    figures = Link([Pair(near_peer, far_peer(), DatabaseState(near), express=lambda: wanted)]).run(threading.Event())

    assert figures.docs_written == 19
    assert [refusal.id for refusal in figures.refusals] == [event_id(18)]


def test_a_pull_brings_it_beside_the_stretch_that_is_on_its_way(
    near: Database, far_peer: FarPeer, address: tuple[str, int], events: Events, build_pair: BuildPair
) -> None:
    """At 32 kbit/s large documents fill the line for half a minute; a small one that is wanted takes seconds."""
    near.bulk_docs([*events(8, size=30_000), *events(1, first=90, size=600)], new_edits=False)
    wanted, arrived, stop = list[DocId](), threading.Event(), threading.Event()
    with WeakLink(address, Profile(32_000, 32_000, 600)) as weak:
        far = far_peer(weak.port)
        pair, order = build_pair("pull", far, lambda: list(wanted))
        link = Link([pair], on_progress=lambda _rows: arrived.set() if event_id(90) in order() else None)
        thread = threading.Thread(target=link.run, args=(stop,))
        thread.start()
        while weak.figures().down_bytes < 4000:
            threading.Event().wait(0.05)
        wanted.append(event_id(90))
        asked = weak.figures().down_bytes
        link.wake()
        came = arrived.wait(60)
        meanwhile = weak.figures().down_bytes - asked
        large = len(order()) - 1
        stop.set()
        link.wake()
        thread.join(10)

    assert came
    print(f"wanted and here: {meanwhile} bytes, {large} large ones before it")
    assert meanwhile < 7 * 4000, "what the line carries while it is asked for, and half of it for its bytes"
    assert large < 8
    assert far.endpoint is not None
    assert (far.endpoint.traffic.connections, link.figures().cuts) == (2, 0)


def test_without_a_second_connection_it_comes_behind_the_stretch(
    near: Database,
    far_peer: FarPeer,
    address: tuple[str, int],
    events: Events,
    build_pair: BuildPair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a server takes no second one nothing fails, and nothing comes twice."""
    near.bulk_docs(events(10, size=8000), new_edits=False)
    wanted, tried = list[DocId](), list[Endpoint]()

    def refuse(**_options: object) -> Endpoint:
        tried.append(Endpoint(f"http://127.0.0.1:{nobody.getsockname()[1]}"))
        return tried[-1]

    with socket.socket() as nobody, WeakLink(address, Profile(128_000, 128_000, 40)) as weak:
        nobody.bind(("127.0.0.1", 0))
        far = far_peer(weak.port)
        assert far.endpoint is not None
        monkeypatch.setattr(far.endpoint, "sibling", refuse)
        pair, arrived = build_pair("pull", far, lambda: list(wanted))

        def want(_progress: object) -> None:
            if not wanted and weak.figures().down_bytes > 3000:
                wanted.append(event_id(9))
                link.wake()

        link = Link([pair], on_progress=want)
        figures = link.run(threading.Event())

    assert tried
    assert (figures.docs_written, figures.cuts, figures.resent_docs) == (10, 0, 0)
    assert len(arrived()) == 10
