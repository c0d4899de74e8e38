"""What came of a request body before the line broke is kept, bounded, and nobody else's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
import requests

from replication.errors import BadRequest
from replication.http import OpenAccess, bodies, create_app
from replication.http.bodies import Bodies, BodyNotHeld
from replication.serving import Server
from replication.sqlite import SqliteStore

NAME = "n" * 22


def through(held: Bodies, sender: str, name: str, at: int, *pieces: bytes) -> bytes:
    return b"".join(held.receive(sender, name, at, iter(pieces)))


def broken(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise ConnectionError("the line broke")


def tear(held: Bodies, sender: str, name: str, *pieces: bytes) -> None:
    with pytest.raises(ConnectionError):
        list(held.receive(sender, name, 0, broken(*pieces)))


def test_a_torn_body_goes_on_where_it_was_torn() -> None:
    """Overlap is allowed, a gap is refused, and what came whole is remembered without its bytes."""
    held = Bodies()
    tear(held, "a", NAME, b"0123", b"4567")

    assert held.sizes("a", [NAME, "other" * 5]) == {NAME: 8}
    with pytest.raises(BodyNotHeld, match="9 bytes"):
        through(held, "a", NAME, 9, b"x")
    assert through(held, "a", NAME, 6, b"67", b"89") == b"0123456789"
    assert held.sizes("a", [NAME]) == {NAME: True}
    assert held.bytes_held == 0


def test_one_sender_knows_nothing_of_anothers_bodies() -> None:
    """The same name is another body for another sender."""
    held = Bodies()
    tear(held, "a", NAME, b"secret")

    assert held.sizes("b", [NAME]) == {}
    with pytest.raises(BodyNotHeld):
        through(held, "b", NAME, 6, b"")


def test_the_connection_that_went_on_is_the_one_that_counts() -> None:
    """An older connection that does not know yet that it is dead adds nothing any more."""
    held = Bodies()
    old = held.receive("a", NAME, 0, iter([b"01", b"23", b"XX"]))
    assert (next(old), next(old)) == (b"01", b"23")

    assert through(held, "a", NAME, 4, b"45") == b"012345"
    with pytest.raises(BadRequest, match="another connection"):
        next(old)


def test_what_is_held_is_bounded_in_number_bytes_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first; a body too large to keep is heeded all the same when it comes whole."""
    monkeypatch.setattr(bodies, "MAX_BYTES", 1000)
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 400)
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    held = Bodies()
    names = [f"{number:022d}" for number in range(12)]
    for name in names:
        tear(held, "a", name, b"x" * 10)
    assert list(held.sizes("a", names)) == names[-bodies.MAX_BODIES_OF_ONE :]

    for sender in "bcdefg":
        tear(held, sender, NAME, b"y" * 300)
    assert held.bytes_held <= 1000
    assert held.sizes("b", [NAME]) == {}
    assert held.sizes("g", [NAME]) == {NAME: 300}

    assert through(held, "h", NAME, 0, b"z" * 300, b"z" * 300) == b"z" * 600
    tear(held, "i", NAME, b"z" * 300, b"z" * 300)
    assert held.sizes("i", [NAME]) == {NAME: 300}

    clock[0] = bodies.MAX_AGE_S + 1
    assert held.sizes("g", [NAME]) == {}
    assert held.bytes_held == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server with the database `db`."""
    store = SqliteStore(tmp_path)
    store.create("db")
    with Server(create_app(OpenAccess(store)), port=0) as running:
        yield running.url
    store.close()


def head(size: int, value: str, password: str = "YTpi") -> bytes:
    """Return the head of a `_bulk_docs` with a body of `size` bytes, from user `a`."""
    lines = ["POST /db/_bulk_docs HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {size}"]
    return "\r\n".join([*lines, f"Authorization: Basic {password}", f"Tram-Body: {value}"]).encode() + b"\r\n\r\n"


def test_a_body_torn_on_the_socket_is_heeded_once_it_is_whole(server: str, eventually: Callable[..., None]) -> None:
    """The connection is reset in the middle; the question says how much came; the rest makes the documents appear."""
    body = orjson.dumps({"new_edits": False, "docs": [{"_id": f"d{n}", "_rev": "1-" + "a" * 32} for n in range(99)]})
    port = int(server.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(head(len(body), NAME) + body[:2500])
        eventually(lambda: asked(server, "a") == {NAME: 2500})

    assert asked(server, "b") == {}
    assert requests.get(f"{server}db", timeout=60).json()["doc_count"] == 0
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(head(len(body) - 2500, f"{NAME};at=2500") + body[2500:])
        assert line.recv(4096).startswith(b"HTTP/1.1 201")
    assert requests.get(f"{server}db", timeout=60).json()["doc_count"] == 99
    assert asked(server, "a") == {NAME: True}


def asked(server: str, user: str) -> object:
    answer = requests.get(f"{server}_tram/bodies?ids={NAME}", auth=(user, "b"), timeout=60)
    return answer.json()["bodies"]


def test_a_body_that_goes_on_behind_what_is_held_is_refused_by_name(server: str) -> None:
    """409 `body_not_held`: nothing is stored. A name that is none is 400."""
    port = int(server.rstrip("/").rpartition(":")[2])
    for value, status, word in ((f"{'z' * 22};at=5", b"409", b"body_not_held"), ("short", b"400", b"bad_request")):
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(head(2, value) + b"{}")
            answer = line.recv(4096)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert word in answer
    many = ",".join(f"{number:022d}" for number in range(17))
    assert requests.get(f"{server}_tram/bodies?ids={many}", timeout=60).status_code == 400


@pytest.fixture
def eventually() -> Callable[..., None]:
    """A function that asks again until something holds, at most a minute."""

    def wait(holds: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(1200):
            if holds():
                return
            pause.wait(0.05)
        raise AssertionError("it never held")

    return wait
