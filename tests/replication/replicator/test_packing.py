"""Bodies packed with a dictionary both ends hold, and every way back to plain ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from replication import dictionaries
from replication.dictionaries import HEADER_BYTES, Shelf, UnknownDictionary, decompress, decompress_part
from replication.document import Doc
from replication.errors import BadRequest, TooLarge
from replication.http import OpenAccess, create_app
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, MemoryState, Pair, replicate
from replication.serving import Server
from replication.sqlite import SqliteStore
from replication.store import Database

Events = Callable[..., list[Doc]]
FarPeer = Callable[..., HttpPeer]
SHELF = dictionaries.default_shelf()
DICTIONARY = dictionaries.load(dictionaries.SHIPPED[0])


class Recorder:
    """A WSGI layer that notes the coding of every `_bulk_docs` and refuses some codings with 415."""

    def __init__(self, inner: Any, refused: Iterable[str] = ()) -> None:
        self._inner = inner
        self._refused = set(refused)
        self.codings: list[str] = []
        self.answered: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        coding = environ.get("HTTP_CONTENT_ENCODING", "")
        if environ["PATH_INFO"].endswith("_bulk_docs"):
            self.codings.append(coding)
        if coding in self._refused:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            body = b'{"error":"bad_content_type","reason":"not this coding"}'
            start("415 x", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]

        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if "_changes" in environ["PATH_INFO"] and "include_docs" in environ["QUERY_STRING"]:
                self.answered.append(dict(headers).get("Content-Encoding", ""))
            return start(status, headers, *rest)

        answer: Iterable[bytes] = self._inner(environ, note)
        return answer


@contextmanager
def recorded(store: SqliteStore, *refused: str) -> Iterator[tuple[Recorder, str]]:
    """Serve a store with a recorder in front; gives it and the URL."""
    recorder = Recorder(create_app(OpenAccess(store)), refused)
    with Server(recorder, host="127.0.0.1", port=0) as server:
        yield recorder, server.url.rstrip("/")


@given(st.binary(max_size=4000), st.integers(0, 400))
def test_what_is_packed_comes_out_and_a_part_of_it_is_its_beginning(data: bytes, missing: int) -> None:
    """Whole bodies come back as they were; torn ones are refused whole, and read as far as they go."""
    packed = DICTIONARY.compress(data)
    torn = packed[: max(0, len(packed) - 1 - missing)]

    assert decompress(packed, SHELF, len(data)) == data
    assert data.startswith(decompress_part(torn, SHELF, 10_000))
    with pytest.raises(BadRequest):
        decompress(torn, SHELF, 10_000)


def test_each_piece_can_be_read_when_it_has_come() -> None:
    """A stream is flushed piece by piece, so that a cut costs one piece."""
    pieces = [f'{{"row":{number}}}'.encode() * 200 for number in range(5)]
    sent = b""

    for count, out in enumerate(DICTIONARY.compress_pieces(pieces), start=1):
        sent += out
        assert decompress_part(sent, SHELF, 10**6) == b"".join(pieces[:count])
    assert decompress(sent, SHELF, 10**6) == b"".join(pieces)


def test_a_bomb_a_stranger_and_a_tail_are_refused() -> None:
    """256 MiB of nothing in a few bytes, a dictionary nobody has, bytes after the end, a header that is none."""
    packed = DICTIONARY.compress(b"x" * 100)
    bomb = DICTIONARY.compress(bytes(256 * 1024 * 1024))

    assert len(bomb) < 64 * 1024
    with pytest.raises(TooLarge):
        decompress(bomb, SHELF, 1024 * 1024)
    with pytest.raises(UnknownDictionary):
        decompress(packed, Shelf(()), 1000)
    for wrong in (packed + b"!", packed[:HEADER_BYTES], b"{}" * 30, packed[:8] + bytes(20)):
        with pytest.raises(BadRequest):
            decompress(wrong, SHELF, 1000)


def test_every_shipped_dictionary_is_what_its_name_says() -> None:
    """Names are the SHA-256 of the bytes; a wrong one can neither be loaded nor put on the shelf."""
    assert dictionaries.SHIPPED
    for name in dictionaries.SHIPPED:
        assert dictionaries.load(name).name == name
    with pytest.raises(BadRequest):
        Shelf(()).add(b"other bytes", dictionaries.SHIPPED[0])
    with pytest.raises(FileNotFoundError):
        dictionaries.load("../" + dictionaries.SHIPPED[0])


def test_between_our_nodes_both_ways_are_packed_with_the_dictionary(
    near: Database, near_peer: LocalPeer, store: SqliteStore, far_store: SqliteStore, events: Events
) -> None:
    """Batches go out as dcz, and the feed with its documents comes back as dcz."""
    near.bulk_docs(events(30), new_edits=False)
    back = store.create("back")
    with recorded(far_store) as (recorder, url):
        replicate(Pair(near_peer, HttpPeer(Endpoint(url), "far"), DatabaseState(near)))
        pulled = replicate(Pair(HttpPeer(Endpoint(url), "far"), LocalPeer(back, store.uuid), MemoryState()))

    assert set(recorder.codings) == {"dcz"}
    assert set(recorder.answered) == {"dcz"}
    assert pulled.docs_written == 30


@pytest.mark.parametrize(("refused", "taken"), [(("dcz",), "gzip"), (("dcz", "gzip"), "")])
def test_a_coding_that_is_refused_is_not_tried_again(
    near: Database, near_peer: LocalPeer, far_store: SqliteStore, events: Events, refused: tuple[str, ...], taken: str
) -> None:
    """415 leads from dcz to gzip to nothing, and everything arrives."""
    near.bulk_docs(events(60), new_edits=False)
    with recorded(far_store, *refused) as (recorder, url):
        figures = replicate(Pair(near_peer, HttpPeer(Endpoint(url), "far"), DatabaseState(near)))

    assert figures.docs_written == 60
    assert recorder.codings[-1] == taken
    assert recorder.codings.count("dcz") <= 2  # those that were on their way together


def test_a_dictionary_that_is_not_here_is_fetched_from_the_peer(
    near: Database, near_peer: LocalPeer, far_store: SqliteStore, events: Events
) -> None:
    """A node of another release asks for it once, checks its name, and packs with it from then on."""
    near.bulk_docs(events(120), new_edits=False)
    shelf = Shelf(())
    with recorded(far_store) as (recorder, url):
        replicate(Pair(near_peer, HttpPeer(Endpoint(url, shelf=shelf), "far"), DatabaseState(near)))

    assert shelf.names() == (dictionaries.SHIPPED[0],)
    assert recorder.codings[-1] == "dcz"
    assert far_store.open("far").info().doc_count == 120


def test_couchdb_is_sent_gzip(
    near: Database, near_peer: LocalPeer, server: str, far_peer: FarPeer, events: Events
) -> None:
    """A peer without the feature is never shown a dictionary; one with it is."""
    near.bulk_docs(events(20), new_edits=False)
    peer = far_peer()

    figures = replicate(Pair(near_peer, peer, DatabaseState(near)))

    assert peer.endpoint is not None
    is_ours = "tram-sync/1" in requests.get(server + "/", timeout=60).json()["features"]
    assert (peer.endpoint.dictionary is not None) == is_ours
    assert figures.docs_written == 20


def test_the_server_refuses_what_it_cannot_unpack(our_server: str, far_store: SqliteStore) -> None:
    """A strange dictionary is 415, a bomb 413, rubbish 400; the dictionary itself is there for everybody."""
    far_store.create("far")

    def send(body: bytes) -> int:
        headers = {"Content-Type": "application/json", "Content-Encoding": "dcz"}
        return requests.post(f"{our_server}/far/_bulk_docs", data=body, headers=headers, timeout=20).status_code

    good = DICTIONARY.compress(b'{"new_edits":false,"docs":[]}')
    assert send(good) == 201
    assert send(good[:8] + bytes(32) + good[40:]) == 415
    assert send(DICTIONARY.compress(bytes(130 * 1024 * 1024))) == 413
    assert send(good[:-3]) == 400
    assert requests.get(f"{our_server}/_dict/{DICTIONARY.name}", timeout=60).content == DICTIONARY.data
    assert requests.get(f"{our_server}/_dict/{'0' * 64}", timeout=60).status_code == 404


def test_an_answer_is_packed_only_for_who_names_the_dictionary(
    our_server: str, far_store: SqliteStore, events: Events
) -> None:
    """RFC 9842 §2.2: Available-Dictionary names it by hash; another hash, or no dcz in Accept-Encoding, gets gzip."""
    far_store.create("far").bulk_docs(events(20), new_edits=False)
    named = ":" + base64.b64encode(DICTIONARY.digest).decode() + ":"
    strange = ":" + base64.b64encode(bytes(32)).decode() + ":"

    def coding(accepts: str, available: str) -> str | None:
        headers = {"Accept-Encoding": accepts, "Available-Dictionary": available}
        with requests.get(f"{our_server}/far/_changes?limit=50", headers=headers, stream=True, timeout=60) as answer:
            return answer.headers.get("Content-Encoding")

    assert coding("dcz, gzip", named) == "dcz"
    assert coding("dcz, gzip", strange) == "gzip"
    assert coding("gzip", named) == "gzip"
    assert coding("dcz;q=0", named) is None
