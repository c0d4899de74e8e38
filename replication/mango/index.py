"""Indexes: what they list, and the design documents that hold them, as CouchDB writes both.

{"_id": "_design/by-a", "language": "query", "views": {"by-a": {
    "map": {"fields": {"a": "asc"}, "partial_filter_selector": {}},
    "reduce": "_count",
    "options": {"def": {"fields": ["a"]}}}}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from replication.errors import NotFound, Unavailable
from replication.mango.errors import MangoError, show
from replication.mango.etf import Atom, encode_term
from replication.mango.query import Sort, parse_positive, parse_sort, parse_use_index
from replication.mango.selector import Selector, parse_selector

LANGUAGE = "query"
DESIGN = "_design/"


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `ddoc` None is the primary one, `_all_docs`. A partial index lists only what `partial` matches."""

    ddoc: str | None
    name: str
    fields: Sort
    partial: Selector | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.fields)

    @property
    def is_primary(self) -> bool:
        return self.ddoc is None

    def to_json(self) -> dict[str, Any]:
        """Return the row of `GET _index`."""
        shown: dict[str, Any] = {"fields": [{name: direction} for name, direction in self.fields]}
        if self.is_primary:
            return {"ddoc": None, "name": self.name, "type": "special", "def": shown}
        if self.partial is not None:
            shown["partial_filter_selector"] = self.partial.tree
        return {"ddoc": self.ddoc, "name": self.name, "type": "json", "partitioned": False, "def": shown}


PRIMARY = Index(None, "_all_docs", (("_id", "asc"),))


def parse_index(value: Mapping[str, Any]) -> Index:
    """Return the index a `POST _index` asks for. Raises `MangoError`, `Unavailable` for text indexes."""
    given = dict(value)
    if "index" not in given:
        raise MangoError("Missing required key: index", error="missing_required_key")
    definition = given.pop("index")
    _check_type(given.pop("type", "json"))
    name, ddoc = _parse_name(given.pop("name", None)), _parse_name(given.pop("ddoc", None))
    w = parse_positive(given.pop("w", 2))
    if not isinstance(given.pop("partitioned", False), bool):
        raise MangoError("Invalid value for partitioned", error="invalid_partitioned_value")
    for other in given:
        raise MangoError(f"Invalid key {other} for this request.", error="invalid_key")
    fields, partial = _parse_definition(definition)
    generated = "" if name and ddoc else build_name(definition, name, ddoc, w)
    ddoc = ddoc or generated
    return Index(DESIGN + ddoc.removeprefix(DESIGN), name or generated, fields, partial, definition)


def _check_type(kind: Any) -> None:
    if kind in ("text", "nouveau"):
        raise Unavailable(kind, error="required index service unavailable")
    if kind != "json":
        raise MangoError(f"Invalid type for index: {kind}", error="invalid_index")


def _parse_name(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise MangoError(f"Invalid string: {show(value)}", error="invalid_string")
    if not value:
        raise MangoError("Index name or ddoc cannot be empty string", error="invalid_empty_string")
    return value


def _parse_definition(definition: Any) -> tuple[Sort, Selector | None]:
    if not isinstance(definition, dict):
        raise MangoError(f"JSON indexes must be an object, not: {show(definition)}", error="invalid_index")
    if "fields" not in definition:
        raise MangoError("Missing required key: fields", error="missing_required_key")
    for name in definition:
        if name not in ("fields", "partial_filter_selector"):
            raise MangoError(f"Invalid key {name} for this request.", error="invalid_key")
    partial = parse_selector(definition.get("partial_filter_selector", {}))
    return parse_sort(definition["fields"]), partial if partial.tree else None


def build_name(definition: Any, name: str | None, ddoc: str | None, w: int) -> str:
    """Return the name CouchDB gives an unnamed index: SHA-1 of the request as an Erlang term.

    The same definition so gets the same design document on every peer, and replication finds one, not two.
    """
    auto = Atom("auto_name")
    options = [
        (Atom("ddoc"), ddoc or auto),
        (Atom("def"), definition),
        (Atom("name"), name or auto),
        (Atom("partitioned"), Atom("db_default")),
        (Atom("type"), "json"),
        (Atom("w"), w),
    ]
    return hashlib.sha1(encode_term((definition, options)), usedforsecurity=False).hexdigest()


def add_to_design(body: Mapping[str, Any] | None, index: Index) -> dict[str, Any]:
    """Return a design document's body with the index in it; None is a document yet to be made.

    Raises `MangoError` if it is no query document.
    """
    if body is None:
        body = {"language": LANGUAGE}
    if (language := body.get("language")) != LANGUAGE:
        raise MangoError(f"Existing design doc has an invalid language: {show(language)}", error="invalid_ddoc_lang")
    view = {
        "map": {"fields": dict(index.fields), "partial_filter_selector": index.partial.tree if index.partial else {}},
        "reduce": "_count",
        "options": {"def": index.definition},
    }
    return {**body, "views": {**body.get("views", {}), index.name: view}}


def remove_from_design(body: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a design document's body without the index, None where nothing is left. Raises `NotFound`."""
    views = dict(body.get("views", {}))
    if views.pop(name, None) is None:
        raise NotFound("missing")
    rest = {key: value for key, value in body.items() if key != "views"}
    if views:
        return {**rest, "views": views}
    return None if rest == {"language": LANGUAGE} else rest


def parse_design(ddoc: str, body: Mapping[str, Any]) -> list[Index]:
    """Return the indexes of a design document; a view that is no index, or a malformed one, is left out."""
    views = body.get("views")
    if body.get("language") != LANGUAGE or not isinstance(views, dict):
        return []
    return [index for name, view in views.items() if (index := _parse_view(ddoc, name, view)) is not None]


def _parse_view(ddoc: str, name: str, view: Any) -> Index | None:
    shown = view.get("map") if isinstance(view, dict) else None
    fields = shown.get("fields") if isinstance(shown, dict) else None
    if not isinstance(shown, dict) or not isinstance(fields, dict):
        return None
    try:
        partial = parse_selector(shown.get("partial_filter_selector", {}))
        pairs = parse_sort([{name: direction} for name, direction in fields.items()])
    except MangoError:
        return None
    return Index(ddoc, name, pairs, partial if partial.tree else None)


def sort_indexes(indexes: Iterable[Index]) -> list[Index]:
    """Return the primary index first, then the others by design document and name, as CouchDB lists them."""
    return sorted(indexes, key=lambda index: (not index.is_primary, index.ddoc or "", index.name))


__all__ = [
    "PRIMARY",
    "Index",
    "add_to_design",
    "build_name",
    "parse_design",
    "parse_index",
    "parse_use_index",
    "remove_from_design",
    "sort_indexes",
]
