"""What a cut has torn goes on where it was torn, both ways; hardly a byte crosses the line twice."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from bench.link import Link as WeakLink
from bench.link import Profile
from replication.document import Attachment, Doc, DocId, Rev
from replication.http.bodies import default_bodies
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.peers.halves import parse_torn
from replication.peers.salvage import split_rows
from replication.replicator import DatabaseState, Figures, Link, Pair
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
LeavesOf = Callable[[Database], object]
# A chunk takes 1.05 s of this line and is cut each 0.8 s: none would ever arrive whole.
NEVER_WHOLE = Profile(256_000, 256_000, 40, cut_every_s=0.8, cut_for_s=0.1)


def run(link: Link) -> Figures:
    """Run to the end; what is not over there after two minutes never will be, and the counts show it."""
    stop = threading.Event()
    timer = threading.Timer(120, lambda: (stop.set(), link.wake()))
    timer.start()
    figures = link.run(stop)
    timer.cancel()
    timer.join()
    return figures


def chunks(count: int) -> list[Doc]:
    """Return chunks of 32 KiB that no compression makes smaller."""
    docs = []
    for number in range(count):
        data = hashlib.shake_256(str(number).encode()).digest(32768)
        digest = hashlib.sha256(data).hexdigest()[:32]
        chunk = {"chunk": Attachment("application/octet-stream", data=data, revpos=1)}
        docs.append(Doc(DocId(f"sha256-{digest}"), Rev(f"1-{digest}"), (digest,), attachments=chunk))
    return docs


def test_chunks_larger_than_the_time_between_cuts_arrive_and_little_is_sent_twice(
    near: Database,
    near_peer: LocalPeer,
    our_server: str,
    far_store: SqliteStore,
    leaves_of: LeavesOf,
) -> None:
    """Pushed to our server over a line that never holds for a whole chunk: at most 8 KB more than needed per cut."""
    near.bulk_docs(chunks(3), new_edits=False)
    with WeakLink(("127.0.0.1", int(our_server.rpartition(":")[2])), NEVER_WHOLE) as weak:
        pair = Pair(near_peer, HttpPeer(Endpoint(weak.url), "far"), DatabaseState(near))
        link = Link([pair], random=lambda: 0.0)
        figures = run(link)
        up_bytes = weak.figures().up_bytes

    assert leaves_of(far_store.open("far")) == leaves_of(near)
    assert figures.cuts >= 3
    assert (up_bytes - 3 * 33_600) / figures.cuts <= 8 * 1024
    assert figures.docs_written == 3


def test_after_a_cut_at_most_32_KiB_are_sent_again_to_any_peer(
    near: Database,
    near_peer: LocalPeer,
    server: str,
    far_name: str,
    far_peer: FarPeer,
    address: tuple[str, int],
) -> None:
    """A plain CouchDB takes no part of a chunk: it loses what was under way and no more."""
    near.bulk_docs(chunks(4), new_edits=False)
    profile = Profile(256_000, 256_000, 40, cut_every_s=3.0, cut_for_s=0.1)
    with WeakLink(address, profile) as weak:
        link = Link([Pair(near_peer, far_peer(weak.port), DatabaseState(near))], random=lambda: 0.0)
        figures = run(link)
        up_bytes = weak.figures().up_bytes

    assert requests.get(f"{server}/{far_name}", timeout=60).json()["doc_count"] == 4
    assert figures.cuts >= 1
    assert (up_bytes - 4 * 34_000) / figures.cuts <= 36 * 1024  # a chunk is 33.6 KB packed


def test_half_a_chunk_that_was_pulled_is_not_pulled_again(
    near: Database,
    near_peer: LocalPeer,
    store: SqliteStore,
    far_peer: FarPeer,
    address: tuple[str, int],
    server: str,
    leaves_of: LeavesOf,
) -> None:
    """From our server and from a plain CouchDB, over a line that never holds for a whole chunk."""
    near.bulk_docs(chunks(3), new_edits=False)
    Link([Pair(near_peer, far_peer(), DatabaseState(near))]).run(threading.Event())
    back = store.create("back")
    with WeakLink(address, NEVER_WHOLE) as weak:
        pair = Pair(far_peer(weak.port), LocalPeer(back, store.uuid), DatabaseState(back))
        figures = run(Link([pair], random=lambda: 0.0))
        down_bytes = weak.figures().down_bytes

    assert leaves_of(back) == leaves_of(near)
    assert figures.cuts >= 3
    is_ours = "tram-bodies/1" in requests.get(f"{server}/", timeout=60).json()["features"]
    ideal = 3 * (34_000 if is_ours else 44_500)
    assert (down_bytes - ideal) / figures.cuts <= 16 * 1024


def test_a_server_that_forgot_the_half_gets_the_whole(
    near: Database,
    near_peer: LocalPeer,
    our_server: str,
    far_store: SqliteStore,
    leaves_of: LeavesOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Restarted in between, it holds nothing when it is asked: the body goes out from its beginning."""
    near.bulk_docs(chunks(1), new_edits=False)
    held, asked = default_bodies(), list[str]()
    answer = held.sizes

    def forget(sender: str, names: list[str]) -> dict[str, int | bool]:
        asked.extend(names)
        for key in list(held._held):
            held._drop(key)
        return answer(sender, names)

    monkeypatch.setattr(held, "sizes", forget)
    profile = Profile(256_000, 256_000, 40, cut_after_bytes=20_000)
    with WeakLink(("127.0.0.1", int(our_server.rpartition(":")[2])), profile) as weak:
        pair = Pair(near_peer, HttpPeer(Endpoint(weak.url), "far"), DatabaseState(near))
        link = Link([pair], random=lambda: 0.0)
        thread = threading.Thread(target=link.run, args=(threading.Event(),))
        thread.start()
        assert weak.await_cut()
        weak.restore()
        thread.join(60)
        assert weak.figures().up_bytes > 33_000 + 20_000

    assert len(asked) == 1
    assert leaves_of(far_store.open("far")) == leaves_of(near)


