"""Content ids and revisions are functions of the bytes alone."""

from __future__ import annotations

import pytest

from crypto import hashing
from crypto.errors import Malformed

EMPTY = "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_the_id_and_the_revision_of_nothing_are_the_published_hash_of_nothing() -> None:
    """SHA-256 of no bytes, in both spellings: golden, because ids are stored for decades."""
    assert hashing.sha256_id(b"") == EMPTY
    assert hashing.parse_sha256_id(EMPTY).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hashing.rev_of(b"") == "1-e3b0c44298fc1c149afbf4c8996fb924"


@pytest.mark.parametrize(
    "text", [EMPTY[:-1], EMPTY + "A", EMPTY[7:], "sha512-" + EMPTY[7:], EMPTY[:-1] + "V", EMPTY + "="]
)
def test_an_id_in_any_other_spelling_is_refused(text: str) -> None:
    """Wrong length, missing or other prefix, left-over bits, padding."""
    with pytest.raises(Malformed):
        hashing.parse_sha256_id(text)
