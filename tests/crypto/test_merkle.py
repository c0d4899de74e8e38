"""Merkle proofs prove what they claim and nothing else."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import merkle
from crypto.errors import BadProof

LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(40)]
sizes = st.integers(1, 40)

# Published as good although its roots are the 12 bytes "don't care 2"; ours takes hashes of 32 bytes only.
ODD = "merkle/consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"


def load(folder: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    paths = sorted((folder / "merkle" / kind).rglob("*.json"))
    return [(str(path.relative_to(folder)), json.loads(path.read_bytes())) for path in paths]


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    return [b64decode(text) for text in vector["proof"] or []]


def test_roots_are_those_of_the_published_test_tree() -> None:
    """The eight leaves of Certificate Transparency's reference tests, and the tree without leaves."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in data]

    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(sizes, st.data())
def test_every_leaf_is_proven_at_its_place_and_at_no_other(size: int, data: st.DataObject) -> None:
    """Built proofs verify; with another index, leaf, size, root or length they do not."""
    index = data.draw(st.integers(0, size - 1))
    tree = LEAVES[:size]
    root, proof = merkle.root(tree), merkle.inclusion_proof(tree, index)

    merkle.verify_inclusion(tree[index], index=index, size=size, proof=proof, root=root)

    wrong: list[dict[str, Any]] = [{"index": index + 1}, {"index": -1}, {"root": LEAVES[-1][::-1]}]
    wrong += [{"proof": [*proof, root]}, {"proof": [*proof, root[:31]]}]
    wrong += [{"proof": proof[:-1]}, {"leaf": root}] if size > 1 else []
    for change in wrong:
        arguments = {"leaf": tree[index], "index": index, "size": size, "proof": proof, "root": root, **change}
        with pytest.raises(BadProof):
            merkle.verify_inclusion(arguments.pop("leaf"), **arguments)


@given(sizes, sizes)
def test_a_log_that_only_grew_is_consistent_and_a_rewritten_one_is_not(one: int, two: int) -> None:
    """Attack 8 in small: change one old leaf, and no proof fits any more."""
    old, new = sorted((one, two))
    old_root, proof = merkle.root(LEAVES[:old]), merkle.consistency_proof(LEAVES[:new], old)
    rewritten = [merkle.leaf_hash(b"rewritten"), *LEAVES[1:new]]

    merkle.verify_consistency(
        old_size=old, new_size=new, proof=proof, old_root=old_root, new_root=merkle.root(LEAVES[:new])
    )

    forged = merkle.consistency_proof(rewritten, old)
    for hashes in (proof, forged):
        with pytest.raises(BadProof):
            merkle.verify_consistency(
                old_size=old, new_size=new, proof=hashes, old_root=old_root, new_root=merkle.root(rewritten)
            )


def test_every_published_inclusion_proof_is_judged_as_published(foreign_vectors: Path) -> None:
    """transparency-dev/merkle: 98 good and bad proofs."""
    vectors = load(foreign_vectors, "inclusion")

    wrong = [name for name, vector in vectors if _included(vector) == vector["wantErr"]]

    assert len(vectors) == 98
    assert wrong == []


def _included(vector: dict[str, Any]) -> bool:
    try:
        merkle.verify_inclusion(
            b64decode(vector["leafHash"] or ""),
            index=vector["leafIdx"],
            size=vector["treeSize"],
            proof=proof_of(vector),
            root=b64decode(vector["root"] or ""),
        )
    except BadProof:
        return False
    return True


def test_every_published_consistency_proof_is_judged_as_published(foreign_vectors: Path) -> None:
    """transparency-dev/merkle: 98 good and bad proofs, one of them over hashes that are none."""
    vectors = load(foreign_vectors, "consistency")

    wrong = [name for name, vector in vectors if _consistent(vector) == vector["wantErr"]]

    assert len(vectors) == 98
    assert wrong == [ODD]


def _consistent(vector: dict[str, Any]) -> bool:
    try:
        merkle.verify_consistency(
            old_size=vector["size1"],
            new_size=vector["size2"],
            proof=proof_of(vector),
            old_root=b64decode(vector["root1"] or ""),
            new_root=b64decode(vector["root2"] or ""),
        )
    except BadProof:
        return False
    return True


def test_proofs_are_built_for_existing_leaves_and_sizes_only() -> None:
    """Nothing is proven about a leaf that is not there, or from an empty tree."""
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(LEAVES[:3], index)
    for old_size in (0, 4):
        with pytest.raises(ValueError, match="consistency"):
            merkle.consistency_proof(LEAVES[:3], old_size)
