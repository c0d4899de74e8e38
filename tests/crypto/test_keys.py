"""Keys survive PEM and JWK, and what is not a P-256 key is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from crypto import base64url, keys
from crypto.errors import Malformed, UnsupportedAlgorithm

# RFC 7515 appendix A.3: the key pair of the ES256 example.
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


@pytest.mark.parametrize("passphrase", [None, "mật khẩu của xã".encode()])
def test_a_private_key_survives_its_pem(passphrase: bytes | None) -> None:
    """PKCS #8, plain and encrypted, on both curves; public keys likewise."""
    for key in (keys.generate_p256(), keys.generate_p384()):
        again = keys.parse_private_pem(keys.private_to_pem(key, passphrase), passphrase)

        assert again.private_numbers() == key.private_numbers()
        assert keys.parse_public_pem(keys.public_to_pem(key.public_key())) == key.public_key()


def test_an_encrypted_key_opens_with_its_passphrase_only() -> None:
    """Wrong or missing passphrase, and a passphrase for a plain key, are reported, not guessed."""
    locked = keys.private_to_pem(keys.generate_p256(), b"one")

    for passphrase in (b"two", None):
        with pytest.raises(Malformed, match="passphrase"):
            keys.parse_private_pem(locked, passphrase)
    with pytest.raises(Malformed):
        keys.parse_private_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(Malformed):
        keys.parse_public_pem(b"x" * 20_000)


def test_a_key_on_a_curve_nobody_knows_is_refused() -> None:
    """Not even the library has a name for it."""
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    key = keys.generate_p256()
    for pem, parse in (
        (keys.private_to_pem(key), keys.parse_private_pem),
        (keys.public_to_pem(key.public_key()), keys.parse_public_pem),
    ):
        first, *lines, last = pem.splitlines()
        der = base64.b64decode(b"".join(lines))
        assert p256 in der
        other = b"\n".join((first, base64.b64encode(der.replace(p256, unknown)), last)) + b"\n"
        with pytest.raises(UnsupportedAlgorithm, match="P-256"):
            parse(other)


def test_a_jwk_survives_and_has_the_members_of_rfc_7518() -> None:
    """The example key of RFC 7515, there and back, private ones never."""
    key = keys.parse_public_jwk(JWK)

    assert keys.public_to_jwk(key) == JWK
    assert keys.parse_public_jwk(keys.public_to_jwk(key)) == key


def test_the_thumbprint_is_the_hash_of_the_four_members_in_order() -> None:
    """RFC 7638 §3: no spaces, lexicographic order, SHA-256; computed here from the text it prescribes."""
    from hashlib import sha256

    prescribed = '{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.format_map(JWK)

    assert keys.thumbprint(keys.parse_public_jwk(JWK)) == base64url.encode(sha256(prescribed.encode()).digest())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"y": JWK["x"]}, Malformed),
        ({"x": JWK["x"][:-1]}, Malformed),
        ({"x": "AA" + JWK["x"]}, Malformed),
        ({"x": base64url.encode(b"\0" + base64url.decode(JWK["x"]))}, Malformed),
        ({"x": 5}, Malformed),
        ({"d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}, Malformed),
        ({"crv": "P-384"}, UnsupportedAlgorithm),
        ({"kty": "oct"}, UnsupportedAlgorithm),
        ({"use": "enc"}, UnsupportedAlgorithm),
        ({"key_ops": ["encrypt"]}, UnsupportedAlgorithm),
        ({"alg": "ES512"}, UnsupportedAlgorithm),
    ],
)
def test_a_jwk_that_is_no_verifying_p256_key_is_refused(change: dict[str, object], error: type[Exception]) -> None:
    """Points off the curve, other curves and uses, and private keys that were sent by mistake."""
    with pytest.raises(error):
        keys.parse_public_jwk({**JWK, **change})


def test_keys_of_other_kinds_are_refused() -> None:
    """RSA, Ed25519 and other curves cannot be node or official keys."""
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for key in (
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP521R1()),
    ):
        with pytest.raises(UnsupportedAlgorithm):
            keys.parse_private_pem(key.private_bytes(*pkcs8))
