"""One document: read, write, delete, copy."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

import orjson
from flask import Response

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, Conflict, NotFound
from replication.http import local
from replication.http.answers import accepts, answer, answer_bytes, is_known, not_modified, stream
from replication.http.exchange import Exchange
from replication.http.query import flag, parse_json_value, parse_revs
from replication.http.weighing import AS_JSON, weigh_found
from replication.multipart import build_boundary, build_related, has_bytes
from replication.related import parse_related
from replication.store import Database, MissingRev
from replication.wire import parse_doc_id, parse_document, parse_wire_rev, render_document


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The options of `GET /db/doc`. `open_revs` None means that it is not asked, an empty tuple means `all`."""

    rev: Rev | None
    open_revs: tuple[Rev, ...] | None
    is_all: bool
    atts_since: tuple[Rev, ...] | None
    latest: bool
    revs: bool
    attachments: bool
    encoding_info: bool

    @property
    def wants_bytes(self) -> bool:
        """Whether attachments are to come with bytes, all or the newer ones."""
        return self.attachments or self.atts_since is not None


def parse_options(query: dict[str, str]) -> GetOptions:
    """Return the options. Raises `BadRequest` for revisions that are none."""
    rev, wanted, since = query.get("rev"), query.get("open_revs"), query.get("atts_since")
    is_all = wanted == "all"
    return GetOptions(
        rev=parse_wire_rev(rev) if rev is not None else None,
        open_revs=None if wanted is None else () if is_all else tuple(parse_revs(parse_json_value(wanted))),
        is_all=is_all,
        atts_since=tuple(parse_revs(parse_json_value(since))) if since is not None else None,
        latest=flag(query, "latest"),
        revs=flag(query, "revs"),
        attachments=flag(query, "attachments"),
        encoding_info=flag(query, "att_encoding_info"),
    )


def require(x: Exchange) -> Doc:
    """Return the winner of the path's document. Raises `NotFound`."""
    return x.open().get(DocId(x.parts[1]))


def get(x: Exchange) -> Response:
    """`GET /db/doc`."""
    database, doc_id, options = x.open(), DocId(x.parts[1]), parse_options(x.query)
    if options.open_revs is not None:
        return _get_open_revs(x, database, doc_id, options)
    if options.wants_bytes:
        stubs = database.get(doc_id, options.rev, latest=options.latest)
        x.share.settle(weigh_found([stubs]) * AS_JSON)
    doc = database.get(
        doc_id,
        options.rev,
        latest=options.latest,
        atts_since=options.atts_since,
        attachments=options.attachments and options.atts_since is None,
    )
    # CouchDB tells of conflicts and history only where it was left to choose the winner.
    meta = _build_meta(x.query, database, doc) if options.rev is None else {}
    if meta:  # what conflicts there are is no property of the revision, so its tag would lie
        return _answer_doc(x, doc, options, meta, {})
    etag = f'"{doc.rev}"'
    if is_known(x, etag):
        return not_modified(etag)
    return _answer_doc(x, doc, options, {}, {"ETag": etag})


def _build_meta(query: dict[str, str], database: Database, doc: Doc) -> dict[str, Any]:
    everything = flag(query, "meta")
    out: dict[str, Any] = {}
    if everything or flag(query, "revs_info"):
        found = database.revs_info(doc.id, doc.rev)
        out["_revs_info"] = [{"rev": entry.rev, "status": entry.status} for entry in found]
    if everything or flag(query, "conflicts"):
        out |= conflicts_meta(database, doc)
    if everything or flag(query, "deleted_conflicts"):
        lost = [rev for rev, deleted in database.leaves(doc.id) if deleted and rev != doc.rev]
        out |= {"_deleted_conflicts": lost} if lost else {}
    if flag(query, "local_seq"):
        rows = database.changes(doc_ids=[doc.id]).rows
        out |= {"_local_seq": int(rows[0].seq.partition("-")[0])} if rows else {}
    return out


def conflicts_meta(database: Database, doc: Doc) -> dict[str, Any]:
    """Return `_conflicts`, the live leaves other than this revision; nothing where there are none."""
    found = [rev for rev, deleted in database.leaves(doc.id) if not deleted and rev != doc.rev]
    return {"_conflicts": found} if found else {}


