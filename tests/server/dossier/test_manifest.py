"""Files as chunks, and documents whose names come from their content."""

from __future__ import annotations

from base64 import b64decode
from hashlib import md5, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import strictjson
from crypto.event import event_document
from crypto.hashing import sha256_id
from server.dossier.body import MAX_FILE_BYTES, MAX_PREVIEW_BYTES
from server.dossier.documents import certificate_doc, chunk_doc, crl_doc, event_doc, manifest_doc
from server.dossier.event import to_value
from server.dossier.manifest import (
    CHUNK_BYTES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MIN_CHUNK_BYTES,
    Manifest,
    build_manifest,
    join,
    parse_manifest,
    verify_chunk,
)
from server.errors import Refused
from tests.server.dossier.story import Story


@pytest.mark.parametrize("size", [MAX_PREVIEW_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1, 4 * CHUNK_BYTES])
def test_chunks_are_full_except_the_last(size: int) -> None:
    """The number and length of chunks follow from the size alone."""
    data = bytes(range(256)) * (size // 256 + 1)
    manifest, chunks = build_manifest(data[:size])
    assert [len(chunk) for chunk in chunks] == [manifest.length(i) for i in range(len(chunks))]
    assert all(len(chunk) == CHUNK_BYTES for chunk in chunks[:-1])
    assert parse_manifest(manifest.value()) == manifest


@pytest.mark.parametrize("size", [1, CHUNK_BYTES + 1, MAX_PREVIEW_BYTES])
def test_a_preview_is_one_chunk(size: int) -> None:
    """Its chunk is asked for by the name of the file, before the manifest has come."""
    manifest, chunks = build_manifest(b"x" * size)
    assert (manifest.chunks, [len(chunk) for chunk in chunks]) == ((manifest.sha256,), [size])
    assert parse_manifest(manifest.value()) == manifest


@pytest.mark.parametrize(
    ("size", "count", "version"),
    [
        (MAX_CHUNKS * CHUNK_BYTES, MAX_CHUNKS, 2),
        (MAX_CHUNKS * CHUNK_BYTES + 1, 313, 1),
        (MAX_FILE_BYTES, MAX_CHUNKS, 1),
    ],
)
def test_no_manifest_outgrows_a_line(size: int, count: int, version: int) -> None:
    """A manifest goes over a line whole: what would need more than 1,024 small chunks has large ones."""
    manifest, chunks = build_manifest(bytes(size))
    assert (len(manifest.chunks), len(chunks), manifest.value()["v"]) == (count, count, version)
    assert parse_manifest(manifest.value()) == manifest


def test_files_of_the_first_version_stay_what_they_are() -> None:
    """Chunks of 32 KiB, and no member that says so: names in signed events count on it."""
    data = b"x" * 40_000
    chunks = [data[:32_768], data[32_768:]]
    value = {"v": 1, "sha256": sha256_id(data), "size": 40_000, "chunks": [sha256_id(chunk) for chunk in chunks]}
    manifest = parse_manifest(value)
    assert manifest.id == "sha256-meJkPJgjV4yskmwZc_D7qIqd8ocq77WxM7VjyEJ2wy4"
    assert (manifest.value(), join(manifest, chunks)) == (value, data)


@pytest.mark.parametrize("chunk_bytes", [MIN_CHUNK_BYTES, 20_000, MAX_CHUNK_BYTES - 1])
def test_other_sizes_are_read(chunk_bytes: int) -> None:
    """A later program may cut otherwise, and this one has the file all the same."""
    data = bytes(range(251)) * 300
    chunks = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]
    manifest = Manifest(sha256_id(data), len(data), tuple(map(sha256_id, chunks)), chunk_bytes)
    assert join(parse_manifest(manifest.value()), chunks) == data


@given(st.binary(min_size=1, max_size=100_000))
def test_a_file_comes_back_from_its_chunks(data: bytes) -> None:
    """Cut and joined it is the same, and its name is the hash of the whole."""
    manifest, chunks = build_manifest(data)
    assert join(manifest, chunks) == data
    assert manifest.sha256 == sha256_id(data)


