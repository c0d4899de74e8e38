"""Request bodies within bounds, answers packed, errors in one shape."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import flask
import pytest

from replication.errors import StoreError
from replication.http import Cors, Limits, OpenAccess, create_app, protocol_blueprint
from replication.http.routes import DATABASE, SERVER
from replication.sqlite import SqliteStore
from tests.replication.http.conftest import Client, Serve


def test_a_gzipped_body_is_read_and_an_unknown_coding_is_415(client: Client) -> None:
    """What replicators on slow lines send."""
    body = gzip.compress(json.dumps({"docs": [{"_id": "a"}]}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert client.json("POST", "_bulk_docs", status=201, data=body, headers=headers)[0]["ok"] is True
    refused = client.json("POST", "_bulk_docs", status=415, data=body, headers=headers | {"Content-Encoding": "br"})
    assert refused == {"error": "bad_content_type", "reason": "br is not a supported content encoding."}


@pytest.mark.parametrize("damage", [lambda raw: raw[:-5], lambda raw: b"x" + raw, lambda raw: raw + b"junk"])
def test_a_damaged_gzip_body_is_refused(client: Client, damage: Callable[[bytes], bytes]) -> None:
    """A cut body is never taken for a short one."""
    body = damage(gzip.compress(b'{"docs":[]}'))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert client.json("POST", "_bulk_docs", status=400, data=body, headers=headers)["error"] == "bad_request"


def test_bodies_are_bounded_before_they_are_held(serve: Serve) -> None:
    """Announced, chunked and packed: each is 413, and the server lives on."""
    client = serve(Limits(max_body=10_000, max_inflated_body=50_000))
    headers = {"Content-Type": "application/json"}
    bomb = gzip.compress(b" " * 5_000_000)

    assert client.json("POST", "_bulk_docs", status=413, data=b" " * 10_001, headers=headers)["error"] == "too_large"
    chunks = (b" " * 1000 for _ in range(11))
    assert client.json("POST", "_bulk_docs", status=413, data=chunks, headers=headers)["error"] == "too_large"
    packed = headers | {"Content-Encoding": "gzip"}
    assert client.json("POST", "_bulk_docs", status=413, data=bomb, headers=packed)["error"] == "too_large"
    assert client.json("GET")["doc_count"] == 0


def test_counts_and_depth_are_bounded(serve: Serve) -> None:
    """Documents, keys, rows and nesting."""
    client = serve(Limits(max_docs=5, max_json_depth=10))
    deep: object = 1
    for _ in range(11):
        deep = [deep]

    for path, body in (
        ("_bulk_docs", {"docs": [{}] * 6}),
        ("_bulk_get", {"docs": [{"id": "a"}] * 6}),
        ("_revs_diff", {str(n): ["1-a"] for n in range(6)}),
        ("_all_docs", {"keys": ["a"] * 6}),
    ):
        assert client.json("POST", path, body, status=413)["error"] == "too_large"
    assert client.json("PUT", "a", {"x": deep}, status=400)["error"] == "bad_request"
    assert client.json("POST", "_bulk_docs", {"docs": [{"_id": "a", "x": deep}]}, status=400)["error"] == "bad_request"
    assert client.json("GET", "?" + "&".join(f"a{n}=1" for n in range(101)))["doc_count"] == 0


def test_a_long_answer_is_packed_for_who_takes_it(client: Client) -> None:
    """Whole answers and streams; short ones and refusals stay plain."""
    client.graft(*({"_id": f"document-{n}", "_rev": "1-a"} for n in range(300)))

    for path in ("_all_docs", "_changes"):
        packed = client.call("GET", path, headers={"Accept-Encoding": "gzip"}, stream=True)
        plain = client.call("GET", path, headers={"Accept-Encoding": "gzip;q=0"}, stream=True)
        raw = packed.raw.read(decode_content=False)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert zlib.decompress(raw, 31) == plain.raw.read()
        assert len(raw) < 10_000
    assert "Content-Encoding" not in client.call("GET", "", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH", "COPY", "OPTIONS"])
def test_every_refusal_of_every_route_has_one_shape(client: Client, method: str) -> None:
    """error and reason, as JSON; 405 with the methods there are."""
    paths = [f"/{name}" for name in SERVER] + [f"/{client.name}/{name}" for name in DATABASE]
    paths += [
        f"/{client.name}/{rest}"
        for rest in ("x", "x/y", "_local/x", "_design/x/_view/y", "_index/a/b/c", "_zzz", "%ff")
    ]
    for path in [*paths, "/nope/x", "/nope/_changes", "/UPPER", "/_zzz/x", "/%zz"]:
        if method == "GET" and path.endswith("_changes"):
            continue  # answers
        response = client.call(method, path, data=b"{", headers={"Content-Type": "application/json"})
        if response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/json", (path, response.text)
            assert sorted(response.json()) == ["error", "reason"], (path, response.text)
            assert response.status_code < 500 or response.status_code == 501, (path, response.text)
        if response.status_code == 405:
            assert response.headers["Allow"]


def test_a_crash_is_a_500_in_the_same_shape_and_tells_no_secrets(tmp_path: Path) -> None:
    """What went wrong stands in the log, not in the answer."""

    class Broken(OpenAccess):
        def names(self, credentials: object) -> list[str]:
            raise RuntimeError("secret")

    store = SqliteStore(tmp_path)
    answer = create_app(Broken(store)).test_client().get("/_all_dbs")
    store.close()

    assert answer.status_code == 500
    assert answer.json == {"error": "internal_server_error", "reason": StoreErrorReason}


StoreErrorReason = "The server failed while answering; its log says why."


def test_browsers_of_any_origin_may_read_the_bare_server(client: Client) -> None:
    """The origin is named, never a star, since cookies may come along."""
    origin = {"Origin": "http://phone.example"}
    ask = client.call("OPTIONS", "x", headers=origin | {"Access-Control-Request-Method": "PUT"})
    got = client.call("GET", "nope", headers=origin)

    assert ask.status_code == 204
    assert "PUT" in ask.headers["Access-Control-Allow-Methods"]
    assert "content-encoding" in ask.headers["Access-Control-Allow-Headers"]
    assert got.status_code == 404
    assert got.headers["Access-Control-Allow-Origin"] == "http://phone.example"
    assert "Access-Control-Allow-Origin" not in client.call("GET").headers


def test_only_listed_origins_are_let_in() -> None:
    """A node names its own."""
    cors = Cors(origins=("https://tram.example",))

    assert cors.headers("https://tram.example")["Access-Control-Allow-Origin"] == "https://tram.example"
    assert cors.headers("https://evil.example") == {}
    assert cors.headers(None) == {}


def test_the_routes_mount_below_any_prefix_of_another_application(tmp_path: Path) -> None:
    """Ids keep their escaped slashes, Location names the prefix, and the host's own pages stay its own."""
    store = SqliteStore(tmp_path)
    app = flask.Flask("host")
    app.register_blueprint(protocol_blueprint(OpenAccess(store)), url_prefix="/db")
    app.add_url_rule("/desk", view_func=lambda: "desk")
    web = app.test_client()

    assert web.get("/db/").json["couchdb"] == "Welcome"
    assert web.put("/db/u-1").headers["Location"] == "http://localhost/db/u-1"
    assert web.put("/db/u-1/a%2Fb", json={}).status_code == 201
    assert web.get("/db/u-1/a%2Fb").json["_id"] == "a/b"
    assert web.get("/desk").text == "desk"
    assert "<html" in web.get("/nowhere").text
    store.close()


