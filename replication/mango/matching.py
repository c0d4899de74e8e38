"""Selectors in normal form turned into tests of documents."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from replication.mango.collation import compare
from replication.mango.fields import MISSING, lookup, parse_field
from replication.mango.regex import compile_search

Match = Callable[[Any], bool]
Compare = Callable[[Any, Any], int]
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def compile_match(tree: dict[str, Any]) -> Match:
    """Return the test of a normal form; an empty one is true of everything."""
    return _compile(tree, compare)


def _compare_ids(left: Any, right: Any) -> int:
    # CouchDB compares ids as Erlang terms, and there every other JSON type sorts before strings.
    if isinstance(left, str) and not isinstance(right, str):
        return 1
    return compare(left, right, str)


def _compile(tree: dict[str, Any], order: Compare) -> Match:
    if not tree:
        return lambda value: True
    ((name, arg),) = tree.items()
    match name:
        case "$and":
            every = [_compile(entry, order) for entry in arg]
            return lambda value: all(test(value) for test in every)
        case "$or":
            some = [_compile(entry, order) for entry in arg]
            return lambda value: not some or any(test(value) for test in some)
        case "$not":
            inner = _compile(arg, order)
            return lambda value: not inner(value)
        case "":
            return _compile(arg, order)
    if name[:1] == "$":
        return _compile_operator(name, arg, order)
    return _compile_field(name, arg, order)


def _compile_field(field: str, condition: dict[str, Any], order: Compare) -> Match:
    path = parse_field(field)
    if condition == {"$exists": False}:
        return lambda value: lookup(value, path) is MISSING
    # Ids compare by code point, everything else as people read it.
    inner = _compile(condition, _compare_ids if field == "_id" else order)

    def test(value: Any) -> bool:
        found = lookup(value, path)
        return found is not MISSING and inner(found)

    return test


def _compile_operator(name: str, arg: Any, order: Compare) -> Match:
    match name:
        case "$lt":
            return lambda value: order(value, arg) < 0
        case "$lte":
            return lambda value: order(value, arg) <= 0
        case "$eq":
            return lambda value: order(value, arg) == 0
        case "$ne":
            return lambda value: order(value, arg) != 0
        case "$gte":
            return lambda value: order(value, arg) >= 0
        case "$gt":
            return lambda value: order(value, arg) > 0
        case "$in":
            return lambda value: _is_in(value, arg, order)
        case "$nin":
            return lambda value: not _is_in(value, arg, order)
        case "$all":
            return lambda value: _has_all(value, arg)
        case "$exists":
            return lambda value: bool(arg)  # only asked of values that are there
        case "$type":
            return lambda value: type_of(value) == arg
        case "$size":
            return lambda value: isinstance(value, list) and len(value) == arg
        case "$mod":
            return lambda value: type(value) is int and math.fmod(value, arg[0]) == arg[1]
        case "$beginsWith":
            return lambda value: isinstance(value, str) and value.startswith(arg)
        case "$regex":
            search = compile_search(arg)
            return lambda value: isinstance(value, str) and search(value)
    return _compile_inner(name, _compile(arg, order))


def _compile_inner(name: str, inner: Match) -> Match:
    match name:
        case "$elemMatch":
            return lambda value: isinstance(value, list) and any(inner(entry) for entry in value)
        case "$allMatch":
            return lambda value: isinstance(value, list) and bool(value) and all(inner(entry) for entry in value)
        case "$keyMapMatch":
            return lambda value: isinstance(value, dict) and any(inner(key) for key in value)
    raise AssertionError(f"{name} is no operator of a normal form")


def _is_in(value: Any, wanted: list[Any], order: Compare) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(order(entry, candidate) == 0 for candidate in wanted for entry in values)


def _has_all(value: Any, wanted: list[Any]) -> bool:
    if not wanted or not isinstance(value, list):
        return False
    if len(wanted) == 1 and isinstance(wanted[0], list) and _same(wanted[0], value):
        return True
    return all(any(_same(entry, candidate) for entry in value) for candidate in wanted)


def _same(left: Any, right: Any) -> bool:
    return compare(left, right, str) == 0


def type_of(value: Any) -> str:
    """Return JSON's word for a value's type."""
    return "null" if value is None else _TYPES[type(value)]
