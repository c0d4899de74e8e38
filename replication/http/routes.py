"""Which handler answers which path, and 405 with the methods there are for every other method."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response

from replication.errors import BadRequest, NotFound
from replication.http import (
    all_docs,
    attachments,
    bulk,
    bulk_get,
    changes,
    database,
    digest,
    documents,
    find,
    indexes,
    local,
    node,
    resuming,
    seqs,
)
from replication.http.errors import OnlyMethods
from replication.http.exchange import Exchange

Handler = Callable[[Exchange], Response]

SERVER: Mapping[str, tuple[str, Mapping[str, Handler]]] = {
    "_all_dbs": ("GET,HEAD", {"GET": node.all_dbs}),
    "_dbs_info": ("GET,HEAD,POST", {"GET": node.dbs_info, "POST": node.dbs_info_of}),
    "_uuids": ("GET", {"GET": node.uuids}),
    "_session": ("GET,HEAD,POST,DELETE", {"GET": node.session, "POST": node.log_in, "DELETE": node.log_out}),
    "_active_tasks": ("GET,HEAD", {"GET": node.active_tasks}),
    "_up": ("GET,HEAD", {"GET": node.up}),
    "_membership": ("GET", {"GET": node.membership}),
    "_replicate": ("POST", {"POST": node.replicate}),
}
DATABASE: Mapping[str, tuple[str, Mapping[str, Handler]]] = {
    "_all_docs": ("GET,HEAD,POST", {"GET": all_docs.all_docs, "POST": all_docs.all_docs}),
    "_design_docs": ("GET,HEAD,POST", {"GET": all_docs.design_docs, "POST": all_docs.design_docs}),
    "_local_docs": ("GET,HEAD,POST", {"GET": all_docs.local_docs, "POST": all_docs.local_docs}),
    "_changes": ("GET,POST,HEAD", {"GET": changes.changes, "POST": changes.changes}),
    "_bulk_docs": ("POST", {"POST": bulk.bulk_docs}),
    "_bulk_get": ("POST", {"POST": bulk_get.bulk_get}),
    "_revs_diff": ("POST", {"POST": bulk.revs_diff}),
    "_missing_revs": ("POST", {"POST": bulk.missing_revs}),
    "_purge": ("POST", {"POST": bulk.purge}),
    "_ensure_full_commit": ("POST", {"POST": database.ensure_full_commit}),
    "_compact": ("POST", {"POST": database.compact}),
    "_view_cleanup": ("POST", {"POST": database.view_cleanup}),
    "_security": ("PUT,GET", {"GET": database.get_security, "PUT": database.put_security}),
    "_revs_limit": ("PUT,GET", {"GET": database.get_revs_limit, "PUT": database.put_revs_limit}),
    "_purged_infos_limit": (
        "GET,PUT",
        {"GET": database.get_purged_infos_limit, "PUT": database.put_purged_infos_limit},
    ),
    "_purged_infos": ("GET", {"GET": database.purged_infos}),
    "_find": ("POST", {"POST": find.find}),
    "_explain": ("POST", {"POST": find.explain}),
    "_index": ("GET,POST", {"GET": indexes.list_indexes, "POST": indexes.create_index}),
}
BODIES = ("GET,HEAD", {"GET": resuming.bodies})
SEQS = ("GET,HEAD", {"GET": seqs.seqs})
DIGEST = ("GET,POST", {"GET": digest.root, "POST": digest.look})
DICTIONARY = ("GET,HEAD", {"GET": node.dictionary})
ROOT = ("GET,HEAD", {"GET": node.welcome})
WHOLE_DATABASE = (
    "DELETE,GET,HEAD,POST",
    {"GET": database.info, "PUT": database.create, "DELETE": database.delete, "POST": documents.post},
)
DOCUMENT = (
    "DELETE,GET,HEAD,POST,PUT,COPY",
    {"GET": documents.get, "PUT": documents.put, "DELETE": documents.delete, "COPY": documents.copy},
)
LOCAL = ("DELETE,GET,HEAD,POST,PUT,COPY", {"GET": local.get, "PUT": local.put, "DELETE": local.delete})
ATTACHMENT = (
    "DELETE,GET,HEAD,PUT",
    {"GET": attachments.get, "PUT": attachments.put, "DELETE": attachments.delete},
)
NO_VIEWS = "missing: this server has no views, shows, lists, updates or rewrites; query with _find"
_VIEWISH = frozenset(("_view", "_show", "_list", "_update", "_rewrite", "_info", "_search", "_nouveau"))


def dispatch(x: Exchange) -> Response:
    """Return the answer of the handler for this path and method. Raises `NotFound`, `OnlyMethods`."""
    parts = x.parts
    if not parts:
        return _call(x, ROOT)
    if len(parts) == 1:
        return _call(x, SERVER.get(parts[0], WHOLE_DATABASE))
    if parts[0] == "_dict" and len(parts) == 2:
        return _call(x, DICTIONARY)
    if parts == ["_tram", "seqs"]:
        return _call(x, SEQS)
    if parts == ["_tram", "bodies"]:
        return _call(x, BODIES)
    if parts[0] in SERVER:
        raise NotFound("missing")
    if parts[1][:1] == "_":
        return _dispatch_special(x)
    return _call(x, DOCUMENT if len(parts) == 2 else ATTACHMENT)


def _dispatch_special(x: Exchange) -> Response:
    """Take a path whose second segment begins with an underscore to its handler."""
    parts, noun = x.parts, x.parts[1]
    if noun in DATABASE:
        if len(parts) > 2:
            return _dispatch_deeper(x, noun)
        return _call(x, DATABASE[noun])
    if parts[1:] == ["_tram", "digest"]:
        return _call(x, DIGEST)
    if noun.startswith(("_design/", "_local/")):  # the slash of the id came as %2F
        parts[1:2] = noun.split("/", 1)
        noun = parts[1]
    if noun == "_local":
        return _dispatch_local(x)
    if noun == "_design" and len(parts) > 2:
        parts[1:3] = ["_design/" + parts[2]]
        if len(parts) == 2:
            return _call(x, DOCUMENT)
        if parts[2] in _VIEWISH:
            documents.require(x)
            raise NotFound(NO_VIEWS)
        return _call(x, ATTACHMENT)
    if len(parts) > 2:
        return _call(x, ATTACHMENT)
    return _call(x, DOCUMENT)  # an illegal id: reading says missing, writing says illegal_docid


def _dispatch_deeper(x: Exchange, noun: str) -> Response:
    if noun == "_index":
        return indexes.index_by_path(x)
    if noun == "_compact" and len(x.parts) == 3:
        return _call(x, ("POST", {"POST": database.compact_views}))
    if noun in ("_all_docs", "_design_docs", "_local_docs") and x.parts[2:] == ["queries"]:
        return _call(x, ("POST", {"POST": all_docs.queries}))
    x.open()
    raise NotFound("missing")


def _dispatch_local(x: Exchange) -> Response:
    if len(x.parts) < 3 or not x.parts[2]:
        x.open()
        raise BadRequest("Invalid _local document id.")
    if len(x.parts) > 3:
        raise BadRequest("_local documents do not accept attachments.")
    return _call(x, LOCAL)


def _call(x: Exchange, route: tuple[str, Mapping[str, Handler]]) -> Response:
    allowed, handlers = route
    handler = handlers.get(x.method)
    if handler is None:
        raise OnlyMethods(allowed)
    return handler(x)
