"""HTTP answers are taken apart whole, in pieces, and with suspicion."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.errors import Forbidden, LinkCut, NotAPeer, NotFound, StoreError, TooLarge
from replication.peers import Busy
from replication.peers.answers import check_peer, parse_json, parse_retry_after
from replication.peers.wire import NO_PART, Answer, AnswerParser, build_path, build_request

SIZED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
    b'5;x=y\r\n{"a":\r\n2\r\n1}\r\n0\r\nTrailer: t\r\n\r\n'
)
PACKED = gzip.compress(b'{"n":1}')
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED
EMPTY = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"
STREAM = SIZED + CHUNKED + GZIPPED + EMPTY + SIZED


def answer(status: int, body: bytes, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, 0, False)


@given(cuts=st.lists(st.integers(1, 400), max_size=20))
def test_pipelined_answers_come_out_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    """Sized, chunked, gzipped, interim and empty answers, in any pieces."""
    parser = AnswerParser()
    answers: list[Answer] = []
    rest = STREAM
    for cut in [*cuts, len(STREAM)]:
        answers += parser.feed(rest[:cut])
        rest = rest[cut:]

    assert [(entry.status, entry.body) for entry in answers] == [
        (201, b"[]"),
        (200, b'{"a":1}'),
        (200, b'{"n":1}'),
        (304, b""),
        (201, b"[]"),
    ]
    assert sum(entry.wire_bytes for entry in answers) == len(STREAM)


def test_a_peer_may_announce_its_answer_as_often_as_it_likes() -> None:
    """More interim answers in one piece than Python has stack: they are passed over, and counted."""
    stream = b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + SIZED
    (last,) = AnswerParser().feed(stream)

    assert (last.status, last.wire_bytes) == (201, len(stream))


@pytest.mark.parametrize(
    "data",
    [
        b"<html>please log in</html>",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000,
    ],
)
def test_what_is_no_answer_of_a_peer_is_a_stranger(data: bytes) -> None:
    """Whatever speaks there, it is told apart at once and nothing endless is collected."""
    with pytest.raises(NotAPeer):
        list(AnswerParser().feed(data))


def test_answers_beyond_the_limit_are_refused_before_and_after_decompression() -> None:
    """A bomb of zeros is as long as what it unpacks to."""
    bomb = gzip.compress(bytes(100_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    with pytest.raises(TooLarge):
        list(AnswerParser(max_bytes=50_000).feed(head + bomb))
    with pytest.raises(TooLarge):
        list(AnswerParser(max_bytes=50).feed(b"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n"))


def test_half_an_answer_is_a_cut() -> None:
    """The end of the connection is an end only between answers, or for a body without a length."""
    half, open_ended = AnswerParser(), AnswerParser()
    assert list(half.feed(SIZED[:-1])) == []
    assert list(open_ended.feed(b"HTTP/1.1 200 OK\r\n\r\n{}")) == []

    with pytest.raises(LinkCut):
        half.feed_end()
    last = open_ended.feed_end()
    assert last is not None
    assert (last.body, last.closes) == (b"{}", True)
    assert AnswerParser().feed_end() is None


def test_refusals_carry_couchdbs_words() -> None:
    """The word decides the class, the status where the word is unknown."""
    with pytest.raises(NotFound, match="Database does not exist"):
        parse_json(answer(404, b'{"error":"not_found","reason":"Database does not exist."}'))
    with pytest.raises(Forbidden):
        parse_json(answer(403, b'{"error":"forbidden","reason":"no"}'))
    with pytest.raises(StoreError) as caught:
        parse_json(answer(418, b'{"error":"teapot","reason":"short and stout"}'))

    assert (caught.value.status, caught.value.error, caught.value.reason) == (418, "teapot", "short and stout")


def test_a_busy_peer_says_when_to_come_back() -> None:
    """Retry-After in seconds is honoured and bounded, dates and nonsense give the default."""
    with pytest.raises(Busy) as caught:
        parse_json(answer(503, b"{}", retry_after="17"))

    assert caught.value.retry_after_s == 17
    assert parse_retry_after("99999999") == 600
    assert parse_retry_after("Sat, 21 Nov 2026 07:00:00 GMT") == 5


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\nContent-Length: 9000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 9000\r\n\r\n",
    ],
)
def test_redirects_and_web_pages_come_from_a_portal(head: bytes) -> None:
    """A login page of a network is never taken for the peer, and its rest not waited for."""
    parser = AnswerParser(check=check_peer)
    assert list(parser.feed(head[:-4])) == []
    with pytest.raises(NotAPeer, match=r"login page|web page"):
        list(parser.feed(head[-4:]))
    assert parser.partial() == NO_PART


def test_requests_name_databases_whole_and_carry_no_smuggled_line() -> None:
    """A slash in a name is part of the name; a line break in a header is refused."""
    assert build_path("a/b", "ổ 1") == "/a%2Fb/%E1%BB%95%201"
    assert (
        build_request("PUT", "/x", {"Host": "h"}, b"{}") == b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
    )
    with pytest.raises(ValueError, match="line break"):
        build_request("GET", "/", {"Host": "h\r\nX: y"})
