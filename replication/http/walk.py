"""One run of a Mango query over a database: which documents match, in the order of the index chosen.

Matching reads every document of the range once and keeps of each match its key, id and revision; the page that is
answered is read again. So a query of a large database holds keys in memory, never documents.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest
from replication.http.documents import conflicts_meta
from replication.http.errors import TookTooLong
from replication.jsontext import dump_json, parse_json
from replication.mango.collation import collate, sort_key
from replication.mango.errors import MangoError, show
from replication.mango.fields import MISSING, lookup, parse_field, project
from replication.mango.index import DESIGN
from replication.mango.planner import Plan
from replication.mango.query import Query
from replication.store import AllDocsQuery, AllDocsRow, Database, GetRequest
from replication.wire import render_document

PAGE = 200
NO_BOOKMARK = "nil"
# Beyond so many documents passed over in vain, the answer warns anyway; counting them exactly is worth no memory.
MAX_PASSED = 2000
Order = tuple[Any, ...]
JsonDoc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One match: its key in the index, its id and revision."""

    key: list[Any]
    doc_id: str
    rev: Rev | None = None


class Walk:
    """One run. `documents` gives the page; then `bookmark` stands behind the last and `examined` has been counted."""

    def __init__(self, database: Database, query: Query, chosen: Plan, max_s: float) -> None:
        self._database, self._query, self._plan = database, query, chosen
        self._paths = [parse_field(column) for column in chosen.index.columns]
        self._start = tuple(sort_key(value) for value in chosen.start)
        self._end = tuple(sort_key(value) for value in chosen.end)
        self._deadline, self._max_s = time.monotonic() + max_s, max_s
        self.examined = 0
        self._passed: list[Order] = []  # in the index's range, but no match
        self.bookmark = query.bookmark or NO_BOOKMARK
        self._after = None if query.bookmark is None else _parse_bookmark(query.bookmark)

    def documents(self) -> Iterator[JsonDoc]:
        """Yield the documents of the page asked for, cut down to the fields asked for."""
        query, wanted = self._query, self._query.skip + self._query.limit
        if self._plan.ranges is None or query.limit == 0:
            return
        found: Iterator[tuple[Row, JsonDoc]]
        if self._plan.index.is_primary:
            found = islice(self._matches(query.is_descending), query.skip, wanted)
        else:
            found = self._read_again(self._pick(wanted)[query.skip :])
        for row, doc in found:
            self.bookmark = _build_bookmark(row)
            yield project(doc, list(query.fields))

    def _pick(self, wanted: int) -> list[Row]:
        """Return the first `wanted` matches in the order of a secondary index."""
        pick = heapq.nlargest if self._query.is_descending else heapq.nsmallest
        found = pick(wanted, (row for row, _ in self._matches(False)), key=self._order)
        self._stop_at_limit(found, wanted)
        return found

    def _stop_at_limit(self, found: list[Row], wanted: int) -> None:
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

    def _order(self, row: Row) -> Order:
        return (*(sort_key(value, collate) for value in row.key), row.doc_id)

    def _matches(self, descending: bool) -> Iterator[tuple[Row, JsonDoc]]:
        """Yield the matching documents by id. Raises `TookTooLong`."""
        matches, index = self._query.selector.matches, self._plan.index
        for doc_id, rev, doc in self._live_documents(descending):
            if time.monotonic() > self._deadline:
                raise TookTooLong(self._max_s)
            key = [doc_id] if index.is_primary else [lookup(doc, path) for path in self._paths]
            if any(value is MISSING for value in key) or (index.partial is not None and not index.partial.matches(doc)):
                continue  # the index does not list it
            row = Row(key, doc_id, rev)
            if not self._is_in_range(key) or not self._is_behind(row):
                continue
            self.examined += 1
            if matches(doc):
                yield row, doc
            elif not index.is_primary and len(self._passed) < MAX_PASSED:
                self._passed.append(self._order(row))

    def _is_in_range(self, key: list[Any]) -> bool:
        """Return whether a walk along the index would come by this key; the id range was the store's to keep."""
        if self._plan.index.is_primary:
            return True
        place = tuple(sort_key(value) for value in key)
        return place >= self._start and place[: len(self._end)] <= self._end

    def _is_behind(self, row: Row) -> bool:
        if self._after is None or len(self._after.key) != len(row.key):
            return True
        mine, last = self._order(row), self._order(self._after)
        return mine < last if self._query.is_descending else mine > last

    def _live_documents(self, descending: bool) -> Iterator[tuple[DocId, Rev | None, JsonDoc]]:
        """Yield (id, revision, document) of every live document of the range that is no design document."""
        ask = _build_range(self._plan, descending, self._after)
        while True:
            page = self._database.all_docs(replace(ask, limit=PAGE)).rows
            for doc in self._read(page):
                yield doc.id, doc.rev, self._show(doc)
            if len(page) < PAGE:
                return
            ask = replace(ask, start=page[-1].id, skip=1)

    def _read(self, page: tuple[AllDocsRow, ...]) -> Iterator[Doc]:
        rows = [row for row in page if not row.id.startswith(DESIGN)]
        for docs in self._database.bulk_get([GetRequest(row.id, row.rev) for row in rows]):
            if docs and isinstance(docs[0], Doc):
                yield docs[0]

    def _read_again(self, rows: list[Row]) -> Iterator[tuple[Row, JsonDoc]]:
        """Yield picked rows with their documents; one that was edited and compacted meanwhile is left out."""
        for begin in range(0, len(rows), PAGE):
            page = rows[begin : begin + PAGE]
            found = self._database.bulk_get([GetRequest(DocId(row.doc_id), row.rev) for row in page])
            for row, docs in zip(page, found, strict=True):
                if docs and isinstance(docs[0], Doc):
                    yield row, self._show(docs[0])

    def _show(self, doc: Doc) -> JsonDoc:
        meta = conflicts_meta(self._database, doc) if self._query.conflicts else None
        shown: JsonDoc = parse_json(render_document(doc, meta=meta))
        return shown


def _build_range(chosen: Plan, descending: bool, after: Row | None) -> AllDocsQuery:
    """Return the ids to walk: for the primary index those the selector leaves, else all."""
    low = high = None
    if chosen.index.is_primary and chosen.ranges:
        bounds = chosen.ranges[0]
        low = bounds.low if isinstance(bounds.low, str) else None
        high = bounds.high if isinstance(bounds.high, str) else None
    if chosen.index.is_primary and after is not None:  # a later page begins where the last one ended
        low, high = (low, after.doc_id) if descending else (after.doc_id, high)
    return AllDocsQuery(start=high, end=low, descending=True) if descending else AllDocsQuery(start=low, end=high)


def _build_bookmark(row: Row) -> str:
    return base64.urlsafe_b64encode(dump_json({"key": row.key, "id": row.doc_id})).decode().rstrip("=")


def _parse_bookmark(bookmark: str) -> Row:
    try:
        value = parse_json(base64.b64decode(bookmark + "=" * (-len(bookmark) % 4), altchars=b"-_", validate=True))
        if isinstance(value["key"], list) and isinstance(value["id"], str):
            return Row(value["key"], value["id"])
    except (binascii.Error, ValueError, TypeError, KeyError, BadRequest):
        pass
    raise MangoError(f"Invalid bookmark value: {show(bookmark)}", error="invalid_bookmark")
