"""The signature algorithms of RFC 7518 that we know, and which key each of them takes.

| alg   | key                | signature                       | where it is allowed                          |
|-------|--------------------|---------------------------------|----------------------------------------------|
| ES256 | EC on P-256        | r ‖ s, 64 bytes (§3.4)          | everywhere                                   |
| PS256 | RSA, 2048-4096 bit | PSS, MGF1-SHA-256, salt 32      | verifying only, where the caller names it    |
| RS256 | RSA, 2048-4096 bit | PKCS #1 v1.5                    | verifying only, where the caller names it    |

`none` and the HMAC algorithms are not here, so a public key can never be taken for a shared secret.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from crypto.errors import BadSignature, UnsupportedAlgorithm

Algorithm = Literal["ES256", "PS256", "RS256"]
VerifyingKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

DEFAULT: frozenset[Algorithm] = frozenset({"ES256"})

_KNOWN: frozenset[str] = frozenset(get_args(Algorithm))
_SHA256 = hashes.SHA256()
_ECDSA_SHA256 = ec.ECDSA(_SHA256)
# RFC 6979: the nonce follows from key and message. A repeated nonce gives the key away, and a cheap machine just after
# its first boot has little randomness; this also keeps signing a pure function. Needs OpenSSL 3.2, as the wheels carry.
_ECDSA_SIGNING = ec.ECDSA(_SHA256, deterministic_signing=True)
_P256_HALF = 32
_RSA_BITS = range(2048, 4097)  # below: too weak; above: minutes of work for whoever checks


def check_algorithm(alg: object, key: VerifyingKey, allowed: Collection[str]) -> Algorithm:
    """Return `alg` if it is known, on the caller's list, and meant for this kind of key.

    The name comes from a header that an attacker wrote, so it only ever selects among what the key could do anyway.
    Raises `UnsupportedAlgorithm`.
    """
    if not isinstance(alg, str) or alg not in _KNOWN or alg not in allowed:
        raise UnsupportedAlgorithm(f"alg must be one of {', '.join(sorted(allowed))}, got {str(alg)[:40]!a}")
    if alg == "ES256":
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise UnsupportedAlgorithm("ES256 needs a P-256 key")
        return "ES256"
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in _RSA_BITS:
        raise UnsupportedAlgorithm(f"{alg} needs an RSA key of 2048 to 4096 bits")
    return "PS256" if alg == "PS256" else "RS256"


def sign_es256(key: ec.EllipticCurvePrivateKey, signing_input: bytes) -> bytes:
    """Return the 64 bytes r ‖ s over `signing_input`. Raises `UnsupportedAlgorithm` unless the key is on P-256."""
    if not isinstance(key.curve, ec.SECP256R1):
        raise UnsupportedAlgorithm(f"ES256 needs a P-256 key, this one is on {key.curve.name}")
    return raw_from_der(key.sign(signing_input, _ECDSA_SIGNING))


def verify_signature(alg: Algorithm, key: VerifyingKey, signature: bytes, signing_input: bytes) -> None:
    """Return if `key` made `signature` over `signing_input`; `alg` has passed `check_algorithm` for this key.

    Raises `BadSignature`, also for an ES256 signature that is not exactly 64 bytes.
    """
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(der_from_raw(signature), signing_input, _ECDSA_SHA256)
        elif alg == "PS256":
            pss = padding.PSS(padding.MGF1(_SHA256), salt_length=_SHA256.digest_size)
            key.verify(signature, signing_input, pss, _SHA256)
        else:
            key.verify(signature, signing_input, padding.PKCS1v15(), _SHA256)
    except InvalidSignature as exc:
        raise BadSignature(f"the {alg} signature does not belong to these bytes and this key") from exc


def der_from_raw(signature: bytes) -> bytes:
    """Return r ‖ s as the DER sequence OpenSSL takes. Raises `BadSignature` unless it is exactly 64 bytes."""
    if len(signature) != 2 * _P256_HALF:
        raise BadSignature(f"an ES256 signature is 64 bytes, got {len(signature)}")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_P256_HALF], signature[_P256_HALF:]))
    return encode_dss_signature(r, s)


def raw_from_der(signature: bytes) -> bytes:
    """Return a DER ECDSA signature on P-256 as the 64 bytes r ‖ s that JOSE and WebCrypto use."""
    r, s = decode_dss_signature(signature)
    return r.to_bytes(_P256_HALF, "big") + s.to_bytes(_P256_HALF, "big")
