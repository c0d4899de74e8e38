"""A real server over a real SQLite store, and a client that speaks to it over a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from replication.http import Limits, OpenAccess, create_app
from replication.serving import Server, Tuning
from replication.sqlite import SqliteStore


class Client:
    """One database of a running server. `call` returns the response; `json` asserts its status as well."""

    def __init__(self, url: str, name: str, session: requests.Session) -> None:
        self.root, self.name, self.session = url, name, session

    @property
    def port(self) -> int:
        return int(self.root.rstrip("/").rsplit(":", 1)[1])

    def call(self, method: str, path: str = "", body: Any = None, **options: Any) -> requests.Response:
        """Send a request below the database; a path that begins with a slash is below the server."""
        url = self.root + path[1:] if path.startswith("/") else f"{self.root}{self.name}/{path}"
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.session.request(method, url, headers=headers, timeout=20, **options)

    def json(self, method: str, path: str = "", body: Any = None, *, status: int = 200, **options: Any) -> Any:
        """Send a request and return its JSON, asserting the status."""
        response = self.call(method, path, body, **options)
        assert response.status_code == status, response.text
        return response.json()

    def put(self, doc_id: str, **members: Any) -> str:
        """Write a document and return its revision."""
        return str(self.json("PUT", doc_id, members, status=201)["rev"])

    def graft(self, *docs: dict[str, Any]) -> None:
        """Write revisions as a replicator does."""
        assert self.json("POST", "_bulk_docs", {"docs": list(docs), "new_edits": False}, status=201) == []

    def raw(self, text: bytes) -> socket.socket:
        """Open a connection of its own and send `text` over it."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        sock.sendall(text)
        return sock


class Served(Client):
    """A client of a server that its test started, and may look into or stop."""

    def __init__(self, url: str, name: str, session: requests.Session, server: Server) -> None:
        super().__init__(url, name, session)
        self.server = server


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one server for the whole module."""
    store = SqliteStore(tmp_path_factory.mktemp("store"))
    with Server(create_app(OpenAccess(store))) as server:
        yield server.url
    store.close()


@pytest.fixture
def client(url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client on a database of the test's own."""
    with requests.Session() as session:
        client = Client(url, f"t{abs(hash(request.node.nodeid)):x}", session)
        client.json("PUT", status=201)
        yield client
        client.call("DELETE")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with limits or tuning of its own, and return a client on its database `db`."""
    running: list[Any] = []

    def start(limits: Limits | None = None, tuning: Tuning | None = None, **options: Any) -> Served:
        store = SqliteStore(tmp_path)
        server = Server(create_app(OpenAccess(store), limits=limits), tuning=tuning, **options)
        server.start()
        session = requests.Session()
        running.extend((session.close, server.stop, store.close))
        client = Served(server.url, "db", session, server)
        if "certificate" not in options:
            client.json("PUT", status=201)
        return client

    yield start
    for end in running:
        end()


def read_response(sock: socket.socket) -> tuple[bytes, bytes]:
    """Read one response with a Content-Length; return its head and its body."""
    with sock.makefile("rb") as stream:
        return read_from(stream)


def read_from(stream: Any) -> tuple[bytes, bytes]:
    """Read one response off a stream that may hold more behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        assert line, f"connection ended inside {head!r}"
        head += line
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head, stream.read(length)
