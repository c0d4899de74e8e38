"""Mango queries over HTTP: `_find`, `_explain`. Queries walk the documents; indexes say in which order.

An index is a design document, as in CouchDB, and peers replicate it. Here it decides about answers (order, which
documents are in it, warnings), while matching reads every document of the database: right first, and at a commune's
size fast enough. docs/decisions/0022-mango-by-scanning.md has the figures.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

from flask import Response

from replication.http.answers import answer, answer_bytes, stream
from replication.http.exchange import Exchange
from replication.http.indexes import load_indexes
from replication.http.walk import NO_BOOKMARK, PAGE, Walk
from replication.jsontext import dump_json
from replication.mango.index import Index
from replication.mango.planner import MAX, MIN, Candidate, NoUsableIndex, Plan, hints, plan, warnings
from replication.mango.query import Query, parse_query


def find(x: Exchange) -> Response:
    """`POST /db/_find`."""
    x.require_json_type()
    database, query = x.open(), parse_query(x.json_object())
    chosen = plan(query, load_indexes(database))
    pieces = _render(Walk(database, query, chosen, x.limits.max_query_s), query, chosen)
    first = list(itertools.islice(pieces, PAGE))  # drawn before the status line, so that a refusal is still a refusal
    if len(first) < PAGE:
        return answer_bytes(x, b"".join(first))
    return stream(x, itertools.chain(first, pieces))


def _render(walk: Walk, query: Query, chosen: Plan) -> Iterator[bytes]:
    begun, returned = time.perf_counter(), 0
    yield b'{"docs":[\r\n'
    for doc in walk.documents():
        yield (b",\r\n" if returned else b"") + dump_json(doc)
        returned += 1
    yield b"\r\n]" if returned else b"]"
    if chosen.ranges is not None:  # CouchDB says nothing more where conditions exclude one another
        for name, value in _describe_run(walk, query, chosen, returned, time.perf_counter() - begun).items():
            yield b',\r\n"%b": %b' % (name.encode(), dump_json(value))
    yield b"}\r\n"


def _describe_run(walk: Walk, query: Query, chosen: Plan, returned: int, took_s: float) -> dict[str, Any]:
    """Return what an answer says behind its documents."""
    tail: dict[str, Any] = {"bookmark": walk.bookmark}
    if query.execution_stats:
        tail["execution_stats"] = {
            "total_keys_examined": walk.examined,
            "total_docs_examined": walk.examined,
            "total_quorum_docs_examined": 0,
            "results_returned": returned,
            "execution_time_ms": round(took_s * 1000, 3),
        }
    if said := warnings(query, chosen.index, walk.examined, returned):
        tail["warning"] = "\n".join(said)
    return tail


def explain(x: Exchange) -> Response:
    """`POST /db/_explain`."""
    x.require_json_type()
    database, query = x.open(), parse_query(x.json_object())
    indexes = load_indexes(database)
    try:
        chosen = plan(query, indexes)
    except NoUsableIndex as refusal:
        return answer(x, _describe(x, query, None, refusal.candidates))
    start, end = _describe_range(chosen)
    if query.is_descending:
        start, end = end, start
    value = _describe(x, query, chosen.index, chosen.candidates)
    value["mrargs"] = {
        "include_docs": True,
        "view_type": "map",
        "reduce": False,
        "partition": None,
        "start_key": start,
        "end_key": end,
        "direction": "rev" if query.is_descending else "fwd",
        "stable": query.stable,
        "update": query.update,
        "conflicts": query.conflicts or "undefined",
    }
    value["covering"] = _covers(chosen.index, list(query.fields))
    return answer(x, value)


def _describe(x: Exchange, query: Query, index: Index | None, candidates: tuple[Candidate, ...]) -> dict[str, Any]:
    fields = list(query.fields)
    options = {
        "use_index": list(query.use_index),
        "bookmark": query.bookmark or NO_BOOKMARK,
        "limit": query.limit,
        "skip": query.skip,
        "sort": dict(query.sort),
        "fields": fields,
        "partition": query.partition,
        "r": query.r,
        "conflicts": query.conflicts,
        "stale": query.stale,
        "update": query.update,
        "stable": query.stable,
        "execution_stats": query.execution_stats,
        "allow_fallback": query.allow_fallback,
    }
    return {
        "dbname": x.parts[0],
        "index": index.to_json() if index is not None else None,
        "partitioned": False,
        "selector": query.selector.tree,
        "opts": options,
        "limit": query.limit,
        "skip": query.skip,
        "fields": fields,
        "index_candidates": [_describe_candidate(entry, fields) for entry in candidates],
        "selector_hints": [hints(query.selector.tree)],
    }


def _describe_range(chosen: Plan) -> tuple[Any, Any]:
    if chosen.ranges is None:
        return None, None
    if chosen.index.is_primary:
        bounds = chosen.ranges[0] if chosen.ranges else None
        low = "" if bounds is None or bounds.low is MIN else bounds.low
        return low, "<MAX>" if bounds is None or bounds.high is MAX else bounds.high
    return chosen.start, [*chosen.end, "<MAX>"]


def _describe_candidate(entry: Candidate, fields: list[str]) -> dict[str, Any]:
    index, usable, reason, ranking = entry
    covering = None if index.is_primary else _covers(index, fields)
    analysis = {"usable": usable, "reasons": [{"name": reason}], "ranking": ranking, "covering": covering}
    return {"index": index.to_json(), "analysis": analysis}


def _covers(index: Index, fields: list[str]) -> bool:
    return bool(fields) and not index.is_primary and set(fields) <= {"_id", *index.columns}