def test_stored_errors_keep_their_words() -> None:
    """A refusal of any store is printed as it names itself."""

    class Full(StoreError):
        status = 507
        error = "insufficient_storage"

    class Refusing(OpenAccess):
        def open(self, name: str, credentials: object) -> NoReturn:
            raise Full("disk full; free some space")

    answer = create_app(Refusing(None)).test_client().get("/db")

    assert (answer.status_code, answer.json) == (
        507,
        {"error": "insufficient_storage", "reason": "disk full; free some space"},
    )


def test_sessions_are_the_business_of_the_access(client: Client) -> None:
    """The bare server takes anybody at their word."""
    assert client.json("GET", "/_session")["userCtx"] == {"name": None, "roles": ["_admin"]}
    assert client.json("GET", "/_session", auth=("lan", "x"))["userCtx"]["name"] == "lan"
    answer = client.call(
        "POST", "/_session", data="name=lan&password=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.json() == {"ok": True, "name": "lan", "roles": ["_admin"]}
    assert answer.headers["Set-Cookie"].startswith("AuthSession=")
    assert client.json("POST", "/_session", {"name": 1}, status=400)["error"] == "bad_request"
    assert client.json("DELETE", "/_session") == {"ok": True}


def test_the_server_tells_what_it_is(client: Client) -> None:
    """uuid for checkpoints, features for our own nodes, and the small routes clients probe."""
    welcome = client.json("GET", "/")

    assert welcome["couchdb"] == "Welcome"
    assert "tram-sync/1" in welcome["features"]
    assert len(welcome["uuid"]) == 32
    assert client.name in client.json("GET", "/_all_dbs")
    assert client.json("POST", "/_dbs_info", {"keys": [client.name, "nope"]})[1] == {
        "key": "nope",
        "error": "not_found",
    }
    assert len(set(client.json("GET", "/_uuids?count=10")["uuids"])) == 10
    assert client.json("GET", "/_up")["status"] == "ok"
    assert client.json("POST", "/_replicate", {}, status=501)["error"] == "not_implemented"
