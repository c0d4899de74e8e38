"""Bodies made to fill memory or to hold a worker."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest
import requests

from tests.replication.hostile.conftest import DATABASE, MIB, Target, assert_refused, read_answer

JSON = {"Content-Type": "application/json"}


def post(target: Target, path: str, data: bytes, **headers: str) -> tuple[int, bytes]:
    """Return status and body of a POST; (0, b"") where the server hung up on the sender."""
    try:
        answer = requests.post(f"{target.url}/{path}", data=data, headers={**JSON, **headers}, timeout=60)
    except requests.ConnectionError:
        return 0, b""
    return answer.status_code, answer.content


def zeros_gzipped(size: int) -> bytes:
    encoder = zlib.compressobj(9, wbits=31)
    piece = bytes(MIB)
    return b"".join([*(encoder.compress(piece) for _ in range(size // MIB)), encoder.flush()])


def test_a_body_of_100_megabytes_is_refused_before_it_is_read(target: Target) -> None:
    """Announced: 413 at the headers."""
    with target.withstands():
        head = f"POST /{DATABASE}/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        status, body = target.send_raw(f"{head}Content-Length: {100 * MIB}\r\n\r\n".encode() + b" " * MIB)
        assert_refused(status, body, 413)


def test_a_body_of_100_megabytes_in_chunks_is_cut_off(target: Target) -> None:
    """Not announced: 413 once it has passed the limit."""

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * MIB

    with target.withstands():
        try:
            answer = requests.post(f"{target.url}/_bulk_docs", data=pieces(), headers=JSON, timeout=60)
        except requests.ConnectionError:
            return
        assert_refused(answer.status_code, answer.content, 413)


def test_a_body_longer_than_announced_is_not_read_on(target: Target) -> None:
    """What follows the announced length is a request of its own, and refused as one."""
    with target.withstands(), target.connect() as sock:
        document = b'{"_id":"short"}'
        head = f"POST /{DATABASE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: {len(document)}\r\n\r\n".encode() + document)
        assert read_answer(sock)[0] == 201
        try:
            for _ in range(50):
                sock.sendall(b"x" * MIB)
        except OSError:
            return  # the server hung up
        status, body = read_answer(sock)
        assert_refused(status, body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["arrays", "objects"])
def test_json_nested_100000_deep_is_refused(target: Target, opening: bytes) -> None:
    """400, on every road that reads JSON."""
    deep = opening * 100_000
    closed = deep + b"1" + (b"]" if opening == b"[" else b"}") * 100_000
    with target.withstands():
        for path in ("_bulk_docs", "_revs_diff", "_find", "_bulk_get", "_all_docs", ""):
            for text in (deep, closed, b'{"docs":[{"_id":"deep","x":' + closed + b"}]}"):
                assert_refused(*post(target, path, text))


@pytest.mark.parametrize("filler", [b"[]", b"{}", b"0", b'"aa"', b"1.5"], ids=lambda filler: filler.decode())
def test_json_that_swells_in_memory_is_refused(target: Target, filler: bytes) -> None:
    """30 MB of text would be a gigabyte of objects."""
    text = b'{"docs":[{"_id":"swell","x":[' + b",".join([filler] * (30 * MIB // (len(filler) + 1))) + b"]}]}"
    with target.withstands():
        assert_refused(*post(target, "_bulk_docs", text))


def test_a_gzip_bomb_is_refused_before_it_goes_off(target: Target) -> None:
    """200 MB of zeros in 200 KB."""
    bomb = zeros_gzipped(200 * MIB)
    assert len(bomb) < 300_000
    with target.withstands():
        for path in ("_bulk_docs", "_revs_diff"):
            assert_refused(*post(target, path, bomb, **{"Content-Encoding": "gzip"}))


def test_a_gzip_bomb_as_an_attachment_stays_as_small_as_it_came(target: Target) -> None:
    """Stored as sent; whoever reads it decoded gets a refusal or a stream, the server keeps its memory."""
    bomb = zeros_gzipped(200 * MIB)
    with target.withstands():
        put = requests.put(
            f"{target.url}/bomb/zeros",
            data=bomb,
            headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"},
            timeout=60,
        )
        if put.status_code != 201:
            assert_refused(put.status_code, put.content)
            return
        for headers in ({"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}):
            with requests.get(f"{target.url}/bomb/zeros", headers=headers, stream=True, timeout=60) as answer:
                assert answer.status_code in (200, 413)


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,gzip", "deflate", "br", "x-bomb", "gzip;q=1"])
def test_other_and_nested_codings_are_not_unpacked(target: Target, coding: str) -> None:
    """415: one layer of gzip is all that is ever taken off."""
    nested = gzip.compress(gzip.compress(b"{}"))
    with target.withstands():
        assert_refused(*post(target, "_bulk_docs", nested, **{"Content-Encoding": coding}))


def test_a_hundred_slow_bodies_do_not_keep_anybody_waiting(target: Target) -> None:
    """A hundred connections with a byte a second each; honest requests are answered as ever."""
    head = f"POST /{DATABASE}/_bulk_docs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    pause = threading.Event()
    socks: list[socket.socket] = []
    try:
        with target.withstands():
            for _ in range(100):
                sock = target.connect()
                sock.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
                socks.append(sock)
            for _ in range(3):
                for sock in socks:
                    sock.sendall(b" ")
                pause.wait(1)
    finally:
        for sock in socks:
            sock.close()


def test_connections_left_half_open_do_not_keep_anybody_waiting(target: Target) -> None:
    """200 that say nothing, 100 that stop inside a header, 100 that closed their sending side."""
    socks = [target.connect() for _ in range(400)]
    try:
        with target.withstands():
            for sock in socks[200:300]:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Begun: ")
            for sock in socks[300:]:
                sock.sendall(b"POST /honest HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
                sock.shutdown(socket.SHUT_WR)
            answers = [read_answer(sock) for sock in socks[300:]]
        for status, body in answers:
            assert_refused(status, body)
    finally:
        for sock in socks:
            sock.close()


def test_keys_by_the_million_are_refused(target: Target) -> None:
    """`_all_docs`, `_bulk_get`, `_revs_diff` and `_purge` take no lists without end."""
    keys = json.dumps({"keys": ["k"] * 1_000_000}).encode()
    rows = b'{"docs":[' + b",".join([b'{"id":"k"}'] * 1_000_000) + b"]}"
    wanted = b"{" + b",".join(b'"%d":["1-a"]' % n for n in range(1_000_000)) + b"}"
    with target.withstands():
        assert_refused(*post(target, "_all_docs", keys))
        assert_refused(*post(target, "_bulk_get", rows))
        assert_refused(*post(target, "_revs_diff", wanted))
        assert_refused(*post(target, "_purge", wanted))


def test_open_revs_by_the_million_are_refused(target: Target) -> None:
    """In the URL, where alone they may stand."""
    revs = "[" + ",".join(['"1-a"'] * 1_000_000) + "]"
    with target.withstands():
        status, body = target.send_raw(f"GET /{DATABASE}/steady?open_revs={revs} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert_refused(status, body)


def test_a_million_revisions_of_one_document_in_revs_diff_are_refused(target: Target) -> None:
    """One id, a million revisions."""
    wanted = json.dumps({"steady": ["1-a"] * 1_000_000}).encode()
    with target.withstands():
        assert_refused(*post(target, "_revs_diff", wanted))


def test_a_since_of_megabytes_is_refused(target: Target) -> None:
    """In the URL and in a POST."""
    since = "9" * (4 * MIB)
    with target.withstands():
        status, body = target.send_raw(f"GET /{DATABASE}/_changes?since={since} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert_refused(status, body)
        answer = requests.get(f"{target.url}/_changes", params={"since": "9" * 8000}, timeout=60)
        assert_refused(answer.status_code, answer.content)
