"""Attachments that are kept gzipped arrive as they are kept: encoding, stored bytes and digest, at every hop."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import requests

from replication.attached import ENCODED_FEATURE, build_digest
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import Forbidden
from replication.http import OpenAccess, create_app
from replication.passing import PassingDatabase
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, MemoryState, Pair, replicate
from replication.serving import Server
from replication.sqlite import SqliteStore
from replication.store import Database, WriteResult

TEXT = "Giấy khai sinh số 12, xã Tân Lập. ".encode() * 200
OWN = gzip.compress(TEXT, 3, mtime=1_700_000_000)  # no store can make these bytes again
PathOf = Callable[..., HttpPeer]


def couchdb_gzip(plain: bytes) -> bytes:
    """The gzip CouchDB makes of a text it is given plain."""
    packer = zlib.compressobj(8, wbits=31)
    return packer.compress(plain) + packer.flush()


def keep(stored: bytes, content_type: str = "text/plain") -> Attachment:
    """An attachment that is kept gzipped."""
    return Attachment(content_type, length=len(TEXT), data=stored, encoding="gzip", encoded_length=len(stored))


def build_docs() -> list[Doc]:
    """One document of the first generation, which comes with the feed, and one with a history, which is asked for."""
    files = {
        "by-couchdb.txt": keep(couchdb_gzip(TEXT)),
        "by-hand.txt": keep(OWN),
        "odd": keep(OWN, "x/y"),
        "plain": Attachment("application/octet-stream", length=3, data=b"\x00\x01\x02"),
    }
    deep = {"by-hand.txt": keep(OWN), "by-couchdb.txt": keep(couchdb_gzip(TEXT))}
    return [
        Doc(DocId("first"), Rev("1-" + "a" * 32), ("a" * 32,), body=b'{"n":1}', attachments=files),
        Doc(DocId("second"), Rev("2-" + "b" * 32), ("b" * 32, "c" * 32), body=b'{"n":2}', attachments=deep),
        Doc(DocId("without"), Rev("1-" + "d" * 32), ("d" * 32,), body=b'{"n":3}'),
    ]


def describe(database: Database) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Everything about every attachment of `build_docs`."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for doc in build_docs():
        for name in doc.attachments:
            held = database.attachment(doc.id, name)
            found[doc.id, name] = (held.content_type, held.digest, held.encoding, held.encoded_length, held.data)
    return found


def expected() -> dict[tuple[str, str], tuple[Any, ...]]:
    """What `describe` returns where nothing was changed on the way."""
    return {
        (doc.id, name): (entry.content_type, build_digest(entry.data), entry.encoding, entry.encoded_length, entry.data)
        for doc in build_docs()
        for name, entry in doc.attachments.items()
        if entry.data is not None
    }


def stubs_at(url: str, doc_id: str) -> dict[str, tuple[Any, ...]]:
    """Encoding, lengths and digest of a document's attachments as the server there tells them."""
    doc = requests.get(f"{url}/{doc_id}?att_encoding_info=true", timeout=60).json()
    return {
        name: (stub.get("encoding"), stub["length"], stub.get("encoded_length"), stub["digest"])
        for name, stub in doc["_attachments"].items()
    }


