"""Requests whose answers are CouchDB's to the word: each test runs against this server, and against CouchDB itself."""

from __future__ import annotations

import base64
import gzip
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.replication.http.conftest import Client

COUCHDB = os.environ.get("TRAM_COUCHDB_URL", "").rstrip("/")
TEXT = "Trích lục khai sinh. " * 50


@pytest.fixture(params=["ours", pytest.param("couchdb", marks=pytest.mark.couchdb)])
def peer(request: pytest.FixtureRequest) -> Iterator[Client]:
    """An empty database at this server, and at the CouchDB of TRAM_COUCHDB_URL where there is one."""
    if request.param == "ours":
        yield request.getfixturevalue("client")
        return
    if not COUCHDB:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to compare with")
    with requests.Session() as session:
        client = Client(COUCHDB + "/", "as-" + secrets.token_hex(6), session)
        client.json("PUT", status=201)
        yield client
        client.call("DELETE")


def refusal(peer: Client, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str, str]:
    """Return status, error and reason of a request that is refused."""
    answer = peer.call(method, path, body, **options)
    said = answer.json()
    return answer.status_code, said["error"], said["reason"]


def ids(peer: Client, query: str, body: Any = None) -> list[str]:
    rows = peer.json("GET" if body is None else "POST", f"_all_docs?{query}", body)["rows"]
    return [row.get("id", row["key"]) for row in rows]


def test_ranges_of_all_docs(peer: Client) -> None:
    """Every way to write a range, alone and with the others."""
    peer.graft(*({"_id": name, "_rev": "1-a"} for name in ("a", "b", "c", "d", "e", "đ")))
    everything = ["a", "b", "c", "d", "e", "đ"]
    expected = {
        "": everything,
        'startkey="c"': ["c", "d", "e", "đ"],
        'start_key="c"&end_key="d"': ["c", "d"],
        'endkey="b"': ["a", "b"],
        'endkey="b"&inclusive_end=false': ["a"],
        'key="d"': ["d"],
        'key="zz"': [],
        "descending=true": everything[::-1],
        'descending=true&startkey="d"&endkey="b"': ["d", "c", "b"],
        'descending=true&startkey="d"&endkey="b"&inclusive_end=false': ["d", "c"],
        "limit=2": ["a", "b"],
        "limit=0": [],
        "skip=4": ["e", "đ"],
        "skip=99": [],
        "limit=2&skip=1&descending=true": ["e", "d"],
        'startkey="bb"&limit=1': ["c"],
        'keys=["c","a"]': ["c", "a"],
        'keys=["c","a","e"]&limit=1&skip=1': ["a"],
        'startkey="\\ufff0"': [],
        "stable=true&update=false": everything,
    }

    assert {query: ids(peer, query) for query in expected} == expected


def test_keys_of_all_docs(peer: Client) -> None:
    """Rows in the order of the keys: repeated, unknown, deleted, and what is no text."""
    peer.graft({"_id": "a", "_rev": "1-a"}, {"_id": "x", "_rev": "1-a", "_deleted": True})

    rows = peer.json("POST", "_all_docs?include_docs=true", {"keys": ["a", "none", "x", "a"]})["rows"]

    assert [row.get("error") for row in rows] == [None, "not_found", None, None]
    assert rows[0]["doc"] == {"_id": "a", "_rev": "1-a"}
    assert rows[2]["value"] == {"rev": "1-a", "deleted": True}
    assert rows[2]["doc"] is None
    assert rows[3] == rows[0]


def test_all_docs_with_files_conflicts_and_the_seq(peer: Client) -> None:
    """include_docs brings what GET would; update_seq is the database's."""
    file = {"f": {"content_type": "a/b", "data": base64.b64encode(b"hi!").decode()}}
    peer.graft({"_id": "a", "_rev": "2-b", "_attachments": file}, {"_id": "a", "_rev": "1-c"})

    answer = peer.json("GET", "_all_docs?include_docs=true&attachments=true&conflicts=true&update_seq=true")

    (row,) = answer["rows"]
    assert row["doc"]["_attachments"]["f"]["data"] == base64.b64encode(b"hi!").decode()
    assert row["doc"]["_conflicts"] == ["1-c"]
    assert str(answer["update_seq"]).partition("-")[0].isdigit()
    assert "data" not in peer.json("GET", "_all_docs?include_docs=true")["rows"][0]["doc"]["_attachments"]["f"]


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "skip=-1", "startkey=b", "include_docs=maybe", "keys=7"])
def test_options_of_all_docs_that_mean_nothing(peer: Client, query: str) -> None:
    """400 with one of two words."""
    status, error, _ = refusal(peer, "GET", f"_all_docs?{query}")

    assert status == 400
    assert error in ("query_parse_error", "bad_request")


def test_queries_of_all_docs_come_in_their_order(peer: Client) -> None:
    """`_all_docs/queries`: one result for each."""
    peer.graft(*({"_id": name, "_rev": "1-a"} for name in "abc"))

    found = peer.json("POST", "_all_docs/queries", {"queries": [{"keys": ["c"]}, {"limit": 1}, {"startkey": "b"}]})

    assert [[row["id"] for row in each["rows"]] for each in found["results"]] == [["c"], ["a"], ["b", "c"]]


