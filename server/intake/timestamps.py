"""Time-stamps at the door: of the form, readable, from a node. Whether one proves anything is judged later.

That depends on the event and on the trust policy, and either may come after it; a store that took or refused a token by
the order of arrival would differ from its neighbours (`server.timestamps.stamps`, decision 0145).
"""

from __future__ import annotations

from crypto.hashing import rev_of, sha256_id
from crypto.jcs import canonical
from crypto.strictjson import parse
from replication.document import Doc
from server.dossier.documents import TIMESTAMP_PREFIX
from server.errors import Refused
from server.intake.documents import check_name
from server.intake.refusal import refusing
from server.intake.source import Source
from server.timestamps.documents import MAX_BODY_BYTES, TimestampDocument, parse_timestamp


def check_timestamp_document(doc: Doc, *, source: Source) -> TimestampDocument:
    """Return the token in `doc`, read and not verified. Raises `Refused`."""
    if len(doc.body) > MAX_BODY_BYTES:  # 1
        raise Refused("too_large", f"a time-stamp of {len(doc.body)} bytes; at most {MAX_BODY_BYTES} are read")
    if source.kind == "person":  # a phone has its events stamped by its node, and nobody to check a heap of them for
        raise Refused("wrong_database", "time-stamps come from nodes")
    check_timestamp_name(doc)  # 2, 4
    with refusing():
        return parse_timestamp(doc.body)  # 3


def check_timestamp_name(doc: Doc) -> None:
    """Raise `Refused("bad_id")` unless a time-stamp document is called what its content gives."""
    with refusing():
        content = canonical(parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=3))
    check_name(doc, TIMESTAMP_PREFIX + sha256_id(content), rev_of(content))
