"""Requests about many documents that write or compare; `bulk_get` reads."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from flask import Response

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, MissingStub, TooLarge
from replication.http import local
from replication.http.answers import answer, answer_bytes
from replication.http.exchange import Exchange
from replication.http.life import life_header
from replication.http.query import parse_revs
from replication.jsontext import dump_json, is_deeper, may_be_deeper, parse_json
from replication.store import Database, WriteResult
from replication.wire import parse_document


def bulk_docs(x: Exchange) -> Response:
    """`POST /db/_bulk_docs`.

    201 with a row for every document, or with `new_edits: false` for every failure only: `[]` says that all are
    stored and durable. A malformed document refuses the whole batch before anything is written, as in CouchDB.
    """
    x.require_json_type()
    database = x.open()
    values, new_edits = _parse_batch(x)
    docs = [_parse_entry(value, new_edits, x.limits.max_json_depth) for value in values]
    results = _write(database, docs, new_edits)
    if not new_edits:
        _refuse_whole(results)
        results = [result for result in results if result.error is not None]
    return answer_bytes(x, b"[" + b",".join(map(_render_result, results)) + b"]\n", 201, life_header(x))


def _parse_batch(x: Exchange) -> tuple[list[Any], bool]:
    # Depth is looked at document by document: a batch of many flat ones is not deep.
    body = parse_json(x.body(), max_depth=2**31)
    if not isinstance(body, dict):
        raise BadRequest("Request body must be a JSON object")
    values = body.get("docs")
    if values is None:
        raise BadRequest("POST body must include `docs` parameter.")
    if not isinstance(values, list):
        raise BadRequest("`docs` parameter must be an array.")
    if len(values) > x.limits.max_docs:
        raise TooLarge(f"at most {x.limits.max_docs} documents in one request, got {len(values)}; send fewer at a time")
    new_edits = body.get("new_edits", True)
    if not isinstance(new_edits, bool):
        raise BadRequest("`new_edits` parameter must be a boolean.")
    return values, new_edits


def _parse_entry(value: object, new_edits: bool, max_depth: int) -> Doc:
    doc = parse_document(value, new_edits=new_edits)
    if may_be_deeper(doc.body, max_depth) and is_deeper(value, max_depth):
        raise BadRequest(f"invalid UTF-8 JSON: document {doc.id!r} is nested deeper than {max_depth} levels")
    return doc if doc.id else replace(doc, id=DocId(secrets.token_hex(16)))


def _write(database: Database, docs: list[Doc], new_edits: bool) -> list[WriteResult]:
    """Store a batch; `_local` documents among it go where they belong."""
    if not any(map(_is_local, docs)):
        return database.bulk_docs(docs, new_edits=new_edits) if docs else []
    ordinary = iter(database.bulk_docs([doc for doc in docs if not _is_local(doc)], new_edits=new_edits))
    return [WriteResult(doc.id, local.write(database, doc)) if _is_local(doc) else next(ordinary) for doc in docs]


def _is_local(doc: Doc) -> bool:
    return doc.id.startswith(local.PREFIX)


def _refuse_whole(results: list[WriteResult]) -> None:
    """Raise the first missing stub: a replicator skips a row it is refused, and the attachment would be lost."""
    for result in results:
        if isinstance(result.error, MissingStub):
            raise result.error


def _render_result(result: WriteResult) -> bytes:
    if result.error is None:
        return b'{"ok":true,"id":%b,"rev":"%b"}' % (orjson.dumps(result.id), str(result.rev).encode())
    row = {"id": result.id, "error": result.error.error, "reason": result.error.reason}
    if result.rev is not None:
        row["rev"] = result.rev
    return dump_json(row)


def revs_diff(x: Exchange) -> Response:
    """`POST /db/_revs_diff`: what is missing here of what a peer has; `{}` when nothing is."""
    found = x.open().revs_diff(_parse_wanted(x))
    out: dict[str, dict[str, Any]] = {}
    for doc_id, diff in found.items():
        out[doc_id] = {"missing": diff.missing}
        if diff.possible_ancestors:
            out[doc_id]["possible_ancestors"] = diff.possible_ancestors
    return answer(x, out)


def missing_revs(x: Exchange) -> Response:
    """`POST /db/_missing_revs`, the older form."""
    found = x.open().revs_diff(_parse_wanted(x))
    return answer(x, {"missing_revs": {doc_id: diff.missing for doc_id, diff in found.items()}})


def _parse_wanted(x: Exchange) -> Mapping[DocId, list[Rev]]:
    x.require_json_type()
    body = x.json_object()
    if len(body) > x.limits.max_docs:
        raise TooLarge(
            f"at most {x.limits.max_docs} documents in one request, got {len(body)}; ask for fewer at a time"
        )
    return {DocId(doc_id): parse_revs(revs) for doc_id, revs in body.items()}


def purge(x: Exchange) -> Response:
    """`POST /db/_purge`."""
    database, wanted = x.open(), _parse_wanted(x)
    if len(wanted) > x.limits.max_purge_docs:
        raise BadRequest("Exceeded maximum number of documents.")
    if sum(map(len, wanted.values())) > x.limits.max_purge_revs:
        raise BadRequest("Exceeded maximum number of revisions.")
    result = database.purge(wanted)
    purged = {doc_id: result.purged.get(doc_id, ()) for doc_id in wanted}
    return answer(x, {"purge_seq": None, "purged": purged}, 201)
