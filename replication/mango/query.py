"""The options of `_find` and `_explain`, checked as CouchDB checks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from replication.mango.errors import MangoError, show
from replication.mango.fields import parse_fields
from replication.mango.selector import Selector, parse_selector

DEFAULT_LIMIT = 25
Sort = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query as asked. `use_index` is (), (design,) or (design, name); `fields` empty asks for whole documents."""

    selector: Selector
    use_index: tuple[str, ...] = ()
    bookmark: str | None = None
    limit: int = DEFAULT_LIMIT
    skip: int = 0
    sort: Sort = ()
    fields: tuple[str, ...] = ()
    partition: str = ""
    r: int = 1
    conflicts: bool = False
    stale: str | bool = False
    update: bool = True
    stable: bool = False
    execution_stats: bool = False
    allow_fallback: bool = True

    @property
    def is_descending(self) -> bool:
        return bool(self.sort) and self.sort[0][1] == "desc"


def parse_query(value: Any) -> Query:
    """Return the query of a decoded JSON object. Raises `MangoError` with CouchDB's words."""
    given = dict(value)
    if "selector" not in given:
        raise MangoError("Missing required key: selector", error="missing_required_key")
    out = {name: _PARSERS[name](given.pop(name)) for name in _PARSERS if name in given}
    for name in given:
        raise MangoError(f"Invalid key {name} for this request.", error="invalid_key")
    return Query(**out)


def parse_sort(value: Any) -> Sort:
    """Return (field, direction) pairs of a `sort` or of an index's `fields`. Raises `MangoError`."""
    if not isinstance(value, list):
        raise MangoError(f"Sort must be an array of sort specs, not: {show(value)}", error="invalid_sort_json")
    pairs = tuple(_parse_sort_field(entry) for entry in value)
    if len({direction for _, direction in pairs}) > 1:
        raise MangoError(
            "Sorts currently only support a single direction for all fields.", error="unsupported_mixed_sort"
        )
    return pairs


def _parse_sort_field(entry: Any) -> tuple[str, str]:
    if isinstance(entry, str) and entry:
        return entry, "asc"
    if isinstance(entry, dict) and len(entry) == 1:
        ((name, direction),) = entry.items()
        if direction in ("asc", "desc"):
            return name, direction
    raise MangoError(f"Invalid sort field: {show(entry)}", error="invalid_sort_field")


def parse_use_index(value: Any) -> tuple[str, ...]:
    """Return the design document, without `_design/`, and the name a query asks for. Raises `MangoError`."""
    if value is None or value == []:
        return ()
    parts = value.split("/") if isinstance(value, str) else value
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        parts = [part.removeprefix("_design/") for part in parts]
        if len(parts) > 1 and parts[0] == "_design":
            parts = parts[1:]
        if len(parts) in (1, 2):
            return tuple(parts)
    raise MangoError(f"Invalid index name: {show(value)}", error="invalid_index_name")


def parse_bool(value: Any) -> bool:
    """Return true or false. Raises `MangoError("invalid_boolean")`."""
    if not isinstance(value, bool):
        raise MangoError(f"Invalid boolean value: {show(value)}", error="invalid_boolean")
    return value


def _parse_count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MangoError(
            f"{show(value)} is not an integer greater than or equal to zero", error="invalid_non_neg_integer"
        )
    return value


def parse_positive(value: Any) -> int:
    """Return a whole number above 0. Raises `MangoError("invalid_pos_integer")`."""
    if type(value) is not int or value < 1:
        raise MangoError(f"{show(value)} is not an integer greater than zero", error="invalid_pos_integer")
    return value


def _parse_bookmark(value: Any) -> str | None:
    if value is None or value in ("", "nil"):
        return None
    if not isinstance(value, str):
        raise MangoError(f"Invalid bookmark value: {show(value)}", error="invalid_bookmark")
    return value


def _parse_partition(value: Any) -> str:
    if value != "":
        raise MangoError("database is not partitioned", error="bad_request")
    return ""


def _parse_stale(value: Any) -> str | bool:
    if value == "ok":
        return "ok"
    if value in ("false", False):
        return False
    raise MangoError(f"Invalid value for stale: {show(value)}", error="invalid_ok_or_false_value")


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "selector": parse_selector,
    "use_index": parse_use_index,
    "bookmark": _parse_bookmark,
    "limit": _parse_count,
    "skip": _parse_count,
    "sort": parse_sort,
    "fields": lambda value: tuple(parse_fields(value)),
    "partition": _parse_partition,
    "r": parse_positive,
    "conflicts": parse_bool,
    "stale": _parse_stale,
    "update": parse_bool,
    "stable": parse_bool,
    "execution_stats": parse_bool,
    "allow_fallback": parse_bool,
}
