"""Which rows of the feed a request wants: `_doc_ids`, `_design`, `_selector`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replication.document import Doc, DocId
from replication.errors import BadRequest, NotFound, TooLarge
from replication.http.exchange import Exchange
from replication.http.query import parse_json_value
from replication.jsontext import parse_json
from replication.mango.selector import Selector, parse_selector
from replication.store import ChangeRow, Database, GetRequest
from replication.wire import render_document


@dataclass(frozen=True, slots=True)
class Filter:
    """`doc_ids` go to the store; `keep` looks at the id; `selector` at the winner's content."""

    doc_ids: tuple[DocId, ...] | None = None
    keep: Callable[[ChangeRow], bool] | None = None
    selector: Selector | None = None

    def apply(self, database: Database, rows: tuple[ChangeRow, ...]) -> tuple[ChangeRow, ...]:
        """Return the rows wanted, in their order."""
        if self.keep is not None:
            return tuple(filter(self.keep, rows))
        if self.selector is not None and rows:
            return _select(database, self.selector, rows)
        return rows


def _select(database: Database, selector: Selector, rows: tuple[ChangeRow, ...]) -> tuple[ChangeRow, ...]:
    found = database.bulk_get([GetRequest(row.id, row.leaves[0]) for row in rows])
    return tuple(
        row
        for row, docs in zip(rows, found, strict=True)
        for doc in docs[:1]
        if isinstance(doc, Doc) and selector.matches(parse_json(render_document(doc)))
    )


def parse_filter(x: Exchange, body: dict[str, Any]) -> Filter:
    """Return the filter a request names. Raises `BadRequest`, and `NotFound` for filters written in JavaScript."""
    name = x.query.get("filter")
    match name:
        case None | "" | "_main_only":
            return Filter()
        case "_doc_ids":
            return Filter(doc_ids=_parse_doc_ids(x, body))
        case "_design":
            return Filter(keep=lambda row: row.id.startswith("_design/"))
        case "_selector":
            return Filter(selector=_parse_selector(x, body))
        case "_view":
            if "view" not in x.query:
                raise BadRequest("`view` filter parameter is not provided.")
            name = x.query["view"]
    design, slash, function = name.partition("/")
    if not slash or not design or not function:
        raise BadRequest("`filter` must be of the form `designname/filtername`")
    x.open().get(DocId(f"_design/{design}"))  # a design document that is not there is missing, as in CouchDB
    raise NotFound("missing: this server runs no JavaScript, so only _doc_ids, _selector and _design filter a feed")


def _parse_doc_ids(x: Exchange, body: dict[str, Any]) -> tuple[DocId, ...]:
    given = body.get("doc_ids")
    if given is None and "doc_ids" in x.query:
        given = parse_json_value(x.query["doc_ids"])
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
    if len(given) > x.limits.max_docs:
        raise TooLarge(f"at most {x.limits.max_docs} doc_ids in one request, got {len(given)}")
    return tuple(map(DocId, given))


def _parse_selector(x: Exchange, body: dict[str, Any]) -> Selector:
    if x.method != "POST":
        raise BadRequest("Selector must be specified in POST payload")
    given = body.get("selector")
    if not isinstance(given, dict):
        raise BadRequest("Selector error: expected a JSON object")
    return parse_selector(given)