def test_the_feed_with_documents_files_and_their_encoding(peer: Client) -> None:
    """include_docs, attachments and att_encoding_info as for a document; descending turns the feed round."""
    peer.put("first", n=1)
    peer.json("PUT", "note/f.txt", status=201, data=TEXT.encode(), headers={"Content-Type": "text/plain"})
    packed = gzip.compress(TEXT.encode(), mtime=0)
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    peer.json("PUT", "packed/f.txt", status=201, data=packed, headers=headers)

    rows = peer.json("GET", "_changes?include_docs=true&attachments=true&att_encoding_info=true")["results"]
    docs = {row["id"]: row["doc"] for row in rows}
    turned = peer.json("GET", "_changes?descending=true&include_docs=true")["results"]

    assert docs["first"]["n"] == 1
    assert base64.b64decode(docs["packed"]["_attachments"]["f.txt"]["data"]) == TEXT.encode()
    assert docs["packed"]["_attachments"]["f.txt"]["encoding"] == "gzip"
    assert docs["packed"]["_attachments"]["f.txt"]["encoded_length"] == len(packed)
    assert docs["note"]["_attachments"]["f.txt"]["data"] == docs["packed"]["_attachments"]["f.txt"]["data"]
    assert {row["id"] for row in turned} == docs.keys()
    assert turned[0]["doc"]["_attachments" if turned[0]["id"] != "first" else "_rev"]


def test_the_feed_by_ids_and_by_selector(peer: Client) -> None:
    """Both filters, by POST and for ids by GET, with conflicts and all leaves."""
    peer.graft(*({"_id": f"d{n}", "_rev": "1-a", "n": n} for n in range(10)), {"_id": "d3", "_rev": "1-b"})

    by_query = peer.json("GET", '_changes?filter=_doc_ids&doc_ids=["d1","d2","no"]')["results"]
    by_body = peer.json("POST", "_changes?filter=_doc_ids&style=all_docs", {"doc_ids": ["d3"]})["results"]
    selected = peer.json("POST", "_changes?filter=_selector", {"selector": {"n": {"$gt": 7}}})["results"]
    bare = refusal(peer, "POST", "_changes?filter=_selector", {"selector": 7})

    assert sorted(row["id"] for row in by_query) == ["d1", "d2"]
    assert [change["rev"] for change in by_body[0]["changes"]] == ["1-b", "1-a"]
    assert sorted(row["id"] for row in selected) == ["d8", "d9"]
    assert bare[0] == 400


def test_files_an_ancestor_has_are_not_sent_again(peer: Client) -> None:
    """atts_since in `_bulk_get` and with open_revs: bytes of what is newer, stubs of the rest."""
    peer.graft({"_id": "a", "_rev": "1-a", "_attachments": {"old": {"data": "aGkh"}}})
    peer.json("PUT", "a/new?rev=1-a", status=201, data=b"new")
    rev = peer.json("GET", "a")["_rev"]

    rows = peer.json("POST", "_bulk_get", {"docs": [{"id": "a", "rev": rev, "atts_since": ["1-a"]}]})["results"]
    opened = peer.json("GET", f'a?open_revs=["{rev}"]&atts_since=["1-a"]')

    for doc in (rows[0]["docs"][0]["ok"], opened[0]["ok"]):
        assert doc["_attachments"]["old"]["stub"] is True
        assert doc["_attachments"]["new"]["data"] == base64.b64encode(b"new").decode()


def test_latest_walks_to_the_leaves_and_what_is_missing_is_told(peer: Client) -> None:
    """GET with latest=true; open_revs in their order with what is not there; local_seq; revs_info."""
    peer.graft({"_id": "a", "_revisions": {"start": 3, "ids": ["c", "b", "a"]}}, {"_id": "a", "_rev": "1-x"})

    latest = peer.json("GET", 'a?open_revs=["1-a"]&latest=true')
    opened = peer.json("GET", 'a?open_revs=["1-x","9-no","3-c"]')
    whole = peer.json("GET", "a?local_seq=true&revs_info=true&revs=true&conflicts=true")

    assert latest[0]["ok"]["_rev"] == "3-c"
    assert sorted(entry["ok"]["_rev"] if "ok" in entry else entry["missing"] for entry in opened) == [
        "1-x",
        "3-c",
        "9-no",
    ]
    assert "_local_seq" in whole
    assert [entry["rev"] for entry in whole["_revs_info"]] == ["3-c", "2-b", "1-a"]
    assert whole["_revisions"] == {"start": 3, "ids": ["c", "b", "a"]}
    assert whole["_conflicts"] == ["1-x"]


def test_the_limit_of_revisions_stems_histories(peer: Client) -> None:
    """PUT and GET `_revs_limit`; paths are cut to it; what is no number is refused."""
    assert peer.json("GET", "_revs_limit") == 1000
    assert peer.json("PUT", "_revs_limit", 5) == {"ok": True}
    rev = peer.put("a")
    for n in range(8):
        rev = peer.json("PUT", f"a?rev={rev}", {"n": n}, status=201)["rev"]

    assert peer.json("GET", "_revs_limit") == 5
    assert len(peer.json("GET", "a?revs=true")["_revisions"]["ids"]) == 5
    for nonsense in ("many", 0):
        assert refusal(peer, "PUT", "_revs_limit", nonsense)[0] in (400, 500), "500 and Erlang's words in CouchDB"