rows = st.fixed_dictionaries({"n": st.integers(), "t": st.text(max_size=5)})


@given(st.lists(rows, max_size=2), st.binary(min_size=2500, max_size=3500), st.data())
def test_no_half_is_invented_wherever_the_text_is_torn(
    before: list[object], data: bytes, choice: st.DataObject
) -> None:
    """Either the first bytes of the attachment, exactly, or nothing."""
    text = base64.b64encode(data).decode()
    entry = {"content_type": "image/jpeg", "revpos": 1, "digest": "md5-x", "data": text}
    doc = {"_id": "é", "_rev": "1-0a", "note": '"data":"AAAA', "_attachments": {"chunk": entry}}
    row = {"seq": "3-x", "id": "é", "changes": [{"rev": "1-0a"}], "doc": doc}
    dumped = [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() for each in (*before, row)]
    whole = b'{"results":[\n' + b",\n".join(dumped) + b"\n]}"
    cut = choice.draw(st.integers(0, len(whole)))

    found = parse_torn(split_rows(whole[:cut])[1])

    came = cut - whole.rfind(text.encode())
    if 2800 <= came <= len(text):
        assert found is not None
        assert len(found[1].data) >= 2048
    if found is not None:
        assert data.startswith(found[1].data)
        assert (found[1].id, found[1].rev, found[1].name) == ("é", "1-0a", "chunk")
        assert came - 10 <= len(found[1].data) * 4 // 3 <= came


@pytest.mark.parametrize(
    "text",
    [
        '{"seq":1,"doc":{"_id":"a","_rev":"1-a","_attachments":{"x":{"data":"AAAA"},"y":{"data":"' + "A" * 4000,
        '{"seq":1,"doc":{"_id":"a","_rev":"1-a","data":"' + "A" * 4000,
        '{"seq":1,"doc":{"_id":"a","_rev":"1-a","_attachments":{"x":{"content_type":"text/html","data":"' + "A" * 4000,
        ']]]{"_attachments":{"x":{"data":"' + "A" * 4000,
        "[" * 5000 + '"data":"' + "A" * 4000,
    ],
)
def test_a_row_torn_elsewhere_is_no_half(text: str) -> None:
    """Two attachments, a member that is only called like one, a web page, nonsense."""
    assert parse_torn(text) is None
