"""JavaScript of design documents over HTTP: validation of writes, filters of feeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from replication.http import OpenAccess, create_app
from replication.http.scripts import Scripts
from replication.javascript import Engine, is_installed
from replication.serving import Server
from replication.sqlite import SqliteStore
from tests.replication.http.conftest import Client

if not is_installed():
    pytest.skip("quickjs-ng is not installed, so design documents' functions do not run", allow_module_level=True)

# Refuses as the document asks for it, and tells what it was called with.
VALIDATE = """function (doc, old, user, security) {
  if (doc.mode === "forbidden") throw({ forbidden: "not this" });
  if (doc.mode === "unauthorized") throw({ unauthorized: "not you" });
  if (doc.mode === "other") throw({ strange: "hm" });
  if (doc.mode === "crash") null.x;
  if (doc.mode === "see") throw({ forbidden: JSON.stringify([doc, old, user, security]) });
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that runs JavaScript."""
    store, engine = SqliteStore(tmp_path_factory.mktemp("store")), Engine()
    with Server(create_app(OpenAccess(store, Scripts(engine).wrap))) as server:
        yield server.url
    engine.close()
    store.close()


@pytest.fixture
def validated(client: Client) -> Client:
    client.put("_design/rules", validate_doc_update=VALIDATE)
    return client


def see(client: Client, answer: Any) -> list[Any]:
    """Return what the function was called with."""
    found: list[Any] = json.loads(answer["reason"])
    return found


@pytest.mark.parametrize(
    ("mode", "status", "error", "reason"),
    [
        ("forbidden", 403, "forbidden", "not this"),
        ("unauthorized", 401, "unauthorized", "not you"),
        ("other", 500, "unknown_error", "hm"),
        ("crash", 500, "TypeError", "cannot read property 'x' of null"),
    ],
)
def test_what_a_validation_throws_is_the_answer(
    validated: Client, mode: str, status: int, error: str, reason: str
) -> None:
    """To every way of writing: put, post, bulk, replicated, attachment, copy; nothing is stored."""
    refusal = {"error": error, "reason": reason}
    validated.put("good")
    assert validated.json("PUT", "a", {"mode": mode}, status=status) == refusal
    assert validated.json("POST", "", {"_id": "a", "mode": mode}, status=status) == refusal
    batch = {"docs": [{"_id": "a", "mode": mode}, {"_id": "b"}]}
    rows = validated.json("POST", "_bulk_docs", batch, status=201)
    assert (rows[0], rows[1]["ok"]) == ({"id": "a", **refusal}, True)
    grafted = {"new_edits": False, "docs": [{"_id": "a", "_rev": "1-x", "mode": mode}, {"_id": "c", "_rev": "1-x"}]}
    assert validated.json("POST", "_bulk_docs", grafted, status=201) == [{"id": "a", "rev": "1-x", **refusal}]
    assert validated.call("GET", "a").status_code == 404
    assert validated.call("GET", "c").status_code == 200


def test_a_validation_sees_both_revisions_the_user_and_the_security_object(validated: Client) -> None:
    """An edit with its parent, a new document with null."""
    validated.json("PUT", "_security", {"members": {"names": ["an"]}})
    rev = validated.put("a", n=1)
    edit = {"mode": "see", "_rev": rev, "_attachments": {"f": {"data": "YQ==", "content_type": "text/plain"}}}

    doc, old, user, security = see(validated, validated.json("PUT", "a", edit, status=403, auth=("lan", "x")))

    history = {"start": 1, "ids": [rev[2:]]}
    assert (doc["_id"], doc["_rev"], doc["_revisions"]) == ("a", rev, history)
    assert doc["_attachments"]["f"]["stub"] is True
    assert old == {"_id": "a", "_rev": rev, "n": 1, "_revisions": history}
    assert user == {"db": validated.name, "name": "lan", "roles": ["_admin"]}
    assert security == {"members": {"names": ["an"]}}
    assert see(validated, validated.json("PUT", "new", {"mode": "see"}, status=403))[1] is None


def test_a_replicated_revision_is_shown_with_its_nearest_stored_ancestor(validated: Client) -> None:
    """Over a gap, on another branch, and beside everything."""
    validated.graft({"_id": "t", "_rev": "2-b", "_revisions": {"start": 2, "ids": ["b", "a"]}, "n": 1})

    def ask(*ids: str) -> Any:
        revisions = {"start": len(ids), "ids": ids}
        doc = {"_id": "t", "_rev": f"{len(ids)}-{ids[0]}", "_revisions": revisions, "mode": "see"}
        (row,) = validated.json("POST", "_bulk_docs", {"new_edits": False, "docs": [doc]}, status=201)
        return see(validated, row)[1]

    assert ask("d", "c", "b", "a")["_rev"] == "2-b"
    assert ask("x", "a") is None


def test_what_changes_nothing_is_not_validated(validated: Client) -> None:
    """Revisions known already, conflicts, local and design documents."""
    validated.graft({"_id": "t", "_rev": "1-a"})
    validated.graft({"_id": "t", "_rev": "1-a", "mode": "forbidden"})
    assert validated.json("PUT", "t", {"mode": "forbidden"}, status=409)["error"] == "conflict"
    assert validated.json("PUT", "t", {"mode": "forbidden", "_rev": "7-no"}, status=409)["error"] == "conflict"
    assert validated.json("PUT", "_local/l", {"mode": "forbidden"}, status=201)["ok"]
    assert validated.json("PUT", "_design/other", {"mode": "forbidden"}, status=201)["ok"]


def test_a_tombstone_is_validated_and_a_document_begun_anew_has_no_past(validated: Client) -> None:
    """As in CouchDB."""
    rev = validated.put("a")
    row = validated.json(
        "POST", "_bulk_docs", {"docs": [{"_id": "a", "_rev": rev, "_deleted": True, "mode": "see"}]}, status=201
    )[0]
    assert see(validated, row)[0]["_deleted"] is True
    validated.json("DELETE", f"a?rev={rev}")
    assert see(validated, validated.json("PUT", "a", {"mode": "see"}, status=403))[1] is None


def test_validations_come_and_go_with_their_design_documents(client: Client) -> None:
    """All must agree, the first by id speaks; a deleted one is silent."""
    revs = {
        name: client.put(f"_design/{name}", validate_doc_update=f"function () {{ throw({{forbidden: '{name}'}}) }}")
        for name in ("b", "a")
    }
    assert client.json("PUT", "x", {}, status=403)["reason"] == "a"
    client.json("DELETE", f"_design/a?rev={revs['a']}")
    assert client.json("PUT", "x", {}, status=403)["reason"] == "b"
    client.json("PUT", "_design/b", {"_rev": revs["b"]}, status=201)
    assert client.json("PUT", "x", {}, status=201)["ok"]


@pytest.mark.parametrize(
    ("design", "error"),
    [
        ({"validate_doc_update": "function ("}, "compilation_error"),
        ({"validate_doc_update": "function () {}", "language": "erlang"}, "unknown_query_language"),
    ],
)
def test_a_validation_that_cannot_run_lets_nothing_pass(client: Client, design: dict[str, str], error: str) -> None:
    """It is stored and refuses every write, as in CouchDB, until it is mended."""
    client.put("_design/broken", **design)

    assert client.json("PUT", "a", {}, status=500)["error"] == error


def test_a_validation_that_is_no_text_is_refused(client: Client) -> None:
    """When the design document is written, however it comes."""
    design = {"_id": "_design/d", "_rev": "1-a", "validate_doc_update": {"a": 1}}
    assert client.json("PUT", "_design/d", {"validate_doc_update": 5}, status=400)["error"] == "invalid_design_doc"
    (row,) = client.json("POST", "_bulk_docs", {"new_edits": False, "docs": [design]}, status=201)
    assert row["error"] == "invalid_design_doc"


def test_a_filter_chooses_rows_by_document_and_query(client: Client) -> None:
    """In every feed; with style=all_docs it chooses leaves."""
    filters = {"n": "function (doc, req) { return doc.n == req.query.n }"}
    client.put("_design/d", filters=filters, views={"odd": {"map": "function (doc) { if (doc.n % 2) emit(doc.n) }"}})
    for n in range(5):
        client.put(f"doc{n}", n=n)
    client.graft({"_id": "c", "_rev": "1-a", "n": 3}, {"_id": "c", "_rev": "1-b", "n": 8})

    def ids(query: str) -> list[tuple[str, int]]:
        rows = client.json("GET", f"_changes?{query}")["results"]
        return [(row["id"], len(row["changes"])) for row in rows]

    assert ids("filter=d/n&n=3") == [("doc3", 1)]
    assert ids("filter=d/n&n=3&style=all_docs") == [("doc3", 1), ("c", 1)]
    assert ids("filter=d/n&n=3&feed=longpoll") == [("doc3", 1)]
    assert ids("filter=_view&view=d/odd") == [("doc1", 1), ("doc3", 1)]
    assert ids("filter=_view&view=d/odd&limit=1&descending=true") == [("doc3", 1)]


def test_a_limit_of_nothing_moves_no_reader_on(client: Client) -> None:
    """A filter reads ahead; what it read and did not send stays pending."""
    client.put("_design/d", filters={"all": "() => true"})
    client.put("a")

    answer = client.json("GET", "_changes?filter=d/all&limit=0")

    assert (answer["results"], answer["pending"]) == ([], 2)
    assert len(client.json("GET", f"_changes?filter=d/all&since={answer['last_seq']}")["results"]) == 2


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("filter=no/such", 404, "missing"),
        ("filter=d/no", 404, "missing json key: no"),
        ("filter=empty/no", 404, "missing json key: filters"),
        ("filter=_view&view=d/no", 404, "missing json key: views"),
        ("filter=d/crash", 500, "boom"),
        ("filter=d/thrown", 500, '{"forbidden":"no"}'),
        ("filter=d", 400, "`filter` must be of the form `designname/filtername`"),
        ("filter=_view&view=d", 400, "`view` must be of the form `designname/viewname`"),
    ],
)
def test_a_filter_that_is_not_there_or_fails_is_told_before_the_feed(
    client: Client, query: str, status: int, reason: str
) -> None:
    """Never in the middle of an answer that began with 200."""
    filters = {"crash": "() => { throw new Error('boom') }", "thrown": "() => { throw({forbidden: 'no'}) }"}
    client.put("_design/d", filters=filters)
    client.put("_design/empty")

    assert client.json("GET", f"_changes?{query}", status=status)["reason"] == reason


def test_views_stay_a_clean_404(client: Client) -> None:
    """The engine runs no map functions for indexes."""
    client.put("_design/d", views={"v": {"map": "function (doc) { emit(1) }"}})

    assert client.json("GET", "_design/d/_view/v", status=404)["error"] == "not_found"


def test_without_the_engine_design_documents_are_stored_and_not_run(tmp_path: Path) -> None:
    """What an Access that wraps nothing does: writes go on, filters are missing."""
    store = SqliteStore(tmp_path)
    with Server(create_app(OpenAccess(store))) as server, requests.Session() as session:
        client = Client(server.url, "db", session)
        client.json("PUT", status=201)
        client.put(
            "_design/d", validate_doc_update="function () { throw({forbidden: 'no'}) }", filters={"f": "() => 1"}
        )
        assert client.json("PUT", "a", {}, status=201)["ok"]
        assert "no JavaScript" in client.json("GET", "_changes?filter=d/f", status=404)["reason"]
    store.close()
