"""What is CouchDB's own in the CouchDB engine: shared servers, spoilt batches, lost answers, stored encodings."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from replication.attached import build_digest
from replication.couch import CouchStore
from replication.couch.database import CouchDatabase
from replication.couch.link import Link
from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import (
    BadRequest,
    Conflict,
    IllegalDatabaseName,
    IllegalDocId,
    MissingStub,
    NotFound,
    Unauthorized,
)
from replication.store import GetRequest

URL = os.environ.get("TRAM_COUCHDB_URL")
if URL is None:
    pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against", allow_module_level=True)
ADDRESS: str = URL

pytestmark = pytest.mark.couchdb

A = DocId("a")
HASH = "0123456789abcdef" * 2


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(4)}-"


@pytest.fixture
def store(prefix: str) -> Iterator[CouchStore]:
    store = CouchStore(ADDRESS, prefix=prefix)
    yield store
    store.remove()
    store.close()


@pytest.fixture
def db(store: CouchStore) -> CouchDatabase:
    return store.create("db")


@pytest.fixture
def raw(store: CouchStore, prefix: str) -> Iterator[Link]:
    """CouchDB without the engine."""
    link = Link(ADDRESS)
    yield link
    link.close()


class AnswerLosingProxy:
    """Passes requests on to CouchDB. The answer to the first `_bulk_docs` is read and then lost with its connection."""

    def __init__(self) -> None:
        target = urlsplit(ADDRESS)
        self._target = (target.hostname or "", target.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._doomed: socket.socket | None = None
        self.lost = threading.Event()
        self.url = target._replace(
            netloc=f"{target.username}:{target.password}@127.0.0.1:{self._listener.getsockname()[1]}"
        ).geturl()
        self._run(self._accept)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        for each in (self._listener, *self._sockets):
            each.close()

    def _run(self, target: Callable[..., object], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                self._run(self._pass_requests, client, server)
                self._run(self._pass_answers, client, server)

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while request := client.recv(1 << 16):
                if b"_bulk_docs" in request and not self.lost.is_set():
                    self._doomed = client
                server.sendall(request)
            server.shutdown(socket.SHUT_WR)

    def _pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                if client is self._doomed:
                    self._doomed = None
                    self.lost.set()
                    break
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)


def test_stores_with_different_prefixes_share_a_server(store: CouchStore, prefix: str) -> None:
    """Neither sees or opens what is the other's, and each has its own uuid."""
    other = CouchStore(ADDRESS, prefix=prefix.replace("t", "u", 1))
    try:
        store.create("same")
        other.create("same").bulk_docs([Doc(A)])
        assert (store.names(), other.names()) == (["same"], ["same"])
        assert store.open("same").info().doc_count == 0
        assert store.uuid != other.uuid
        assert store.names() == ["same"]  # the identity is no database of the node
        with pytest.raises(NotFound):
            store.open("tram$store")
        with pytest.raises(IllegalDatabaseName):
            store.create("tram$store")
    finally:
        other.remove()
        other.close()


def test_the_uuid_is_the_same_for_every_process_until_rebirth(store: CouchStore, prefix: str) -> None:
    """Peers key checkpoints on it: stable over restarts, new after a restore."""
    first = CouchStore(ADDRESS, prefix=prefix)
    with ThreadPoolExecutor(4) as pool:  # made by whoever is first
        stores = [CouchStore(ADDRESS, prefix=prefix) for _ in range(4)]
        uuids = set(pool.map(lambda each: each.uuid, stores))
    assert uuids == {first.uuid}
    assert len(first.uuid) == 32
    first.rebirth()
    assert first.uuid not in uuids
    assert store.uuid == first.uuid
    for each in (first, *stores):
        each.close()


