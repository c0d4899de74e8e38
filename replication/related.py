"""One document that comes as multipart/related (RFC 2387): its JSON first, then the bytes of its attachments."""

from __future__ import annotations

from collections.abc import Iterable

from replication.document import Doc
from replication.errors import BadRequest
from replication.jsontext import MAX_DEPTH, parse_json
from replication.multipart import parse_multipart
from replication.wire import followed_names, parse_document


def parse_related(
    content_type: str, pieces: Iterable[bytes], *, new_edits: bool, max_part: int, max_depth: int = MAX_DEPTH
) -> Doc:
    """Return the document of a body that arrives in `pieces`, attachments as its sender has them stored.

    Raises `BadContentType` without a boundary, `BadRequest` for parts that fit no attachment, `TooLarge` for a part
    of more than `max_part` bytes, and what `replication.wire.parse_document` raises.
    """
    parts = parse_multipart(content_type, pieces, max_part=max_part)
    first = next(parts, None)
    if first is None:
        raise BadRequest("multipart body: the first part must be the document as JSON")
    value = parse_json(first.data, max_depth=max_depth)
    names = followed_names(value)
    followed: dict[str, bytes] = {}
    for part in parts:
        # CouchDB goes by the order of `_attachments`; a name in the part's own headers is surer.
        left = [name for name in names if name not in followed]
        if not left or (part.filename in followed):
            raise BadRequest(f"multipart body: part {len(followed) + 2} belongs to no attachment marked `follows`")
        followed[part.filename if part.filename in left else left[0]] = part.data
    return parse_document(value, new_edits=new_edits, followed=followed)