def test_security_is_kept_and_must_be_an_object(peer: Client) -> None:
    """What was put comes back."""
    value = {"admins": {"names": ["a"], "roles": []}, "members": {"names": [], "roles": ["_admin"]}}

    assert peer.json("PUT", "_security", value) == {"ok": True}
    assert peer.json("GET", "_security") == value
    assert refusal(peer, "PUT", "_security", [])[0] in (400, 500), "500 and Erlang's words in CouchDB"


def test_upkeep_is_accepted_and_commits_are_confirmed(peer: Client) -> None:
    """_compact, _view_cleanup and _ensure_full_commit; JSON is asked of whoever posts."""
    json_type = {"Content-Type": "application/json"}

    assert peer.json("POST", "_compact", status=202, headers=json_type) == {"ok": True}
    assert peer.json("POST", "_view_cleanup", status=202, headers=json_type) == {"ok": True}
    committed = peer.json("POST", "_ensure_full_commit", status=201, headers=json_type)
    assert committed == {"ok": True, "instance_start_time": peer.json("GET")["instance_start_time"]}
    assert refusal(peer, "POST", "_compact", data=b"{}", headers={"Content-Type": "text/plain"})[:2] == (
        415,
        "bad_content_type",
    )
    assert refusal(peer, "GET", "_compact")[:2] == (405, "method_not_allowed")


def test_a_purge_names_what_is_gone(peer: Client) -> None:
    """The purged leaf is unknown afterwards, a revision that is no leaf stays."""
    peer.graft({"_id": "a", "_revisions": {"start": 2, "ids": ["b", "a"]}}, {"_id": "a", "_rev": "1-x"})

    answer = peer.json("POST", "_purge", {"a": ["1-x", "1-a"], "none": ["1-z"]}, status=201)

    assert answer["purged"]["a"] == ["1-x"]
    assert answer["purged"].get("none", []) == []
    assert peer.json("POST", "_revs_diff", {"a": ["1-x", "2-b"]})["a"]["missing"] == ["1-x"]
    assert peer.json("GET", "_purged_infos_limit") == 1000


def test_a_write_in_batch_mode_is_accepted(peer: Client) -> None:
    """202 without a revision, and the document is there."""
    answer = peer.json("PUT", "a?batch=ok", {"n": 1}, status=202)

    assert answer == {"ok": True, "id": "a"}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "none", None, (404, "not_found", "missing")),
        ("GET", "none/f", None, (404, "not_found", "missing")),
        ("GET", "/no-such-db-here", None, (404, "not_found", "Database does not exist.")),
        ("GET", "/no-such-db-here/_changes", None, (404, "not_found", "Database does not exist.")),
        ("PUT", "/Bad$Name%21", None, (400, "illegal_database_name", None)),
        ("PUT", "a?rev=1-abc", {}, (409, "conflict", "Document update conflict.")),
        ("PUT", "a?rev=x", {}, (400, "bad_request", "Invalid rev format")),
        ("DELETE", "none", None, (404, "not_found", "missing")),
        ("PUT", "_x", {}, (400, "illegal_docid", "Only reserved document ids may start with underscore.")),
        ("PUT", "a", {"_x": 1}, (400, "doc_validation", "Bad special document member: _x")),
        ("PUT", "a", [1], (400, "bad_request", "Document must be a JSON object")),
        ("POST", "_bulk_docs", {}, (400, "bad_request", "POST body must include `docs` parameter.")),
        ("POST", "_bulk_docs", {"docs": 1}, (400, "bad_request", "`docs` parameter must be an array.")),
        ("POST", "_bulk_get", {}, (400, "bad_request", "Missing JSON list of 'docs'.")),
        ("GET", "_bulk_docs", None, (405, "method_not_allowed", "Only POST allowed")),
        ("GET", "_changes?feed=x", None, (400, "bad_request", None)),
        ("POST", "_find", {}, (400, "missing_required_key", "Missing required key: selector")),
        ("GET", "_design/none/_view/v", None, (404, "not_found", "missing")),
        ("GET", "/_uuids?count=100000", None, (400, "bad_request", "count parameter too large")),
    ],
)
def test_refusals_are_couchdbs_to_the_word(
    peer: Client, method: str, path: str, body: Any, expected: tuple[int, str, str | None]
) -> None:
    """Status, error and reason; None where the reason lists what the two servers know."""
    status, error, reason = refusal(peer, method, path, body)

    assert (status, error) == expected[:2]
    assert expected[2] in (None, reason)


def test_a_database_that_is_there_is_not_made_again(peer: Client) -> None:
    """412 with CouchDB's sentence."""
    assert refusal(peer, "PUT", "") == (
        412,
        "file_exists",
        "The database could not be created, the file already exists.",
    )
