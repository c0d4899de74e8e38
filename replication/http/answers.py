"""Answers: JSON with its headers, streams, entity tags, and gzip where the client takes it."""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Response

from replication import dictionaries
from replication.dictionaries import Dictionary
from replication.errors import StoreError
from replication.http.budget import MemoryShort
from replication.http.errors import OnlyMethods, render_error
from replication.http.exchange import Exchange
from replication.jsontext import dump_json

JSON = "application/json"
# Below this a gzip answer saves less than the header costs in clarity.
GZIP_FROM = 1024
# Above this level 6 takes longer than a LAN needs for the bytes it saves; level 1 still halves JSON.
GZIP_FAST_FROM = 64 * 1024
# What has been sent can be read before the rest comes: a reader cut off in the middle keeps it. Small documents pack
# better together (events take 4 % more in slices of 4 KiB than of 16); a photograph's chunk does not care (0.7 %), and
# at 32 kbit/s a slice of 16 KiB takes 3 s to come.
SLICE = 16 * 1024
FINE_SLICE = 4 * 1024
LARGE_PIECE = 16 * 1024
Headers = Mapping[str, str]
_GZIP = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
_DCZ = {"Content-Encoding": dictionaries.CODING, "Vary": "Accept-Encoding, Available-Dictionary"}


def answer(x: Exchange, value: Any, status: int = 200, headers: Headers | None = None) -> Response:
    """Return `value` as JSON with a line break, as CouchDB."""
    return answer_bytes(x, dump_json(value) + b"\n", status, headers)


def answer_bytes(x: Exchange, body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
    """Return JSON already rendered, gzipped where it is worth it and the client takes it."""
    out = {"Content-Type": JSON, "Cache-Control": "must-revalidate"}
    if headers:
        out.update(headers)
    if len(body) > GZIP_FROM:
        if (shared := shared_dictionary(x)) is not None:
            body = shared.compress(body)
            out |= _DCZ
        elif accepts_gzip(x):
            body = _gzip(body)
            out |= _GZIP
    out["Content-Length"] = str(len(body))
    return Response([body], status, out, direct_passthrough=True)


def stream(
    x: Exchange, pieces: Iterable[bytes], *, gzip: bool = True, content_type: str = JSON, headers: Headers | None = None
) -> Response:
    """Return a body of unknown length, sent piece by piece. `gzip` False for feeds that pause."""
    out = {"Content-Type": content_type, "Cache-Control": "must-revalidate", **(headers or {})}
    if gzip and (shared := shared_dictionary(x)) is not None:
        pieces = shared.compress_pieces(_slices(pieces))
        out |= _DCZ
    elif gzip and accepts_gzip(x):
        # Who asks for a page of the feed is on a thin line; who asks for all of it in a hurry.
        pieces = _gzip_pieces(_slices(pieces), 6 if "limit" in x.query else 1)
        out |= _GZIP
    return Response(pieces, 200, out, direct_passthrough=True)


def answer_error(x: Exchange | None, error: StoreError) -> Response:
    """Return a refusal in CouchDB's shape."""
    body = render_error(error.error, error.reason)
    headers = {"Content-Type": JSON, "Cache-Control": "must-revalidate", "Content-Length": str(len(body))}
    if isinstance(error, MemoryShort):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, OnlyMethods):
        headers["Allow"] = error.allowed
    if x is not None and x.environ.get("HTTP_TRANSFER_ENCODING"):
        headers["Connection"] = "close"  # what is left of a chunked body would be taken for the next request
    return Response([body], error.status, headers, direct_passthrough=True)


def not_modified(etag: str, headers: Headers | None = None) -> Response:
    """Return 304: the client holds the newest."""
    return Response(status=304, headers={"ETag": etag, **(headers or {})})


def is_known(x: Exchange, etag: str) -> bool:
    """Return whether If-None-Match names this entity tag, weak or strong."""
    known = x.environ.get("HTTP_IF_NONE_MATCH")
    if known is None:
        return False
    return any(tag.strip().removeprefix("W/") == etag for tag in known.split(","))


def shared_dictionary(x: Exchange) -> Dictionary | None:
    """Return the dictionary the client names in Available-Dictionary (RFC 9842 §2.2) and takes answers in, if we have
    it."""
    named = x.environ.get("HTTP_AVAILABLE_DICTIONARY", "").strip()
    if not named or _quality(x.environ.get("HTTP_ACCEPT_ENCODING", "").lower(), dictionaries.CODING) <= 0:
        return None
    try:
        digest = binascii.a2b_base64(named.strip(":"), strict_mode=True)
    except ValueError:
        return None
    return dictionaries.default_shelf().get(digest.hex())


def accepts_gzip(x: Exchange) -> bool:
    """Return whether Accept-Encoding names gzip with a quality above 0."""
    header: str = x.environ.get("HTTP_ACCEPT_ENCODING", "")
    return "gzip" in header and _quality(header.lower(), "gzip") > 0


def accepts(x: Exchange, media_type: str) -> bool:
    """Return whether the Accept header takes `media_type`; an absent header takes anything (RFC 9110 §12.5.1)."""
    header = x.environ.get("HTTP_ACCEPT")
    if header is None:
        return True
    header, family = header.lower(), media_type.partition("/")[0] + "/*"
    for name in (media_type, family, "*/*"):
        if (quality := _quality(header, name)) >= 0:
            return quality > 0
    return False


def _quality(header: str, name: str) -> float:
    """Return the q value of `name` in an Accept header, 1 where none is given, -1 where it is not listed."""
    for entry in header.split(","):
        listed, *parameters = (part.strip() for part in entry.split(";"))
        if listed != name:
            continue
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    return float(parameter[2:])
                except ValueError:
                    return 0.0
        return 1.0
    return -1.0


def _gzip(body: bytes) -> bytes:
    coder = zlib.compressobj(1 if len(body) > GZIP_FAST_FROM else 6, wbits=31)
    return coder.compress(body) + coder.flush()


def _gzip_pieces(pieces: Iterable[bytes], level: int) -> Iterator[bytes]:
    coder = zlib.compressobj(level, wbits=31)
    for piece in pieces:
        yield coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH)
    yield coder.flush()


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in slices of `SLICE`, small pieces joined; large ones in finer slices."""
    held = bytearray()
    for piece in pieces:
        size = FINE_SLICE if len(piece) > LARGE_PIECE else SLICE
        held += piece
        begin = 0
        while len(held) - begin >= size:
            yield bytes(held[begin : begin + size])
            begin += size
        del held[:begin]
    if held:
        yield bytes(held)
