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
from crypto.hashing import sha256_id
from server.dossier import body as bodies
from server.dossier.checks import (
    Check,
    Wrong,
    characters,
    line,
    listing,
    matching,
    members,
    refuse,
    satisfying,
    shown,
    text,
    time,
)
from server.dossier.units import is_actor, is_unit_code, unit_stream
from server.errors import Refused

EventId = NewType("EventId", str)  # "sha256-" and 43 base64url characters
StreamId = NewType("StreamId", str)  # a UUIDv7, or "<kind>.<name>"

VERSION: Final = 1
MAX_EVENT_BYTES: Final = 48 * 1024
MAX_PREV: Final = 64


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file an event names. `sha256` is the whole file's content id, `manifest` that of its list of chunks.

    `size` in bytes, `type` a media type, `part` the component of the procedure that the file is. `preview_of` is the
    `sha256` of the file of the same event that this one is a small picture of, "" for a paper of its own.
    """

    sha256: str
    manifest: str
    size: int
    type: str
    name: str
    part: str
    preview_of: str = ""


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
    event, _ = _parse(value)
    return event


def parse_stored(value: Any) -> StoredEvent:
    """Return the event in `value` with the id its canonical form has. Raises as `parse_event` does."""
    event, payload = _parse(value)
    return StoredEvent(EventId(sha256_id(payload)), event)


def canonical_bytes(event: Event | Mapping[str, Any]) -> bytes:
    """Return the canonical form (RFC 8785) of an event: the bytes that are hashed and signed."""
    return jcs.canonical(to_value(event) if isinstance(event, Event) else dict(event))


def event_id(event: Event | Mapping[str, Any]) -> EventId:
    """Return the id of an event: "sha256-" and the base64url of the SHA-256 of its canonical form."""
    return EventId(sha256_id(canonical_bytes(event)))


def document_id(stream: str, event: str) -> str:
    """Return the `_id` under which an event is stored: "<stream>:<event id>"."""
    return f"{stream}:{event}"


def to_value(event: Event) -> dict[str, Any]:
    """Return the JSON object of an event, the one `parse_event` takes."""
    value: dict[str, Any] = {
        "v": VERSION,
        "stream": event.stream,
        "type": event.type,
        "unit": event.unit,
        "actor": event.actor,
        "at": event.at,
        "prev": list(event.prev),
        "nonce": event.nonce,
        "body": dict(event.body),
        "files": [file_value(file) for file in event.files],
    }
    if event.after:
        value["after"] = event.after
    return value


def file_value(file: FileRef) -> dict[str, Any]:
    """Return the JSON object of a file reference."""
    value: dict[str, Any] = {
        "sha256": file.sha256,
        "manifest": file.manifest,
        "size": file.size,
        "type": file.type,
        "name": file.name,
        "part": file.part,
    }
    return value | ({"preview_of": file.preview_of} if file.preview_of else {})


def build_event(
    *,
    stream: str,
    type: str,
    unit: str,
    actor: str,
    at: str,
    nonce: bytes,
    prev: Sequence[str] = (),
    body: Mapping[str, Any] | None = None,
    files: Sequence[FileRef | Mapping[str, Any]] = (),
    after: str = "",
) -> dict[str, Any]:
    """Return the JSON object of a new event, checked, ready to be signed.

    `nonce` is 16 random bytes the caller drew, `at` the author's time as `times.format_time` gives it, `prev` the heads
    of the stream (`Dossier.heads`). Raises `Refused` as `parse_event` does.
    """
    value: dict[str, Any] = {
        "v": VERSION,
        "stream": stream,
        "type": type,
        "unit": unit,
        "actor": actor,
        "at": at,
        "prev": list(prev),
        "nonce": base64url.encode(nonce),
        "body": dict(body or {}),
        "files": [file_value(file) if isinstance(file, FileRef) else dict(file) for file in files],
    }
    if after:
        value["after"] = after
    parse_event(value)
    return value


def build_stream_id(unix_ms: int, random: bytes) -> StreamId:
    """Return a UUIDv7 (RFC 9562 §5.7) of the time in milliseconds and 10 random bytes."""
    if len(random) != 10 or not 0 <= unix_ms < 1 << 48:
        raise ValueError("a UUIDv7 takes a time of 48 bits and 10 random bytes")
    bits = int.from_bytes(random)
    high, low = bits >> 68, bits & (1 << 62) - 1  # 12 bits beside the version, 62 beside the variant
    number = unix_ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low
    digits = f"{number:032x}"
    return StreamId("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))


def is_dossier_stream(stream: str) -> bool:
    """Say whether a stream is a dossier: its id is a lower-case UUIDv7."""
    return bool(_DOSSIER_STREAM.fullmatch(stream))


_DOSSIER_STREAM: Final = re.compile(bodies.UUID7, re.ASCII)


def _version(value: Any) -> None:
    if type(value) is not int or value != VERSION:
        raise Wrong(f"got {shown(value)}, this program reads version {VERSION}; update it")


def _any(_: Any) -> None:
    """Checked elsewhere: the body by its type, the stream and unit together, the type first of all."""


_ENVELOPE: Final[Check] = members(
    {
        "v": _version,
        "stream": line(128),
        "type": _any,
        "unit": satisfying(is_unit_code, "an agency code such as H41.12.03"),
        "actor": satisfying(is_actor, "urn:tram:subject:<32 hex> or urn:tram:node:<unit in lower case with dashes>"),
        "at": time,
        "prev": listing(bodies.content_id, MAX_PREV, unique=True),
        "nonce": matching(bodies.NONCE, "16 random bytes as 22 base64url characters"),
        "body": _any,
        "files": listing(bodies.FILE, bodies.MAX_ENTRIES),
    },
    {"after": text(2048)},
)


def _parse(value: Any) -> tuple[Event, bytes]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in bodies.BODIES:
        raise Refused("schema", f"event type {shown(kind)} is not known here; known are: {', '.join(bodies.BODIES)}")
    try:
        _ENVELOPE(value)
        _check_body(kind, value["body"])
        _check_stream(kind, value)
        _check_on_behalf(value)
        _check_previews(value["files"])
        payload = _check_content(value)
    except Wrong as wrong:
        raise refuse(wrong, f"event {kind}") from None
    return Event(
        value["stream"],
        kind,
        value["unit"],
        value["actor"],
        value["at"],
        tuple(value["prev"]),
        value["nonce"],
        value["body"],
        tuple(FileRef(**file) for file in value["files"]),
        value.get("after", ""),
    ), payload


def _check_body(kind: str, body: Any) -> None:
    try:
        bodies.BODIES[kind](body)
    except Wrong as wrong:
        raise wrong.inside("body") from None


def _check_stream(kind: str, value: Mapping[str, Any]) -> None:
    """Check that the stream is of the kind its events belong to, and of this unit (docs/formats/event.md, streams)."""
    family, stream, body = kind.partition(".")[0], value["stream"], value["body"]
    if family in ("dossier", "receipt"):
        if not _DOSSIER_STREAM.fullmatch(stream):
            raise Wrong(f"got {shown(stream)}, a dossier's stream is a lower-case UUIDv7", place="stream")
        return
    if family == "procedure":
        expected = "procedure." + body["code"]
    elif family == "calendar":
        expected = f"calendar.{body['year']}"
    elif family == "policy":
        expected = kind
    else:
        expected = unit_stream(value["unit"])
    if stream != expected:
        raise Wrong(f"got {shown(stream)}, expected {expected}", place="stream")
    if kind == "unit.described" and body["code"] != value["unit"]:
        raise Wrong(f"got {body['code']}, expected the unit of the event, {value['unit']}", place="body.code")


def _check_on_behalf(value: Mapping[str, Any]) -> None:
    """Check that who files for another brings the scan they speak of, and does not call it an online filing."""
    on_behalf = value["body"].get("on_behalf") if value["type"] == "dossier.submitted" else None
    if on_behalf is None:
        return
    if value["body"]["channel"] == "online":
        raise Wrong("got online; who files for another does it at the counter or as a helper", place="body.channel")
    if on_behalf["scan"] not in {file["sha256"] for file in value["files"]}:
        raise Wrong("it is not among the files; attach the scan of the signed paper", place="body.on_behalf.scan")


def _check_previews(files: Sequence[Mapping[str, Any]]) -> None:
    """Check that each preview is small, a JPEG, and of a paper of this event; a preview has no preview."""
    papers = [file["sha256"] for file in files if "preview_of" not in file]
    if len(papers) > bodies.MAX_FILES:
        raise Wrong(f"{len(papers)} files beside previews, at most {bodies.MAX_FILES} are taken", place="files")
    for index, file in enumerate(files):
        if "preview_of" not in file:
            continue
        if file["preview_of"] not in papers:
            raise Wrong("a preview is of a file of the same event", place=f"files[{index}].preview_of")
        if file["type"] != "image/jpeg" or file["size"] > bodies.MAX_PREVIEW_BYTES:
            limit = bodies.MAX_PREVIEW_BYTES
            raise Wrong(f"a preview is a JPEG of at most {limit} bytes", place=f"files[{index}]")


def _check_content(value: dict[str, Any]) -> bytes:
    """Check size and characters of the whole; returns its canonical form."""
    try:
        payload = jcs.canonical(value)
    except CryptoError as exc:
        raise Wrong(str(exc), "malformed") from exc
    if len(payload) > MAX_EVENT_BYTES:
        raise Wrong(
            f"{len(payload)} bytes in canonical form, at most {MAX_EVENT_BYTES} are taken; move long texts into a file",
            "too_large",
        )
    characters(value, payload)
    return payload
