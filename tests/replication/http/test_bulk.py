"""Batches: what replication is made of."""

from __future__ import annotations

import json

import pytest

from replication.multipart import parse_multipart
from tests.replication.http.conftest import Client


def test_a_replicated_batch_answers_nothing_when_all_is_stored(client: Client) -> None:
    """201 and [] mean durable, also the second time."""
    docs = [{"_id": f"d{n}", "_rev": "1-a", "n": n} for n in range(30)]

    client.graft(*docs)
    before = client.json("GET")["update_seq"]
    client.graft(*docs)

    assert client.json("GET")["update_seq"] == before
    assert client.json("GET")["doc_count"] == 30


def test_an_interactive_batch_answers_a_row_for_each_document(client: Client) -> None:
    """A conflict is a row; the others are stored."""
    client.put("b")

    rows = client.json("POST", "_bulk_docs", {"docs": [{"_id": "a"}, {"_id": "b"}, {}]}, status=201)

    assert [row.get("ok") for row in rows] == [True, None, True]
    assert rows[1] == {"id": "b", "error": "conflict", "reason": "Document update conflict."}
    assert len(rows[2]["id"]) == 32


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "bad_request"),
        ({"docs": 1}, "bad_request"),
        ({"docs": [1]}, "bad_request"),
        ({"docs": [], "new_edits": 1}, "bad_request"),
        ({"docs": [{"_id": "ok"}, {"_id": "_x"}]}, "illegal_docid"),
        ({"docs": [{"_id": "ok"}, {"_id": "a", "_x": 1}]}, "doc_validation"),
    ],
)
def test_one_malformed_document_refuses_the_batch_before_anything_is_written(
    client: Client, body: dict[str, object], error: str
) -> None:
    """As CouchDB: 400, and nothing stored."""
    assert client.json("POST", "_bulk_docs", body, status=400)["error"] == error
    assert client.json("GET")["doc_count"] == 0


def test_a_missing_stub_refuses_a_replicated_batch(client: Client) -> None:
    """412: a replicator that took it for a refused row would lose the file."""
    doc = {"_id": "a", "_rev": "1-a", "_attachments": {"x": {"stub": True, "revpos": 1}}}

    body = {"new_edits": False, "docs": [doc]}
    assert client.json("POST", "_bulk_docs", body, status=412)["error"] == "missing_stub"


def test_revs_diff_tells_what_is_missing_and_nothing_of_what_is_known(client: Client) -> None:
    """Known inner revisions are known; leaves below are possible ancestors."""
    client.graft({"_id": "a", "_revisions": {"start": 2, "ids": ["b", "a"]}})

    found = client.json("POST", "_revs_diff", {"a": ["1-a", "2-b", "3-c"], "n": ["1-x"]})

    assert found == {"a": {"missing": ["3-c"], "possible_ancestors": ["2-b"]}, "n": {"missing": ["1-x"]}}
    assert client.json("POST", "_revs_diff", {"a": ["1-a"]}) == {}
    assert client.json("POST", "_missing_revs", {"a": ["3-c"]}) == {"missing_revs": {"a": ["3-c"]}}


def test_bulk_get_answers_every_row_in_the_order_asked(client: Client) -> None:
    """Peers go by position: a result for each row, errors among them."""
    client.graft(*({"_id": f"d{n}", "_rev": "1-a", "n": n} for n in range(250)))
    rows = [{"id": f"d{n}", "rev": "1-a"} for n in reversed(range(250))]
    rows[7:7] = [{"id": "nope", "rev": "1-a"}, {"id": "d1", "rev": "1-z"}, {"id": "_x"}, {"rev": "1-a"}]

    results = client.json("POST", "_bulk_get?revs=true", {"docs": rows})["results"]

    assert [result["id"] for result in results] == [row.get("id") for row in rows]
    assert [result["docs"][0]["error"]["error"] for result in results[7:11]] == [
        "not_found",
        "not_found",
        "illegal_docid",
        "bad_request",
    ]
    assert results[0]["docs"][0]["ok"] == {
        "_id": "d249",
        "_rev": "1-a",
        "n": 249,
        "_revisions": {"start": 1, "ids": ["a"]},
    }


