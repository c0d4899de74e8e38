"""The server under the protocol: connections, waiting readers, slow and broken peers, its end. All over TLS as well."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import requests

from replication.http import Limits
from replication.serving import Server, Tuning
from tests.replication.http.conftest import (
    Client,
    Pem,
    Serve,
    Transport,
    dripping,
    read_from,
    read_response,
    wait_until,
)


@pytest.fixture(scope="module", params=["plain", "tls"])
def transport(request: pytest.FixtureRequest, pem: Pem) -> Transport:
    """What holds on the one has to hold on the other."""
    return {} if request.param == "plain" else {"certificate": pem.certificate, "key": pem.key}


def ask(client: Client, rest: bytes, body: bytes = b"", method: bytes = b"GET", extra: bytes = b"") -> bytes:
    """Return the bytes of one request."""
    head = b"%b /%b/%b HTTP/1.1\r\nHost: x\r\n" % (method, client.name.encode(), rest)
    if body:
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    return head + extra + b"\r\n" + body


def test_requests_written_in_one_go_are_answered_in_order(client: Client) -> None:
    """Pipelining: what keeps a long line full."""
    writes = b"".join(ask(client, b"d%d" % n, b'{"n":%d}' % n, b"PUT") for n in range(20))
    reads = b"".join(ask(client, b"d%d" % n) for n in range(20))

    with client.raw(writes + reads) as sock, sock.makefile("rb") as stream:
        answers = [read_from(stream) for _ in range(40)]

    assert all(head.startswith(b"HTTP/1.1 201") for head, _ in answers[:20])
    assert [b'"n":%d}' % n in body for n, (_, body) in enumerate(answers[20:])] == [True] * 20


def test_a_connection_is_kept_over_refusals_and_unread_bodies(client: Client) -> None:
    """What a handler did not read is no request."""
    text = (
        ask(client, b"nope/x/y", b'{"a":1}' * 100, b"DELETE") + ask(client, b"zzz") + ask(client, b"", method=b"HEAD")
    )
    text += ask(client, b"_changes", b"{}", b"PUT") + ask(client, b"")

    with client.raw(text) as sock, sock.makefile("rb") as stream:
        assert read_from(stream)[0].startswith(b"HTTP/1.1 404")
        assert read_from(stream)[0].startswith(b"HTTP/1.1 404")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.readline()
        assert head.startswith(b"HTTP/1.1 200")
        assert read_from(stream)[0].startswith(b"HTTP/1.1 405")
        assert b'"db_name"' in read_from(stream)[1]


def test_a_chunked_body_is_read_however_it_is_cut(client: Client) -> None:
    """Chunks, extensions and trailers; the next request begins behind them."""
    head = ask(client, b"a", method=b"PUT", extra=b"Transfer-Encoding: chunked\r\n")
    chunks = b'1\r\n{\r\n4;x=y\r\n"n":\r\n2\r\n1}\r\n0\r\nX-Trailer: 1\r\n\r\n'

    with client.raw(head) as sock, sock.makefile("rb") as stream:
        for byte in chunks + ask(client, b"a"):
            sock.sendall(bytes([byte]))
        assert read_from(stream)[0].startswith(b"HTTP/1.1 201")
        assert b'"n":1' in read_from(stream)[1]


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n", b"-1\r\n", b"1_0\r\nx", b"2\r\n{}X\r\n0\r\n\r\n", b"\r\n", b"f" * 20 + b"\r\n"]
)
def test_a_malformed_chunk_is_refused(client: Client, chunks: bytes) -> None:
    """400 and the end: nobody knows where the next request would begin."""
    text = ask(client, b"a", method=b"PUT", extra=b"Transfer-Encoding: chunked\r\n") + chunks

    with client.raw(text) as sock:
        head, body = read_response(sock)

    assert head.startswith(b"HTTP/1.1 400")
    assert b'"error":"bad_request"' in body


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_as_json(client: Client, text: bytes) -> None:
    """The server's own refusals have the shape of all others."""
    with client.raw(text) as sock:
        head, body = read_response(sock)

    assert b"Content-Type: application/json" in head
    assert body.startswith(b'{"error":"')


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(client: Client) -> None:
    """Expect: 100-continue."""
    body = b'{"n":1}'
    head = ask(client, b"a", method=b"PUT", extra=b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(body))

    with client.raw(head) as sock:
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_response(sock)[0].startswith(b"HTTP/1.1 201")


def test_a_body_too_large_is_answered_although_the_peer_still_sends(serve: Serve) -> None:
    """413 arrives; a reset would eat it."""
    client = serve(Limits(max_body=1000))

    with client.raw(ask(client, b"a", bytes(3_000_000), b"PUT")) as sock:
        head, body = read_response(sock)

    assert head.startswith(b"HTTP/1.1 413")
    assert b"too_large" in body


