"""Routes of a whole database, apart from its documents."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Response

from replication.document import DocId
from replication.errors import BadRequest, NotImplementedHere
from replication.http.answers import answer
from replication.http.exchange import Exchange
from replication.store import DatabaseInfo

DISK_FORMAT = 8  # CouchDB 3.5's; clients only print it
PURGED_INFOS_LIMIT = 1000  # CouchDB's default


def describe(info: DatabaseInfo) -> dict[str, Any]:
    """Return `GET /db` as CouchDB prints it; a cluster of one."""
    return {
        "instance_start_time": info.instance_start_time,
        "db_name": info.name,
        "purge_seq": info.purge_seq,
        "update_seq": info.update_seq,
        "sizes": {"file": info.disk_size, "external": info.data_size, "active": info.data_size},
        "props": {},
        "doc_del_count": info.doc_del_count,
        "doc_count": info.doc_count,
        "disk_format_version": DISK_FORMAT,
        "compact_running": info.compact_running,
        "cluster": {"q": 1, "n": 1, "w": 1, "r": 1},
    }


def info(x: Exchange) -> Response:
    """`GET /db`."""
    return answer(x, describe(x.open().info()))


def create(x: Exchange) -> Response:
    """`PUT /db`."""
    x.drop_body()
    x.access.create(x.parts[0], x.credentials)
    return answer(x, {"ok": True}, 201, {"Location": x.absolute(quote(x.parts[0], safe=""))})


def delete(x: Exchange) -> Response:
    """`DELETE /db`."""
    x.drop_body()
    if "rev" in x.query:
        raise BadRequest(
            "You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?"
        )
    x.access.delete(x.parts[0], x.credentials)
    return answer(x, {"ok": True})


def ensure_full_commit(x: Exchange) -> Response:
    """`POST /db/_ensure_full_commit`: every write was durable already. Peers compare the start time with `GET /db`."""
    x.require_json_type()
    x.drop_body()
    return answer(x, {"ok": True, "instance_start_time": x.open().info().instance_start_time}, 201)


def compact(x: Exchange) -> Response:
    """`POST /db/_compact`: done when the answer comes."""
    x.require_json_type()
    x.drop_body()
    x.open().compact()
    return answer(x, {"ok": True}, 202)


def compact_views(x: Exchange) -> Response:
    """`POST /db/_compact/ddoc`: there are no view files; the design document must be there."""
    x.require_json_type()
    x.drop_body()
    x.open().get(DocId(f"_design/{x.parts[2]}"))
    return answer(x, {"ok": True}, 202)


def view_cleanup(x: Exchange) -> Response:
    """`POST /db/_view_cleanup`: there are no view files."""
    x.drop_body()
    x.open()
    return answer(x, {"ok": True}, 202)


def get_security(x: Exchange) -> Response:
    """`GET /db/_security`."""
    return answer(x, x.open().security())


def put_security(x: Exchange) -> Response:
    """`PUT /db/_security`."""
    database, value = x.open(), x.json_object()
    database.set_security(value)
    return answer(x, {"ok": True})


def get_revs_limit(x: Exchange) -> Response:
    """`GET /db/_revs_limit`."""
    return answer(x, x.open().revs_limit())


def put_revs_limit(x: Exchange) -> Response:
    """`PUT /db/_revs_limit` with a number of at least 1."""
    database, limit = x.open(), x.json()
    if type(limit) is not int or limit < 1:
        raise BadRequest("revs_limit must be a whole number of at least 1")
    database.set_revs_limit(limit)
    return answer(x, {"ok": True})


def get_purged_infos_limit(x: Exchange) -> Response:
    """`GET /db/_purged_infos_limit`."""
    x.open()
    return answer(x, PURGED_INFOS_LIMIT)


def put_purged_infos_limit(x: Exchange) -> Response:
    """`PUT /db/_purged_infos_limit`: purges leave no list behind, so only the one value there is can be set."""
    x.open()
    limit = x.json()
    if type(limit) is not int or limit < 1:
        raise BadRequest("`purged_infos_limit` must be positive integer")
    if limit != PURGED_INFOS_LIMIT:
        raise NotImplementedHere("a purge leaves no list behind here, so its length cannot be changed")
    return answer(x, {"ok": True})


def purged_infos(x: Exchange) -> Response:
    """`GET /db/_purged_infos`: purges leave no list behind."""
    x.open()
    return answer(x, {"purged_infos": []})
