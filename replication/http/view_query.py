"""The options that requests for rows by id share with CouchDB's views: ranges, pages, what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replication.errors import BadRequest
from replication.http.errors import QueryParseError
from replication.http.query import parse_bool, parse_count, parse_json_value
from replication.store import AllDocsQuery

UNBOUNDED = 2**53
_JSON_VALUES = frozenset(("key", "keys", "startkey", "start_key", "endkey", "end_key"))
# Sorts after every string in CouchDB's order, as arrays and objects do.
_AFTER_ALL = object()


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """The options of a view request that mean something for ids. `start`/`end` are any JSON; MISSING is None."""

    start: Any = None
    end: Any = None
    has_start: bool = False
    has_end: bool = False
    inclusive_end: bool = True
    descending: bool = False
    limit: int = UNBOUNDED
    skip: int = 0
    keys: tuple[Any, ...] | None = None
    include_docs: bool = False
    attachments: bool = False
    encoding_info: bool = False
    conflicts: bool = False
    update_seq: bool = False


def parse_view_query(query: Mapping[str, str], body: Mapping[str, Any]) -> ViewQuery:
    """Return the options of query string and JSON body; the query string wins, as in CouchDB."""
    out: dict[str, Any] = {}
    for name, value in body.items():
        _take_option(out, name, value)
    for name, value in query.items():
        _take_option(out, name, parse_json_value(value) if name in _JSON_VALUES else value)
    if "keys" in out and ("has_start" in out or "has_end" in out):
        raise QueryParseError("`keys` is incompatible with `key`, `start_key` and `end_key`")
    return ViewQuery(**out)


def _take_option(out: dict[str, Any], name: str, value: Any) -> None:
    match name:
        case "startkey" | "start_key":
            out |= {"start": value, "has_start": True}
        case "endkey" | "end_key":
            out |= {"end": value, "has_end": True}
        case "key":
            out |= {"start": value, "end": value, "has_start": True, "has_end": True}
        case "keys":
            if not isinstance(value, list):
                raise BadRequest("`keys` parameter must be an array.")
            out["keys"] = tuple(value)
        case "limit" | "skip":
            out[name] = parse_count(name, value)
        case "descending" | "inclusive_end" | "include_docs" | "attachments" | "conflicts" | "update_seq":
            out[name] = parse_bool(name, value)
        case "att_encoding_info":
            out["encoding_info"] = parse_bool(name, value)


def _rank(value: Any) -> Any:
    """Return where a key of any JSON type stands among ids: "" is before all, `_AFTER_ALL` after."""
    if isinstance(value, str):
        return value
    return _AFTER_ALL if isinstance(value, list | dict) else ""


def in_range(query: ViewQuery, name: str) -> bool:
    """Return whether `name` is within the range; for short lists that no store pages."""
    low, high = (query.end, query.start) if query.descending else (query.start, query.end)
    has_low, has_high = (query.has_end, query.has_start) if query.descending else (query.has_start, query.has_end)
    if has_low and (_rank(low) is _AFTER_ALL or name < _rank(low)):
        return False
    if has_high and _rank(high) is not _AFTER_ALL and name > _rank(high):
        return False
    return query.inclusive_end or not query.has_end or name != query.end


def build_range(query: ViewQuery) -> AllDocsQuery | None:
    """Return the range for the store, None where a key of another JSON type makes it empty."""
    start, end = _rank(query.start), _rank(query.end)
    if query.descending:
        start_empty = query.has_start and start is not _AFTER_ALL and not isinstance(query.start, str)
        end_empty = query.has_end and end is _AFTER_ALL
    else:
        start_empty = query.has_start and start is _AFTER_ALL
        end_empty = query.has_end and end is not _AFTER_ALL and not isinstance(query.end, str)
    if start_empty or end_empty:
        return None
    return AllDocsQuery(
        start=query.start if isinstance(query.start, str) else None,
        end=query.end if isinstance(query.end, str) else None,
        inclusive_end=query.inclusive_end,
        descending=query.descending,
        skip=query.skip,
    )
