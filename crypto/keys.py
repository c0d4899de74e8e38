"""Elliptic-curve keys: PEM files, JSON Web Keys, thumbprints.

`generate_p256` and `generate_p384` are this package's one draw of randomness: a new key comes out of the library's own
generator, and there is no safe way to hand it the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crypto import base64url, jcs
from crypto.errors import Malformed, UnsupportedAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

MAX_PEM_BYTES = 16 * 1024  # a P-384 key takes 400 bytes; anything near this is not a key
_P256_BYTES = 32


def generate_p256() -> PrivateKey:
    """Return a new P-256 key from the operating system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


def generate_p384() -> PrivateKey:
    """Return a new P-384 key, for roots, from the operating system's randomness."""
    return ec.generate_private_key(ec.SECP384R1())


def private_from_scalar(scalar: int, curve: ec.EllipticCurve | None = None) -> PrivateKey:
    """Return the key whose secret number is `scalar` (on P-256 unless `curve` says otherwise): for test vectors."""
    return ec.derive_private_key(scalar, curve or ec.SECP256R1())


def parse_private_pem(data: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """Return the EC key of a PKCS #8 PEM.

    Raises `Malformed` if it cannot be read or the passphrase is wrong or missing, `UnsupportedAlgorithm` for keys that
    are not on P-256 or P-384.
    """
    if len(data) > MAX_PEM_BYTES:
        raise Malformed(f"a key file of {len(data)} bytes is not a key")
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except (ValueError, TypeError) as exc:
        raise Malformed(f"private key not readable (wrong passphrase?): {exc}") from exc
    except exceptions.UnsupportedAlgorithm as exc:
        raise UnsupportedAlgorithm(f"private key must be EC on P-256 or P-384: {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _is_our_curve(key.curve):
        raise UnsupportedAlgorithm("private key must be EC on P-256 or P-384")
    return key


def private_to_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return `key` as PKCS #8 PEM, encrypted when a passphrase is given."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def parse_public_pem(data: bytes) -> PublicKey:
    """Return the EC key of a SubjectPublicKeyInfo PEM. Raises as `parse_private_pem`."""
    if len(data) > MAX_PEM_BYTES:
        raise Malformed(f"a key file of {len(data)} bytes is not a key")
    try:
        key = serialization.load_pem_public_key(data)
    except ValueError as exc:
        raise Malformed(f"public key not readable: {exc}") from exc
    except exceptions.UnsupportedAlgorithm as exc:
        raise UnsupportedAlgorithm(f"public key must be EC on P-256 or P-384: {exc}") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or not _is_our_curve(key.curve):
        raise UnsupportedAlgorithm("public key must be EC on P-256 or P-384")
    return key


def public_to_pem(key: PublicKey) -> bytes:
    """Return `key` as SubjectPublicKeyInfo PEM, the form `openssl dgst -verify` reads."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_to_jwk(key: PublicKey) -> dict[str, str]:
    """Return a P-256 key as a JSON Web Key with exactly `kty`, `crv`, `x`, `y` (RFC 7518 §6.2.1)."""
    if not isinstance(key.curve, ec.SECP256R1):
        raise UnsupportedAlgorithm(f"only P-256 keys travel as JWK, this one is {key.curve.name}")
    numbers = key.public_numbers()
    x, y = (base64url.encode(n.to_bytes(_P256_BYTES, "big")) for n in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def parse_public_jwk(jwk: Mapping[str, object]) -> PublicKey:
    """Return the P-256 key of a JSON Web Key.

    Unknown members are ignored. Raises `Malformed` for coordinates that are not 32 bytes or not on the curve, and for
    a private key (`d`): whoever sends that has lost it; `UnsupportedAlgorithm` for another kind of key, or one whose
    `alg`, `use` or `key_ops` say that it is not for ES256 signatures.
    """
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise UnsupportedAlgorithm(f"a JWK here is EC on P-256, got {jwk.get('kty')!r} {jwk.get('crv')!r}")
    if "d" in jwk:
        raise Malformed("this JWK contains the private key; it is compromised, make a new one")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise UnsupportedAlgorithm("this JWK says that it is not for verifying signatures")
    if jwk.get("alg", "ES256") != "ES256":
        raise UnsupportedAlgorithm(f"this JWK says that it is for {str(jwk['alg'])[:40]!a}")
    x, y = (_coordinate(jwk, name) for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as exc:
        raise Malformed("JWK coordinates are not a point on P-256") from exc


def thumbprint(key: PublicKey) -> str:
    """Return the RFC 7638 thumbprint of a P-256 key: base64url of SHA-256 over its canonical JWK, 43 characters."""
    return base64url.encode(sha256(jcs.canonical(public_to_jwk(key))).digest())


def _coordinate(jwk: Mapping[str, object], name: str) -> int:
    text = jwk.get(name)
    if not isinstance(text, str) or len(text) > 2 * _P256_BYTES:
        raise Malformed(f'JWK member "{name}" must be base64url text')
    data = base64url.decode(text)
    if len(data) != _P256_BYTES:
        raise Malformed(f'JWK member "{name}" must be {_P256_BYTES} bytes, got {len(data)}')
    return int.from_bytes(data, "big")


def _is_our_curve(curve: ec.EllipticCurve) -> bool:
    return isinstance(curve, ec.SECP256R1 | ec.SECP384R1)
