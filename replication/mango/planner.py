"""Which index serves a query: CouchDB's choice, so that answers, warnings and `_explain` are CouchDB's too."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from replication.mango.collation import HIGHEST, compare
from replication.mango.errors import MangoError
from replication.mango.index import DESIGN, Index
from replication.mango.query import Query
from replication.mango.selector import Tree, fields_of, is_constant, missing_fields

NO_SORT_INDEX = "No index exists for this sort, try indexing by the sort fields."
NO_INDEX = "No matching index found, create an index to optimize query time."
MANY_EXAMINED = (
    "The number of documents examined is high in proportion to the number of results returned. "
    "Consider adding a more specific index to improve this."
)
MANY_EXAMINED_RATIO = 10  # CouchDB's index_scan_warning_threshold
_INDEXABLE = frozenset(("$lt", "$lte", "$eq", "$gt", "$gte", "$beginsWith", "$exists"))
_NOOPS = frozenset(("$all", "$and", "$or", "$in"))


@dataclass(frozen=True, slots=True)
class Range:
    """What a selector leaves of one field: bounds with whether each is within; `MIN`/`MAX` are no bounds."""

    low: Any
    high: Any
    low_in: bool = False
    high_in: bool = False


MIN, MAX = object(), object()
ANYTHING = Range(MIN, MAX)


# An index not chosen: whether it could serve, CouchDB's word for why not, its place in the ranking.
Candidate = tuple[Index, bool, str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """An index chosen, the ranges of its leading columns (None: nothing can match), and why not the others."""

    index: Index
    ranges: tuple[Range, ...] | None
    candidates: tuple[Candidate, ...] = ()

    @property
    def start(self) -> list[Any]:
        """The key the walk along a secondary index begins at; what it leaves out is bounded by nothing."""
        return _leading([bounds.low for bounds in self.ranges or ()], MIN)

    @property
    def end(self) -> list[Any]:
        """The key it ends at, and everything that continues it."""
        return _leading([bounds.high for bounds in self.ranges or ()], MAX)


def _leading(values: list[Any], unbounded: object) -> list[Any]:
    return list(itertools.takewhile(lambda value: value is not unbounded, values))


class NoUsableIndex(MangoError):
    """No index gives the sort asked for; `candidates` tells why not each."""

    error = "no_usable_index"

    def __init__(self, candidates: tuple[Candidate, ...]) -> None:
        super().__init__(NO_SORT_INDEX)
        self.candidates = candidates


def plan(query: Query, indexes: list[Index]) -> Plan:
    """Return the index for a query. Raises `NoUsableIndex`, and `MangoError` where the one asked for does not serve
    and `allow_fallback` is false."""
    tree = query.selector.tree
    named = [index for index in indexes if _is_named(index, query.use_index)]
    # A partial index is only ever used by name: its owner alone knows that the query is within the filter.
    considered = [index for index in indexes if index.partial is None or index in named]
    refusals = {id(index): _refuse(index, query) for index in considered}
    usable = [index for index in considered if refusals[id(index)] is None]
    if not usable:
        raise NoUsableIndex(_explain_others(indexes, considered, refusals, [], [], [], None, {}))
    wanted = [index for index in usable if index in named]
    if not wanted and not (query.allow_fallback or (not query.use_index and len(usable) > 1)):
        raise _refuse_fallback(query)
    pool = wanted or usable
    secondary = [index for index in pool if not index.is_primary]
    ranges = field_ranges(tree)
    ranked = sorted(secondary or pool, key=lambda index: _rank(index, ranges))
    best = ranked[0]
    prefix = None if _is_impossible(tree, ranges) else _prefix(best, ranges)
    return Plan(best, prefix, _explain_others(indexes, considered, refusals, usable, pool, ranked, best, ranges))


def _is_named(index: Index, use_index: tuple[str, ...]) -> bool:
    if not use_index or index.is_primary:
        return False
    return index.ddoc == DESIGN + use_index[0] and (len(use_index) == 1 or index.name == use_index[1])


def _refuse_fallback(query: Query) -> MangoError:
    if not query.use_index:
        return MangoError("You must specify an index with the `use_index` parameter.", error="invalid_index")
    shown = ", ".join(query.use_index)
    return MangoError(
        f"_design/{shown} specified by `use_index` could not be found or it is not suitable.", error="invalid_index"
    )


def _refuse(index: Index, query: Query) -> str | None:
    """Return CouchDB's word for why an index does not serve, None if it does."""
    tree, sort = query.selector.tree, tuple(name for name, _ in query.sort)
    if index.is_primary:
        if not sort:
            return None
        if "_id" not in indexable_fields(tree):
            return "field_mismatch"
        return None if sort == index.columns[: len(sort)] else "sort_order_mismatch"
    required = frozenset(index.columns) - frozenset(sort) - {"_id", "_rev"}
    if missing_fields(tree, required):
        return "field_mismatch"
    return None if _gives_sort(index.columns, sort, tree) else "sort_order_mismatch"


def _gives_sort(columns: tuple[str, ...], sort: tuple[str, ...], tree: Tree) -> bool:
    if not sort:
        return True
    while columns and columns[0] != sort[0] and is_constant(tree, columns[0]):
        columns = columns[1:]
    return bool(columns) and columns[: len(sort)] == sort