def test_bulk_get_without_revision_answers_every_leaf(client: Client) -> None:
    """As CouchDB; latest=true walks from an inner revision to its leaf."""
    client.graft({"_id": "a", "_revisions": {"start": 2, "ids": ["b", "a"]}}, {"_id": "a", "_rev": "1-c"})

    leaves = client.json("POST", "_bulk_get", {"docs": [{"id": "a"}]})["results"][0]["docs"]
    latest = client.json("POST", "_bulk_get?latest=true", {"docs": [{"id": "a", "rev": "1-a"}]})["results"][0]["docs"]

    assert sorted(entry["ok"]["_rev"] for entry in leaves) == ["1-c", "2-b"]
    assert latest[0]["ok"]["_rev"] == "2-b"


@pytest.mark.parametrize("name", ["rev", "open_revs", "atts_since", "new_edits", "w"])
def test_bulk_get_refuses_arguments_that_belong_to_one_document(client: Client, name: str) -> None:
    """400 names the argument."""
    refused = client.json("POST", f"_bulk_get?{name}=x", {"docs": []}, status=400)

    assert refused["reason"] == f'"{name}" query parameter is not acceptable'


def test_bulk_get_as_multipart_puts_files_behind_their_documents(client: Client) -> None:
    """multipart/mixed where the client takes no JSON."""
    client.graft({"_id": "a", "_rev": "1-a", "_attachments": {"x": {"data": "aGkh"}}}, {"_id": "b", "_rev": "1-b"})
    rows = [{"id": "a", "rev": "1-a"}, {"id": "b", "rev": "1-b"}, {"id": "c", "rev": "1-c"}]

    mixed = client.call("POST", "_bulk_get", {"docs": rows}, headers={"Accept": "multipart/mixed"})
    first, second, third = parse_multipart(mixed.headers["Content-Type"], [mixed.content], max_part=10_000)

    assert (first.headers["x-doc-id"], first.headers["x-rev-id"]) == ("a", "1-a")
    assert [part.data for part in parse_multipart(first.content_type, [first.data], max_part=10_000)][1] == b"hi!"
    assert json.loads(second.data)["_id"] == "b"
    assert json.loads(third.data)["error"] == "not_found"


def test_all_docs_gives_ranges_keys_and_documents(client: Client) -> None:
    """Ids in order; a deleted key is told, an unknown one is an error row."""
    client.graft(*({"_id": name, "_rev": "1-a"} for name in "abcde"), {"_id": "x", "_rev": "1-a", "_deleted": True})

    def ids(query: str) -> list[str]:
        return [row["id"] for row in client.json("GET", f"_all_docs?{query}")["rows"]]

    assert ids('startkey="b"&endkey="d"') == ["b", "c", "d"]
    assert ids('startkey="b"&endkey="d"&inclusive_end=false') == ["b", "c"]
    assert ids('descending=true&startkey="d"&limit=2&skip=1') == ["c", "b"]
    assert ids("endkey=1") == []
    assert ids('key="c"') == ["c"]
    rows = client.json("POST", "_all_docs", {"keys": ["x", "nope", "a", "a", 1]})["rows"]
    assert rows[0]["value"] == {"rev": "1-a", "deleted": True}
    assert rows[1] == {"key": "nope", "error": "not_found"}
    assert [row.get("id") for row in rows] == ["x", None, "a", "a", None]
    assert client.json("GET", '_all_docs?key="a"&include_docs=true')["rows"][0]["doc"] == {"_id": "a", "_rev": "1-a"}


def test_all_docs_pages_without_losing_or_repeating_a_row(client: Client) -> None:
    """Pages of the store do not show."""
    client.graft(*({"_id": f"d{n:05}", "_rev": "1-a"} for n in range(2345)))

    for query in ("", "?descending=true", "?include_docs=true"):
        rows = client.json("GET", f"_all_docs{query}")["rows"]
        assert [row["id"] for row in rows] == sorted((f"d{n:05}" for n in range(2345)), reverse="descending" in query)


def test_a_purge_leaves_no_trace(client: Client) -> None:
    """The leaf is gone and unknown."""
    client.graft({"_id": "a", "_rev": "1-a"}, {"_id": "a", "_rev": "1-b"})

    answer = client.json("POST", "_purge", {"a": ["1-b"]}, status=201)

    assert answer == {"purge_seq": None, "purged": {"a": ["1-b"]}}
    assert client.json("POST", "_revs_diff", {"a": ["1-a", "1-b"]}) == {
        "a": {"missing": ["1-b"]},
    }
