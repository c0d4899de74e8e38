"""The Merkle tree of a transparency log (RFC 6962 §2.1, RFC 9162 §2.1): roots, proofs, verifiers.

Leaves are hashed as SHA-256(0x00 ‖ data), inner nodes as SHA-256(0x01 ‖ left ‖ right). A tree of n leaves splits at the
largest power of two below n, so old subtrees never change and a proof needs only about log2(n) of them. Builders take
leaf *hashes* (32 bytes each), from a list or anything that can be indexed and sliced; the data need not be at hand.

    root of 7 leaves:     ┌───────┴──────┐
                      ┌───┴───┐      ┌───┴──┐
                     ┌┴┐     ┌┴┐    ┌┴┐     6
                     0 1     2 3    4 5
    inclusion of 4: [5, 6, root(0..3)]      consistency 4 → 7: [root(4..6)]
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from crypto.errors import BadProof

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf that holds `data`."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node over its two children's hashes."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes; of no leaves, the hash of nothing."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]  # an odd one out rises unpaired, which is where §2.1 puts it
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the root, lowest first (§2.1.1). Raises `IndexError`."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the hashes proving that the first `old_size` leaves are a prefix of all (§2.1.2).

    Raises `ValueError` unless 0 < old_size ≤ the number of leaves: an empty tree proves nothing about a later one.
    """
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"no consistency proof from {old_size} to {len(leaves)} leaves")
    return _subproof(leaves, old_size, whole=True)


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if the leaf hash `leaf` stands at `index` in the tree of `size` leaves with this `root`.

    RFC 9162 §2.1.3.2. Raises `BadProof`; so does a proof of the wrong length or with hashes that are not 32 bytes.
    """
    if not 0 <= index < size:
        raise BadProof(f"no leaf {index} in a tree of {size}")
    _check_hashes([leaf, root, *proof])
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("inclusion proof too long")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("inclusion proof too short")
    if found != root:
        raise BadProof(f"leaf {index} is not in the tree of {size} leaves with this root")


def verify_consistency(
    *, old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return if the tree (`new_size`, `new_root`) only added to (`old_size`, `old_root`). RFC 9162 §2.1.4.2.

    Raises `BadProof`, also for `old_size` 0: an empty tree is a prefix of every tree, so nothing would be proven.
    """
    if not 0 < old_size <= new_size:
        raise BadProof(f"no consistency from {old_size} to {new_size} leaves")
    _check_hashes([old_root, new_root, *proof])
    if old_size == new_size:
        if proof or old_root != new_root:
            raise BadProof(f"two different trees of {old_size} leaves")
        return
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not hashes or not proof:
        raise BadProof("consistency proof too short")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("consistency proof too long")
        if node & 1 or node == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found_new = node_hash(found_new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise BadProof("consistency proof too short")
    if found_old != old_root or found_new != new_root:
        raise BadProof(f"history of {old_size} leaves was rewritten in the tree of {new_size}")


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF of §2.1.2. `whole`: is this subtree's root the one the verifier has already?"""
    if old_size == len(leaves):
        return [] if whole else [root(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(leaves[:split], old_size, whole=whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], old_size - split, whole=False), root(leaves[:split])]


def _split(size: int) -> int:
    """Return the largest power of two below `size` (two or more)."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(digest) != HASH_BYTES for digest in hashes):
        raise BadProof(f"every hash of a proof is {HASH_BYTES} bytes")
