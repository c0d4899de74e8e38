"""`_local` documents: kept beside the tree, without history, never replicated. Peers keep their checkpoints here."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from urllib.parse import quote

from flask import Response

from replication.document import Doc, DocId, Rev
from replication.errors import NotFound
from replication.http.answers import answer, answer_bytes
from replication.http.exchange import Exchange
from replication.store import Database
from replication.wire import parse_document, render_document

PREFIX = "_local/"
# What CouchDB answers for a local document that is gone.
GONE_REV = Rev("0-0")


def write(database: Database, doc: Doc) -> Rev:
    """Write or, for a tombstone, remove a local document and return its revision.

    Attachments are dropped, as in CouchDB: a local document has none, and PouchDB sends them all the same.
    """
    local_id = doc.id.removeprefix(PREFIX)
    if not doc.deleted:
        return database.put_local(local_id, doc.body)
    with contextlib.suppress(NotFound):  # gone already is what was wanted
        database.delete_local(local_id)
    return GONE_REV


def get(x: Exchange) -> Response:
    """`GET /db/_local/id`."""
    doc = x.open().get_local(x.parts[2])
    text = render_document(Doc(DocId(f"_local/{doc.id}"), doc.rev, body=doc.body))
    return answer_bytes(x, text + b"\n")


def put(x: Exchange) -> Response:
    """`PUT /db/_local/id`: written whatever `_rev` says, as CouchDB does."""
    database, doc = x.open(), parse_document(x.json())
    doc_id = PREFIX + x.parts[2]
    rev = write(database, replace(doc, id=DocId(doc_id)))
    if doc.deleted:
        return answer(x, {"ok": True, "id": doc_id, "rev": rev})
    headers = {"Location": x.absolute(quote(x.parts[0], safe=""), "_local", quote(x.parts[2], safe=""))}
    return answer(x, {"ok": True, "id": doc_id, "rev": rev}, 201, headers)


def delete(x: Exchange) -> Response:
    """`DELETE /db/_local/id`."""
    x.drop_body()
    x.open().delete_local(x.parts[2])
    return answer(x, {"ok": True, "id": f"_local/{x.parts[2]}", "rev": GONE_REV})
