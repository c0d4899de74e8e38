"""Merkle trees kept in SQLite: leaves, the complete subtrees above them, roots and proofs without reading it all.

A complete subtree never changes, so its hash is kept once it is complete: from `KEPT_LEVEL` up, one row for every 16
leaves and fewer above. What lies below is computed from the leaves again, at most 15 hashes on the way.

    size 21 = 16 + 4 + 1            edge: the hashes of the complete subtrees, the largest first
    ┌────────┴───────┐ ┌─┴─┐ ─      all that appending needs, and the root is folded from it
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from crypto import merkle
from crypto.merkle import EMPTY_ROOT, HASH_BYTES, node_hash
from server.log.leaves import Leaf

SCHEMA = """
CREATE TABLE IF NOT EXISTS log_leaves (
    generation INTEGER NOT NULL, number INTEGER NOT NULL, event BLOB NOT NULL UNIQUE, received INTEGER NOT NULL,
    PRIMARY KEY (generation, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_nodes (
    generation INTEGER NOT NULL, level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (generation, level, number)) WITHOUT ROWID;
"""

KEPT_LEVEL = 4

Rows = Callable[[str, Sequence[object]], list[sqlite3.Row]]


class Edge:
    """The right edge of a tree that grows: the complete subtrees of `size` leaves, the largest first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int, hashes: Sequence[bytes]) -> None:
        if len(hashes) != size.bit_count() or any(len(each) != HASH_BYTES for each in hashes):
            raise ValueError(f"the edge of {size} leaves has {size.bit_count()} hashes, got {len(hashes)}")
        self.size = size
        self.hashes = list(hashes)

    @classmethod
    def parse(cls, size: int, data: bytes) -> Edge:
        """Return the edge in `data`, its hashes one after the other. Raises `ValueError`."""
        return cls(size, [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash. Returns (level, number, hash) of the subtrees it completed, lowest first."""
        completed: list[tuple[int, int, bytes]] = []
        level, number, found = 0, self.size, leaf
        while number & 1:
            found = node_hash(self.hashes.pop(), found)
            level, number = level + 1, number >> 1
            completed.append((level, number, found))
        self.hashes.append(found)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        found = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            found = node_hash(left, found)
        return found


class Tree:
    """One log's tree in the tables. `rows` reads (`NodeDb.rows`); writing is done inside the caller's transaction."""

    def __init__(self, rows: Rows, generation: int) -> None:
        self._rows = rows
        self.generation = generation

    def append(self, connection: sqlite3.Connection, edge: Edge, leaves: Sequence[Leaf]) -> None:
        """Write `leaves` behind the tree whose edge is `edge`, which moves on."""
        first = edge.size
        nodes = [
            (self.generation, level, number, digest)
            for leaf in leaves
            for level, number, digest in edge.add(leaf.hash())
            if level >= KEPT_LEVEL
        ]
        connection.executemany(
            "INSERT INTO log_leaves VALUES (?, ?, ?, ?)",
            [(self.generation, first + i, leaf.event, leaf.received) for i, leaf in enumerate(leaves)],
        )
        connection.executemany("INSERT INTO log_nodes VALUES (?, ?, ?, ?)", nodes)

    def leaves(self, start: int, end: int) -> list[Leaf]:
        """Return the leaves from `start` up to, and without, `end`."""
        sql = "SELECT event, received FROM log_leaves WHERE generation = ? AND number >= ? AND number < ?"
        return [Leaf(r["event"], r["received"]) for r in self._rows(sql, (self.generation, start, end))]

    def edge(self, size: int) -> Edge:
        """Return the edge of the first `size` leaves."""
        hashes, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(self._node(level, start >> level))
                start += 1 << level
        return Edge(size, hashes)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves."""
        return self.edge(size).root()

    def inclusion_proof(self, number: int, size: int) -> list[bytes]:
        """Return the proof that leaf `number` is in the tree of `size` leaves (RFC 6962 §2.1.1), lowest first.

        Raises `IndexError`.
        """
        if not 0 <= number < size:
            raise IndexError(f"leaf {number} of {size}")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            split = start + _split(end - start)
            if number < split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start = split
        return proof[::-1]

    def consistency_proof(self, old: int, size: int) -> list[bytes]:
        """Return the proof that the first `old` leaves are the beginning of `size` (RFC 6962 §2.1.2).

        Raises `ValueError` unless 0 < old ≤ size.
        """
        if not 0 < old <= size:
            raise ValueError(f"no consistency proof from {old} to {size} leaves")
        proof: list[bytes] = []
        start, end, whole = 0, size, True  # whole: the verifier has the root of this subtree already
        while old < end:
            split = start + _split(end - start)
            if old <= split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start, whole = split, False
        if not whole:
            proof.append(self._range(start, end))
        return proof[::-1]

    def _range(self, start: int, end: int) -> bytes:
        """Return the root over leaves [start, end); `start` is a multiple of a power of two not below the length."""
        size = end - start
        if size & (size - 1) == 0:
            return self._node(size.bit_length() - 1, start // size)
        split = start + _split(size)
        return node_hash(self._range(start, split), self._range(split, end))

    def _node(self, level: int, number: int) -> bytes:
        """Return the hash of a complete subtree. Raises `LookupError` if the tables do not hold it."""
        if level >= KEPT_LEVEL:
            sql = "SELECT hash FROM log_nodes WHERE generation = ? AND level = ? AND number = ?"
            found = self._rows(sql, (self.generation, level, number))
            if not found:
                raise LookupError(f"subtree {number} of level {level} is missing from the log")
            return bytes(found[0]["hash"])
        start, end = number << level, (number + 1) << level
        leaves = self.leaves(start, end)
        if len(leaves) != end - start:
            raise LookupError(f"leaves {start} to {end} are missing from the log")
        return merkle.root([leaf.hash() for leaf in leaves])


def _split(size: int) -> int:
    """Return the largest power of two below `size` (two or more)."""
    return 1 << ((size - 1).bit_length() - 1)
