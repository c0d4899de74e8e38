"""One document over HTTP."""

from __future__ import annotations

import json

import pytest

from replication.multipart import parse_multipart
from tests.replication.http.conftest import Client


def test_a_document_is_written_and_read_with_its_revision_as_entity_tag(client: Client) -> None:
    """PUT answers 201 with Location and ETag, GET the document, and 304 to who has it."""
    written = client.call("PUT", "a", {"n": 1})
    rev = written.json()["rev"]

    assert written.status_code == 201
    assert written.headers["ETag"] == f'"{rev}"'
    assert written.headers["Location"] == f"{client.root}{client.name}/a"
    assert client.json("GET", "a") == {"_id": "a", "_rev": rev, "n": 1}
    assert client.call("GET", "a", headers={"If-None-Match": f'W/"{rev}"'}).status_code == 304


def test_head_answers_the_headers_of_get_and_no_body(client: Client) -> None:
    """Length and type are those GET would have."""
    client.put("a", n=1)

    head = client.call("HEAD", "a")

    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(client.call("GET", "a").content))


@pytest.mark.parametrize("doc_id", ["a/b", "giấy tờ", "a+b", "a b", "a?b#c", "%41", "ü" * 100, "_design/x/y"])
def test_any_id_makes_the_way_through_the_url(client: Client, doc_id: str) -> None:
    """An escaped slash belongs to the id, and nothing is decoded twice."""
    from urllib.parse import quote

    path = quote(doc_id, safe="")
    rev = client.json("PUT", path, {"n": 1}, status=201)["rev"]

    assert client.json("GET", path) == {"_id": doc_id, "_rev": rev, "n": 1}


def test_a_stale_revision_is_a_conflict(client: Client) -> None:
    """An edit names the leaf it edits, in the body, the query or If-Match."""
    rev = client.put("a", n=1)

    refused = client.json("PUT", "a", {"n": 2}, status=409)
    client.json("PUT", "a", {"n": 2}, status=201, headers={"If-Match": f'"{rev}"'})

    assert refused == {"error": "conflict", "reason": "Document update conflict."}
    assert client.json("PUT", f"a?rev={rev}", {"n": 3}, status=409)["error"] == "conflict"


def test_revisions_that_disagree_are_refused(client: Client) -> None:
    """Body against query, and either against If-Match."""
    rev = client.put("a")

    for path, body, headers in (
        (f"a?rev={rev}", {"_rev": "1-b"}, {}),
        ("a", {"_rev": rev}, {"If-Match": '"1-b"'}),
    ):
        assert client.json("PUT", path, body, status=400, headers=headers)["error"] == "bad_request"


def test_a_deleted_document_says_so_and_can_come_back(client: Client) -> None:
    """404 tells deleted from missing; the tombstone keeps the history."""
    rev = client.put("a", n=1)
    gone = client.json("DELETE", f"a?rev={rev}")["rev"]

    assert client.json("GET", "a", status=404) == {"error": "not_found", "reason": "deleted"}
    assert client.json("GET", "b", status=404) == {"error": "not_found", "reason": "missing"}
    assert client.json("GET", f"a?rev={gone}") == {"_id": "a", "_rev": gone, "_deleted": True}
    assert client.put("a", n=2).startswith("3-")


def test_delete_without_a_revision_is_a_conflict(client: Client) -> None:
    """Nothing is deleted by accident."""
    client.put("a")

    assert client.json("DELETE", "a", status=409)["error"] == "conflict"
    assert client.json("DELETE", "nope", status=404)["reason"] == "missing"


def test_history_conflicts_and_leaves_are_told_when_asked(client: Client) -> None:
    """revs, revs_info, conflicts, deleted_conflicts, open_revs, as replication made them."""
    client.graft(
        {"_id": "a", "_revisions": {"start": 2, "ids": ["c", "a"]}, "x": 3},
        {"_id": "a", "_rev": "1-b"},
        {"_id": "a", "_rev": "1-d", "_deleted": True},
    )

    doc = client.json("GET", "a?revs=true&meta=true")
    leaves = client.json("GET", 'a?open_revs=["2-c","1-d","9-z"]')

    assert doc["_revisions"] == {"start": 2, "ids": ["c", "a"]}
    assert [entry["status"] for entry in doc["_revs_info"]] == ["available", "missing"]
    assert (doc["_conflicts"], doc["_deleted_conflicts"]) == (["1-b"], ["1-d"])
    assert [sorted(row) for row in leaves] == [["ok"], ["ok"], ["missing"]]
    assert len(client.json("GET", "a?open_revs=all")) == 3
    assert client.json("GET", "a?rev=1-a", status=404)["reason"] == "missing"
    assert client.json("GET", "a?rev=1-a&latest=true")["_rev"] == "2-c"