def test_a_body_that_trickles_is_given_up(serve: Serve) -> None:
    """408, and the worker is free again."""
    client = serve(Limits(body_grace_s=0.1, min_body_rate=1_000_000))
    text = ask(client, b"a", b"x" * 100, b"PUT")

    with client.raw(text[:-100]) as sock, dripping(sock):
        head, body = read_response(sock)

    assert head.startswith(b"HTTP/1.1 408")
    assert b'"timeout"' in body


def test_a_head_that_trickles_is_given_up(serve: Serve) -> None:
    """408 once it took as long as a silent connection may, although never silent; its worker serves the next one."""
    client = serve(tuning=Tuning(threads=1, max_threads=1, idle_s=0.5))

    with client.raw(b"GET / HTTP/1.1\r\nX: ") as sock, dripping(sock):
        head, _ = read_response(sock)

    assert head.startswith(b"HTTP/1.1 408")
    with client.raw(ask(client, b"nope")) as sock:
        assert read_response(sock)[0].startswith(b"HTTP/1.1 404")


def test_a_silent_connection_ends_after_its_time(serve: Serve) -> None:
    """Without a byte, and in the middle of a body."""
    client = serve(tuning=Tuning(idle_s=0.3))

    with client.raw(b"") as sock:
        assert sock.recv(1) == b""
    with client.raw(ask(client, b"a", b"xx", b"PUT")[:-1]) as sock:
        head, body = read_response(sock)
    assert head.startswith(b"HTTP/1.1 503")  # as for any trouble that passes: senders come again
    assert b"the rest of the request did not come" in body


def test_two_hundred_waiting_readers_leave_room_for_requests(serve: Serve) -> None:
    """The pool grows with them and shrinks when they have gone."""
    client = serve(tuning=Tuning(threads=4, spare_s=0.2))
    since = client.json("GET")["update_seq"]
    feed = b"_changes?feed=longpoll&since=%b&heartbeat=30000" % since.encode()

    readers = [client.raw(ask(client, feed)) for _ in range(200)]
    for reader in readers:
        assert b'{"results":[' in _receive_until(reader, b"[")
    begun = time.monotonic()
    for number in range(20):
        client.json("GET", f"nope{number}", status=404)
    took = time.monotonic() - begun
    client.put("a")
    ends = [_receive_until(reader, b"pending") for reader in readers]
    for reader in readers:
        reader.close()

    assert took < 25  # a reader in the way of one would hold it for its heartbeat
    assert all(b'"id":"a"' in end for end in ends)
    wait_until(lambda: client.server.threads <= 8)


def _receive_until(sock: socket.socket, mark: bytes) -> bytes:
    text = b""
    while mark not in text:
        piece = sock.recv(65536)
        assert piece, text
        text += piece
    return text


def test_stop_is_prompt_although_feeds_are_open(serve: Serve) -> None:
    """Feeds notice; nobody waits for their heartbeat."""
    client = serve()
    feeds = [client.raw(ask(client, b"_changes?feed=continuous&since=now&heartbeat=30000")) for _ in range(5)]
    wait_until(lambda: client.server.threads >= 1)
    begun = time.monotonic()

    client.server.stop()

    assert time.monotonic() - begun < 20  # a heartbeat is 30
    for feed in feeds:
        feed.close()
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", client.port), timeout=2)


def test_stopping_in_the_middle_of_requests_is_quick_and_leaves_no_thread_in_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers hand connections back while the selector closes; an error in any thread would fail this test.

    Not over TLS: a client whose server ends as it greets leaves its socket to the garbage collector (Python's `ssl`).
    """
    monkeypatch.setattr("replication.serving.server._CherootServer.expiration_interval", 60.0)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "2"), ("Content-Type", "text/plain")])
        return [b"ok"]

    def ask(url: str, met: threading.Event) -> None:
        with requests.Session() as session, contextlib.suppress(requests.RequestException):
            while session.get(url, timeout=60).ok:
                met.set()

    took = []
    for _ in range(20):
        with Server(app) as server:
            met = threading.Event()
            askers = [threading.Thread(target=ask, args=(server.url, met)) for _ in range(3)]
            for asker in askers:
                asker.start()
            assert met.wait(60)
            begun = time.monotonic()
            server.stop()
            took.append(time.monotonic() - begun)
        for asker in askers:
            asker.join(60)

    assert min(took) < 20  # it does not sit out the selector's interval


def test_a_short_answer_is_one_packet() -> None:
    """Head and body leave in one write."""

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "2"), ("Content-Type", "text/plain")])
        return [b"ok"]

    with Server(app) as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).endswith(b"\r\n\r\nok")


def test_an_application_that_fails_ends_its_request_and_not_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """Its worker serves the next one."""

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/fail":
            raise RuntimeError("broken")
        start("204 No Content", [])
        return []

    with Server(app, tuning=Tuning(threads=1, max_threads=1)) as server:
        for path, status in ((b"/fail", b"500"), (b"/ok", b"204"), (b"/fail", b"500"), (b"/ok", b"204")):
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
                sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert sock.recv(65536).startswith(b"HTTP/1.1 " + status)
    assert "broken" in caplog.text
