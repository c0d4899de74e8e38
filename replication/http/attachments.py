"""Attachments: bytes with a type, a tag and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from flask import Response

from replication.attached import OCTETS, check_attachment_name, decode_attachment, inflate
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import BadContentType, NotFound, RangeNotSatisfiable, TooLarge
from replication.http.answers import accepts_gzip, answer, is_known, not_modified
from replication.http.documents import choose_rev, store
from replication.http.errors import RevMissing
from replication.http.exchange import PIECE, Exchange
from replication.http.weighing import weigh
from replication.multipart import build_boundary
from replication.store import Database
from replication.wire import parse_doc_id, parse_wire_rev

MISSING = "Document is missing attachment"
MAX_GZIP_RATIO = 1032  # of deflate
MAX_RANGES = 9  # CouchDB serves the whole for ten and more
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


def get(x: Exchange) -> Response:
    """`GET /db/doc/name`: as stored where the client takes the coding, decoded otherwise."""
    rev = x.query.get("rev")
    database = x.open()
    wanted = parse_wire_rev(rev) if rev is not None else None
    _take_memory(x, database, wanted)
    found = database.attachment(DocId(x.parts[1]), _name(x), wanted)
    etag = f'"{found.digest.removeprefix("md5-")}"'
    if is_known(x, etag):
        return not_modified(etag)
    headers = {
        "ETag": etag,
        "Cache-Control": "must-revalidate",
        "Content-Type": _one_line(found.content_type),
        # An attachment is somebody's file: a browser that opens it must not run it as a page of this site.
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes" if found.encoding is None else "none",
    }
    if found.encoding is not None and accepts_gzip(x):
        return _answer_bytes(found.data or b"", 200, headers | {"Content-Encoding": found.encoding})
    data = decode_attachment(found)
    ranges = _parse_ranges(x.environ.get("HTTP_RANGE"), len(data)) if found.encoding is None else None
    if not ranges or len(ranges) > MAX_RANGES:
        return _answer_bytes(data, 200, headers)
    if len(ranges) == 1:
        begin, end = ranges[0]
        headers["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
        return _answer_bytes(memoryview(data)[begin : end + 1], 206, headers)
    return _answer_ranges(data, ranges, headers)


def _take_memory(x: Exchange, database: Database, rev: Rev | None) -> None:
    """Take memory for the file that is asked for; a stub says how large it is. What is not there weighs nothing."""
    found = database.open_revs(DocId(x.parts[1]), [rev]) if rev is not None else _winner(x, database)
    for doc in found:
        entry = doc.attachments.get(_name(x)) if isinstance(doc, Doc) else None
        if entry is not None:
            x.share.settle(weigh([entry]))


def _winner(x: Exchange, database: Database) -> list[Doc]:
    try:
        return [database.get(DocId(x.parts[1]))]
    except NotFound:  # said in its own words by whoever reads the file
        return []


def _name(x: Exchange) -> str:
    return "/".join(x.parts[2:])


def _one_line(text: str) -> str:
    """Return a stored type as a header value; line breaks in it would begin another header."""
    return "".join(char if 32 <= ord(char) < 127 else " " for char in text).strip() or OCTETS


def _answer_bytes(data: bytes | memoryview, status: int, headers: dict[str, str]) -> Response:
    headers["Content-Length"] = str(len(data))
    return Response(_cut(data), status, headers, direct_passthrough=True)


def _cut(data: bytes | memoryview) -> Iterator[bytes]:
    if len(data) <= PIECE:
        yield bytes(data)
        return
    view = memoryview(data)
    for begin in range(0, len(view), PIECE):
        yield bytes(view[begin : begin + PIECE])


def _parse_ranges(header: str | None, size: int) -> list[tuple[int, int]] | None:
    """Return (first, last) of every range asked, None where the header is absent or not understood (RFC 9110 §14.2).

    Raises `RangeNotSatisfiable` where nothing of what is asked is there.
    """
    unit, equals, listed = (header or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    out = []
    for entry in listed.split(","):
        match = _RANGE.fullmatch(entry.strip())
        if match is None or match[0] == "-":
            return None
        if not match[1]:
            begin, end = max(0, size - int(match[2])), size - 1
        else:
            begin, end = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
        if begin == 0 and not match[2]:
            return None  # the whole
        if begin > end:
            raise RangeNotSatisfiable("Requested range not satisfiable")
        out.append((begin, end))
    return out


def _answer_ranges(data: bytes, ranges: list[tuple[int, int]], headers: dict[str, str]) -> Response:
    boundary = build_boundary()
    part_type = headers["Content-Type"].encode("latin-1")
    pieces = [b"--" + boundary]
    for begin, end in ranges:
        head = b"\r\nContent-Type: %b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (part_type, begin, end, len(data))
        pieces += (head, data[begin : end + 1], b"\r\n--" + boundary)
    pieces.append(b"--")
    headers["Content-Type"] = f'multipart/byteranges; boundary="{boundary.decode()}"'
    headers["Content-Length"] = str(sum(map(len, pieces)))
    return Response(pieces, 206, headers, direct_passthrough=True)


def put(x: Exchange) -> Response:
    """`PUT /db/doc/name`: the body is the attachment."""
    database, doc_id, name = x.open(), parse_doc_id(x.parts[1]), _name(x)
    check_attachment_name(name)
    attachment = _read_attachment(x, name)
    rev = choose_rev(x)
    doc = Doc(doc_id) if rev is None else _open_revision(database, doc_id, rev)
    new_rev = store(database, replace(doc, attachments={name: attachment, **_others(doc, name)}))
    location = x.absolute(quote(x.parts[0], safe=""), quote(doc_id, safe=""), quote(name, safe=""))
    return answer(x, {"ok": True, "id": doc_id, "rev": new_rev}, 201, {"Location": location})


def _read_attachment(x: Exchange, name: str) -> Attachment:
    coding = x.environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise BadContentType("Only gzip and identity content-encodings are supported")
    data = _read_bounded(x, name)
    encoding = None if coding == "identity" else coding
    if encoding is not None:
        x.share.grow(min(x.limits.max_inflated_body, MAX_GZIP_RATIO * len(data)))
    length = len(data) if encoding is None else len(inflate(data, x.limits.max_inflated_body))
    return Attachment(
        content_type=x.environ.get("CONTENT_TYPE") or OCTETS,
        length=length,
        data=data,
        encoding=encoding,
        encoded_length=len(data) if encoding else None,
    )


def _read_bounded(x: Exchange, name: str) -> bytes:
    held, total = [], 0
    for piece in x.held_pieces(x.pieces()):
        total += len(piece)
        if total > x.limits.max_attachment:
            raise TooLarge(name, error="attachment_too_large")
        held.append(piece)
    return b"".join(held)


def _open_revision(database: Database, doc_id: DocId, rev: Rev) -> Doc:
    found = database.open_revs(doc_id, [rev])[0]
    if not isinstance(found, Doc):
        raise RevMissing
    return replace(found, deleted=False, path=())


def _others(doc: Doc, name: str) -> dict[str, Attachment]:
    return {other: entry for other, entry in doc.attachments.items() if other != name}


def delete(x: Exchange) -> Response:
    """`DELETE /db/doc/name`: a new revision without the attachment."""
    x.drop_body()
    database, doc_id, name = x.open(), parse_doc_id(x.parts[1]), _name(x)
    rev = choose_rev(x)
    doc = database.get(doc_id) if rev is None else _open_revision(database, doc_id, rev)
    if name not in doc.attachments:
        raise NotFound(MISSING)
    if rev is None:
        doc = Doc(doc_id)  # no revision given: the store answers conflict, as for any edit
    new_rev = store(database, replace(doc, path=(), attachments=_others(doc, name)))
    return answer(x, {"ok": True, "id": doc_id, "rev": new_rev})
