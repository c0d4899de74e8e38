"""Mango's indexes over HTTP, `_index`: design documents that CouchDB's peers read too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response

from replication.document import Doc, DocId
from replication.errors import NotFound
from replication.http.answers import answer
from replication.http.documents import store
from replication.http.errors import OnlyMethods
from replication.http.exchange import Exchange
from replication.jsontext import dump_json, parse_json
from replication.mango.errors import MangoError
from replication.mango.index import (
    DESIGN,
    PRIMARY,
    Index,
    add_to_design,
    parse_design,
    parse_index,
    parse_use_index,
    remove_from_design,
    sort_indexes,
)
from replication.store import AllDocsQuery, Database, GetRequest


def load_indexes(database: Database) -> list[Index]:
    """Return every index of the database, the primary one first."""
    rows = database.all_docs(AllDocsQuery(start=DESIGN, end="_design0", inclusive_end=False)).rows
    found = database.bulk_get([GetRequest(row.id, row.rev) for row in rows])
    out = [PRIMARY]
    for docs in found:
        if docs and isinstance(docs[0], Doc):
            out += parse_design(docs[0].id, parse_json(docs[0].body))
    return sort_indexes(out)


def list_indexes(x: Exchange) -> Response:
    """`GET /db/_index`."""
    shown = [index.to_json() for index in load_indexes(x.open())]
    limit, skip = _parse_page(x, "limit", len(shown)), _parse_page(x, "skip", 0)
    if limit < 1 or skip < 0:
        raise InvalidPage
    return answer(x, {"total_rows": len(shown), "indexes": shown[skip : skip + limit]})


class InvalidPage(MangoError):
    """Limit or skip of a list of indexes out of range; CouchDB answers 500, a client's mistake is 400 here."""

    error = "invalid_list_index_params"

    def __init__(self) -> None:
        super().__init__("Index parameter ranges: limit > 1, skip > 0")


def _parse_page(x: Exchange, name: str, default: int) -> int:
    try:
        return int(x.query.get(name, default))
    except ValueError:
        raise InvalidPage from None


def create_index(x: Exchange) -> Response:
    """`POST /db/_index`: `created`, or `exists` where the design document says the same already."""
    x.require_json_type()
    database, index = x.open(), parse_index(x.json_object())
    doc_id = DocId(index.ddoc or "")
    body: dict[str, Any] | None = None
    try:
        doc = database.get(doc_id)
        body = parse_json(doc.body)
    except NotFound:
        doc = Doc(doc_id)
    new_body = add_to_design(body, index)
    result = "exists"
    if new_body != body:
        result = "created"
        store(database, replace(doc, path=(), body=dump_json(new_body)))
    return answer(x, {"result": result, "id": doc_id, "name": index.name})


def index_by_path(x: Exchange) -> Response:
    """`DELETE /db/_index/ddoc/json/name` and `POST /db/_index/_bulk_delete`."""
    rest = x.parts[2:]
    if rest == ["_bulk_delete"]:
        if x.method != "POST":
            raise OnlyMethods("POST")
        return _bulk_delete(x)
    if rest[:1] == ["_design"]:
        rest = [DESIGN + rest[1], *rest[2:]] if len(rest) > 1 else rest
    if len(rest) != 3:
        raise NotFound("missing")
    if x.method != "DELETE":
        raise OnlyMethods("DELETE")
    x.drop_body()
    database, (ddoc, kind, name) = x.open(), rest
    if kind != "json":
        raise NotFound("missing")
    _remove(database, DocId(DESIGN + ddoc.removeprefix(DESIGN)), name)
    return answer(x, {"ok": True})


def _remove(database: Database, doc_id: DocId, name: str) -> None:
    doc = database.get(doc_id)
    body = remove_from_design(parse_json(doc.body), name)
    if body is None:
        store(database, Doc(doc_id, doc.rev, deleted=True))
    else:
        store(database, replace(doc, path=(), body=dump_json(body)))


def _bulk_delete(x: Exchange) -> Response:
    x.require_json_type()
    database, wanted = x.open(), x.json_object().get("docids")
    if not isinstance(wanted, list):
        raise MangoError("Missing required key: docids", error="missing_required_key")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in wanted[: x.limits.max_docs]:
        doc_id = DocId(DESIGN + "/".join(parse_use_index(entry)))
        names = [index.name for index in load_indexes(database) if index.ddoc == doc_id]
        if len(names) != 1:
            failed.insert(0, {"id": doc_id, "error": "not_found"})
            continue
        _remove(database, doc_id, names[0])
        done.insert(0, {"id": doc_id, "ok": True})
    return answer(x, {"success": done, "fail": failed})
