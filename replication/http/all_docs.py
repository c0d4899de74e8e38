"""`_all_docs` and its siblings: rows by id, page by page, never the whole list at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
from flask import Response

from replication.document import Doc, DocId
from replication.errors import BadRequest, TooLarge
from replication.http.answers import answer_bytes, stream
from replication.http.budget import Share
from replication.http.documents import conflicts_meta
from replication.http.exchange import Exchange
from replication.http.view_query import ViewQuery, build_range, in_range, parse_view_query
from replication.http.weighing import Found, read_batches
from replication.jsontext import dump_json
from replication.store import AllDocsQuery, AllDocsRow, Database, GetRequest
from replication.wire import render_document

PAGE = 1000
DOCS_PAGE = 100  # with include_docs: bodies are held, so fewer at a time
PIECE_BYTES = 1024 * 1024  # of an answer, where documents are large


def all_docs(x: Exchange) -> Response:
    """`GET|POST /db/_all_docs`."""
    return _answer(x, x.open(), _parse(x))


def design_docs(x: Exchange) -> Response:
    """`GET|POST /db/_design_docs`: the same for design documents."""
    database, query = x.open(), _parse(x)
    if query.keys is not None:
        return _answer(x, database, query)
    rows = _design_rows(database)
    wanted = [row for row in rows if in_range(query, row.id)]
    if query.descending:
        wanted.reverse()
    offset = len(rows) if not wanted else query.skip
    wanted = wanted[query.skip :][: query.limit]
    head = _head(database, query, len(rows), min(offset, len(rows)))
    return answer_bytes(x, b"".join(_body(head, _render_rows(x.share, database, query, wanted))))


def _design_rows(database: Database) -> list[AllDocsRow]:
    # "0" follows "/": everything that begins with "_design/" is between.
    return list(database.all_docs(AllDocsQuery(start="_design/", end="_design0", inclusive_end=False)).rows)


def local_docs(x: Exchange) -> Response:
    """`GET|POST /db/_local_docs`."""
    database, query = x.open(), _parse(x)
    docs = {f"_local/{doc.id}": doc for doc in database.local_docs()}
    if query.keys is not None:
        names: list[Any] = list(query.keys)
    else:
        names = [name for name in docs if in_range(query, name)]
        if query.descending:
            names.reverse()
    rows = []
    for name in names[query.skip :][: query.limit]:
        doc = docs.get(name) if isinstance(name, str) else None
        if doc is None:
            rows.append(_render_error(name))
            continue
        text = orjson.dumps(name)
        row = b'{"id":%b,"key":%b,"value":{"rev":%b}' % (text, text, orjson.dumps(doc.rev))
        if query.include_docs:
            row += b',"doc":' + render_document(Doc(DocId(name), doc.rev, body=doc.body))
        rows.append(row + b"}")
    return answer_bytes(x, b"".join(_body(b'"total_rows":null,"offset":null', iter(rows))))


def queries(x: Exchange) -> Response:
    """`POST /db/_all_docs/queries`: several queries, one answer."""
    x.require_json_type()
    database, wanted = x.open(), x.json_object().get("queries")
    if not isinstance(wanted, list) or not all(isinstance(entry, dict) for entry in wanted):
        raise BadRequest("POST body must include `queries` parameter.")
    if len(wanted) > x.limits.max_docs:
        raise TooLarge(f"at most {x.limits.max_docs} queries in one request")
    parsed = [parse_view_query(x.query, entry) for entry in wanted]
    return stream(x, _render_queries(x, database, parsed))


def _render_queries(x: Exchange, database: Database, parsed: list[ViewQuery]) -> Iterator[bytes]:
    yield b'{"results":[\r\n'
    for number, query in enumerate(parsed):
        if number:
            yield b",\r\n"
        yield from _pieces(x, database, query)
    yield b"\r\n]}\n"


def _parse(x: Exchange) -> ViewQuery:
    body: Mapping[str, Any] = {}
    if x.method == "POST":
        x.require_json_type()
        body = x.json_object()
        if not isinstance(body.get("keys", []), list):
            raise BadRequest("`keys` body member must be an array.")
    query = parse_view_query(x.query, body)
    if query.keys is not None and len(query.keys) > x.limits.max_docs:
        raise TooLarge(f"at most {x.limits.max_docs} keys in one request")
    return query


def _answer(x: Exchange, database: Database, query: ViewQuery) -> Response:
    pieces = _pieces(x, database, query)
    # The first two pieces are drawn before the status line goes out, so that a refusal is still a refusal.
    begun = list(itertools.islice(pieces, 2))
    rest = next(pieces, None)
    if rest is None:
        return answer_bytes(x, b"".join(begun))
    return stream(x, itertools.chain(begun, (rest,), pieces))


def _pieces(x: Exchange, database: Database, query: ViewQuery) -> Iterator[bytes]:
    if query.keys is not None:
        total = database.all_docs(AllDocsQuery(limit=0)).total
        return _body(_head(database, query, total, None), _keyed_rows(x.share, database, query))
    pages = _pages(database, query)
    total, offset, first = next(pages)
    later = (row for _, _, rows in pages for row in _render_rows(x.share, database, query, rows))
    rows = itertools.chain(_render_rows(x.share, database, query, first), later)
    return _body(_head(database, query, total, offset), rows)


def _pages(database: Database, query: ViewQuery) -> Iterator[tuple[int, int, list[AllDocsRow]]]:
    """Yield (total, offset, rows) of stretches of the range; at least one."""
    size = DOCS_PAGE if query.include_docs else PAGE
    ask = build_range(query)
    if ask is None:
        yield database.all_docs(AllDocsQuery(limit=0)).total, 0, []
        return
    left = query.limit
    page = database.all_docs(replace(ask, limit=min(size, left)))
    while True:
        yield page.total, page.offset or 0, list(page.rows)
        left -= len(page.rows)
        if left <= 0 or len(page.rows) < size:
            return
        page = database.all_docs(replace(ask, start=page.rows[-1].id, skip=1, limit=min(size, left)))


def _head(database: Database, query: ViewQuery, total: int, offset: int | None) -> bytes:
    head = b'"total_rows":%d,"offset":%b' % (total, b"null" if offset is None else b"%d" % offset)
    if query.update_seq:
        head += b',"update_seq":' + orjson.dumps(database.info().update_seq)
    return head


def _body(head: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the answer in pieces of many rows."""
    yield b"{" + head + b',"rows":[\r\n'
    separator, batch, size = b"", list[bytes](), 0
    for row in rows:
        batch.append(row)
        size += len(row)
        if len(batch) == PAGE or size > PIECE_BYTES:
            yield separator + b",\r\n".join(batch)
            separator, batch, size = b",\r\n", [], 0
    yield (separator + b",\r\n".join(batch) if batch else b"") + b"\r\n]}\n"


