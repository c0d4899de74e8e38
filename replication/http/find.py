"""Mango over HTTP: `_find`, `_explain`, `_index`. Queries walk the documents; indexes say in which order.

An index is a design document, as in CouchDB, and peers replicate it. Here it decides about answers (order, which
documents are in it, warnings), while matching reads every document of the database: right first, and at a commune's
size fast enough. docs/decisions/0022-mango-by-scanning.md has the figures.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flask import Response

from replication.document import Doc, DocId
from replication.errors import BadRequest, NotFound
from replication.http.answers import answer, answer_bytes
from replication.http.documents import conflicts_meta, store
from replication.http.errors import OnlyMethods
from replication.http.exchange import Exchange
from replication.jsontext import dump_json, parse_json
from replication.mango.collation import collate, sort_key
from replication.mango.errors import MangoError, show
from replication.mango.fields import MISSING, lookup, parse_field, project
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
from replication.mango.planner import MAX, MIN, Candidate, NoUsableIndex, Plan, hints, plan, warnings
from replication.mango.query import Query, parse_query
from replication.store import AllDocsQuery, Database, GetRequest
from replication.wire import render_document

PAGE = 200
NO_BOOKMARK = "nil"
# Beyond so many documents passed over in vain, the answer warns anyway; counting them exactly is worth no memory.
MAX_PASSED = 20_000


def find(x: Exchange) -> Response:
    """`POST /db/_find`."""
    x.require_json_type()
    database, query = x.open(), parse_query(x.json_object())
    begun = time.perf_counter()
    chosen = plan(query, load_indexes(database))
    walk = _Walk(database, query, chosen)
    docs = [dump_json(row.doc) for row in walk.rows()]
    tail: dict[str, Any] = {"bookmark": walk.bookmark}
    if query.execution_stats:
        tail["execution_stats"] = {
            "total_keys_examined": walk.examined,
            "total_docs_examined": walk.examined,
            "total_quorum_docs_examined": 0,
            "results_returned": len(docs),
            "execution_time_ms": round((time.perf_counter() - begun) * 1000, 3),
        }
    if said := warnings(query, chosen.index, walk.examined, len(docs)):
        tail["warning"] = "\n".join(said)
    if chosen.ranges is None:
        tail = {}  # CouchDB says nothing more where conditions exclude one another
    return answer_bytes(x, _render(docs, tail))


def _render(docs: list[bytes], tail: dict[str, Any]) -> bytes:
    rows = b",\r\n".join(docs) + b"\r\n" if docs else b""
    members = [b',\r\n"%b": %b' % (name.encode(), dump_json(value)) for name, value in tail.items()]
    return b'{"docs":[\r\n' + rows + b"]" + b"".join(members) + b"}\r\n"


@dataclass(frozen=True, slots=True)
class _Row:
    """One match: its key in the index, its id, and what of it is shown."""

    key: list[Any]
    doc_id: str
    doc: dict[str, Any]


class _Walk:
    """One run of a query over a database, in the order of the index chosen."""

    def __init__(self, database: Database, query: Query, chosen: Plan) -> None:
        self._database, self._query, self._plan = database, query, chosen
        self._paths = [parse_field(column) for column in chosen.index.columns]
        self._start = tuple(sort_key(value) for value in chosen.start)
        self._end = tuple(sort_key(value) for value in chosen.end)
        self.examined = 0
        self._passed: list[tuple[Any, ...]] = []  # in the index's range, but no match
        self.bookmark = query.bookmark or NO_BOOKMARK
        self._after = None if query.bookmark is None else _parse_bookmark(query.bookmark)

    def rows(self) -> list[_Row]:
        """Return the rows of the page asked for, and set `bookmark` behind the last."""
        query, wanted = self._query, self._query.skip + self._query.limit
        if self._plan.ranges is None or query.limit == 0:
            return []
        if self._plan.index.is_primary:
            found = [row for row, _ in zip(self._matches(query.is_descending), range(wanted), strict=False)]
        else:
            pick = heapq.nlargest if query.is_descending else heapq.nsmallest
            found = pick(wanted, self._matches(False), key=self._order)
            self._stop_at_limit(found, wanted)
        page = found[query.skip :]
        if page:
            self.bookmark = _build_bookmark(page[-1])
        return [replace(row, doc=self._show(row)) for row in page]

    def _stop_at_limit(self, found: list[_Row], wanted: int) -> None:
        """Count as examined what an index read in order would have come by before the limit stopped it."""
        if len(found) < wanted or len(self._passed) == MAX_PASSED:
            return
        last = self._order(found[-1])
        behind = (
            (order > last for order in self._passed)
            if self._query.is_descending
            else (order < last for order in self._passed)
        )
        self.examined = len(found) + sum(behind)

    def _show(self, row: _Row) -> dict[str, Any]:
        return project(row.doc, list(self._query.fields))

    def _order(self, row: _Row) -> tuple[Any, ...]:
        return (*(sort_key(value, collate) for value in row.key), row.doc_id)

    def _matches(self, descending: bool) -> Iterator[_Row]:
        """Yield the matching documents by id."""
        matches, partial = self._query.selector.matches, self._plan.index.partial
        for doc_id, doc in self._documents(descending):
            key = [doc_id] if self._plan.index.is_primary else [lookup(doc, path) for path in self._paths]
            if any(value is MISSING for value in key) or (partial is not None and not partial.matches(doc)):
                continue  # the index does not list it
            row = _Row(key, doc_id, doc)
            if not self._is_in_range(key) or not self._is_behind(row):
                continue
            self.examined += 1
            if matches(doc):
                yield row
            elif len(self._passed) < MAX_PASSED:
                self._passed.append(self._order(row))

    def _is_in_range(self, key: list[Any]) -> bool:
        """Return whether a walk along the index would come by this key; the id range was the store's to keep."""
        if self._plan.index.is_primary:
            return True
        place = tuple(sort_key(value) for value in key)
        return place >= self._start and place[: len(self._end)] <= self._end

    def _is_behind(self, row: _Row) -> bool:
        if self._after is None or len(self._after.key) != len(row.key):
            return True
        mine, last = self._order(row), self._order(self._after)
        return mine < last if self._query.is_descending else mine > last

    def _documents(self, descending: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (id, document) of every live document that is no design document."""
        ask = _build_range(self._plan, descending, self._after)
        while True:
            page = self._database.all_docs(replace(ask, limit=PAGE)).rows
            rows = [row for row in page if not row.id.startswith(DESIGN)]
            found = self._database.bulk_get([GetRequest(row.id, row.rev) for row in rows])
            for docs in found:
                if docs and isinstance(docs[0], Doc):
                    meta = conflicts_meta(self._database, docs[0]) if self._query.conflicts else None
                    yield docs[0].id, parse_json(render_document(docs[0], meta=meta))
            if len(page) < PAGE:
                return
            ask = replace(ask, start=page[-1].id, skip=1)


def _build_range(chosen: Plan, descending: bool, after: _Row | None) -> AllDocsQuery:
    """Return the ids to walk: for the primary index those the selector leaves, else all."""
    low = high = None
    if chosen.index.is_primary and chosen.ranges:
        bounds = chosen.ranges[0]
        low = bounds.low if isinstance(bounds.low, str) else None
        high = bounds.high if isinstance(bounds.high, str) else None
    if chosen.index.is_primary and after is not None:  # a later page begins where the last one ended
        low, high = (low, after.doc_id) if descending else (after.doc_id, high)
    return AllDocsQuery(start=high, end=low, descending=True) if descending else AllDocsQuery(start=low, end=high)


def _build_bookmark(row: _Row) -> str:
    return base64.urlsafe_b64encode(dump_json({"key": row.key, "id": row.doc_id})).decode().rstrip("=")


def _parse_bookmark(bookmark: str) -> _Row:
    try:
        value = parse_json(base64.b64decode(bookmark + "=" * (-len(bookmark) % 4), altchars=b"-_", validate=True))
        if isinstance(value["key"], list) and isinstance(value["id"], str):
            return _Row(value["key"], value["id"], {})
    except (binascii.Error, ValueError, TypeError, KeyError, BadRequest):
        pass
    raise MangoError(f"Invalid bookmark value: {show(bookmark)}", error="invalid_bookmark")


def explain(x: Exchange) -> Response:
    """`POST /db/_explain`."""
    x.require_json_type()
    database, query = x.open(), parse_query(x.json_object())
    indexes = load_indexes(database)
    try:
        chosen = plan(query, indexes)
    except NoUsableIndex as refusal:
        return answer(x, _describe(x, query, None, refusal.candidates))
    start, end = _describe_range(chosen)
    if query.is_descending:
        start, end = end, start
    value = _describe(x, query, chosen.index, chosen.candidates)
    value["mrargs"] = {
        "include_docs": True,
        "view_type": "map",
        "reduce": False,
        "partition": None,
        "start_key": start,
        "end_key": end,
        "direction": "rev" if query.is_descending else "fwd",
        "stable": query.stable,
        "update": query.update,
        "conflicts": query.conflicts or "undefined",
    }
    value["covering"] = _covers(chosen.index, list(query.fields))
    return answer(x, value)


def _describe(x: Exchange, query: Query, index: Index | None, candidates: tuple[Candidate, ...]) -> dict[str, Any]:
    fields = list(query.fields)
    options = {
        "use_index": list(query.use_index),
        "bookmark": query.bookmark or NO_BOOKMARK,
        "limit": query.limit,
        "skip": query.skip,
        "sort": dict(query.sort),
        "fields": fields,
        "partition": query.partition,
        "r": query.r,
        "conflicts": query.conflicts,
        "stale": query.stale,
        "update": query.update,
        "stable": query.stable,
        "execution_stats": query.execution_stats,
        "allow_fallback": query.allow_fallback,
    }
    return {
        "dbname": x.parts[0],
        "index": index.to_json() if index is not None else None,
        "partitioned": False,
        "selector": query.selector.tree,
        "opts": options,
        "limit": query.limit,
        "skip": query.skip,
        "fields": fields,
        "index_candidates": [_describe_candidate(entry, fields) for entry in candidates],
        "selector_hints": [hints(query.selector.tree)],
    }


def _describe_range(chosen: Plan) -> tuple[Any, Any]:
    if chosen.ranges is None:
        return None, None
    if chosen.index.is_primary:
        bounds = chosen.ranges[0] if chosen.ranges else None
        low = "" if bounds is None or bounds.low is MIN else bounds.low
        return low, "<MAX>" if bounds is None or bounds.high is MAX else bounds.high
    return chosen.start, [*chosen.end, "<MAX>"]


def _describe_candidate(entry: Candidate, fields: list[str]) -> dict[str, Any]:
    index, usable, reason, ranking = entry
    covering = None if index.is_primary else _covers(index, fields)
    analysis = {"usable": usable, "reasons": [{"name": reason}], "ranking": ranking, "covering": covering}
    return {"index": index.to_json(), "analysis": analysis}


def _covers(index: Index, fields: list[str]) -> bool:
    return bool(fields) and not index.is_primary and set(fields) <= {"_id", *index.columns}


# Indexes


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
