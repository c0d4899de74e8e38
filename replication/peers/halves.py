"""Attachments that a cut has torn in the middle: what came is kept, the rest is fetched by range (RFC 9110 §14).

{"results":[ {row}, {"seq":"9-x","id":"sha256-…","doc":{…,"_attachments":{"chunk":{…,"data":"/9j/4AAQ ✂
"""

from __future__ import annotations

import base64
import json
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from replication.attached import build_digest
from replication.document import Doc, DocId, Rev, parse_rev
from replication.errors import BadRequest, LinkCut
from replication.peers.answers import parse_json
from replication.peers.channel import Broken, Exchange
from replication.peers.peer import ReadAnswer
from replication.peers.pending import Pending
from replication.wire import parse_document

# Below this another two requests cost as much as they save.
MIN_BYTES = 2048
MAX_HELD = 8
MAX_HELD_BYTES = 4 * 1024 * 1024
PARTIAL = 206
_DATA = '"data":"'
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_CLOSERS = {"{": "}", "[": "]"}


@dataclass(slots=True, eq=False)
class Half:
    """The first bytes of the only attachment of a revision."""

    id: DocId
    rev: Rev
    name: str
    data: bytes


def parse_torn(text: str) -> tuple[dict[str, Any], Half] | None:
    """Return a row torn in the middle of an attachment's base64, closed behind its last whole bytes, and those bytes.

    None for a row torn anywhere else, of a document with other attachments, or where little came.
    """
    place = text.rfind(_DATA)
    tail = text[place + len(_DATA) :]
    if place < 0 or len(tail) * 3 // 4 < MIN_BYTES or not _BASE64.fullmatch(tail):
        return None
    digits = tail.rstrip("=")
    kept = digits[: len(digits) // 4 * 4]
    try:
        row = json.loads(text[: place + len(_DATA)] + kept + '"' + _closers(text[:place]))
        doc = row["doc"] if "doc" in row else row["docs"][0]["ok"]
        ((name, entry),) = doc["_attachments"].items()
        parse_rev(doc["_rev"])
        is_page = "html" in str(entry.get("content_type")).lower()  # would look like a captive portal's
        if entry["data"] != kept or is_page or entry.get("encoding") is not None or not isinstance(doc["_id"], str):
            return None
        return row, Half(DocId(doc["_id"]), Rev(doc["_rev"]), name, base64.b64decode(kept))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, BadRequest):
        return None


def _closers(text: str) -> str:
    """Return the brackets that end what `text` has opened."""
    open_ones: list[str] = []
    for token in _TOKEN.findall(text):
        if token in _CLOSERS:
            open_ones.append(_CLOSERS[token])
        elif token in ("}", "]"):
            open_ones.pop()
    return "".join(reversed(open_ones))


class Halves:
    """What is held, the oldest forgotten first."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[DocId, Rev], Half] = OrderedDict()

    def keep(self, half: Half) -> None:
        """Keep what came, in place of what was kept of the same revision."""
        self._held[half.id, half.rev] = half
        while len(self._held) > MAX_HELD or sum(len(held.data) for held in self._held.values()) > MAX_HELD_BYTES:
            self._held.popitem(last=False)

    def get(self, doc_id: DocId, rev: Rev | None) -> Half | None:
        return None if rev is None else self._held.get((doc_id, rev))

    def drop(self, half: Half) -> None:
        self._held.pop((half.id, half.rev), None)


class Mended:
    """A `Pending` of a document from its JSON without attachments, the half that is held, and the rest of the bytes."""

    def __init__(self, halves: Halves, half: Half, stub: Pending[Exchange], rest: Pending[Exchange]) -> None:
        self._halves = halves
        self._half = half
        self._stub = stub
        self._rest = rest

    @property
    def done(self) -> bool:
        return self._stub.done and self._rest.done

    def result(self) -> ReadAnswer:
        """Return one row. Raises `LinkCut` when the line broke (what came since is kept) or the bytes do not fit."""
        half = self._half
        try:
            rest = self._rest.result()
        except Broken as exc:
            if exc.part.status == PARTIAL:
                self._halves.keep(replace(half, data=half.data + exc.part.body))
            raise
        self._halves.drop(half)
        stub = self._stub.result()
        doc = parse_document(parse_json(stub.answer), new_edits=False)
        data = (half.data if rest.answer.status == PARTIAL else b"") + rest.answer.body
        wire_bytes = stub.answer.wire_bytes + rest.answer.wire_bytes
        return ReadAnswer([[_complete(doc, half, data)]], wire_bytes)


def _complete(doc: Doc, half: Half, data: bytes) -> Doc:
    entry = doc.attachments.get(half.name)
    if (doc.id, doc.rev) != (half.id, half.rev) or entry is None or entry.digest != build_digest(data):
        raise LinkCut(f"the two halves of {half.id} do not fit; it is fetched again")
    return replace(doc, attachments={half.name: replace(entry, data=data, length=len(data))})
