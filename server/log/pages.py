"""The documents by which a log travels: pages of leaves, and cosigned checkpoints. Format: docs/formats/log.md.

    {"_id": "log:sha256-…", "page": {"v": 1, "keys": ["<x5t#S256 of the log's certificate>"], "from": 512,
                                     "at": 1780279384, "entries": "<base64url>", "edge": "<base64url>",
                                     "note": "<signed checkpoint>"}}
    {"_id": "log:sha256-…", "cosigned": {"v": 1, "keys": ["<log>", "<witness>"], "note": "<checkpoint, cosigned>"}}

`note` is the checkpoint of the log at the end of the page, and `edge` the complete subtrees before `from`: so each page
is proven by itself, whatever became of those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crypto import base64url, strictjson
from crypto.errors import Malformed
from crypto.logcert import LogSigner, parse_log_origin
from crypto.merkle import HASH_BYTES
from crypto.note import Checkpoint, parse_checkpoint, verify_note
from replication.document import Doc
from server.dossier.documents import log_doc
from server.dossier.units import is_within
from server.errors import Refused
from server.log.leaves import PREFIX_BYTES, Entry, Leaf, pack, unpack
from server.log.tree import Edge

VERSION = 1
MAX_ENTRIES = 1024
MAX_NOTE_CHARS = 4096
MAX_BODY_BYTES = 32 * 1024
_MAX_SIZE = 1 << 40


@dataclass(frozen=True, slots=True)
class Page:
    """Leaves [start, checkpoint.size) of a log, packed; `note` is the signed checkpoint behind them."""

    origin: str
    unit: str
    generation: int
    keys: tuple[str, ...]
    start: int
    entries: tuple[Entry, ...]
    edge: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str

    def new_edge(self) -> Edge:
        """Return the edge of the tree before the page, for whoever adds its leaves."""
        return Edge(self.start, self.edge)

    def root_with(self, leaves: Iterable[Leaf]) -> bytes:
        """Return the root of the log with `leaves` behind what went before the page."""
        edge = self.new_edge()
        for leaf in leaves:
            edge.add(leaf.hash())
        return edge.root()


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint of a log that a witness signed too."""

    origin: str
    unit: str
    generation: int
    keys: tuple[str, str]
    checkpoint: Checkpoint
    note: str


def build_page(*, fingerprint: str, edge: Edge, leaves: Sequence[Leaf], note: str) -> Doc:
    """Return the document of the page that brings `leaves` behind the tree of `edge`; `note` is signed at their end."""
    at = leaves[0].received
    page = {
        "v": VERSION,
        "keys": [fingerprint],
        "from": edge.size,
        "at": at,
        "entries": base64url.encode(pack(leaves, at)),
        "edge": base64url.encode(edge.to_bytes()),
        "note": note,
    }
    return log_doc({"page": page})


def build_cosigned(*, log: str, witness: str, note: str) -> Doc:
    """Return the document of a cosigned checkpoint; `log` and `witness` are thumbprints of the two certificates."""
    return log_doc({"cosigned": {"v": VERSION, "keys": [log, witness], "note": note}})


def parse_log_document(body: bytes) -> Page | Cosigned:
    """Return what a log document holds; no signature is verified yet. Raises `Refused("schema")`, `CryptoError`."""
    fields = strictjson.parse(body, max_bytes=MAX_BODY_BYTES, max_depth=4)
    if isinstance(fields, dict) and fields.keys() == {"page"}:
        return _parse_page(fields["page"])
    if isinstance(fields, dict) and fields.keys() == {"cosigned"}:
        return _parse_cosigned(fields["cosigned"])
    raise Refused("schema", 'a log document has exactly one member, "page" or "cosigned"')


def verify_page(page: Page, signer: LogSigner) -> None:
    """Return if the key of the page's log signed its checkpoint. Raises `Refused`, `CryptoError`."""
    _check_unit(page, signer)
    verify_note(page.note, [signer.log_key(page.generation)])


