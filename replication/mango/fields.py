"""Paths into documents: `a.b.c`, with `\\.` for a dot in a name; reading, and cutting documents down to them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from replication.mango.errors import MangoError, show

Path = tuple[str, ...]
MISSING: Any = object()
_DOT = re.compile(r"(?<!\\)\.")


@lru_cache(maxsize=1024)
def parse_field(field: str) -> Path:
    """Return the names along a path. Raises `MangoError("invalid_field_name")` for an empty one."""
    parts = tuple(part.replace("\\", "") if "\\" in part else part for part in _DOT.split(field))
    if any(not part for part in parts):
        raise MangoError(f"Invalid field name: {field}", error="invalid_field_name")
    return parts


def lookup(value: Any, path: Path) -> Any:
    """Return what stands at `path`, `MISSING` where nothing does. A whole number walks into an array."""
    for name in path:
        if isinstance(value, dict):
            if name not in value:
                return MISSING
            value = value[name]
        elif isinstance(value, list):
            if not name.isdecimal() or len(name) > 9 or int(name) >= len(value):
                return MISSING
            value = value[int(name)]
        else:
            return MISSING
    return value


def parse_fields(value: Any) -> list[str]:
    """Return the `fields` of a query; an empty list asks for whole documents. Raises `MangoError`."""
    if not isinstance(value, list):
        raise MangoError(f"Fields must be an array of strings, not: {show(value)}", error="invalid_fields")
    for entry in value:
        if not isinstance(entry, str):
            raise MangoError(f"Invalid JSON for field spec: {show(entry)}", error="invalid_field")
    return list(value)


def project(doc: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """Return the document cut down to `fields`, nested as it was."""
    if not fields:
        return doc
    out: dict[str, Any] = {}
    for field in fields:
        path = parse_field(field)
        found = lookup(doc, path)
        if found is not MISSING:
            _place(out, path, found)
    return out


def _place(out: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        inner = out.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # an outer field was asked for as well, and holds this one
        out = inner
    out[path[-1]] = value
