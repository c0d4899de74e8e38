"""Signatures by the letter of RFC 7518, against Wycheproof's collection of wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from crypto import algorithms, keys
from crypto.errors import BadSignature, UnsupportedAlgorithm


def wycheproof(folder: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield (group, test) of one Wycheproof file."""
    for group in json.loads((folder / "wycheproof" / name).read_bytes())["testGroups"]:
        yield from ((group, test) for test in group["tests"])


def test_every_wycheproof_es256_signature_is_judged_as_published(foreign_vectors: Path) -> None:
    """262 signatures as r ‖ s: wrong lengths, zeros, values beyond the order, edge-case points."""
    wrong, count = [], 0
    for group, test in wycheproof(foreign_vectors, "ecdsa_secp256r1_sha256_p1363_test.json"):
        count += 1
        key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        try:
            algorithms.verify_signature("ES256", key, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))  # type: ignore[arg-type]  # P-256
            accepted = True
        except BadSignature:
            accepted = False
        if accepted != (test["result"] == "valid"):
            wrong.append(test["tcId"])

    assert count == 262
    assert wrong == []


def test_signing_is_a_function_of_key_and_message() -> None:
    """RFC 6979 appendix A.2.5, P-256 with SHA-256 and the message "sample": r and s as published."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = keys.private_from_scalar(secret)

    signature = algorithms.sign_es256(key, b"sample")

    assert signature.hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


def test_an_es256_signature_has_one_length() -> None:
    """A zero before s, or before both numbers, leaves the numbers as they are; it is refused all the same."""
    key = keys.generate_p256()
    signature = algorithms.sign_es256(key, b"x")
    r, s = signature[:32], signature[32:]

    algorithms.verify_signature("ES256", key.public_key(), signature, b"x")
    for respelled in (r + b"\0" + s, b"\0" + r + b"\0" + s, signature + b"\0", signature[:-1], b""):
        with pytest.raises(BadSignature, match="64 bytes"):
            algorithms.verify_signature("ES256", key.public_key(), respelled, b"x")


def test_algorithm_and_key_must_fit_and_be_allowed() -> None:
    """The header's word selects nothing that the key or the caller's list does not allow."""
    p256, p384 = keys.generate_p256().public_key(), keys.generate_p384().public_key()
    short = rsa.generate_private_key(65537, 1024).public_key()  # too short on purpose
    long = rsa.generate_private_key(65537, 2048).public_key()
    everything = {"ES256", "PS256", "RS256", "HS256", "none"}

    assert algorithms.check_algorithm("ES256", p256, {"ES256"}) == "ES256"
    assert algorithms.check_algorithm("PS256", long, everything) == "PS256"
    cases: list[tuple[object, Any]] = [
        ("ES256", p384),
        ("ES256", long),
        ("PS256", p256),
        ("RS256", short),
        ("HS256", p256),
        ("none", p256),
        ("ES384", p384),
        ("EdDSA", p256),
        ("es256", p256),
        (None, p256),
        (["ES256"], p256),
    ]
    for alg, key in cases:
        with pytest.raises(UnsupportedAlgorithm):
            algorithms.check_algorithm(alg, key, everything)
    with pytest.raises(UnsupportedAlgorithm):
        algorithms.check_algorithm("RS256", long, {"ES256"})
    with pytest.raises(UnsupportedAlgorithm):
        algorithms.sign_es256(keys.generate_p384(), b"")
