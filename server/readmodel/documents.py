"""Reading what the store holds, in the read model's terms. Intake checked it all; disks fail, so it may not parse."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crypto import base64url, strictjson
from crypto.errors import CryptoError
from replication.document import Doc, DocId, Rev
from replication.errors import Unavailable
from replication.store import Database, GetRequest
from server.dossier.event import StoredEvent, parse_stored
from server.errors import ServerError
from server.intake.events import MAX_BODY_BYTES, MAX_BODY_DEPTH

_LOG = logging.getLogger(__name__)
_READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event as the store holds it. `fingerprint` is the thumbprint of its signer's certificate."""

    doc_id: str
    rev: Rev
    stored: StoredEvent
    fingerprint: str


def read_documents(database: Database, ids: Sequence[str]) -> Iterator[Doc]:
    """Yield the documents with these ids that are here."""
    for start in range(0, len(ids), _READ_AT_ONCE):
        for docs in database.bulk_get([GetRequest(DocId(each)) for each in ids[start : start + _READ_AT_ONCE]]):
            yield from (doc for doc in docs if isinstance(doc, Doc))


def read_page(database: Database, ids: Sequence[str]) -> Iterator[Doc]:
    """Yield the documents of a page of the feed, every one of them.

    A feed of a cluster shows what one copy has; if that copy goes away before the document was read, the place in the
    feed must not move on, or the document is never looked at again. Raises `Unavailable` at the first that is missing:
    whoever follows asks for the page anew, from the copies that are left. What was purged is not in that page then.
    """
    found = 0
    for doc in read_documents(database, ids):
        found += 1
        yield doc
    if found < len(ids):
        raise Unavailable(f"{database.name} names {len(ids) - found} documents in its feed that cannot be read now")


def read_events(database: Database, ids: Sequence[str]) -> list[HeldEvent]:
    """Return the events with these document ids that are here and readable; others are logged and left out."""
    return list(parse_events(database.name, read_documents(database, ids)))


def parse_events(database: str, docs: Iterable[Doc]) -> Iterator[HeldEvent]:
    """Yield the events in `docs`; what does not parse is logged (`tram verify` names it) and left out."""
    for doc in docs:
        try:
            yield parse_held(doc)
        except (CryptoError, ServerError, KeyError, TypeError) as exc:
            _LOG.error("%s in %s cannot be read, run tram verify: %s", doc.id, database, exc)


def parse_held(doc: Doc) -> HeldEvent:
    """Return the event in a stored document. Raises `CryptoError`, `Refused`, `KeyError` or `TypeError` if damaged."""
    fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)
    protected = base64url.decode(fields["signatures"][0]["protected"])
    fingerprint = strictjson.parse(protected, max_bytes=1024, max_depth=2)["x5t#S256"]
    assert doc.rev is not None  # the store gave it
    return HeldEvent(doc.id, doc.rev, parse_stored(fields["event"]), fingerprint)
