"""Real stores, a real server over one of them, and documents of every kind."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from replication.document import Doc, DocId, Rev
from replication.http import OpenAccess, create_app
from replication.peers import Endpoint, EndpointOptions, HttpPeer, LocalPeer
from replication.serving import Server
from replication.sqlite import SqliteStore
from replication.store import Database

COUCHDB_URL = os.environ.get("TRAM_COUCHDB_URL")


@pytest.fixture(autouse=True)
def _told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs tell how they stand ten times as often as people want to hear it: tests act on it."""
    monkeypatch.setattr("replication.replicator.telling.PROGRESS_EVERY_S", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """The store on our side of the link."""
    with_close = SqliteStore(tmp_path / "here")
    yield with_close
    with_close.close()


@pytest.fixture
def far_store(tmp_path: Path) -> Iterator[SqliteStore]:
    """The store behind the server `our_server`."""
    far = SqliteStore(tmp_path / "there")
    yield far
    far.close()


@pytest.fixture
def our_server(far_store: SqliteStore) -> Iterator[str]:
    """The URL of our own CouchDB-compatible server over `far_store`."""
    with Server(create_app(OpenAccess(far_store)), host="127.0.0.1", port=0) as server:
        yield server.url.rstrip("/")


@pytest.fixture(params=["ours", pytest.param("couchdb", marks=pytest.mark.couchdb)])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a peer: our server, and the CouchDB of TRAM_COUCHDB_URL where there is one."""
    if request.param == "ours":
        return str(request.getfixturevalue("our_server"))
    if COUCHDB_URL is None:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against")
    return COUCHDB_URL.rstrip("/")


@pytest.fixture
def far_name(server: str) -> Iterator[str]:
    """A database name nobody else uses; the database is removed afterwards."""
    name = "r" + secrets.token_hex(6)
    yield name
    requests.delete(f"{server}/{name}", timeout=60)


@pytest.fixture
def far_peer(server: str, far_name: str) -> Callable[..., HttpPeer]:
    """A function that returns a peer for the far database, at `port` of a weak link in front of it if given.

    It is as patient on a line it knows as on others: a machine that stands still for some seconds is no cut.
    """

    def build(port: int | None = None, *, stall_s: float = 20.0) -> HttpPeer:
        url = server if port is None else server[: server.rindex(":")] + f":{port}"
        return HttpPeer(Endpoint(url, options=EndpointOptions(stall_s=stall_s, least_stall_s=stall_s)), far_name)

    return build


@pytest.fixture
def address(server: str) -> tuple[str, int]:
    """Host and port of the server, for a weak link in front of it."""
    return "127.0.0.1", int(server.rpartition(":")[2])


@pytest.fixture
def events() -> Callable[..., list[Doc]]:
    """A function that returns immutable documents of about 1 KB, ids and revisions made from their content."""

    def build(count: int, *, first: int = 0, size: int = 700) -> list[Doc]:
        return [_event(number, size) for number in range(first, first + count)]

    return build


def _event(number: int, size: int) -> Doc:
    filler = hashlib.shake_256(str(number).encode()).hexdigest(size // 2)
    body = json.dumps({"event": {"n": number, "name": "Nguyễn Thị Hồng"}, "filler": filler}).encode()
    digest = hashlib.sha256(body).hexdigest()[:32]
    return Doc(DocId(f"event-{number:05d}"), Rev(f"1-{digest}"), (digest,), body=body)


@pytest.fixture
def near(store: SqliteStore) -> Database:
    """A database on our side."""
    return store.create("near")


@pytest.fixture
def near_peer(near: Database, store: SqliteStore) -> LocalPeer:
    """The near database as a peer."""
    return LocalPeer(near, store.uuid)


Leaves = dict[str, list[tuple[str, bool, object, list[tuple[str, bytes]]]]]


@pytest.fixture
def leaves_of() -> Callable[[Database], Leaves]:
    """A function that returns every leaf of a database: revision, tombstone, body, attachments by name."""

    def read(database: Database) -> Leaves:
        return {
            row.id: sorted(
                (
                    str(doc.rev),
                    doc.deleted,
                    json.loads(doc.body),
                    sorted((name, database.attachment(doc.id, name, doc.rev).data or b"") for name in doc.attachments),
                )
                for doc in database.open_revs(row.id, None)
                if isinstance(doc, Doc)
            )
            for row in database.changes().rows
        }

    return read