def test_a_damaged_or_misplaced_chunk_is_refused() -> None:
    """One bit is enough, and so are two chunks in each other's place."""
    manifest, chunks = build_manifest(b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES)
    for index, data in [(0, chunks[1]), (0, b"A" + chunks[0][1:]), (1, chunks[1][:-1])]:
        with pytest.raises(Refused) as caught:
            verify_chunk(manifest, index, data)
        assert caught.value.code == "bad_hash"
    with pytest.raises(Refused):
        join(manifest, chunks[:1])


def test_a_manifest_that_lies_about_the_whole_is_refused() -> None:
    """Good chunks that do not make the named file are not handed out."""
    manifest, chunks = build_manifest(b"abc")
    lying = parse_manifest(manifest.value() | {"sha256": sha256_id(b"abd")})
    with pytest.raises(Refused, match="do not make"):
        join(lying, chunks)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 1},
        {"v": 3},
        {"v": True},
        {"v": []},
        {"size": 0},
        {"size": 2 * CHUNK_BYTES + 1},
        {"chunks": []},
        {"chunks": ["x"]},
        {"chunk_bytes": MIN_CHUNK_BYTES - 1},
        {"chunk_bytes": MAX_CHUNK_BYTES},
        {"chunk_bytes": "10000"},
        {"more": 1},
    ],
)
def test_a_spoilt_manifest_is_refused(change: dict[str, object]) -> None:
    """Also when size and number of chunks do not fit each other, and when one file could have two names: chunks of
    32 KiB are version 1's."""
    manifest, _ = build_manifest(b"abc" * 5_000)
    with pytest.raises(Refused) as caught:
        parse_manifest(manifest.value() | change)
    assert caught.value.code == "schema"


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_no_manifest_at_all_is_refused(value: object) -> None:
    """Whatever JSON came."""
    with pytest.raises(Refused):
        parse_manifest(value)


def test_a_later_version_is_refused_with_what_to_do() -> None:
    """It is this program that is too old."""
    manifest, _ = build_manifest(b"abc" * 5_000)
    with pytest.raises(Refused, match="update it"):
        parse_manifest(manifest.value() | {"v": 3})


def test_an_empty_file_is_refused_with_what_to_do() -> None:
    """An empty upload is a lost photograph."""
    with pytest.raises(Refused, match="take the picture"):
        build_manifest(b"")


def test_documents_are_named_after_their_content() -> None:
    """Ids and revisions as in the table of docs/architecture.md."""
    data = b"\x30\x82" * 50
    digest = sha256(data).hexdigest()[:32]
    manifest, _ = build_manifest(data)
    docs = [certificate_doc(data), crl_doc(data), chunk_doc(data)]
    assert [doc.id for doc in docs] == ["cert:" + sha256_id(data), "crl:" + sha256_id(data), sha256_id(data)]
    assert {doc.rev for doc in docs} == {"1-" + digest}
    assert {doc.path for doc in docs} == {(digest,)}
    listed = manifest_doc(manifest)
    assert listed.id == "file:" + sha256_id(manifest.canonical())
    assert b64decode(strictjson.parse(docs[0].body, max_bytes=1000)["certificate"]) == data
    assert strictjson.parse(listed.body, max_bytes=1000) == {"manifest": manifest.value()}


def test_a_chunk_is_one_attachment() -> None:
    """With CouchDB's digest, so that a store can check what it is given."""
    data = b"x" * CHUNK_BYTES
    doc = chunk_doc(data)
    [(name, attachment)] = doc.attachments.items()
    assert (name, attachment.data, attachment.length) == ("chunk", data, CHUNK_BYTES)
    assert b64decode(attachment.digest.removeprefix("md5-")) == md5(data).digest()


def test_an_event_has_one_name_everywhere() -> None:
    """The signing floor's document and the store's document agree."""
    signed = {"event": to_value(Story().submit().event), "signatures": []}
    as_json, as_doc = event_document(signed), event_doc(signed)
    assert (as_doc.id, as_doc.rev) == (as_json["_id"], as_json["_rev"])
    assert strictjson.parse(as_doc.body, max_bytes=50_000) == signed
