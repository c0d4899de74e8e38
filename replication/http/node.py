"""Routes of the server itself: the welcome, its databases, sessions, uuids."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs

from flask import Response

from replication import dictionaries
from replication.attached import ENCODED_FEATURE
from replication.audit.digest import DIGEST_FEATURE
from replication.errors import BadRequest, Forbidden, NotFound, NotImplementedHere
from replication.http import bodies
from replication.http.answers import answer
from replication.http.budget import FREE_BYTES
from replication.http.database import describe
from replication.http.exchange import Exchange
from replication.http.life import life_header
from replication.http.view_query import in_range, parse_view_query

# The release whose protocol this is; PouchDB and others read features off it.
COUCHDB_VERSION = "3.5.0"
FEATURES = (
    "access-ready",
    "tram-sync/1",
    bodies.FEATURE,
    ENCODED_FEATURE,
    DIGEST_FEATURE,
    *(f"dcz:{name}" for name in dictionaries.SHIPPED),
)
VENDOR = "Tram"
MAX_DBS_INFO = 100  # CouchDB's max_db_number_for_dbs_info_req
NODE_NAME = "tram@127.0.0.1"
# A body that is read before anybody knows who sent it takes none of the memory that all share for large ones.
MAX_STRANGERS_BODY = FREE_BYTES


def welcome(x: Exchange) -> Response:
    """`GET /`: the uuid keys checkpoints, `couchdb` says what this is, `features` what our own nodes may ask for."""
    value = {
        "couchdb": "Welcome",
        "version": COUCHDB_VERSION,
        "uuid": x.access.uuid,
        "features": FEATURES,
        "vendor": {"name": VENDOR},
    }
    return answer(x, value, headers=life_header(x))


def dictionary(x: Exchange) -> Response:
    """`GET /_dict/<sha256>`: a dictionary by its name, to whoever asks; it never changes."""
    held = dictionaries.default_shelf().get(x.parts[1])
    if held is None:
        raise NotFound("missing")
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(held.data)),
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return Response([held.data], 200, headers, direct_passthrough=True)


def all_dbs(x: Exchange) -> Response:
    """`GET /_all_dbs`, with CouchDB's range options."""
    return answer(x, _names(x))


def _names(x: Exchange) -> list[str]:
    query = parse_view_query(x.query, {})
    names = [name for name in x.access.names(x.credentials) if in_range(query, name)]
    if query.descending:
        names.reverse()
    return names[query.skip :][: query.limit]


def dbs_info(x: Exchange) -> Response:
    """`GET /_dbs_info`."""
    return answer(x, [row for name in _names(x) if "info" in (row := _info_row(x, name))])


def dbs_info_of(x: Exchange) -> Response:
    """`POST /_dbs_info` with `keys`."""
    x.require_json_type()
    keys = x.json_object(most=MAX_STRANGERS_BODY).get("keys")
    if keys is None:
        raise BadRequest("`keys` member must exist.")
    if not isinstance(keys, list):
        raise BadRequest("`keys` member must be an array.")
    if len(keys) > MAX_DBS_INFO:
        raise BadRequest("too_many_keys")
    return answer(x, [_info_row(x, name) for name in keys])


def _info_row(x: Exchange, name: object) -> dict[str, Any]:
    try:
        if isinstance(name, str):
            return {"key": name, "info": describe(x.access.open(name, x.credentials).info())}
    except (NotFound, Forbidden):  # a database that went away in between, or is not for this sender
        return {"key": name, "error": "not_found"}
    return {"key": name, "error": "not_found"}


def uuids(x: Exchange) -> Response:
    """`GET /_uuids?count=n`: random ones."""
    try:
        count = int(x.query.get("count", "1"))
    except ValueError:
        count = -1
    if count < 0:
        raise BadRequest("count must be a positive integer")
    if count > x.limits.max_uuids:
        raise BadRequest("count parameter too large")
    headers = {"Cache-Control": "must-revalidate, no-cache", "Pragma": "no-cache"}
    return answer(x, {"uuids": [secrets.token_hex(16) for _ in range(count)]}, headers=headers)


def session(x: Exchange) -> Response:
    """`GET /_session`: who the sender is."""
    found = x.access.session(x.credentials)
    info: dict[str, Any] = {"authentication_handlers": ["cookie", "default"]}
    if found.name is not None or found.roles:
        info["authenticated"] = found.method
    user = {"name": found.name, "roles": list(found.roles)}
    return answer(x, {"ok": True, "userCtx": user, "info": info})


def log_in(x: Exchange) -> Response:
    """`POST /_session` with name and password, as a form or as JSON."""
    name, password = _parse_login(x)
    found = x.access.log_in(name, password)
    headers = {"Set-Cookie": found.set_cookie} if found.set_cookie else {}
    return answer(x, {"ok": True, "name": found.name, "roles": list(found.roles)}, headers=headers)


def _parse_login(x: Exchange) -> tuple[str, str]:
    if x.environ.get("CONTENT_TYPE", "").startswith("application/json"):
        fields = x.json_object(most=MAX_STRANGERS_BODY)
        name, password = fields.get("name", fields.get("username")), fields.get("password")
    else:
        try:
            form = parse_qs(x.body(MAX_STRANGERS_BODY).decode(), keep_blank_values=True, max_num_fields=10)
        except ValueError:
            raise BadRequest("the form is not URL-encoded UTF-8") from None
        names, passwords = form.get("name") or form.get("username"), form.get("password")
        name, password = names and names[0], passwords and passwords[0]
    if not isinstance(name, str) or not isinstance(password, str):
        raise BadRequest("request body must contain a username and a password")
    return name, password


def log_out(x: Exchange) -> Response:
    """`DELETE /_session`: take the cookie back."""
    headers = {"Set-Cookie": "AuthSession=; Version=1; Path=/; Max-Age=0; HttpOnly"}
    return answer(x, {"ok": True}, headers=headers)


def active_tasks(x: Exchange) -> Response:
    """`GET /_active_tasks`: this server runs none in the background."""
    return answer(x, [])


def up(x: Exchange) -> Response:
    """`GET /_up`: it answers, so it is."""
    return answer(x, {"status": "ok", "seeds": {}})


def membership(x: Exchange) -> Response:
    """`GET /_membership`: a cluster of one."""
    return answer(x, {"all_nodes": [NODE_NAME], "cluster_nodes": [NODE_NAME]})


def replicate(x: Exchange) -> Response:
    """`POST /_replicate` is refused: who replicates is the node's own business, not a client's."""
    x.drop_body()
    raise NotImplementedHere(
        "this server does not replicate on request; run `python -m replication sync SOURCE TARGET`"
    )
