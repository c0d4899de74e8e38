"""What somebody waits for goes ahead of the feed, once, and never in the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
import requests

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Doc, DocId
from replication.errors import StoreError
from replication.peers import HttpPeer, LocalPeer
from replication.replicator import DatabaseState, Link, Pair
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
LINE = Profile(256_000, 256_000, 40)


def build_pair(
    direction: str,
    near: Database,
    near_peer: LocalPeer,
    far: HttpPeer,
    direct: HttpPeer,
    store: SqliteStore,
    express: Callable[[], Sequence[DocId]],
) -> tuple[Pair, Callable[[], list[str]]]:
    """Return a pair that carries the documents of `near`, and a function that lists ids in order of arrival."""
    if direction == "push":
        order: list[str] = []
        send = far.bulk_docs

        def note(docs: Sequence[object], body: object = None) -> object:
            order.extend(out.doc.id for out in docs)  # type: ignore[attr-defined]
            return send(docs, body)  # type: ignore[arg-type]

        far.bulk_docs = note  # type: ignore[method-assign, assignment]
        return Pair(near_peer, far, DatabaseState(near), express=express), lambda: order
    Link([Pair(near_peer, direct, DatabaseState(near))]).run(threading.Event())
    back = store.create("back")
    pair = Pair(far, LocalPeer(back, store.uuid), DatabaseState(back), express=express)
    return pair, lambda: [str(row.id) for row in back.changes().rows]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_wanted_documents_arrive_first_and_once(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    address: tuple[str, int],
    store: SqliteStore,
    events: Events,
    direction: str,
) -> None:
    """The last three of 60 are wanted, in another order, with one nobody has: they come first, then the rest."""
    near.bulk_docs(events(60), new_edits=False)
    wanted = ["event-00059", "nobody-has-this", "event-00057", "event-00058"]
    with WeakLink(address, LINE) as weak:
        pair, arrived = build_pair(
            direction, near, near_peer, far_peer(weak.port), far_peer(), store, lambda: [DocId(name) for name in wanted]
        )
        figures = Link([pair]).run(threading.Event())
        up, down = weak.figures().up_bytes, weak.figures().down_bytes

    order = arrived()
    assert order[:3] == ["event-00059", "event-00057", "event-00058"]
    assert sorted(order) == [f"event-{number:05d}" for number in range(60)]
    assert (figures.docs_written, figures.refused, figures.resent_docs) == (60, 0, 0)
    # Each crossed the line once: a kilobyte as CouchDB answers, half of that compressed.
    assert (up if direction == "push" else down) < 60 * (700 if direction == "push" else 1300)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_what_becomes_wanted_later_overtakes_the_feed_after_wake(
    near: Database,
    near_peer: LocalPeer,
    far_peer: FarPeer,
    address: tuple[str, int],
    store: SqliteStore,
    events: Events,
    direction: str,
) -> None:
    """While 900 documents go out, somebody wants one of the last: it does not wait for its turn."""
    near.bulk_docs(events(900), new_edits=False)
    wanted: list[DocId] = []
    with WeakLink(address, LINE) as weak:
        pair, arrived = build_pair(
            direction, near, near_peer, far_peer(weak.port), far_peer(), store, lambda: list(wanted)
        )

        def want(_progress: object) -> None:
            if len(arrived()) >= 20 and not wanted:
                wanted.append(DocId("event-00890"))
                link.wake()

        link = Link([pair], on_progress=want)
        figures = link.run(threading.Event())

    order = arrived()
    assert order.index("event-00890") < 880  # a pull first takes the stretch of the feed that is on its way
    assert sorted(order) == [f"event-{number:05d}" for number in range(900)]
    assert figures.docs_written == 900


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
            express=lambda: [DocId(f"event-{number:05d}") for number in range(109, 30, -1)],
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

    def spoiled(rows: Sequence[object], **options: object) -> object:
        if any(row.id == "event-00018" for row in rows):  # type: ignore[attr-defined]
            raise StoreError("this row cannot be read")
        return whole(rows, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(near, "bulk_get", spoiled)
    pair = Pair(
        near_peer,
        far_peer(),
        DatabaseState(near),
        express=lambda: [DocId("event-00018"), DocId("event-00019"), DocId("event-00017")],
    )

    figures = Link([pair]).run(threading.Event())

    assert figures.docs_written == 19
    assert [refusal.id for refusal in figures.refusals] == ["event-00018"]