def test_open_revs_come_as_multipart_mixed_with_attachments_as_parts(client: Client) -> None:
    """What CouchDB's replicator asks for: a document with bytes as multipart/related inside, a missing one marked."""
    client.graft(
        {"_id": "a", "_rev": "1-a", "_attachments": {"x": {"data": "aGkh", "content_type": "text/plain"}}},
        {"_id": "b", "_rev": "1-b"},
    )

    mixed = client.call("GET", 'a?open_revs=["1-a","1-z"]&revs=true', headers={"Accept": "multipart/mixed"})
    first, second = parse_multipart(mixed.headers["Content-Type"], [mixed.content], max_part=10_000)
    doc, file = parse_multipart(first.content_type, [first.data], max_part=10_000)

    assert json.loads(doc.data)["_attachments"]["x"]["follows"] is True
    assert file.data == b"hi!"
    assert second.content_type == 'application/json; error="true"'
    assert json.loads(second.data) == {"missing": "1-z"}


def test_a_document_with_its_files_is_written_as_one_multipart_body(client: Client) -> None:
    """The parts go by name, or by their order."""
    names = {"x": {"follows": True, "length": 2, "content_type": "text/plain"}, "y": {"follows": True, "length": 1}}
    head = json.dumps({"_id": "a", "_rev": "1-a", "_attachments": names}).encode()
    body = b"--b\r\nContent-Type: application/json\r\n\r\n" + head
    body += b'\r\n--b\r\nContent-Disposition: attachment; filename="y"\r\n\r\nY\r\n--b\r\n\r\nXX\r\n--b--'

    headers = {"Content-Type": 'multipart/related;boundary="b"'}
    assert client.call("PUT", "a?new_edits=false", data=body, headers=headers).status_code == 201
    assert client.call("GET", "a/x").content == b"XX"
    assert client.call("GET", "a/y").content == b"Y"


def test_copy_makes_a_new_document_with_the_files(client: Client) -> None:
    """Destination names it, and its revision where it is there already."""
    client.graft({"_id": "a", "_rev": "1-a", "n": 1, "_attachments": {"x": {"data": "aGkh"}}})

    rev = client.json("COPY", "a", status=201, headers={"Destination": "b"})["rev"]
    client.json("COPY", "a", status=409, headers={"Destination": "b"})
    client.json("COPY", "a", status=201, headers={"Destination": f"b?rev={rev}"})

    assert client.call("GET", "b/x").content == b"hi!"
    assert client.json("GET", "b")["n"] == 1


def test_local_documents_have_no_history_and_stay_out_of_everything(client: Client) -> None:
    """Checkpoints: written whatever the revision, listed only by _local_docs."""
    client.json("PUT", "_local/x", {"a": 1}, status=201)
    client.json("PUT", "_local/x", {"a": 2, "_rev": "0-1"}, status=201)

    assert client.json("GET", "_local/x")["a"] == 2
    assert client.json("GET", "_changes")["results"] == []
    assert client.json("GET", "_all_docs")["rows"] == []
    assert [row["id"] for row in client.json("GET", "_local_docs")["rows"]] == ["_local/x"]
    assert client.json("DELETE", "_local/x") == {"ok": True, "id": "_local/x", "rev": "0-0"}
    assert client.json("GET", "_local/x", status=404)["reason"] == "missing"


def test_design_documents_are_stored_and_views_are_not_run(client: Client) -> None:
    """A view is 404 with the reason."""
    client.json("PUT", "_design/d", {"views": {"v": {"map": "function(doc){}"}}}, status=201)

    assert client.json("GET", "_design%2Fd")["_id"] == "_design/d"
    assert [row["id"] for row in client.json("GET", "_design_docs")["rows"]] == ["_design/d"]
    refused = client.json("GET", "_design/d/_view/v", status=404)
    assert refused["error"] == "not_found"
    assert "no views" in refused["reason"]


def test_post_gives_a_document_without_id_a_new_one(client: Client) -> None:
    """32 hex digits, and the Location tells."""
    answer = client.call("POST", "", {"n": 1})

    assert len(answer.json()["id"]) == 32
    assert client.session.get(answer.headers["Location"]).json()["n"] == 1


def test_a_database_tells_its_counts_and_is_created_once(client: Client) -> None:
    """PUT again is 412; DELETE with a rev is a mistake that is caught."""
    client.put("a")

    assert client.json("GET")["doc_count"] == 1
    assert client.json("PUT", status=412)["error"] == "file_exists"
    assert client.json("DELETE", "?rev=1-a", status=400)["error"] == "bad_request"
    started = client.json("POST", "_ensure_full_commit", {}, status=201)["instance_start_time"]
    assert started == client.json("GET")["instance_start_time"]
