"""Whatever a database holds arrives leaf by leaf, in both directions, and once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import requests

from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import NotFound
from replication.peers import HttpPeer, LocalPeer
from replication.replicator import CheckpointState, DatabaseState, MemoryState, Pair, replicate
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]
LeavesOf = Callable[[Database], object]


def rev(generation: int, seed: str) -> Rev:
    return Rev(f"{generation}-{hashlib.md5(seed.encode()).hexdigest()}")


def digest(seed: str) -> str:
    return hashlib.md5(seed.encode()).hexdigest()


def write(database: Database, *docs: Doc) -> None:
    results = database.bulk_docs(docs, new_edits=False)
    assert [result.error for result in results] == [None] * len(docs)


def fill_with_every_kind(database: Database) -> None:
    """Conflicts, tombstones, stemmed trees, attachments, a design document, ids that need quoting."""
    write(
        database,
        Doc(DocId("conflict"), rev(2, "b"), (digest("b"), digest("a")), body=b'{"side":"b"}'),
        Doc(DocId("conflict"), rev(2, "c"), (digest("c"), digest("a")), body=b'{"side":"c"}'),
        Doc(DocId("gone"), rev(2, "x"), (digest("x"), digest("w")), deleted=True),
        Doc(DocId("half-gone"), rev(3, "k"), (digest("k"), digest("j"), digest("i")), deleted=True),
        Doc(DocId("half-gone"), rev(1, "other"), (digest("other"),), body=b'{"alive":true}'),
        Doc(DocId("stemmed"), rev(900, "s"), (digest("s"), digest("r")), body=b'{"n":900}'),
        Doc(DocId("_design/forms"), rev(1, "d"), (digest("d"),), body=b'{"language":"query"}'),
        Doc(
            DocId("hồ sơ/1?&#"), rev(1, "q"), (digest("q"),), body='{"tên":"Đỗ Thị Ổn","số":9007199254740991}'.encode()
        ),
        Doc(
            DocId("paper"),
            rev(1, "p"),
            (digest("p"),),
            attachments={
                "scan.jpg": Attachment("image/jpeg", data=bytes(range(256)) * 60, revpos=1),
                "ghi chú.bin": Attachment("application/octet-stream", data=b"", revpos=1),
            },
        ),
    )


@pytest.mark.parametrize("state_kind", [DatabaseState, None])
def test_every_kind_of_document_survives_the_round_trip(
    near: Database, near_peer: LocalPeer, store: SqliteStore, far_peer: FarPeer, leaves_of: LeavesOf, state_kind: object
) -> None:
    """Pushed to a peer and pulled into a fresh database, each leaf is the same, tombstones and attachments too."""
    fill_with_every_kind(near)
    back = store.create("back")
    state: CheckpointState = DatabaseState(near) if state_kind else MemoryState()

    pushed = replicate(Pair(near_peer, far_peer(), state))
    pulled = replicate(Pair(far_peer(), LocalPeer(back, store.uuid), DatabaseState(back)))

    assert (pushed.docs, pushed.docs_written, pushed.refused) == (7, 9, 0)
    assert (pulled.docs, pulled.docs_written, pulled.refused) == (7, 9, 0)
    assert leaves_of(back) == leaves_of(near)


def test_events_go_out_without_being_asked_about(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events
) -> None:
    """New immutable documents into a new database: greeting, logs, creation, batches, logs; no `_revs_diff`."""
    write(near, *events(60))

    figures = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert (figures.docs, figures.docs_written, figures.resent_docs, figures.cuts) == (60, 60, 0, 0)
    assert figures.bytes_out < 60 * 700


def test_nothing_new_takes_two_round_trips_and_two_kilobytes(
    near: Database, near_peer: LocalPeer, store: SqliteStore, server: str, far_peer: FarPeer, events: Events
) -> None:
    """To our own server one request. To CouchDB push: greeting and log; pull: greeting, then log and feed together."""
    write(near, *events(40))
    back = store.create("back")
    replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    replicate(Pair(far_peer(), LocalPeer(back, store.uuid), DatabaseState(back)))

    push = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    pull = replicate(Pair(far_peer(), LocalPeer(back, store.uuid), DatabaseState(back)))

    is_ours = "tram-sync/1" in requests.get(server + "/", timeout=60).json()["features"]
    assert (push.requests, pull.requests) == ((1, 1) if is_ours else (2, 3))
    assert push.bytes_out + push.bytes_in <= 2048
    assert pull.bytes_out + pull.bytes_in <= 2600


def test_only_what_changed_since_is_sent(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events
) -> None:
    """A second run carries the second batch and nothing of the first."""
    write(near, *events(30))
    replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    write(near, *events(5, first=30))

    again = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert (again.docs, again.docs_written) == (5, 5)


def test_a_lost_note_costs_questions_and_no_documents(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, events: Events
) -> None:
    """Without our own note and without the logs, `_revs_diff` finds everything there."""
    write(near, *events(30))
    replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    for local in list(near.local_docs()):
        near.delete_local(local.id)

    again = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert (again.docs, again.docs_written) == (30, 0)


def test_a_target_that_was_set_back_gets_again_what_it_lost(
    near: Database, near_peer: LocalPeer, server: str, far_peer: FarPeer, far_name: str, events: Events
) -> None:
    """The far database vanished and was made anew under the same server: our note is not believed."""
    write(near, *events(20))
    replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    requests.delete(f"{server}/{far_name}", timeout=60).raise_for_status()

    again = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert again.docs_written == 20
    assert requests.get(f"{server}/{far_name}", timeout=60).json()["doc_count"] == 20


def test_an_edit_sends_unchanged_attachments_as_stubs(near: Database, near_peer: LocalPeer, far_peer: FarPeer) -> None:
    """48 KB of scan stay where they are when only the text of the document changes."""
    scan = {"scan": Attachment("image/jpeg", data=hashlib.sha512(b"1").digest() * 750, revpos=1)}
    write(near, Doc(DocId("paper"), rev(1, "1"), (digest("1"),), body=b'{"n":1}', attachments=scan))
    replicate(Pair(near_peer, far_peer(), DatabaseState(near)))
    stub = {"scan": Attachment("image/jpeg", revpos=1)}
    write(near, Doc(DocId("paper"), rev(2, "2"), (digest("2"), digest("1")), body=b'{"n":2}', attachments=stub))

    figures = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert (figures.docs_written, figures.refused) == (1, 0)
    assert figures.bytes_out < 4000


def test_two_local_databases_replicate_in_process(
    store: SqliteStore, near: Database, near_peer: LocalPeer, leaves_of: LeavesOf
) -> None:
    """No server between them, no bytes on any wire."""
    fill_with_every_kind(near)
    other = store.create("other")

    figures = replicate(Pair(near_peer, LocalPeer(other, store.uuid), DatabaseState(other)))

    assert (figures.docs_written, figures.requests) == (9, 0)
    assert leaves_of(other) == leaves_of(near)


def test_one_server_to_another(
    near: Database,
    near_peer: LocalPeer,
    store: SqliteStore,
    far_peer: FarPeer,
    server: str,
    far_name: str,
    leaves_of: LeavesOf,
) -> None:
    """Both sides behind HTTP: nothing is kept here, everything arrives."""
    fill_with_every_kind(near)
    source = far_peer()
    replicate(Pair(near_peer, source, MemoryState()))
    assert source.endpoint is not None
    target = HttpPeer(source.endpoint, far_name + "-copy")
    back = store.create("back")
    try:
        figures = replicate(Pair(far_peer(), target, MemoryState()))
        replicate(Pair(HttpPeer(source.endpoint, far_name + "-copy"), LocalPeer(back, store.uuid), MemoryState()))
    finally:
        requests.delete(f"{server}/{far_name}-copy", timeout=60)

    assert figures.docs_written == 9
    assert leaves_of(back) == leaves_of(near)


def test_a_missing_source_is_named_not_waited_for(far_peer: FarPeer, near_peer: LocalPeer) -> None:
    """Nothing can come from a database that is not there."""
    with pytest.raises(NotFound):
        replicate(Pair(far_peer(), near_peer, MemoryState()))