def test_databases_copied_to_another_server_do_not_take_the_uuid_along(
    store: CouchStore, raw: Link, prefix: str
) -> None:
    """The identity belongs to the server it was made on: here another one's is laid beside it."""
    uuid = store.uuid
    raw.json("PUT", (f"{prefix}tram$store", "store-of-another-server"), {"uuid": "0" * 32})
    fresh = CouchStore(ADDRESS, prefix=prefix)
    assert fresh.uuid == uuid
    fresh.close()


def test_wrong_credentials_are_told() -> None:
    """CouchDB's own words."""
    # A user nobody has: CouchDB locks an account after a few wrong passwords.
    netloc = urlsplit(ADDRESS).netloc.rpartition("@")[2]
    store = CouchStore(f"http://nobody-{secrets.token_hex(4)}:wrong@{netloc}", prefix="t-")
    with pytest.raises(Unauthorized, match="password"):
        store.names()
    store.close()


def test_a_database_removed_behind_our_back_is_not_found(store: CouchStore, raw: Link, prefix: str) -> None:
    """Every call says so; nothing is made anew in silence."""
    db = store.create("gone")
    raw.json("DELETE", (f"{prefix}gone",))
    for call in (db.info, lambda: db.get(A), lambda: db.bulk_docs([Doc(A)]), lambda: db.changes()):
        with pytest.raises(NotFound, match="Database does not exist"):
            call()


def test_an_empty_security_object_does_not_open_the_database(db: CouchDatabase, raw: Link, prefix: str) -> None:
    """`{}` in CouchDB means everybody; here it means nobody but CouchDB's admins."""
    db.set_security({"members": {"names": ["x"]}})
    db.set_security({})
    assert db.security() == {}
    assert raw.json("GET", (f"{prefix}db", "_security"))["members"]["roles"] == ["_admin"]


@pytest.mark.parametrize("new_edits", [True, False])
def test_an_answer_that_was_lost_does_not_turn_success_into_conflict(
    db: CouchDatabase, prefix: str, new_edits: bool
) -> None:
    """The batch is sent again, and what the first attempt stored is recognised."""
    proxy = AnswerLosingProxy()
    store = CouchStore(proxy.url, prefix=prefix)
    try:
        db.bulk_docs([Doc(DocId("taken"))])
        docs = [Doc(DocId(f"d{n}"), None, (), False, b'{"n":%d}' % n) for n in range(3)]
        docs = [Doc(doc.id, Rev("1-x"), ("x",), False, doc.body) for doc in docs] if not new_edits else docs
        taken = Doc(DocId("taken"), None, (), False, b'{"n":1}')
        results = store.open("db").bulk_docs([*docs, taken] if new_edits else docs, new_edits=new_edits)
        assert proxy.lost.is_set()
        assert [result.error for result in results[:3]] == [None, None, None]
        assert [db.get(doc.id).rev for doc in docs] == [result.rev for result in results[:3]]
        if new_edits:
            assert isinstance(results[3].error, Conflict)
    finally:
        store.close()
        proxy.close()


def test_stubs_without_bytes_spoil_nobody_elses_write(db: CouchDatabase) -> None:
    """CouchDB refuses the batch and stores some of it; here each document has its own outcome."""
    stub = {"f": Attachment("text/plain")}
    ids = [DocId(f"d{n}") for n in range(9)]
    assert db.bulk_docs([Doc(DocId("taken"))])[0].error is None
    results = db.bulk_docs([Doc(DocId("taken")), *(Doc(DocId(f"s{n}"), attachments=stub) for n in range(3))])
    assert [type(result.error) for result in results] == [Conflict, MissingStub, MissingStub, MissingStub]
    for new_edits in (True, False):
        rev, path = (None, ()) if new_edits else (Rev("1-x"), ("x",))
        docs = [Doc(doc_id, rev, path, attachments=stub if n % 4 == 2 else {}) for n, doc_id in enumerate(ids)]
        errors = [type(result.error) for result in db.bulk_docs(docs, new_edits=new_edits)]
        assert errors == [MissingStub if n % 4 == 2 else type(None) for n in range(9)]