def _answer_doc(x: Exchange, doc: Doc, options: GetOptions, meta: dict[str, Any], headers: dict[str, str]) -> Response:
    if options.wants_bytes and has_bytes(doc.attachments) and accepts(x, "multipart/related"):
        boundary = build_boundary()
        text = render_document(doc, revs=options.revs, meta=meta, follows=True, encoding_info=True)
        content_type = f'multipart/related; boundary="{boundary.decode()}"'
        pieces = list(build_related(text, doc.attachments, boundary))
        headers = headers | {"Content-Type": content_type, "Content-Length": str(sum(map(len, pieces)))}
        return Response(pieces, 200, headers, direct_passthrough=True)
    text = render_document(
        doc, revs=options.revs, meta=meta, data=options.wants_bytes, encoding_info=options.encoding_info
    )
    return answer_bytes(x, text + b"\n", 200, headers)


def _get_open_revs(x: Exchange, database: Database, doc_id: DocId, options: GetOptions) -> Response:
    as_multipart = accepts(x, "multipart/mixed")
    if as_multipart or options.wants_bytes:
        stubs = database.open_revs(doc_id, None if options.is_all else options.open_revs, latest=options.latest)
        x.share.settle(weigh_found(stubs) * AS_JSON)
    found = database.open_revs(
        doc_id,
        None if options.is_all else options.open_revs,
        latest=options.latest,
        atts_since=options.atts_since,
        # a part of its own for each attachment, unless the client knows some already
        attachments=options.atts_since is None and (as_multipart or options.attachments),
    )
    if options.is_all and not found:
        raise NotFound("missing")
    if as_multipart:
        outer = build_boundary()
        content_type = f'multipart/mixed; boundary="{outer.decode()}"'
        return stream(x, _render_mixed(found, options, outer), gzip=False, content_type=content_type)
    rows = [_render_open_rev(entry, options) for entry in found]
    return answer_bytes(x, b"[" + b",".join(rows) + b"]\n")


def _render_open_rev(entry: Doc | MissingRev, options: GetOptions) -> bytes:
    if isinstance(entry, MissingRev):
        return orjson.dumps({"missing": entry.rev})
    text = render_document(entry, revs=options.revs, data=options.wants_bytes, encoding_info=options.encoding_info)
    return b'{"ok":' + text + b"}"


def _render_mixed(found: list[Doc | MissingRev], options: GetOptions, outer: bytes) -> Iterator[bytes]:
    yield b"--" + outer
    for entry in found:
        if isinstance(entry, MissingRev):
            yield b'\r\nContent-Type: application/json; error="true"\r\n\r\n' + orjson.dumps({"missing": entry.rev})
        else:
            yield from render_part(entry, revs=options.revs)
        yield b"\r\n--" + outer
    yield b"--"


def render_part(doc: Doc, *, revs: bool, headers: bytes = b"") -> Iterator[bytes]:
    """Yield one part of a multipart/mixed answer: the document alone, or with its attachments as multipart/related."""
    text = render_document(doc, revs=revs, follows=True, encoding_info=True)
    if not has_bytes(doc.attachments):
        yield b"\r\nContent-Type: application/json\r\n\r\n" + text
        return
    inner = build_boundary()
    yield headers + b'\r\nContent-Type: multipart/related; boundary="' + inner + b'"\r\n\r\n'
    yield from build_related(text, doc.attachments, inner)


# Writing


def put(x: Exchange) -> Response:
    """`PUT /db/doc`, as JSON or as multipart/related with the attachments' bytes behind."""
    database, doc_id = x.open(), parse_doc_id(x.parts[1])
    new_edits = x.query.get("new_edits") != "false"
    doc = replace(parse_body(x, new_edits), id=doc_id)
    if new_edits:
        doc = replace(doc, rev=choose_rev(x, doc.rev))
    rev = store(database, doc, new_edits=new_edits)
    if x.query.get("batch") == "ok":  # CouchDB answers before it writes; here it is durable all the same
        return answer(x, {"ok": True, "id": doc_id}, 202)
    headers = {"Location": x.absolute(quote(x.parts[0], safe=""), quote(doc_id, safe="")), "ETag": f'"{rev}"'}
    return answer(x, {"ok": True, "id": doc_id, "rev": rev}, 200 if doc.deleted else 201, headers)


