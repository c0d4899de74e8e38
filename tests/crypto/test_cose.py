"""COSE_Sign1: our signatures verify with another implementation, theirs with ours, and every damage is refused."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cwt import COSE, COSEKey
from hypothesis import given
from hypothesis import strategies as st

from crypto import keys
from crypto.cose import encode, parse_sign1, sign1, verify_sign1
from crypto.errors import BadSignature, CryptoError, UnsupportedAlgorithm

KEY = keys.generate_p256()
KID = b"12345678"
SIGNED = sign1(b"payload", key=KEY, kid=KID)


def their_key() -> Any:
    return COSEKey.from_jwk({**keys.public_to_jwk(KEY.public_key()), "alg": "ES256", "kid": KID.decode()})


def test_the_second_implementation_verifies_what_we_sign() -> None:
    """python-cwt, which shares no code with ours."""
    assert COSE.new().decode(SIGNED, keys=[their_key()]) == b"payload"


def test_our_signature_is_read_back() -> None:
    """With its payload and key id, and not under another key."""
    found = parse_sign1(SIGNED)

    assert (verify_sign1(found, key=KEY.public_key()), found.kid) == (b"payload", KID)
    with pytest.raises(BadSignature):
        verify_sign1(found, key=keys.generate_p256().public_key())


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_any_byte_changed_is_refused(at: int, change: int) -> None:
    """Whichever byte it is: form, header, payload or signature."""
    damaged = bytearray(SIGNED)
    damaged[at] ^= change

    with pytest.raises(CryptoError):
        verify_sign1(parse_sign1(bytes(damaged)), key=KEY.public_key())


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_as_malformed(data: bytes) -> None:
    """Nothing but our own errors leaves the parser."""
    with pytest.raises(CryptoError):
        parse_sign1(data)


@pytest.mark.parametrize("tail", [b"\0", b"\xf6"])
def test_bytes_behind_the_structure_are_refused(tail: bytes) -> None:
    """One statement has one encoding."""
    with pytest.raises(CryptoError):
        parse_sign1(SIGNED + tail)


def test_another_algorithm_is_refused() -> None:
    """EdDSA or none in the header, however the rest looks."""
    tagged = cbor2.loads(SIGNED)
    for alg in (-8, -37, 0, 5):
        changed = [encode({1: alg, 4: KID}), *tagged.value[1:]]
        with pytest.raises(UnsupportedAlgorithm):
            parse_sign1(encode(cbor2.CBORTag(18, changed)))
