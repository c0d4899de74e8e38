"""Bodies for plain CouchDB peers: gzip that any reader reads, and no heavier than it must be."""

from __future__ import annotations

import base64
import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dossiers import Town
from replication.peers import Outgoing
from replication.peers.packing import build_gzip
from server.dossier.manifest import CHUNK_BYTES

NOISE = hashlib.shake_256(b"a photograph").digest(32_768)


@given(st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 9000)), max_size=6))
def test_what_is_packed_comes_back(pieces: list[bytes | int]) -> None:
    """Any bytes between runs of base64 of any length, as Python's own gzip reads them."""
    body = b"".join(base64.b64encode(NOISE[:piece]) if isinstance(piece, int) else piece for piece in pieces)

    assert gzip.decompress(build_gzip(body)) == body


@pytest.mark.parametrize("body", [b"", b"{}", base64.b64encode(NOISE), b'"' + base64.b64encode(NOISE) * 3 + b'"'])
def test_the_edges_come_back_too(body: bytes) -> None:
    """Nothing at all, nothing but base64, and runs longer than a block."""
    assert gzip.decompress(build_gzip(body)) == body
    assert build_gzip(body) == build_gzip(body)


def chunks_body(count: int) -> bytes:
    """A request with so many chunks."""
    chunks = Town(seed=1, half=1).chunks(count)
    return b'{"new_edits":false,"docs":[' + b",".join(Outgoing(chunk).json for chunk in chunks) + b"]}"


def packed_chunks(count: int) -> tuple[int, int]:
    """How long a body with so many chunks is: as we pack it, and as zlib would."""
    body = chunks_body(count)
    return len(build_gzip(body)), len(gzip.compress(body, 6, mtime=0))


def test_what_refers_back_is_found_by_a_reader_who_remembers_32_kib() -> None:
    """Past the first 32 KiB of a body too: seven chunks are three times as much."""
    body = chunks_body(7)
    assert gzip.decompress(build_gzip(body)) == body


def test_a_chunk_takes_little_more_than_its_bytes() -> None:
    """Six bits for a character; ids, JSON and tables take 330 bytes."""
    packed, by_zlib = packed_chunks(1)

    assert packed <= CHUNK_BYTES + 345
    assert packed < by_zlib - 40


def test_further_chunks_of_a_body_take_less_than_the_first() -> None:
    """What stands around them has been said, and a reader of the stream still knows it: ids and tables are left."""
    first, third = packed_chunks(1)[0], packed_chunks(3)[0]

    assert (third - first) / 2 <= CHUNK_BYTES + 190


def test_events_are_packed_as_ever() -> None:
    """No run of base64 in them is long enough: zlib's own way, and no heavier."""
    body = b",".join(Outgoing(doc).json for doc in Town(seed=1, half=1).dossier())

    assert len(build_gzip(body)) <= len(gzip.compress(body, 6, mtime=0))
