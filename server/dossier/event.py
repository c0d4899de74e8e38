"""One event: what somebody signed, as a value. Format: docs/formats/event.md.

    {"v": 1, "stream": "01937c2e-…", "type": "dossier.submitted", "unit": "H41.12.03", "actor": "urn:tram:subject:…",
     "at": "2026-11-21T07:12:09Z", "prev": ["sha256-…"], "nonce": "…", "body": {…}, "files": [{…}]}

An event's id is the hash of its canonical form; the document's `_id` is the stream and that id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NewType

from crypto import base64url, jcs
from crypto.errors import CryptoError
from crypto.hashing import rev_of, sha256_id
from server.dossier import body as bodies
from server.dossier.checks import Check, Wrong, line, listing, matching, refuse, satisfying, shown, text, time
from server.dossier.units import dashed, is_actor, is_unit_code, unit_stream
from server.errors import Refused

EventId = NewType("EventId", str)  # "sha256-" and 43 base64url characters
StreamId = NewType("StreamId", str)  # a UUIDv7, or "<kind>.<name>"

VERSION: Final = 1
MAX_EVENT_BYTES: Final = 48 * 1024
MAX_PREV: Final = 64

DOSSIER_STREAM: Final = re.compile(bodies.UUID7, re.ASCII)
_MOST_BYTES_PER_CHARACTER = 6  # a control character becomes \u00xx; a character outside the BMP four bytes


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file an event names. `sha256` is the whole file's content id, `manifest` that of its list of chunks.

    `size` in bytes, `type` a media type, `part` the component of the procedure that the file is.
    """

    sha256: str
    manifest: str
    size: int
    type: str
    name: str
    part: str


@dataclass(frozen=True, slots=True)
class Event:
    """A well-formed event. Whether its signature holds and whether it may count is not said here.

    `at` is the author's clock, to be shown, never trusted. `prev` are the heads of the stream its author had seen.
    `after` is the newest log checkpoint its author had seen, empty if none. `body` has passed the table of `body`.
    """

    stream: StreamId
    type: str
    unit: str
    actor: str
    at: str
    prev: tuple[EventId, ...]
    nonce: str
    body: Mapping[str, Any]
    files: tuple[FileRef, ...] = ()
    after: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its id, as stores keep it and folds take it."""

    id: EventId
    event: Event


def parse_event(value: Any) -> Event:
    """Return the event in `value`, an object as `crypto.strictjson.parse` returns it.

    Raises `Refused` with "schema", "bad_time", "bad_text", "not_nfc" or "too_large"; its `member` names the place,
    its reason says what was expected and what to do. Nothing is repaired: a repair would break the signature.
    """
    kind = _type_of(value)
    try:
        _ENVELOPE(value)
        _check_stream(kind, value)
        bodies.BODIES[kind](value["body"])
    except Wrong as wrong:
        raise refuse(wrong if wrong.place in value or _is_placed(wrong) else wrong.inside("body"), kind) from None
    _check_size(value, kind)
    return Event(
        StreamId(value["stream"]),
        kind,
        value["unit"],
        value["actor"],
        value["at"],
        tuple(value["prev"]),
        value["nonce"],
        value["body"],
        tuple(FileRef(**file) for file in value["files"]),
        value.get("after", ""),
    )
