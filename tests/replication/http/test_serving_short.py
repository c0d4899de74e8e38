"""The server where the system gives no more threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from replication.serving import Server, Tuning
from tests.replication.http.conftest import read_response, wait_until

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def answer_ok(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """An application."""
    start("200 OK", [("Content-Length", "2"), ("Content-Type", "text/plain")])
    return [b"ok"]


def send(server: Server) -> socket.socket:
    """Ask something on a connection of its own."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.sendall(ASK)
    return sock


def test_where_no_thread_can_be_had_requests_wait_for_one_another(caplog: pytest.LogCaptureFixture) -> None:
    """Every one is answered when a worker is free, it is told once, and the server stops as ever."""
    entered, go_on = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        go_on.wait(60)
        return answer_ok(environ, start)

    with Server(app, tuning=Tuning(threads=1, max_threads=8)) as server:
        first = send(server)
        assert entered.wait(60)
        usual = threading.stack_size(1 << 46)  # more than there are addresses: the system refuses every thread
        try:
            asked = [first, *(send(server) for _ in range(4))]
            wait_until(lambda: server._server.requests._queue.qsize() == 4)
        finally:
            threading.stack_size(usual)
        assert server.threads == 1
        go_on.set()
        for sock in asked:
            with sock:
                assert read_response(sock)[1] == b"ok"
    assert caplog.text.count("requests wait for one another") == 1