def parse_body(x: Exchange, new_edits: bool) -> Doc:
    """Return the document in the body."""
    content_type = x.environ.get("CONTENT_TYPE", "")
    if not content_type.startswith("multipart/related"):
        return parse_document(x.json(), new_edits=new_edits)
    return parse_related(
        content_type,
        x.held_pieces(x.decoded_pieces()),
        new_edits=new_edits,
        max_part=x.limits.max_attachment,
        max_depth=x.limits.max_json_depth,
    )


def choose_rev(x: Exchange, rev: Rev | None = None) -> Rev | None:
    """Return the revision a request edits: from body, `?rev=` and If-Match, which must agree."""
    asked = x.query.get("rev")
    if asked is not None:
        wanted = parse_wire_rev(asked)
        if rev is not None and rev != wanted:
            raise BadRequest("Document rev from request body and query string have different values")
        rev = wanted
    match = x.environ.get("HTTP_IF_MATCH")
    if match is None:
        return rev
    wanted = parse_wire_rev(match.strip().strip('"'))
    if rev is not None and rev != wanted:
        raise BadRequest("Document rev and etag have different values")
    return wanted


def store(database: Database, doc: Doc, *, new_edits: bool = True) -> Rev:
    """Write one document and return its revision. Raises what refused it."""
    result = database.bulk_docs([doc], new_edits=new_edits)[0]
    if result.error is not None:
        raise result.error
    rev = result.rev or doc.rev
    assert rev is not None, "a store gives every document it takes a revision"
    return rev


def post(x: Exchange) -> Response:
    """`POST /db`: a document that may leave its id to the server."""
    database = x.open()
    x.require_json_type()
    doc = parse_document(x.json())
    if not doc.id:
        doc = replace(doc, id=DocId(secrets.token_hex(16)), rev=None)
    rev = local.write(database, doc) if doc.id.startswith(local.PREFIX) else store(database, doc)
    if x.query.get("batch") == "ok":
        return answer(x, {"ok": True, "id": doc.id}, 202)
    headers = {"Location": x.absolute(quote(x.parts[0], safe=""), quote(doc.id, safe=""))}
    return answer(x, {"ok": True, "id": doc.id, "rev": rev}, 201, headers)


def delete(x: Exchange) -> Response:
    """`DELETE /db/doc`: a tombstone over the revision given."""
    x.drop_body()
    database, doc_id = x.open(), DocId(x.parts[1])
    database.leaves(doc_id)  # never there is 404, before any word about revisions
    rev = choose_rev(x)
    if rev is None:
        database.get(doc_id)  # deleted already is 404 as well
        raise Conflict
    new_rev = store(database, Doc(doc_id, rev, deleted=True))
    return answer(x, {"ok": True, "id": doc_id, "rev": new_rev}, 200, {"ETag": f'"{new_rev}"'})


def copy(x: Exchange) -> Response:
    """`COPY /db/doc` to the document named in Destination, over its `?rev=` if it is there already."""
    x.drop_body()
    database = x.open()
    target, target_rev = _parse_destination(x)
    asked = choose_rev(x)
    x.share.settle(weigh_found([database.get(DocId(x.parts[1]), asked)]))
    source = database.get(DocId(x.parts[1]), asked, attachments=True)
    rev = store(database, replace(source, id=target, rev=target_rev, path=()))
    headers = {"Location": x.absolute(quote(x.parts[0], safe=""), quote(target, safe="")), "ETag": f'"{rev}"'}
    return answer(x, {"ok": True, "id": target, "rev": rev}, 201, headers)


def _parse_destination(x: Exchange) -> tuple[DocId, Rev | None]:
    header = x.environ.get("HTTP_DESTINATION")
    if not header:
        raise BadRequest("Destination header is mandatory for COPY.")
    if header.startswith(("http://", "https://")):
        raise BadRequest("Destination URL must be relative.")
    name, _, query = header.partition("?")
    doc_id = parse_doc_id(unquote(name))
    if not query:
        return doc_id, None
    if not query.startswith("rev="):
        raise BadRequest("Destination may carry only ?rev=")
    return doc_id, parse_wire_rev(unquote(query[4:]))
