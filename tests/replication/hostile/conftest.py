"""One real server for all attacks, and an honest client that keeps asking it."""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.replication.durability.process import ServerProcess

MIB = 1024 * 1024
MEMORY_BYTES = 64 * MIB  # how much the server may grow under any one attack
# How long honest requests may take meanwhile: half of them, where there are enough to tell, and each.
ANSWER_S, LATEST_S, ENOUGH = 1.0, 20.0, 5
DATABASE = "honest"


class Honest(threading.Thread):
    """Reads and writes small documents without a pause; notes how long each answer took."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url}/{DATABASE}/steady"
        self._ended = threading.Event()
        self.seconds: list[float] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        with requests.Session() as session:
            while not self._ended.is_set():
                self._ask(session)
                self._ended.wait(0.05)

    def _ask(self, session: requests.Session) -> None:
        began = time.monotonic()
        try:
            answer = session.get(self._url, timeout=60)
            if answer.status_code != 200 or answer.json()["text"] != "steady":
                self.wrong.append(answer.text)
        except requests.RequestException as exc:
            self.wrong.append(repr(exc))
        self.seconds.append(time.monotonic() - began)

    def finish(self) -> None:
        self._ended.set()
        self.join(90)


class Target:
    """The server under attack."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.url = f"{server.url}/{DATABASE}"
        self.address = ("127.0.0.1", server.port)

    @contextmanager
    def withstands(self) -> Iterator[None]:
        """Judge the server while the block attacks it: memory, honest answers during and after, still alive."""
        self.server.forget_peak()
        before = self.server.read_memory()
        honest = Honest(self.server.url)
        honest.start()
        try:
            yield
        finally:
            honest.finish()
        assert self.server.is_alive
        assert honest.wrong == []
        assert honest.seconds, "nobody asked"
        print(f"{len(honest.seconds)} honest requests, {max(honest.seconds):.2f} s the longest")
        # Other processes of this machine may take the processor for a while; a server that is blocked is late for all.
        assert len(honest.seconds) < ENOUGH or statistics.median(honest.seconds) < ANSWER_S
        assert max(honest.seconds) < LATEST_S, f"an honest request took {max(honest.seconds):.1f} s"
        began = time.monotonic()
        assert requests.get(self.url, timeout=60).status_code == 200
        assert time.monotonic() - began < LATEST_S
        grown = self.server.read_memory("VmHWM") - before
        assert grown < MEMORY_BYTES, f"memory grew by {grown / MIB:.0f} MiB"

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    def send_raw(self, raw: bytes, *, half_close: bool = False) -> tuple[int, bytes]:
        """Send bytes as they are; return status and body of the first answer, (0, b"") where only the line ended."""
        with self.connect() as sock:
            try:
                sock.sendall(raw)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused while still sending: the answer may be there all the same
            return read_answer(sock)

    def forget(self) -> None:
        """Begin with an empty database and the one honest document."""
        requests.delete(self.url, timeout=60)
        requests.put(self.url, timeout=60).raise_for_status()
        requests.put(f"{self.url}/steady", json={"text": "steady"}, timeout=60).raise_for_status()


def read_answer(sock: socket.socket) -> tuple[int, bytes]:
    """Return status and body of one answer with a length, (0, b"") where the line ended without any."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                return 0, b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        while len(body) < length:
            piece = sock.recv(65536)
            if not piece:
                break
            body += piece
    except ConnectionError:
        return 0, b""
    return int(data.split(b" ", 2)[1]), body


def assert_refused(status: int, body: bytes, *allowed: int) -> None:
    """The answer is a JSON error of an allowed status, or the connection just ended."""
    if status == 0:
        return
    assert status in (allowed or range(400, 500)), (status, body[:300])
    answer = json.loads(body)
    assert answer["error"]
    assert answer["reason"]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`python -m replication serve`, one for the folder."""
    process = ServerProcess(Path(tmp_path_factory.mktemp("hostile")) / "store")
    yield process
    process.stop()


@pytest.fixture
def target(server: ServerProcess) -> Target:
    """The server with a fresh database."""
    made = Target(server)
    made.forget()
    return made
