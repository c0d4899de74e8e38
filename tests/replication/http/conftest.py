"""A real server over a real SQLite store, and a client that speaks to it over a socket."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from replication.http import Limits, OpenAccess, create_app
from replication.serving import Server, Tuning
from replication.sqlite import SqliteStore


class Client:
    """One database of a running server. `call` returns the response; `json` asserts its status as well.

    `certificate` is what a server that speaks TLS shows, and the only one that is trusted.
    """

    def __init__(self, url: str, name: str, session: requests.Session, certificate: Path | None = None) -> None:
        self.root, self.name, self.session = url, name, session
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            session.verify, session.trust_env = str(certificate), False  # the environment's bundle would go before
            self._context = ssl.create_default_context(cafile=str(certificate))

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
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_hostname="127.0.0.1")
        sock.sendall(text)
        return sock


class Served(Client):
    """A client of a server that its test started, and may look into or stop."""

    def __init__(
        self, url: str, name: str, session: requests.Session, certificate: Path | None, server: Server
    ) -> None:
        super().__init__(url, name, session, certificate)
        self.server = server


class Pem(NamedTuple):
    """The files of a server that speaks TLS."""

    certificate: Path
    key: Path


Serve = Callable[..., Served]
Transport = dict[str, Any]  # of paths; the arguments of `Server`


def build_pem(folder: Path) -> Pem:
    """Write a certificate for loopback, which is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Pem(folder / "cert.pem", folder / "key.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Pem:
    """A certificate and its key, issued for this run."""
    return build_pem(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def transport() -> Transport:
    """What the servers of a module speak: `certificate` and `key` for TLS, nothing for plain HTTP."""
    return {}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, transport: Transport) -> Iterator[str]:
    """The address of one server for the whole module."""
    store = SqliteStore(tmp_path_factory.mktemp("store"))
    with Server(create_app(OpenAccess(store)), **transport) as server:
        yield server.url
    store.close()


@pytest.fixture
def client(url: str, transport: Transport, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client on a database of the test's own."""
    with requests.Session() as session:
        client = Client(url, f"t{abs(hash(request.node.nodeid)):x}", session, transport.get("certificate"))
        client.json("PUT", status=201)
        yield client
        client.call("DELETE")


@pytest.fixture
def serve(tmp_path: Path, transport: Transport) -> Iterator[Serve]:
    """Start a server with limits or tuning of its own, and return a client on its database `db`."""
    running: list[Any] = []

    def start(limits: Limits | None = None, tuning: Tuning | None = None) -> Served:
        store = SqliteStore(tmp_path)
        server = Server(create_app(OpenAccess(store), limits=limits), tuning=tuning, **transport)
        server.start()
        session = requests.Session()
        running.extend((session.close, server.stop, store.close))
        client = Served(server.url, "db", session, transport.get("certificate"), server)
        client.json("PUT", status=201)
        return client

    yield start
    for end in running:
        end()


@contextmanager
def dripping(sock: socket.socket) -> Iterator[None]:
    """Send a byte after another while the block runs, as long as anybody takes them."""
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.05):
            try:
                sock.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so, at most a minute."""
    deadline, ticks = time.monotonic() + 60, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline
        ticks.wait(0.02)


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
