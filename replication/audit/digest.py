"""A short value that two databases share exactly if they hold the same documents with the same leaves.

Every document, tombstones too, makes one number: SHA-256 of the JSON of [id, sorted leaf revisions]. Numbers are
added, so their order is no matter and a database is read once, in the order of its feed, in constant memory.

    root      the sum of all, modulo 2^256: 32 bytes
    marks     sums modulo 2^64 over the documents whose SHA-256 of the id begins with a prefix of one or two bytes

    ""  ─► 256 marks ─► differing "a7" ─► 256 marks ─► differing "a7f3" ─► ids and leaves, some fifteen of a million

Marks find where two honest nodes differ. They prove nothing against one that lies: documents prove themselves.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence

from replication.document import DocId, Rev
from replication.errors import BadRequest
from replication.jsontext import dump_json
from replication.store import ChangeRow

# In the greeting of a server that answers `/<db>/_tram/digest`.
DIGEST_FEATURE = "tram-digest/1"
FANOUT = 256
MARK_BYTES = 8
DEEPEST = 2  # bytes of a prefix
_MARK = (1 << 64) - 1
_ROOT = (1 << 256) - 1
Rows = dict[DocId, tuple[Rev, ...]]


def build_key(doc_id: DocId) -> bytes:
    """Return the prefix of the bucket of a document: `DEEPEST` bytes."""
    return hashlib.sha256(doc_id.encode("utf-8", "surrogatepass")).digest()[:DEEPEST]


def parse_prefix(text: object) -> bytes:
    """Return the bytes of a prefix written as hexadecimal digits. Raises `BadRequest`."""
    try:
        if isinstance(text, str) and len(text) <= 2 * DEEPEST:
            return bytes.fromhex(text)
    except ValueError:
        pass
    raise BadRequest(f"a prefix is up to {DEEPEST} bytes as hexadecimal digits, got {text!r:.40}")


class Digest:
    """The sums of the documents given to `add`, each once."""

    def __init__(self) -> None:
        self.docs = 0
        self._total = 0
        self._marks = array("Q", bytes(MARK_BYTES * FANOUT**DEEPEST))

    def add(self, rows: Iterable[ChangeRow]) -> None:
        """Count documents with all their leaves."""
        marks, total = self._marks, self._total
        for row in rows:
            text = dump_json([row.id, sorted(row.leaves)])
            number = int.from_bytes(hashlib.sha256(text).digest(), "big")
            bucket = int.from_bytes(build_key(row.id), "big")
            marks[bucket] = (marks[bucket] + number) & _MARK
            total += number
            self.docs += 1
        self._total = total & _ROOT

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return self._total.to_bytes(32, "big")

    def marks(self, prefix: bytes) -> bytes:
        """Return the marks of the 256 prefixes one byte longer, 8 bytes each, in order. `prefix`: at most 1 byte."""
        if len(prefix) == DEEPEST - 1:
            begin = prefix[0] * FANOUT
            found: Sequence[int] = self._marks[begin : begin + FANOUT]
        else:
            found = [sum(self._marks[n * FANOUT : (n + 1) * FANOUT]) & _MARK for n in range(FANOUT)]
        return b"".join(mark.to_bytes(MARK_BYTES, "big") for mark in found)


def differing(prefix: bytes, mine: bytes, theirs: bytes) -> list[bytes]:
    """Return the prefixes one byte longer under which two answers of `Digest.marks` differ."""
    return [
        prefix + bytes([n])
        for n in range(FANOUT)
        if mine[n * MARK_BYTES : (n + 1) * MARK_BYTES] != theirs[n * MARK_BYTES : (n + 1) * MARK_BYTES]
    ]


def pick(rows: Iterable[ChangeRow], prefixes: frozenset[bytes]) -> Rows:
    """Return the documents under any of `prefixes`, with their leaves sorted."""
    lengths = sorted({len(prefix) for prefix in prefixes})
    found: Rows = {}
    for row in rows:
        key = build_key(row.id)
        if any(key[:length] in prefixes for length in lengths):
            found[row.id] = tuple(sorted(row.leaves))
    return found
