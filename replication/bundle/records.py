"""Documents as bytes inside a frame: for each, the length of its JSON, the JSON, then its attachments' bytes.

    [u32 length][{"_id":"sha256-…","_rev":"1-…",…,"_attachments":{"chunk":{…,"follows":true}}}][10000 bytes]

The JSON is CouchDB's with `follows`, as in its multipart bodies, so bytes need no base64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from replication.bundle.errors import BadBundle, Damaged
from replication.document import Doc
from replication.errors import ReplicationError
from replication.jsontext import parse_json
from replication.wire import followed_names, parse_document, render_document

_LENGTH = struct.Struct(">I")


def pack_document(doc: Doc) -> bytes:
    """Return one document with its bytes. Attachments that are stubs stay stubs."""
    text = render_document(doc, revs=True, follows=True, encoding_info=True)
    parts = [_LENGTH.pack(len(text)), text]
    parts += [each.data for each in doc.attachments.values() if each.data is not None]
    return b"".join(parts)


def unpack_documents(data: bytes, start: int, count: int) -> Iterator[Doc]:
    """Yield the `count` documents that begin at `start`. Raises `Damaged` where the bytes end early or go on after the
    last, `BadBundle` for what is no document."""
    view = memoryview(data)
    for _ in range(count):
        size = _read_length(view, start)
        start += _LENGTH.size
        text, start = bytes(_take(view, start, size)), start + size
        try:
            value = parse_json(text)
            followed = {}
            for name in followed_names(value):
                length = value["_attachments"][name].get("encoded_length", value["_attachments"][name].get("length"))
                if type(length) is not int:
                    raise BadBundle(f"attachment {name[:60]!a} follows, and nothing says how long it is")
                followed[name], start = bytes(_take(view, start, length)), start + length
            yield parse_document(value, new_edits=False, followed=followed)
        except (ReplicationError, ValueError) as exc:
            if isinstance(exc, Damaged | BadBundle):
                raise
            raise BadBundle(f"a document of the frame cannot be read: {exc}") from exc
    if start != len(data):
        raise Damaged(f"{len(data) - start} bytes follow the last document of the frame")


def _read_length(view: memoryview, start: int) -> int:
    return int(_LENGTH.unpack(_take(view, start, _LENGTH.size))[0])


def _take(view: memoryview, start: int, size: int) -> memoryview:
    if size < 0 or start + size > len(view):
        raise Damaged("the frame ends inside a document")
    return view[start : start + size]
