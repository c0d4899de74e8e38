"""The server where the system gives no more: no thread, no file. And where the clock is set back."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from replication.serving import Server, Tuning
from tests.replication.http.conftest import Serve, read_response, wait_until

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


@contextmanager
def no_files_left() -> Iterator[None]:
    """Let this process open nothing more."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)  # every number below is in use
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(lowest)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_where_no_file_can_be_had_connections_wait_and_the_log_stays_short(caplog: pytest.LogCaptureFixture) -> None:
    """They are taken when there is room again. Told once a minute: a full disk would be the next thing."""
    with Server(answer_ok) as server:
        waiting = [socket.socket() for _ in range(3)]
        with no_files_left():
            for sock in waiting:
                sock.settimeout(20)
                sock.connect(("127.0.0.1", server.port))
                sock.sendall(ASK)
            wait_until(lambda: "no connection can be taken" in caplog.text)
            threading.Event().wait(0.6)  # not for synchronisation: what it says in such a time
            said = [record.getMessage() for record in caplog.records]
        for sock in waiting:
            with sock:
                assert read_response(sock)[1] == b"ok"
    assert len(said) == 1, said


def test_silent_connections_end_although_the_clock_was_set_back(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never spoke, and one between two requests."""
    client = serve(tuning=Tuning(idle_s=0.3))
    silent, spoke = client.raw(b""), client.raw(ASK)
    with silent, spoke:
        assert read_response(spoke)[0].startswith(b"HTTP/1.1 200")
        year_ago = time.time() - 365 * 86400
        monkeypatch.setattr(time, "time", lambda: year_ago)
        assert silent.recv(1) == b""
        assert spoke.recv(1) == b""
