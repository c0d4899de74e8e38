"""Plain HTTP at a port that speaks TLS: how a browser begins that was given an address without "https://"."""

from __future__ import annotations

import re

from replication.http.errors import render_error
from replication.serving.headers import parse_field

MAX_BEGUN = 8192  # bytes; a browser's first request is a packet or two
_LINE = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.[01]")
REASON = "this port speaks TLS: write https:// before the address"


def answer_plain(begun: bytes) -> bytes | None:
    """Return what to answer to bytes that came in the place of a TLS greeting, None where they are no HTTP.

    A browser is sent to the same page over TLS, a program is told.
    """
    first, *lines = begun.partition(b"\r\n\r\n")[0].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        return None
    try:
        headers = dict(map(parse_field, lines))
    except ValueError:
        headers = {}
    host = headers.get(b"Host")
    if host and line[1] == b"GET" and b"text/html" in headers.get(b"Accept", b""):
        return _build(b"307 Temporary Redirect", b"Location: https://%b%b\r\n" % (host, line[2]), b"")
    return _build(b"400 Bad Request", b"Content-Type: application/json\r\n", render_error("bad_request", REASON))


def _build(status: bytes, fields: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, fields, len(body), body)
