"""Queries over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from replication.http import Limits
from tests.replication.http.conftest import Client, Serve


@pytest.fixture
def filled(client: Client) -> Client:
    """A database of 30 documents."""
    client.graft(*({"_id": f"d{n:02}", "_rev": "1-a", "a": n, "b": f"x{n % 7}", "n": {"m": n % 3}} for n in range(30)))
    return client


def find(client: Client, selector: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Run a query and return the answer."""
    return dict(client.json("POST", "_find", {"selector": selector, **options}))


def test_a_query_without_an_index_walks_by_id_and_warns(filled: Client) -> None:
    """The answer is right and says what it cost."""
    answer = find(filled, {"n.m": 2, "a": {"$lt": 10}})

    assert [doc["_id"] for doc in answer["docs"]] == ["d02", "d05", "d08"]
    assert answer["warning"] == "No matching index found, create an index to optimize query time."


def test_an_index_orders_the_answer_and_is_named_as_couchdb_names_it(filled: Client) -> None:
    """Peers that make the same index make the same document: the name is CouchDB 3.5's for this definition."""
    made = filled.json("POST", "_index", {"index": {"fields": ["a"]}})
    name = "7095fd2321a986309496ad2ac9c3498246175757"

    answer = find(filled, {"a": {"$gt": 3}}, sort=[{"a": "desc"}], limit=2, fields=["a"], execution_stats=True)

    assert made == {"result": "created", "id": f"_design/{name}", "name": name}
    assert filled.json("POST", "_index", {"index": {"fields": ["a"]}})["result"] == "exists"
    assert answer["docs"] == [{"a": 29}, {"a": 28}]
    assert answer["execution_stats"]["results_returned"] == 2
    assert "warning" not in answer
    assert filled.json("GET", f"_design/{name}")["views"][name]["map"] == {
        "fields": {"a": "asc"},
        "partial_filter_selector": {},
    }


@pytest.mark.parametrize("sort", [[{"a": "asc"}], [{"a": "desc"}], None])
def test_bookmarks_page_through_every_match_once(filled: Client, sort: list[dict[str, str]] | None) -> None:
    """Each page begins behind the last."""
    filled.json("POST", "_index", {"index": {"fields": ["a"]}})
    options: dict[str, Any] = {"limit": 7, "fields": ["a"]} | ({"sort": sort} if sort else {})
    seen: list[int] = []
    bookmark = ""
    for _ in range(6):
        answer = find(filled, {"a": {"$gte": 2}}, bookmark=bookmark, **options)
        seen += [doc["a"] for doc in answer["docs"]]
        bookmark = answer["bookmark"]

    assert seen == sorted(range(2, 30), reverse=bool(sort) and sort[0]["a"] == "desc")


def test_a_sort_without_its_index_is_refused(filled: Client) -> None:
    """As CouchDB: it never sorts what no index gives in order."""
    body = {"selector": {"a": {"$gt": 3}}, "sort": ["a"]}

    assert filled.json("POST", "_find", body, status=400)["error"] == "no_usable_index"
    assert filled.json("POST", "_explain", body)["index"] is None


def test_an_index_asked_for_that_does_not_serve_is_told(filled: Client) -> None:
    """A warning with fallback, a refusal without."""
    body = {"selector": {"a": 1}, "use_index": "nope", "allow_fallback": False}

    assert "_design/nope was not used" in find(filled, {"a": 1}, use_index="nope")["warning"]
    assert filled.json("POST", "_find", body, status=400)["error"] == "invalid_index"


def test_a_partial_index_lists_only_what_its_filter_keeps(filled: Client) -> None:
    """And serves only when it is named."""
    index = {"fields": ["a"], "partial_filter_selector": {"b": "x1"}}
    filled.json("POST", "_index", {"index": index, "ddoc": "p", "name": "p"})

    answer = find(filled, {"a": {"$lt": 10}}, use_index="p")

    assert [doc["a"] for doc in answer["docs"]] == [1, 8]
    assert len(find(filled, {"a": {"$lt": 10}})["docs"]) == 10


