"""Selectors of Mango queries: read, brought to one form, matched.

    {"a": {"b": 1}, "$not": {"c": {"$gt": 2}}}          as written
    and( (a.b, $eq 1), (c, $lte 2) )                    normal form

The normal form is CouchDB's, because which index serves a query depends on it: implicit conjunctions become
`$and`, field names sink to the operators, negations sink as far as they go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replication.mango.errors import MangoError, bad_arg, show
from replication.mango.matching import Match, compile_match

Tree = dict[str, Any]  # one member: an operator or a field

MAX_NESTING = 50  # of operators and fields; what people write has two or three
MAX_VALUES = 20_000  # in all of a selector, so that a list of so many ids still fits
_LISTS = frozenset(("$and", "$or", "$nor"))
_INNER = frozenset(("$elemMatch", "$allMatch", "$keyMapMatch"))
_ANY = frozenset(("$lt", "$lte", "$eq", "$ne", "$gte", "$gt"))
_UNSUPPORTED = frozenset(("$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere"))
_OPPOSITE = {
    "$lt": "$gte",
    "$lte": "$gt",
    "$eq": "$ne",
    "$ne": "$eq",
    "$gte": "$lt",
    "$gt": "$lte",
    "$in": "$nin",
    "$nin": "$in",
}


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector in normal form, `tree`, and the test made of it."""

    tree: Tree
    match: Match

    def matches(self, doc: Mapping[str, Any]) -> bool:
        """Return whether a document, with its `_id`, satisfies the selector."""
        return self.match(doc)


def parse_selector(value: Any) -> Selector:
    """Return the selector of a decoded JSON object. Raises `MangoError` with CouchDB's word for what is wrong."""
    if not isinstance(value, dict):
        raise MangoError(f"Selector must be a JSON object, not: {show(value)}", error="invalid_selector_json")
    if _has_more(value, MAX_VALUES):
        raise MangoError(f"Selector holds more than {MAX_VALUES} values", error="invalid_selector")
    tree = normalize(value)
    return Selector(tree, compile_match(tree))


def _has_more(value: Any, limit: int) -> bool:
    """Return whether a JSON value holds more than `limit` values, itself included."""
    count, waiting = 0, [value]
    while waiting:
        count += 1
        if count + len(waiting) > limit:
            return True
        inner = waiting.pop()
        if isinstance(inner, dict | list):
            waiting.extend(inner.values() if isinstance(inner, dict) else inner)
    return False


def normalize(value: Tree) -> Tree:
    """Return the normal form."""
    if not value:
        return {}
    tree = _sink_negations(_sink_fields(_spell_out(value, 0), ""))
    if "" in tree:
        raise MangoError("One or more conditions is missing a field name.", error="invalid_selector")
    return tree


# 1. Everything implicit is written out.


def _spell_out(value: Any, depth: int) -> Tree:
    if depth > MAX_NESTING:
        raise MangoError(f"Selector is nested deeper than {MAX_NESTING} levels", error="invalid_selector")
    if not isinstance(value, dict):
        return {"$eq": value}
    if len(value) > 1:
        return {"$and": [_spell_out({name: inner}, depth + 1) for name, inner in value.items()]}
    if not value:
        return {"$eq": {}} if depth else {}
    ((name, inner),) = value.items()
    if name[:1] != "$":
        return {name: _spell_out(inner, depth + 1)}
    return _spell_out_operator(name, inner, depth + 1)


def _spell_out_operator(name: str, arg: Any, depth: int) -> Tree:
    if name in _LISTS:
        if not isinstance(arg, list):
            raise bad_arg(name, arg)
        return {name: [_spell_out(entry, depth) for entry in arg]}
    if name == "$not" or name in _INNER:
        if not isinstance(arg, dict):
            raise bad_arg(name, arg)
        return {name: _spell_out(arg, depth)}
    if name in _UNSUPPORTED or name == "$text":
        raise MangoError(f"Unsupported operator: {name}", error="not_supported")
    if not _is_argument(name, arg):
        raise bad_arg(name, arg)
    return {name: arg}