def test_an_edit_of_a_document_that_never_was_is_a_conflict(db: CouchDatabase) -> None:
    """CouchDB 3.5 stores it once its shards hold something, alone or in a batch."""
    db.bulk_docs([Doc(DocId(f"d{n}")) for n in range(8)])
    assert isinstance(db.bulk_docs([Doc(A, Rev("1-x"))])[0].error, Conflict)
    edits = [Doc(DocId(f"never{n}"), Rev("1-x")) for n in range(6)]
    fresh = [Doc(DocId(f"fresh{n}")) for n in range(6)]
    results = db.bulk_docs([doc for pair in zip(edits, fresh, strict=True) for doc in pair])
    assert [type(result.error) for result in results] == [Conflict, type(None)] * 6


def test_compressed_attachments_keep_the_bytes_they_were_stored_with(db: CouchDatabase) -> None:
    """CouchDB compresses text itself; what comes from there fits its digest, singly and in bulk."""
    plain = "hồ sơ thủ tục hành chính ".encode() * 100
    db.bulk_docs([Doc(A, attachments={"t": Attachment("text/plain", data=plain)})])
    ((doc,),) = db.bulk_get([GetRequest(A)], attachments=True)
    assert isinstance(doc, Doc)
    found = doc.attachments["t"]
    assert found.data is not None
    assert (found.encoding, found.length, found.encoded_length) == ("gzip", len(plain), len(found.data))
    assert build_digest(found.data) == found.digest
    assert zlib.decompress(found.data, 31) == plain
    assert db.attachment(A, "t") == found


def test_long_ids_and_revision_lists_pass(db: CouchDatabase) -> None:
    """They travel in bodies; an address is bounded."""
    doc_id = DocId("ấ" * 2000)
    db.bulk_docs([Doc(doc_id, Rev(f"{n}-{HASH}"), (HASH,)) for n in range(1, 400)], new_edits=False)
    revs = [Rev(f"{n}-{HASH}") for n in range(1, 400)]
    assert [getattr(doc, "rev", None) for doc in db.open_revs(doc_id, revs)] == revs
    assert len(db.leaves(doc_id)) == 399
    assert db.get(doc_id, revs[4], atts_since=revs).rev == revs[4]


def test_local_documents_are_not_read_or_written_as_documents(db: CouchDatabase) -> None:
    """CouchDB would do both; the contract has calls of their own for them."""
    db.put_local("x", b"{}")
    with pytest.raises(NotFound, match="missing"):
        db.get(DocId("_local/x"))
    (result,) = db.bulk_docs([Doc(DocId("_local/y"))])
    assert isinstance(result.error, IllegalDocId)
    assert [local.id for local in db.local_docs()] == ["x"]


def test_a_body_that_is_no_json_object_fails_alone(db: CouchDatabase) -> None:
    """Bodies are passed on as they are, so one must not end early and smuggle in another document."""
    bodies = [b"{}", b"[]", b'{"a":1', b'{}},{"_id":"smuggled"', b'{"_x":1}', b"", b'{"n":NaN}']
    docs = [Doc(DocId(f"d{n}"), body=body) for n, body in enumerate(bodies)]
    results = db.bulk_docs(docs)
    assert results[0].error is None
    assert all(isinstance(result.error, BadRequest) for result in results[1:])
    assert [row.id for row in db.changes().rows] == ["d0"]


def test_numbers_beyond_64_bits_come_back_as_they_were(db: CouchDatabase) -> None:
    """In documents and local documents."""
    body = b'{"n":123456789012345678901234567890,"m":-9223372036854775809,"x":1.5}'
    db.bulk_docs([Doc(A, body=body)])
    db.put_local("l", body)
    assert json.loads(db.get(A).body) == json.loads(db.get_local("l").body) == json.loads(body)


