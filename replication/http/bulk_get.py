"""`_bulk_get`: many documents in one answer, page by page. What a replicator does most."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flask import Response

from replication.document import Doc
from replication.errors import BadRequest, TooLarge
from replication.http.answers import accepts, answer_bytes, stream
from replication.http.documents import render_part
from replication.http.exchange import Exchange
from replication.http.query import flag, parse_revs
from replication.http.weighing import AS_JSON, BATCH_BYTES, Found, read_batches, weigh_found
from replication.jsontext import dump_json
from replication.multipart import build_boundary
from replication.store import Database, GetRequest, MissingRev
from replication.wire import parse_doc_id, parse_wire_rev, render_document

# Documents of one _bulk_get held at a time; a page of stored bodies is small beside one request's overhead.
GET_PAGE = 100
PIECE_BYTES = 256 * 1024  # rows with files are sent sooner
_ERROR_PART = b'\r\nContent-Type: application/json; error="true"\r\n\r\n'
_OPTIONS = ("latest", "revs", "attachments", "att_encoding_info", "att_encoded")
_REFUSED_ARGUMENTS = ("open_revs", "new_edits", "w", "rev", "atts_since")


@dataclass(frozen=True, slots=True)
class _BadRow:
    """A row of a `_bulk_get` that asks for nothing possible."""

    id: Any
    rev: Any
    error: str
    reason: str


@dataclass(frozen=True, slots=True)
class _GetOptions:
    latest: bool
    revs: bool
    attachments: bool
    encoding_info: bool
    encoded: bool


def bulk_get(x: Exchange) -> Response:
    """`POST /db/_bulk_get`: one result for every row asked, in that order."""
    x.require_json_type()
    database, body = x.open(), x.json_object()
    rows = body.get("docs")
    for name in _REFUSED_ARGUMENTS:
        if name in x.query:
            raise BadRequest(f'"{name}" query parameter is not acceptable')
    if not isinstance(rows, list):
        raise BadRequest("Missing JSON list of 'docs'.")
    if len(rows) > x.limits.max_docs:
        raise TooLarge(
            f"at most {x.limits.max_docs} documents in one request, got {len(rows)}; ask for fewer at a time"
        )
    query = x.query
    options = _GetOptions(*(flag(query, name) for name in _OPTIONS))
    wanted = [_parse_row(row) for row in rows]
    if not accepts(x, "application/json"):
        for kind in ("multipart/mixed", "multipart/related"):
            if accepts(x, kind):
                return _answer_multipart(x, database, wanted, replace(options, attachments=True), kind)
    pages = _render_pages(x, database, wanted, options)
    # Drawn before the status line, so that a refusal is still a refusal.
    if len(wanted) > GET_PAGE:
        return stream(x, itertools.chain(list(itertools.islice(pages, 2)), pages))
    begun: list[bytes] = []
    for piece in pages:
        begun.append(piece)
        if sum(map(len, begun)) > BATCH_BYTES:
            return stream(x, itertools.chain(begun, pages))
    return answer_bytes(x, b"".join(begun))


def _parse_row(row: object) -> GetRequest | _BadRow:
    if not isinstance(row, dict) or not row:
        return _BadRow(None, None, "bad_request", "document must be a JSON object")
    if "id" not in row:
        return _BadRow(None, None, "bad_request", "document id missed")
    given, rev, since = row["id"], row.get("rev"), row.get("atts_since")
    try:
        doc_id = parse_doc_id(given)
    except BadRequest as error:
        return _BadRow(given, None, error.error, error.reason)
    try:
        wanted = parse_wire_rev(rev) if rev is not None else None
    except BadRequest as error:
        return _BadRow(doc_id, rev, error.error, error.reason)
    if since is not None and not isinstance(since, list):
        return _BadRow(doc_id, since, "bad_request", "att_since value must be array of revs.")
    try:
        known = tuple(parse_revs(since)) if since else None
    except BadRequest as error:
        return _BadRow(doc_id, since, error.error, error.reason)
    return GetRequest(doc_id, wanted, known)


def _fetch(
    x: Exchange, database: Database, wanted: list[GetRequest | _BadRow], options: _GetOptions
) -> Iterator[tuple[GetRequest | _BadRow, Found]]:
    """Yield every row with what the store holds of it, a page at a time."""
    for begin in range(0, len(wanted), GET_PAGE):
        page = wanted[begin : begin + GET_PAGE]
        asked = [row for row in page if isinstance(row, GetRequest) and row.rev is not None]
        found = _read(x, database, asked, options)
        for row in page:
            if isinstance(row, _BadRow):
                yield row, []
            elif row.rev is not None:
                yield row, next(found)
            else:
                yield row, _fetch_leaves(x, database, row, options)


def _read(x: Exchange, database: Database, asked: list[GetRequest], options: _GetOptions) -> Iterator[Found]:
    if not options.attachments and not any(row.atts_since for row in asked):
        return iter(database.bulk_get(asked, latest=options.latest))
    batches = read_batches(x.share, database, asked, latest=options.latest, attachments=options.attachments)
    return itertools.chain.from_iterable(found for _, found in batches)


def _fetch_leaves(x: Exchange, database: Database, row: GetRequest, options: _GetOptions) -> Found:
    """Return every leaf: what CouchDB answers where no revision is named, conflicts and tombstones included."""
    if options.attachments or row.atts_since:
        x.share.settle(weigh_found(database.open_revs(row.id, None)) * AS_JSON)
    return database.open_revs(row.id, None, atts_since=row.atts_since, attachments=options.attachments)


def _render_pages(
    x: Exchange, database: Database, wanted: list[GetRequest | _BadRow], options: _GetOptions
) -> Iterator[bytes]:
    yield b'{"results":['
    rows = (_render_row(row, found, options) for row, found in _fetch(x, database, wanted, options))
    separator, page, size = b"", list[bytes](), 0
    for row in rows:
        page.append(row)
        size += len(row)
        if len(page) == GET_PAGE or size > PIECE_BYTES:
            yield separator + b",".join(page)
            separator, page, size = b",", [], 0
    yield (separator + b",".join(page) if page else b"") + b"]}\n"


def _render_row(row: GetRequest | _BadRow, found: Found, options: _GetOptions) -> bytes:
    if isinstance(row, _BadRow) or not found:
        docs = b'{"error":' + dump_json(_describe_missing(row)) + b"}"
    else:
        docs = b",".join(_render_found(row, entry, options) for entry in found)
    return b'{"id":' + dump_json(row.id) + b',"docs":[' + docs + b"]}"


def _render_found(row: GetRequest, entry: Doc | MissingRev, options: _GetOptions) -> bytes:
    if isinstance(entry, MissingRev):
        return b'{"error":' + dump_json(_describe_missing(row, entry)) + b"}"
    data = options.attachments or row.atts_since is not None
    text = render_document(
        entry, revs=options.revs, data=data, encoding_info=options.encoding_info, encoded=options.encoded
    )
    return b'{"ok":' + text + b"}"


def _describe_missing(row: GetRequest | _BadRow, missing: MissingRev | None = None) -> dict[str, Any]:
    if isinstance(row, _BadRow):
        return {"id": row.id, "rev": row.rev, "error": row.error, "reason": row.reason}
    rev = (missing.rev if missing else None) or row.rev
    # CouchDB prints the word "undefined" where no revision was asked for.
    return {
        "id": row.id,
        "rev": rev or "undefined",
        "error": "not_found",
        "reason": missing.reason if missing else "missing",
    }


def _answer_multipart(
    x: Exchange, database: Database, wanted: list[GetRequest | _BadRow], options: _GetOptions, kind: str
) -> Response:
    outer = build_boundary()
    pieces = _render_parts(x, database, wanted, options, outer)
    return stream(x, pieces, gzip=False, content_type=f'{kind}; boundary="{outer.decode()}"')


def _render_parts(
    x: Exchange, database: Database, wanted: list[GetRequest | _BadRow], options: _GetOptions, outer: bytes
) -> Iterator[bytes]:
    mark = b"\r\n--" + outer
    for row, found in _fetch(x, database, wanted, options):
        if not found:
            yield mark + _ERROR_PART + dump_json(_describe_missing(row))
        for entry in found:
            yield mark
            if isinstance(entry, Doc):
                headers = b"\r\nX-Doc-Id: %b\r\nX-Rev-Id: %b" % (_header(entry.id), _header(str(entry.rev)))
                yield from render_part(entry, revs=options.revs, headers=headers)
            else:
                yield _ERROR_PART + dump_json(_describe_missing(row, entry))
    if wanted:
        yield mark + b"--\r\n"


def _header(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").encode()