def test_a_gzipped_attachment_goes_there_and_back_unchanged(
    near: Database, near_peer: LocalPeer, far_peer: PathOf, far_name: str, server: str
) -> None:
    """Push to a peer and pull from it: the stored bytes, not only what they unpack to."""
    assert all(result.error is None for result in near.bulk_docs(build_docs(), new_edits=False))
    assert describe(near) == expected()

    figures = replicate(Pair(near_peer, far_peer(), DatabaseState(near)))

    assert figures.refused == 0
    assert stubs_at(f"{server}/{far_name}", "first")["odd"] == ("gzip", len(TEXT), len(OWN), build_digest(OWN))
    assert stubs_at(f"{server}/{far_name}", "second").keys() == {"by-hand.txt", "by-couchdb.txt"}
    raw = requests.get(f"{server}/{far_name}/second/by-hand.txt", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert raw.raw.read(decode_content=False) == OWN

    near.purge({doc.id: [doc.rev] for doc in build_docs() if doc.rev is not None})
    figures = replicate(Pair(far_peer(), near_peer, MemoryState()))

    assert (figures.refused, figures.docs_written) == (0, len(build_docs()))
    assert describe(near) == expected()


def test_a_second_push_sends_nothing_again(near: Database, near_peer: LocalPeer, far_peer: PathOf) -> None:
    """Encoded documents are known over there as any other."""
    near.bulk_docs(build_docs(), new_edits=False)
    replicate(Pair(near_peer, far_peer(), MemoryState()))

    assert replicate(Pair(near_peer, far_peer(), MemoryState())).docs_written == 0


class Gate(PassingDatabase):
    """A database that will not have the document "second"."""

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> list[WriteResult]:
        rest = iter(super().bulk_docs([doc for doc in docs if doc.id != "second"], new_edits=new_edits))
        no = Forbidden("not this one")
        return [WriteResult(doc.id, doc.rev, no) if doc.id == "second" else next(rest) for doc in docs]


def test_an_encoded_document_a_plain_peer_refuses_is_named_and_the_others_are_stored(
    near: Database, near_peer: LocalPeer, far_store: SqliteStore, far_name: str
) -> None:
    """They go one by one to a peer that lacks the feature; a refusal concerns one."""
    near.bulk_docs(build_docs(), new_edits=False)
    with Server(create_app(OpenAccess(far_store, lambda database, _: Gate(database)))) as server:
        endpoint = Endpoint(server.url)
        endpoint.identity = "not-asked"  # without a greeting no features are known
        figures = replicate(Pair(near_peer, HttpPeer(endpoint, far_name), MemoryState()))

    assert ENCODED_FEATURE not in endpoint.features
    assert [(refusal.id, refusal.error) for refusal in figures.refusals] == [("second", "forbidden")]
    assert figures.docs_written == 2
    far = far_store.open(far_name)
    assert far.attachment(DocId("first"), "odd").data == OWN
    assert far.get(DocId("without")).body == b'{"n":3}'


@pytest.mark.parametrize("member", ["encoded_length", "digest"])
def test_encoded_bytes_that_changed_on_the_way_are_refused(our_server: str, far_name: str, member: str) -> None:
    """`encoded_data` is checked against what is announced beside it."""
    url = f"{our_server}/{far_name}"
    requests.put(url, timeout=60).raise_for_status()
    entry = {"content_type": "a/b", "encoding": "gzip", "length": len(TEXT), "revpos": 1}
    entry |= {"encoded_data": base64.b64encode(OWN).decode(), "digest": build_digest(OWN), "encoded_length": len(OWN)}
    doc = {"_id": "a", "_rev": "1-" + "a" * 32, "_attachments": {"f": entry}}
    broken = {"encoded_length": len(OWN) - 1, "digest": build_digest(b"other")}

    refused = requests.post(
        f"{url}/_bulk_docs",
        json={"new_edits": False, "docs": [doc | {"_attachments": {"f": entry | {member: broken[member]}}}]},
        timeout=60,
    )

    assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")
    answer = requests.post(f"{url}/_bulk_docs", json={"new_edits": False, "docs": [doc]}, timeout=60)
    assert (answer.status_code, answer.json()) == (201, [])
    assert stubs_at(url, "a")["f"] == ("gzip", len(TEXT), len(OWN), build_digest(OWN))


@pytest.mark.parametrize(
    ("stored", "status"), [(b"no gzip at all", 400), (OWN[:-9], 400), (gzip.compress(bytes(65 * 1024 * 1024)), 413)]
)
def test_a_gzip_nobody_could_unpack_is_refused_at_the_door(
    our_server: str, far_name: str, stored: bytes, status: int
) -> None:
    """Stored, it would spoil every answer it stands in; a bomb too, whatever length it is said to have."""
    url = f"{our_server}/{far_name}"
    requests.put(url, timeout=60).raise_for_status()
    entry = {"content_type": "a/b", "encoding": "gzip", "length": 5, "encoded_data": base64.b64encode(stored).decode()}
    doc = {"_id": "a", "_rev": "1-" + "a" * 32, "_attachments": {"f": entry}}

    answer = requests.post(f"{url}/_bulk_docs", json={"new_edits": False, "docs": [doc]}, timeout=30)

    assert answer.status_code == status
    assert requests.get(url, timeout=60).json()["doc_count"] == 0


def test_the_length_of_a_gzipped_attachment_is_what_it_unpacks_to(our_server: str, far_name: str) -> None:
    """Whatever its sender said."""
    url = f"{our_server}/{far_name}"
    requests.put(url, timeout=60).raise_for_status()
    entry = {"content_type": "a/b", "encoding": "gzip", "length": 5, "encoded_data": base64.b64encode(OWN).decode()}
    doc = {"_id": "a", "_rev": "1-" + "a" * 32, "_attachments": {"f": entry}}

    assert requests.post(f"{url}/_bulk_docs", json={"new_edits": False, "docs": [doc]}, timeout=30).json() == []
    assert stubs_at(url, "a")["f"][:2] == ("gzip", len(TEXT))