def verify_cosigned(cosigned: Cosigned, log: LogSigner, witness: LogSigner) -> int:
    """Return when (Unix seconds) a unit above the log's cosigned the checkpoint. Raises `Refused`, `CryptoError`."""
    _check_unit(cosigned, log)
    if witness.unit == log.unit or not is_within(log.unit, witness.unit):
        raise Refused("bad_signature", f"{witness.unit} is not above {log.unit}; witnesses are")
    verify_note(cosigned.note, [log.log_key(cosigned.generation)])
    key = witness.witness_key()
    time_s = verify_note(cosigned.note, [key]).signers[key.name]
    if witness.revoked_at is not None and time_s >= witness.revoked_at.timestamp():
        raise Refused("revoked", f"the key of {witness.unit} cosigned this after it was revoked")
    return time_s


def _check_unit(document: Page | Cosigned, signer: LogSigner) -> None:
    if signer.unit != document.unit:
        raise Refused("bad_signature", f"the key of {signer.unit} does not sign for {document.origin}")


def _parse_page(fields: Any) -> Page:
    _check_members(fields, {"v", "keys", "from", "at", "entries", "edge", "note"})
    checkpoint, unit, generation = _parse_note(fields)
    start, at = fields["from"], fields["at"]
    if type(start) is not int or type(at) is not int or not 0 <= start < checkpoint.size:
        raise Refused("schema", '"from" and "at" are whole numbers, and the page ends behind "from"')
    packed = _bytes(fields, "entries", MAX_ENTRIES * (PREFIX_BYTES + 6))
    entries = unpack(packed, at)
    if not 0 < len(entries) <= MAX_ENTRIES or start + len(entries) != checkpoint.size:
        raise Refused("schema", f"{len(entries)} entries from {start} do not end at {checkpoint.size}")
    if entries[0].received != at:
        raise Refused("schema", '"at" is the time of the first entry')
    edge = _bytes(fields, "edge", 40 * HASH_BYTES)
    hashes = tuple(edge[i : i + HASH_BYTES] for i in range(0, len(edge), HASH_BYTES))
    if len(edge) != HASH_BYTES * start.bit_count():
        raise Refused("schema", f"the edge of {start} leaves is {start.bit_count()} hashes")
    keys = _keys(fields, 1)
    return Page(
        checkpoint.origin, unit, generation, keys, start, tuple(entries), hashes, checkpoint, str(fields["note"])
    )


def _parse_cosigned(fields: Any) -> Cosigned:
    _check_members(fields, {"v", "keys", "note"})
    checkpoint, unit, generation = _parse_note(fields)
    log, witness = _keys(fields, 2)
    return Cosigned(checkpoint.origin, unit, generation, (log, witness), checkpoint, str(fields["note"]))


def _check_members(fields: Any, members: set[str]) -> None:
    if not isinstance(fields, Mapping) or fields.keys() != members:
        raise Refused("schema", f"expected exactly the members {', '.join(sorted(members))}")
    if type(fields["v"]) is not int or fields["v"] != VERSION:
        raise Refused("schema", f"this program reads version {VERSION}; update it")


def _parse_note(fields: Mapping[str, Any]) -> tuple[Checkpoint, str, int]:
    """Return (checkpoint, unit, generation) of the member "note"."""
    note = fields["note"]
    if not isinstance(note, str) or len(note) > MAX_NOTE_CHARS:
        raise Refused("schema", f'"note" is text of at most {MAX_NOTE_CHARS} characters')
    text, separator, _ = note.rpartition("\n\n")
    if not separator:
        raise Malformed("a note is text, an empty line, and signature lines")
    checkpoint = parse_checkpoint(text + "\n")
    if checkpoint.extra or not 0 < checkpoint.size < _MAX_SIZE:
        raise Refused("schema", "a checkpoint of ours has three lines, and at least one leaf")
    unit, generation = parse_log_origin(checkpoint.origin)
    return checkpoint, unit, generation


def _keys(fields: Mapping[str, Any], count: int) -> tuple[str, ...]:
    keys = fields["keys"]
    if not isinstance(keys, list) or len(keys) != count or not all(_is_thumbprint(each) for each in keys):
        raise Refused("schema", f'"keys" is {count} thumbprints (x5t#S256)')
    return tuple(keys)


def _is_thumbprint(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return len(base64url.decode(value)) == HASH_BYTES
    except Malformed:
        return False


def _bytes(fields: Mapping[str, Any], member: str, limit: int) -> bytes:
    value = fields[member]
    if not isinstance(value, str) or len(value) > limit * 4 // 3 + 4:
        raise Refused("schema", f'"{member}" is base64url of at most {limit} bytes')
    return base64url.decode(value)
