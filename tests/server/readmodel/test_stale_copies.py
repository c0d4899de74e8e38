"""A store that answers from a copy which is behind, as a CouchDB cluster does after one of its nodes came back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replication.document import Doc, DocId
from replication.errors import Unavailable
from replication.store import AllDocsPage, AllDocsQuery, Database, GetRequest, MissingRev
from server.node.assembly import Node


@pytest.fixture
def node(make_homes: Any, make_node: Any) -> Node:
    """A commune's node, not started: nothing happens behind the test's back."""
    return make_node(make_homes()["H41.12.03"])


@pytest.fixture
def person(node: Node, helpers: Any, key_pool: Any) -> Any:
    from server.pki.authority import Authority

    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    return person


@pytest.fixture
def database(node: Node) -> Database:
    return node.store.open(node.database)


def file(node: Node, person: Any, helpers: Any) -> str:
    """File a dossier without files and return its stream."""
    from server.intake.source import Source

    event = helpers.submission(node.unit, person)
    (result,) = node.intake.admit(node.database, [person.sign(event)], source=Source("peer", "x"))
    assert result.error is None
    return str(event["stream"])


def receipts(database: Database, stream: str) -> int:
    """Return how many receipts of a dossier the store holds."""
    rows = database.all_docs(AllDocsQuery(start=stream + ":", end=stream + ";")).rows
    docs = [found for row in rows for found in database.bulk_get([GetRequest(row.id)])[0]]
    return sum(json.loads(doc.body)["event"]["type"] == "receipt.issued" for doc in docs if isinstance(doc, Doc))


def test_a_receipt_is_not_issued_twice_when_the_copy_that_is_asked_has_not_heard_of_it(
    node: Node, person: Any, helpers: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of the stream comes from a copy without the receipt, nor has the read model seen it."""
    stream = file(node, person, helpers)
    node.model.follower.catch_up()
    with monkeypatch.context() as patch:
        patch.setattr(database, "all_docs", lambda query: AllDocsPage((), 0, None))
        for _ in range(3):
            assert node.receipts.consider(stream)
    assert receipts(database, stream) == 1
    node.model.follower.catch_up()
    assert node.receipts.consider(stream) == []


def test_a_receipt_whose_storing_was_in_doubt_is_the_same_one_the_second_time(
    node: Node, person: Any, helpers: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store wrote it and could not say so: what is offered again is the same document."""
    stream = file(node, person, helpers)
    node.model.follower.catch_up()
    store, list_whole = database.bulk_docs, database.all_docs

    def without_an_answer(docs: Any, *, new_edits: bool = True) -> Any:
        store(docs, new_edits=new_edits)
        raise Unavailable("CouchDB cannot answer now")

    with monkeypatch.context() as patch:
        patch.setattr(database, "bulk_docs", without_an_answer)
        patch.setattr(database, "all_docs", lambda query: AllDocsPage((), 0, None))
        with pytest.raises(Unavailable):
            node.receipts.consider(stream)
        patch.setattr(database, "bulk_docs", store)
        assert node.receipts.consider(stream)
    assert database.all_docs == list_whole
    assert receipts(database, stream) == 1


@pytest.mark.parametrize("kind", ["events", "files"])
def test_what_a_feed_names_and_nobody_can_read_yet_is_not_passed_by(
    node: Node, person: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The node that showed it went away: the place in the feed stays before it until it can be read."""
    from server.dossier.documents import chunk_doc, manifest_doc
    from server.dossier.manifest import build_manifest
    from server.intake.source import Source

    data = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 200
    manifest, chunks = build_manifest(data)
    event = helpers.submission(node.unit, person, files=[helpers.file_reference(data)])
    source = Source("peer", "x")
    node.intake.admit(node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)], source=source)
    node.intake.admit(node.database, [person.sign(event)], source=source)
    database = node.store.open(node.database if kind == "events" else node.files_database)

    with monkeypatch.context() as patch:
        missing = [[MissingRev(DocId("x"), None)]]
        patch.setattr(database, "bulk_get", lambda requests, **options: missing * len(requests))
        with pytest.raises(Unavailable, match="cannot be read now"):
            node.model.follower.catch_up(database.name)
    node.model.follower.catch_up()

    row = node.model.queries.dossier(event["stream"])
    assert row is not None
    assert (row.files_here, row.files_total, row.bytes_here) == (1, 1, len(data))