def _render_rows(share: Share, database: Database, query: ViewQuery, rows: list[AllDocsRow]) -> Iterator[bytes]:
    if not query.include_docs:
        for row in rows:
            text = orjson.dumps(row.id)
            yield b'{"id":%b,"key":%b,"value":{"rev":"%b"}}' % (text, text, str(row.rev).encode())
        return
    for row, doc in zip(rows, _render_docs(share, database, query, rows), strict=True):
        text = orjson.dumps(row.id)
        yield b'{"id":%b,"key":%b,"value":{"rev":"%b"},"doc":%b}' % (text, text, str(row.rev).encode(), doc)


def _render_docs(share: Share, database: Database, query: ViewQuery, rows: list[AllDocsRow]) -> Iterator[bytes]:
    requests = [GetRequest(row.id, row.rev) for row in rows]
    if not query.attachments:
        batches: Iterator[list[Found]] = iter((database.bulk_get(requests),))
    else:
        batches = (found for _, found in read_batches(share, database, requests))
    for docs in itertools.chain.from_iterable(batches):
        if not docs or not isinstance(docs[0], Doc):
            yield b"null"  # purged or compacted in between
            continue
        yield render_document(
            docs[0],
            data=query.attachments,
            encoding_info=query.encoding_info,
            meta=conflicts_meta(database, docs[0]) if query.conflicts else None,
        )


def _keyed_rows(share: Share, database: Database, query: ViewQuery) -> Iterator[bytes]:
    keys = list(query.keys or ())
    if query.descending:
        keys.reverse()
    keys = keys[query.skip :][: query.limit]
    step = 1 if query.attachments else DOCS_PAGE
    for begin in range(0, len(keys), step):
        yield from _render_keyed(share, database, query, keys[begin : begin + step])


def _render_keyed(share: Share, database: Database, query: ViewQuery, keys: list[Any]) -> Iterator[bytes]:
    named = tuple(key for key in keys if isinstance(key, str))
    rows = {row.id: row for row in database.all_docs(AllDocsQuery(keys=named)).rows if row.rev is not None}
    live = [row for row in rows.values() if not row.deleted]
    docs = (
        dict(zip((row.id for row in live), _render_docs(share, database, query, live), strict=True))
        if query.include_docs
        else {}
    )
    for key in keys:
        row = rows.get(DocId(key)) if isinstance(key, str) else None
        if row is None:
            yield _render_error(key)
            continue
        value: dict[str, Any] = {"rev": row.rev}
        if row.deleted:
            value["deleted"] = True
        text = orjson.dumps(key)
        out = b'{"id":%b,"key":%b,"value":%b' % (text, text, orjson.dumps(value))
        if query.include_docs:
            out += b',"doc":' + docs.get(row.id, b"null")
        yield out + b"}"


def _render_error(key: Any) -> bytes:
    return b'{"key":' + dump_json(key) + b',"error":"not_found"}'
