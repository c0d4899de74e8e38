"""A link with nothing new says so in one request, however many databases it has."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from bench.link import Link as WeakLink
from bench.link import Profile
from deploy.scenario.processes import free_port
from replication.document import Doc, Seq
from replication.http import OpenAccess, create_app
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, Link, MemoryState, Pair
from replication.replicator.vouching import Vouching
from replication.serving import Server
from replication.sqlite import SqliteStore

Events = Callable[..., list[Doc]]
NAMES = [f"u-h41-12-{number:02d}" for number in range(1, 6)]


def build_link(store: SqliteStore, url: str) -> Link:
    """Return a link with every database both ways, as a district has with its province."""
    endpoint, pairs = Endpoint(url), []
    for name in NAMES:
        database = store.open(name) if name in store.names() else store.create(name)
        near, far = LocalPeer(database, store.uuid), HttpPeer(endpoint, name)
        pairs.append(Pair(near, far, DatabaseState(database)))
        pairs.append(Pair(far, near, DatabaseState(database), priority=1, create_target=False))
    return Link(pairs)


def run(link: Link) -> tuple[int, int, int]:
    """Run to the end; return (documents written, requests, bytes both ways)."""
    figures = link.run(threading.Event())
    return figures.docs_written, figures.requests, figures.bytes_out + figures.bytes_in


def settle(store: SqliteStore, url: str, events: Events) -> None:
    """Fill and replicate until both sides have said everything."""
    run(build_link(store, url))
    for number, name in enumerate(NAMES):
        store.open(name).bulk_docs(events(3, first=10 * number), new_edits=False)
    while run(build_link(store, url))[1] > 1:
        pass


def test_nothing_new_on_many_databases_is_one_request(store: SqliteStore, our_server: str, events: Events) -> None:
    """Both directions of all of them: one round trip after the greeting of TCP, far below 2 KB."""
    settle(store, our_server, events)

    written, asked, size = run(build_link(store, our_server))

    assert (written, asked) == (0, 1)
    assert size <= 400


def test_a_run_between_a_near_and_a_far_server_ends(
    store: SqliteStore, far_store: SqliteStore, our_server: str, events: Events
) -> None:
    """Both are asked for their note; the near one, which answers at once, not again until the far one has."""
    store.create("db").bulk_docs(events(5), new_edits=False)
    stop = threading.Event()
    timer = threading.Timer(20, stop.set)
    timer.start()
    to = "127.0.0.1", int(our_server.rpartition(":")[2])
    with Server(create_app(OpenAccess(store)), port=0) as near, WeakLink(to, Profile(rtt_ms=100)) as weak:
        pair = Pair(HttpPeer(Endpoint(near.url), "db"), HttpPeer(Endpoint(weak.url), "db"), MemoryState())
        figures = Link([pair]).run(stop)
    timer.cancel()

    assert not stop.is_set()
    assert figures.requests <= 20
    assert far_store.open("db").info().doc_count == 5


def test_only_what_moved_is_asked_about(
    store: SqliteStore, far_store: SqliteStore, our_server: str, events: Events
) -> None:
    """A document over there and one here: two databases are opened, the others are not."""
    settle(store, our_server, events)
    far_store.open(NAMES[3]).bulk_docs(events(1, first=900), new_edits=False)
    store.open(NAMES[4]).bulk_docs(events(1, first=901), new_edits=False)

    written, asked, _size = run(build_link(store, our_server))

    assert written == 2
    assert asked <= 14
    assert store.open(NAMES[3]).info().doc_count == far_store.open(NAMES[4]).info().doc_count == 4


def test_a_database_made_anew_over_there_gets_everything_again(
    store: SqliteStore, far_store: SqliteStore, our_server: str, events: Events
) -> None:
    """Its seq is another one: nobody vouches for it, and our note is not believed."""
    settle(store, our_server, events)
    far_store.delete(NAMES[0])
    far_store.create(NAMES[0])

    run(build_link(store, our_server))

    assert far_store.open(NAMES[0]).info().doc_count == 3


def test_our_own_side_set_back_to_a_backup_asks_again(
    store: SqliteStore, far_store: SqliteStore, our_server: str, tmp_path: Path, events: Events
) -> None:
    """The note went back with the database: what it says of the other side no longer holds, and all comes again."""
    settle(store, our_server, events)
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    far_store.open(NAMES[2]).bulk_docs(events(2, first=700), new_edits=False)
    run(build_link(store, our_server))
    assert store.open(NAMES[2]).info().doc_count == 5

    older = SqliteStore(tmp_path / "copy")
    run(build_link(older, our_server))

    assert older.open(NAMES[2]).info().doc_count == 5
    older.close()


def test_a_note_without_the_log_it_belongs_to_is_not_believed(
    store: SqliteStore, our_server: str, events: Events
) -> None:
    """The logs of one database are gone on our side: its pairs ask, the others do not, and nothing is sent twice."""
    settle(store, our_server, events)
    database = store.open(NAMES[1])
    for local in list(database.local_docs()):
        if not local.id.startswith("tram-state-"):
            database.delete_local(local.id)

    written, asked, _size = run(build_link(store, our_server))

    assert written == 0
    assert 3 <= asked <= 12


def test_another_store_behind_the_same_address_is_met_as_a_stranger(
    store: SqliteStore, far_store: SqliteStore, tmp_path: Path, events: Events
) -> None:
    """The mark covers the uuid: a clone with the same seqs under a new uuid answers no 304, and is asked everything."""
    port = free_port()
    with Server(create_app(OpenAccess(far_store)), host="127.0.0.1", port=port) as first:
        url = first.url.rstrip("/")
        settle(store, url, events)
    other = SqliteStore(tmp_path / "other")
    with Server(create_app(OpenAccess(other)), host="127.0.0.1", port=port):
        written, asked, _size = run(build_link(store, url))

    assert written == 3 * len(NAMES)
    assert asked > 2
    other.close()


def test_an_answer_older_than_what_was_sent_since_makes_no_note(store: SqliteStore, our_server: str) -> None:
    """It would say that a server as it was then holds what came later: the question is asked again."""
    endpoint, state = Endpoint(our_server), DatabaseState(store.create("near"))
    endpoint.connect()
    endpoint.learn_features(frozenset(["tram-sync/1"]))
    vouching, label = Vouching(endpoint, state), "near"

    def closes(reached: str) -> bool:
        done = vouching.close({label: Seq(reached)})
        while endpoint.outstanding:
            endpoint.pump(1.0)
        return done

    assert [closes("1"), closes("2"), closes("2"), closes("2")] == [False, False, False, True]
    again = Vouching(endpoint, state)
    while not again.is_open:
        again.turn()
        endpoint.pump(0.1)
    assert again.reached(label) == "2"
    endpoint.close()


def test_news_of_many_databases_comes_over_one_waiting_connection(
    store: SqliteStore, far_store: SqliteStore, our_server: str, events: Events
) -> None:
    """Continuous: one connection carries documents, one waits; what is written over there appears here."""
    settle(store, our_server, events)
    link, stop = build_link(store, our_server), threading.Event()
    thread = threading.Thread(target=link.run, args=(stop,), kwargs={"continuous": True})
    thread.start()
    try:
        for number in (0, 4):
            here = store.open(NAMES[number])
            seen = here.info().update_seq
            far_store.open(NAMES[number]).bulk_docs(events(1, first=800 + number), new_edits=False)
            assert here.wait_for_change(seen, 60)
    finally:
        stop.set()
        link.wake()
        thread.join(60)

    assert not thread.is_alive()
    traffic = {id(job.pair.target.endpoint): job.pair.target.endpoint for job in link._jobs}.values()
    assert max(endpoint.traffic.connections for endpoint in traffic if endpoint is not None) <= 3