def test_a_seq_of_the_other_engine_means_from_the_start(db: CouchDatabase) -> None:
    """A node that moved from SQLite to CouchDB asks again for everything rather than for nothing."""
    db.bulk_docs([Doc(A)])
    assert len(db.changes(Seq("17-0a1b2c3d")).rows) == 1
    assert db.wait_for_change(Seq("17-0a1b2c3d"), 5)
    with pytest.raises(BadRequest, match="sequence"):
        db.changes(Seq("nonsense"))


def test_bulk_calls_make_few_requests(db: CouchDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 documents are written with one and read with two; nothing is asked per document."""
    sent: list[str] = []
    request = Link.request

    def counting(self: Link, method: str, path: tuple[str, ...], *args: Any, **kwargs: Any) -> object:
        sent.append(path[-1])
        return request(self, method, path, *args, **kwargs)

    monkeypatch.setattr(Link, "request", counting)
    chunk = {"chunk": Attachment("application/octet-stream", data=b"x" * 100)}
    docs = [Doc(DocId(f"d{n:04}"), Rev("1-x"), ("x",), attachments=chunk) for n in range(2000)]
    db.bulk_docs(docs, new_edits=False)
    db.bulk_get([GetRequest(doc.id, doc.rev) for doc in docs], attachments=True)
    assert sent == ["_bulk_docs", "_bulk_get", "_bulk_get"]


def test_compaction_has_ended_on_every_shard_when_the_call_returns(store: CouchStore, raw: Link, prefix: str) -> None:
    """CouchDB answers an order before it has begun; here old bodies are gone from every file when `compact` returns."""
    raw.json("PUT", (f"{prefix}many",), params={"q": 8})
    db = store.open("many")
    first = db.bulk_docs([Doc(DocId(f"d{n}"), body=build_noise()) for n in range(160)])
    before = db.info().disk_size
    for round_ in range(3):
        edits = [Doc(DocId(f"d{n}"), result.rev, body=b'{"n":%d}' % round_) for n, result in enumerate(first)]
        first = db.bulk_docs(edits)

        db.compact()

        shards = list(read_shards(raw, f"{prefix}many"))
        assert len(shards) == 8
        assert all(shard["compacted_seq"] == shard["update_seq"] for shard in shards)
        assert not any(shard["compact_running"] for shard in shards)
        assert sum(shard["sizes"]["file"] for shard in shards) < before / 4


def build_noise() -> bytes:
    """Return a body that no compression shortens to nothing."""
    return b'{"t":"%s"}' % secrets.token_hex(10_000).encode()


def read_shards(raw: Link, database: str) -> Iterator[dict[str, Any]]:
    """Yield what each shard's file tells of itself."""
    shard_map = raw.json("GET", ("_node", "_local", "_dbs", database))
    suffix = bytes(shard_map["shard_suffix"]).decode()
    for span in shard_map["by_range"]:
        yield raw.json("GET", ("_node", "_local", f"shards/{span}/{database}{suffix}"))


def test_a_compaction_that_runs_already_is_waited_for(store: CouchStore, raw: Link, prefix: str) -> None:
    """It may have passed by what became old behind it, so another follows; many callers at once all return."""
    db = store.create("db")
    revs = db.bulk_docs([Doc(DocId(f"d{n}"), body=build_noise()) for n in range(100)])
    db.bulk_docs([Doc(DocId(f"d{n}"), result.rev, body=b"{}") for n, result in enumerate(revs)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: db.compact(), range(4)))
    assert all(shard["compacted_seq"] == shard["update_seq"] for shard in read_shards(raw, f"{prefix}db"))


def test_compacting_a_database_that_is_gone_says_so(store: CouchStore, raw: Link, prefix: str) -> None:
    """As every other call does, not in the words of CouchDB's map of shards."""
    db = store.create("gone")
    raw.json("DELETE", (f"{prefix}gone",))
    with pytest.raises(NotFound, match="Database does not exist"):
        db.compact()