def test_indexes_are_listed_and_removed(filled: Client) -> None:
    """The last index takes its design document along."""
    for name in ("one", "two"):
        filled.json("POST", "_index", {"index": {"fields": [name]}, "ddoc": "d", "name": name})

    assert [row["name"] for row in filled.json("GET", "_index")["indexes"]] == ["_all_docs", "one", "two"]
    filled.json("DELETE", "_index/_design/d/json/one")
    assert [row["name"] for row in filled.json("GET", "_index")["indexes"]] == ["_all_docs", "two"]
    filled.json("DELETE", "_index/d/json/two")
    assert filled.json("GET", "_design/d", status=404)["reason"] == "deleted"
    assert filled.json("DELETE", "_index/d/json/two", status=404)["error"] == "not_found"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "missing_required_key"),
        ({"selector": 1}, "invalid_selector_json"),
        ({"selector": {}, "foo": 1}, "invalid_key"),
        ({"selector": {"a": {"$foo": 1}}}, "invalid_operator"),
        ({"selector": {"a": {"$in": 1}}}, "bad_arg"),
        ({"selector": {"$where": "x"}}, "not_supported"),
        ({"selector": {}, "limit": -1}, "invalid_non_neg_integer"),
        ({"selector": {}, "fields": "a"}, "invalid_fields"),
        ({"selector": {}, "sort": [{"a": "asc"}, {"b": "desc"}]}, "unsupported_mixed_sort"),
        ({"selector": {}, "bookmark": "zz"}, "invalid_bookmark"),
        ({"selector": {}, "conflicts": 1}, "invalid_boolean"),
        ({"selector": {}, "use_index": 1}, "invalid_index_name"),
    ],
)
def test_a_malformed_query_is_refused_with_couchdbs_word(filled: Client, body: dict[str, Any], error: str) -> None:
    """400 says what is wrong with it."""
    assert filled.json("POST", "_find", body, status=400)["error"] == error


def test_explain_tells_the_index_the_range_and_the_others(filled: Client) -> None:
    """The plan a query would follow."""
    filled.json("POST", "_index", {"index": {"fields": ["a"]}, "ddoc": "d", "name": "by-a"})

    plan = filled.json("POST", "_explain", {"selector": {"a": {"$gt": 2}, "b": "x"}})

    assert plan["index"]["name"] == "by-a"
    assert plan["selector"] == {"$and": [{"a": {"$gt": 2}}, {"b": {"$eq": "x"}}]}
    assert (plan["mrargs"]["start_key"], plan["mrargs"]["end_key"]) == ([2], ["<MAX>"])
    assert [entry["index"]["name"] for entry in plan["index_candidates"]] == ["_all_docs"]


@pytest.mark.parametrize("sort", [None, [{"a": "asc"}]])
def test_a_large_answer_comes_whole(client: Client, sort: list[dict[str, str]] | None) -> None:
    """More than one page of documents, by id and by an index."""
    client.graft(*({"_id": f"d{n:04}", "_rev": "1-a", "a": 1000 - n} for n in range(1000)))
    client.json("POST", "_index", {"index": {"fields": ["a"]}})
    options: dict[str, Any] = {"sort": sort} if sort else {"use_index": []}

    answer = find(client, {"_id": {"$gt": None}, "a": {"$gt": 0}}, limit=5000, fields=["a"], **options)

    found = [doc["a"] for doc in answer["docs"]]
    assert found == list(range(1, 1001)) if sort else sorted(found) == list(range(1, 1001))
    assert answer["bookmark"] != "nil"


def test_a_query_that_takes_too_long_ends(serve: Serve) -> None:
    """And says so, instead of keeping a worker for ever."""
    client = serve(limits=Limits(max_query_s=0.0))
    client.put("a")

    assert client.json("POST", "_find", {"selector": {}}, status=503)["error"] == "timeout"
