"""Requests that two servers in a row could read differently, and lines that are no HTTP."""

from __future__ import annotations

import json

import pytest

from tests.replication.hostile.conftest import DATABASE, Target, assert_refused, read_answer

SMUGGLED = b"DELETE /honest HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 50\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 50\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5_0\r\n",
        "Content-Length: ٥\r\n".encode(),
        b"Content-Length : 5\r\n",
        b"Content-Length: 5\r\n folded\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: ,\r\n",
        b"Transfer-Encoding:\r\n",
    ],
    ids=ascii,
)
def test_an_ambiguous_length_smuggles_nothing(target: Target, framing: bytes) -> None:
    """Refused, or read in a way that leaves no second request behind: the database is still there."""
    head = b"POST /" + DATABASE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with target.withstands():
        for body in (b"0\r\n\r\n" + SMUGGLED, b"{}   " + SMUGGLED, b"5\r\n{}   \r\n0\r\n\r\n" + SMUGGLED):
            status, answer = target.send_raw(head + framing + b"\r\n" + body, half_close=True)
            assert_refused(status, answer, *range(400, 500), 501)


def test_a_chunked_request_of_http_1_0_smuggles_nothing(target: Target) -> None:
    """HTTP/1.0 has no chunks (RFC 9112 §6.1): a server before this one may have read them, and kept the connection."""
    head = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    with target.withstands():
        status, answer = target.send_raw(head + SMUGGLED, half_close=True)
        assert status == 400
        assert_refused(status, answer)


@pytest.mark.parametrize(
    "chunks",
    [
        b"-5\r\n{}   \r\n0\r\n\r\n",
        b"+5\r\n{}   \r\n0\r\n\r\n",
        b"5_\r\n{}   \r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n{}",
        b"5\r\n{}   XX0\r\n\r\n",
        b"5" + b";x" * 100_000 + b"\r\n{}   \r\n0\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 100_000,
        b"\r\n",
        b"zz\r\n",
    ],
    ids=lambda chunks: ascii(chunks[:20]),
)
def test_chunks_that_are_none_are_refused(target: Target, chunks: bytes) -> None:
    """Sizes with signs, sizes that lie, extensions and trailers without end."""
    head = (
        b"POST /"
        + DATABASE.encode()
        + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with target.withstands():
        status, body = target.send_raw(head + chunks, half_close=True)
        assert_refused(status, body, *range(400, 500), 501)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 500_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"x" * 500_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zz%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n",
        b"TRACE /honest HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /honest HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /honest/_changes?" + b"a=b&" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 100_000,
    ],
    ids=lambda raw: ascii(raw[:40]),
)
def test_what_is_no_honest_request_is_refused_in_json(target: Target, raw: bytes) -> None:
    """Foreign protocols, endless headers, paths out of the tree, methods nobody has."""
    with target.withstands():
        status, body = target.send_raw(raw, half_close=True)
        assert_refused(status, body, *range(400, 500), 501, 505)


@pytest.mark.parametrize(
    "host", ["evil.example", "x\x00y", "a" * 5000, "[::1", "x:99999", "x/../y", "x y", "<script>"], ids=ascii
)
def test_a_bad_host_gets_no_further_than_its_own_answer(target: Target, host: str) -> None:
    """Never a crash, never a line of its own in the headers."""
    with target.withstands(), target.connect() as sock:
        sock.sendall(
            b"POST /honest HTTP/1.1\r\nHost: "
            + host.encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        status, body = read_answer(sock)
    assert status == 0 or status == 201 or 400 <= status < 500, (status, body)
    if status:
        json.loads(body)
