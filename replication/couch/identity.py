"""The uuid of a store on CouchDB, in a database of its own beside the others.

Peers key their checkpoints on it. Its document is named after the uuid of CouchDB itself, so a copy of the databases
on another server finds none and gets a uuid of its own. Files put back on the same server from a backup bring the
old uuid along: whoever restores calls `CouchStore.rebirth`. See docs/decisions/0015.
"""

from __future__ import annotations

import uuid
from contextlib import suppress

from replication.couch.link import Link
from replication.errors import Conflict, DatabaseExists, NotFound, Unavailable
from replication.store import JsonObject

IDENTITY_NAME = "tram$store"  # "$" is legal in CouchDB's names and in none of ours
_ID_PREFIX = "store-"


def fetch_uuid(link: Link, database: str) -> str:
    """Return the store's uuid, made now if there is none.

    Raises `Unavailable` for a cluster whose nodes have different uuids: each would answer as another store.
    """
    path = (database, _build_id(link))
    with suppress(NotFound):
        return str(link.json("GET", path, repeat=True)["uuid"])
    with suppress(DatabaseExists):  # by another process of this node, or only the document was missing
        link.json("PUT", (database,))
    _check_cluster(link, database)
    with suppress(Conflict):  # another process was faster: its uuid counts
        link.json("PUT", path, _build_identity())
    return str(link.json("GET", path, repeat=True)["uuid"])


def renew_uuid(link: Link, database: str) -> str:
    """Give the store a new uuid and return it: peers will take it for one they have never met."""
    fetch_uuid(link, database)
    path = (database, _build_id(link))
    value = link.json("GET", path, repeat=True)
    link.json("PUT", path, {**value, **_build_identity()})
    return fetch_uuid(link, database)


def _build_identity() -> JsonObject:
    return {"uuid": uuid.uuid4().hex}


def _build_id(link: Link) -> str:
    value = link.json("GET", (), repeat=True)
    if not isinstance(value, dict) or "couchdb" not in value or not isinstance(value.get("uuid"), str):
        raise Unavailable(f"{link.origin} is no CouchDB: its greeting has no uuid; correct the address")
    return f"{_ID_PREFIX}{value['uuid']}"


def _check_cluster(link: Link, database: str) -> None:
    rows = link.json("GET", (database, "_all_docs"), params={"start_key": f'"{_ID_PREFIX}"'}, repeat=True)["rows"]
    nodes = link.json("GET", ("_membership",), repeat=True)["cluster_nodes"] if rows else []
    if len(nodes) > 1:
        raise Unavailable(
            f"the {len(nodes)} nodes of the CouchDB cluster at {link.origin} have different uuids: set [couchdb] uuid"
            " to the same value on all of them (docs/couchdb.md), then start again"
        )