def _rank(index: Index, ranges: dict[str, Range | None]) -> tuple[Any, ...]:
    covered = _prefix(index, ranges)
    return (len(ranges) - len(covered), len(index.columns), index.ddoc or "", index.name)


def _prefix(index: Index, ranges: dict[str, Range | None]) -> tuple[Range, ...]:
    out = []
    for column in index.columns:
        if column not in ranges:
            break
        out.append(ranges[column] or ANYTHING)
    return tuple(out)


def _is_impossible(tree: Tree, ranges: dict[str, Range | None]) -> bool:
    if any(bounds is None for bounds in ranges.values()):
        return True
    return len(tree) == 1 and next(iter(tree)) in _NOOPS and next(iter(tree.values())) == []


def indexable_fields(tree: Tree) -> list[str]:
    """Return the fields with a condition an index can narrow, sorted; only through `$and`, as CouchDB."""
    if not tree:
        return []
    ((name, arg),) = tree.items()
    if name == "$and":
        return sorted({field for entry in arg for field in indexable_fields(entry)})
    if name[:1] == "$":
        return []
    return [name] if next(iter(arg)) in _INDEXABLE else []


def field_ranges(tree: Tree) -> dict[str, Range | None]:
    """Return the range of every indexable field; None where its conditions exclude one another."""
    return {field: _narrow(tree, field, ANYTHING) for field in indexable_fields(tree)}


def _narrow(tree: Tree, field: str, bounds: Range | None) -> Range | None:
    ((name, arg),) = tree.items()
    if name == "$and":
        for entry in arg:
            bounds = _narrow(entry, field, bounds)
        return bounds
    if name != field or bounds is None:
        return bounds
    ((operator, value),) = arg.items()
    if operator in ("$gt", "$gte", "$eq", "$beginsWith"):
        bounds = _raise_low(bounds, value, operator != "$gt")
    if operator in ("$lt", "$lte", "$eq"):
        bounds = _lower_high(bounds, value, operator != "$lt")
    if operator == "$beginsWith":
        bounds = _lower_high(bounds, value + HIGHEST, True)
    return None if _is_empty(bounds) else bounds


def _raise_low(bounds: Range, value: Any, within: bool) -> Range:
    if bounds.low is not MIN and (order := compare(value, bounds.low)) <= 0 and (order < 0 or within):
        return bounds
    return Range(value, bounds.high, within, bounds.high_in)


def _lower_high(bounds: Range, value: Any, within: bool) -> Range:
    if bounds.high is not MAX and (order := compare(value, bounds.high)) >= 0 and (order > 0 or within):
        return bounds
    return Range(bounds.low, value, bounds.low_in, within)


def _is_empty(bounds: Range) -> bool:
    if bounds.low is MIN or bounds.high is MAX:
        return False
    order = compare(bounds.low, bounds.high)
    return order > 0 or (order == 0 and not (bounds.low_in and bounds.high_in))


def _explain_others(
    indexes: list[Index],
    considered: list[Index],
    refusals: dict[int, str | None],
    usable: list[Index],
    pool: list[Index],
    ranked: list[Index],
    best: Index | None,
    ranges: dict[str, Range | None],
) -> tuple[Candidate, ...]:
    """Return (index, usable, reason, ranking) of every index not chosen, in CouchDB's words."""
    unfavored = max(1, len(ranked) if best is not None and not best.is_primary else 0)
    excluded = unfavored + bool([index for index in pool if index not in ranked])
    mismatched = excluded + bool([index for index in usable if index not in pool])
    partial = mismatched + bool([index for index in considered if index not in usable])
    out: list[Candidate] = []
    for index in indexes:
        if index is best:
            continue
        if index not in considered:
            out.append((index, False, "is_partial", partial))
        elif (reason := refusals[id(index)]) is not None:
            out.append((index, False, reason, mismatched))
        elif index not in pool:
            out.append((index, True, "excluded_by_user", excluded))
        elif index not in ranked:
            out.append((index, True, "unfavored_type", unfavored))
        elif best is not None:
            out.append((index, True, _why_later(index, best, ranges), ranked.index(index)))
    return tuple(out)


def _why_later(index: Index, best: Index, ranges: dict[str, Range | None]) -> str:
    if len(ranges) > len(_prefix(index, ranges)):
        return "less_overlap"
    return "too_many_fields" if len(index.columns) > len(best.columns) else "alphabetically_comes_after"


def warnings(query: Query, index: Index, examined: int, returned: int) -> list[str]:
    """Return what the answer should warn of."""
    out = []
    if query.use_index and not _is_named(index, query.use_index):
        what = "does not contain a valid index" if len(query.use_index) == 1 else "is not a valid index"
        out.append(f"_design/{', '.join(query.use_index)} was not used because it {what} for this query.")
    if index.is_primary:
        out.append(NO_INDEX)
    if examined / max(1, returned) > MANY_EXAMINED_RATIO:
        out.append(MANY_EXAMINED)
    return out


def hints(tree: Tree) -> dict[str, Any]:
    """Return `selector_hints` of `_explain`."""
    indexable = indexable_fields(tree)
    others = sorted(set(fields_of(tree)) - set(indexable))
    return {"type": "json", "indexable_fields": indexable, "unindexable_fields": others}
