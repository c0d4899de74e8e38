"""Which rows of the feed a request wants: `_doc_ids`, `_design`, `_selector`, or a function of a design document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, NotFound, TooLarge
from replication.http.database import describe
from replication.http.exchange import Exchange
from replication.http.query import parse_json_value
from replication.http.scripts import ScriptedDatabase
from replication.jsontext import dump_json, parse_json
from replication.mango.selector import parse_selector
from replication.store import ChangeRow, Database, GetRequest
from replication.wire import render_document

# Says of each document whether a reader gets it.
Test = Callable[[Sequence[Doc]], list[bool]]


@dataclass(frozen=True, slots=True)
class Filter:
    """`doc_ids` go to the store; `keep` looks at the id; `test` at the content of each leaf that would be listed."""

    doc_ids: tuple[DocId, ...] | None = None
    keep: Callable[[ChangeRow], bool] | None = None
    test: Test | None = None

    @property
    def drops_rows(self) -> bool:
        """Whether the store's page may shrink, so that a limit cannot be handed to the store."""
        return self.keep is not None or self.test is not None

    def apply(self, database: Database, rows: tuple[ChangeRow, ...], *, all_leaves: bool) -> tuple[ChangeRow, ...]:
        """Return the rows wanted, in their order. With `all_leaves` a row keeps the leaves that pass."""
        if self.keep is not None:
            return tuple(filter(self.keep, rows))
        if self.test is None or not rows:
            return rows
        asked = [(row, rev) for row in rows for rev in (row.leaves if all_leaves else row.leaves[:1])]
        found = database.bulk_get([GetRequest(row.id, rev) for row, rev in asked])
        # A leaf that is gone was edited and compacted in between: its document stands further on in the feed.
        docs = [
            (row, docs[0]) for (row, _), docs in zip(asked, found, strict=True) if docs and isinstance(docs[0], Doc)
        ]
        passed: dict[DocId, list[Rev]] = {}
        for (row, doc), wanted in zip(docs, self.test([doc for _, doc in docs]), strict=True):
            if wanted and doc.rev is not None:
                passed.setdefault(row.id, []).append(doc.rev)
        return tuple(replace(row, leaves=tuple(passed[row.id])) for row in rows if row.id in passed)


def parse_filter(x: Exchange, body: dict[str, Any]) -> Filter:
    """Return the filter a request names.

    Raises `BadRequest`, and `NotFound` for a filter in JavaScript that is not there or that nothing here runs.
    """
    name = x.query.get("filter")
    match name:
        case None | "" | "_main_only":
            return Filter()
        case "_doc_ids":
            return Filter(doc_ids=_parse_doc_ids(x, body))
        case "_design":
            return Filter(keep=lambda row: row.id.startswith("_design/"))
        case "_selector":
            return Filter(test=_parse_selector(x, body))
        case "_view":
            if "view" not in x.query:
                raise BadRequest("`view` filter parameter is not provided.")
            design, function = _split(x.query["view"], "`view` must be of the form `designname/viewname`")
            return Filter(test=_parse_function(x, body, design, ("views", function, "map")))
    design, function = _split(name, "`filter` must be of the form `designname/filtername`")
    return Filter(test=_parse_function(x, body, design, ("filters", function)))


def _split(name: str, refusal: str) -> tuple[DocId, str]:
    design, _, function = name.partition("/")
    if not design or not function or "/" in function:
        raise BadRequest(refusal)
    return DocId(f"_design/{design}"), function


def _parse_function(x: Exchange, body: dict[str, Any], design: DocId, path: tuple[str, ...]) -> Test:
    database = x.open()
    database.get(design)  # a design document that is not there is missing, as in CouchDB
    if not isinstance(database, ScriptedDatabase):
        raise NotFound("missing: this server runs no JavaScript, so only _doc_ids, _selector and _design filter a feed")
    database.passes(design, path, (), {})  # a function that is not there is missing before the feed begins
    request = _describe_request(x, body, database)
    return lambda docs: database.passes(design, path, docs, request)


def _describe_request(x: Exchange, body: dict[str, Any], database: Database) -> dict[str, Any]:
    """Return the `req` of a filter as CouchDB builds it, without the sender's secrets."""
    headers = {
        name[5:].replace("_", "-").title(): value
        for name, value in x.environ.items()
        if name.startswith("HTTP_") and name not in ("HTTP_AUTHORIZATION", "HTTP_COOKIE")
    }
    return {
        "info": describe(database.info()),
        "id": None,
        "method": x.method,
        "path": x.parts,
        "query": x.query,
        "headers": headers,
        "body": dump_json(body).decode() if x.method == "POST" else "undefined",
        "peer": x.environ.get("REMOTE_ADDR", ""),
        "form": {},
        "cookie": {},
    }


def _parse_doc_ids(x: Exchange, body: dict[str, Any]) -> tuple[DocId, ...]:
    given = body.get("doc_ids")
    if given is None and "doc_ids" in x.query:
        given = parse_json_value(x.query["doc_ids"])
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
    if len(given) > x.limits.max_docs:
        raise TooLarge(f"at most {x.limits.max_docs} doc_ids in one request, got {len(given)}")
    return tuple(map(DocId, given))


def _parse_selector(x: Exchange, body: dict[str, Any]) -> Test:
    if x.method != "POST":
        raise BadRequest("Selector must be specified in POST payload")
    given = body.get("selector")
    if not isinstance(given, dict):
        raise BadRequest("Selector error: expected a JSON object")
    matches = parse_selector(given).matches
    return lambda docs: [matches(parse_json(render_document(doc))) for doc in docs]