def _is_argument(name: str, arg: Any) -> bool:
    """Return whether a terminal operator takes `arg`. Raises `MangoError` for an operator there is not."""
    match name:
        case "$in" | "$nin" | "$all":
            return isinstance(arg, list)
        case "$exists":
            return isinstance(arg, bool)
        case "$type" | "$beginsWith" | "$regex":  # what is wrong in a pattern is found when it is compiled
            return isinstance(arg, str)
        case "$size":
            return type(arg) is int and arg >= 0
        case "$mod":
            return isinstance(arg, list) and len(arg) == 2 and all(type(entry) is int for entry in arg) and arg[0] != 0
    if name in _ANY:
        return True
    raise MangoError(f"Invalid operator: {name}", error="invalid_operator")


# 2. Field names sink to the operators: {a: {$and: [{$gt: 1}, {b: 2}]}} → {$and: [{a: {$gt: 1}}, {"a.b": {$eq: 2}}]}.


def _sink_fields(tree: Any, path: str) -> Tree:
    if not isinstance(tree, dict) or len(tree) != 1:
        if tree == {} and not path:
            return {}
        raise MangoError(f"Invalid field normalization on selector: {show(tree)}", error="bad_field")
    ((name, arg),) = tree.items()
    if name in _LISTS:
        return {name: [_sink_fields(entry, path) for entry in arg]}
    if name == "$not":
        return {name: _sink_fields(arg, path)}
    if name in _INNER:
        return {path: {name: _sink_fields(arg, "") if arg else {}}}
    if name[:1] == "$":
        return {path: tree}
    return _sink_fields(arg, f"{path}.{name}" if path else name)


# 3. Negations sink: {$not: {$or: [p, q]}} → {$and: [not p, not q]}, {$not: {a: {$gt: 1}}} → {a: {$lte: 1}}.


def _sink_negations(tree: Tree) -> Tree:
    if not tree:
        return tree
    ((name, arg),) = tree.items()
    if name == "$not":
        return _negate(arg)
    if name == "$nor":
        return {"$and": [_negate(entry) for entry in arg]}
    if name in ("$and", "$or"):
        return {name: [_sink_negations(entry) for entry in arg]}
    if name in _INNER:
        return {name: _sink_negations(arg)}
    return tree


def _negate(tree: Tree) -> Tree:
    if not tree:
        return {"$not": tree}
    ((name, arg),) = tree.items()
    if name == "$not":
        return _sink_negations(arg)
    if name == "$nor":
        return {"$or": [_sink_negations(entry) for entry in arg]}
    if name in ("$and", "$or"):
        return {"$or" if name == "$and" else "$and": [_negate(entry) for entry in arg]}
    if name in _OPPOSITE:
        return {_OPPOSITE[name]: arg}
    if name == "$exists":
        return {name: not arg}
    if name[:1] == "$":
        return {"$not": tree}
    return {name: _negate(arg)}


# What the planner asks of a normal form.


def fields_of(tree: Tree) -> list[str]:
    """Return the fields a selector speaks of, in order, repeated as they are."""
    if not tree:
        return []
    ((name, arg),) = tree.items()
    if name[:1] == "$" and isinstance(arg, list):
        return [field for entry in arg for field in fields_of(entry)]
    return [] if name[:1] == "$" else [name]


def missing_fields(tree: Tree, required: frozenset[str]) -> frozenset[str]:
    """Return those of `required` that a matching document need not have.

    An index lists only documents that have all its fields, so it may serve a selector only when none is left.
    """
    if not tree or not required:
        return required
    ((name, arg),) = tree.items()
    if name == "$and":
        for entry in arg:
            required = missing_fields(entry, required)
        return required
    if name == "$or":
        return frozenset().union(*(missing_fields(entry, required) for entry in arg)) if arg else required
    return required if arg == {"$exists": False} else required - {name}


def is_constant(tree: Tree, field: str) -> bool:
    """Return whether the selector pins `field` to one value, so that a sort may pass over it."""
    if not tree:
        return False
    ((name, arg),) = tree.items()
    if name == "$and":
        return any(is_constant(entry, field) for entry in arg)
    return name == field and isinstance(arg, dict) and "$eq" in arg
