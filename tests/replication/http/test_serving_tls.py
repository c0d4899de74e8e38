"""What only TLS has: handshakes, certificates, and ends of its own."""

from __future__ import annotations

import shutil
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cheroot.errors import FatalSSLAlert
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from replication.serving import Server, Tuning
from replication.serving.tls import LazyTls
from tests.replication.http.conftest import Pem, build_pem, read_from, read_response

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def greet_world(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The application of most tests."""
    start("200 OK", [("Content-Length", "7"), ("Content-Type", "text/plain")])
    return [b"Welcome"]


def dial(server: Server, certificate: Path | None = None, *, shown: Pem | None = None) -> socket.socket:
    """Connect; with the `certificate` that is trusted greet as well, and show one of our own if asked to."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    if certificate is None:
        return plain
    context = ssl.create_default_context(cafile=str(certificate))
    if shown is not None:
        context.load_cert_chain(*shown)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_tls_serves_beside_peers_that_never_greet(pem: Pem) -> None:
    """A handshake is a worker's business: one silent peer holds up nobody."""
    with Server(greet_world, **pem._asdict()) as server:
        silent = [dial(server) for _ in range(20)]
        half = dial(server)
        half.sendall(b"\x16\x03\x01")

        with dial(server, pem.certificate) as sock, sock.makefile("rb") as stream:
            sock.sendall(2 * ASK)
            assert [read_from(stream)[1] for _ in range(2)] == [b"Welcome", b"Welcome"]
        for other in (*silent, half):
            other.close()


def test_a_peer_that_greets_and_says_nothing_holds_no_worker(pem: Pem) -> None:
    """Browsers open connections ahead of time. They wait with all others that are silent."""
    with Server(greet_world, **pem._asdict(), tuning=Tuning(threads=1, max_threads=1)) as server:
        ahead = [dial(server, pem.certificate) for _ in range(5)]

        for sock in (dial(server, pem.certificate), *ahead):
            with sock:
                sock.sendall(ASK)
                assert read_response(sock)[1] == b"Welcome"


def test_who_speaks_plain_http_is_told_where_to_go(pem: Pem) -> None:
    """A browser given the address without https:// is sent to the same page, a program gets the reason."""
    page = b"GET /desk?q=a%20b HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nAccept: text/html,*/*;q=0.8\r\n\r\n"
    with Server(greet_world, **pem._asdict()) as server:
        with dial(server) as sock:
            sock.sendall(page)
            head, _ = read_response(sock)
            assert head.startswith(b"HTTP/1.1 307")
            assert b"\r\nLocation: https://127.0.0.1:8443/desk?q=a%20b\r\n" in head
        for asked in (ASK, page.replace(b"GET", b"POST"), page.replace(b"127.0.0.1:8443", b"x/@evil")):
            with dial(server) as sock:
                sock.sendall(asked + bytes(100_000))
                head, body = read_response(sock)
                assert head.startswith(b"HTTP/1.1 400")
                assert b"https://" in body
        with dial(server) as sock:
            sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            assert b"HTTP" not in sock.recv(1000)


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_a_peer_that_leaves_in_the_middle_of_its_answer_is_no_news_for_the_log(
    pem: Pem, is_reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """As over plain HTTP: on a weak link it happens all day."""
    ended = threading.Event()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        try:
            while True:
                yield bytes(65536)
        finally:
            ended.set()

    with Server(app, **pem._asdict()) as server:
        sock = dial(server, pem.certificate)
        sock.sendall(ASK)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        if is_reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        assert ended.wait(60)

    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []


def test_a_peer_that_has_left_before_it_was_taken_leaves_nothing_open(pem: Pem) -> None:
    """It ended with a reset: said as what it is, and the socket is closed (one left open is a warning, so an error)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        taken, _ = listener.accept()
        with pytest.raises(FatalSSLAlert):
            LazyTls(*pem).wrap(taken)
    assert taken.fileno() == -1


def test_a_peers_certificate_reaches_the_application(pem: Pem) -> None:
    """What a node showed in the handshake, as DER; None from who showed nothing."""
    seen: list[bytes | None] = []

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["tram.peer_certificate"])
        start("204 No Content", [])
        return []

    with Server(app, **pem._asdict(), client_ca=pem.certificate) as server:
        for shown in (pem, None):
            with dial(server, pem.certificate, shown=shown) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert sock.recv(1000).startswith(b"HTTP/1.1 204")

    assert seen == [
        x509.load_pem_x509_certificate(pem.certificate.read_bytes()).public_bytes(serialization.Encoding.DER),
        None,
    ]


def test_a_certificate_that_cannot_be_used_leaves_the_one_in_use(tmp_path: Path) -> None:
    """Certificate and key of two pairs: refused, and everybody is greeted as before. The whole pair is taken then."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, second = build_pem(tmp_path / "first"), build_pem(tmp_path / "second")
    used = Pem(tmp_path / "cert.pem", tmp_path / "key.pem")
    for mine, file in zip(used, first, strict=True):
        shutil.copy(file, mine)

    with Server(greet_world, **used._asdict()) as server:
        shutil.copy(second.certificate, used.certificate)
        with pytest.raises(OSError, match="MISMATCH"):
            server.reload_certificate()
        with dial(server, first.certificate) as sock:
            sock.sendall(ASK)
            assert read_response(sock)[1] == b"Welcome"

        shutil.copy(second.key, used.key)
        server.reload_certificate()
        with dial(server, second.certificate) as sock:
            sock.sendall(ASK)
            assert read_response(sock)[1] == b"Welcome"
