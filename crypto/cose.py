"""COSE_Sign1 (RFC 9052 §4.2) with ES256, over CBOR in its core deterministic encoding (RFC 8949 §4.2.1).

    18([ h'a2 01 26 04 48 <8 bytes>', {}, h'<payload>', h'<64 bytes r ‖ s>' ])

The protected header holds `alg` (-7, ES256) and `kid` and nothing else, the unprotected header is empty: there is one
encoding of one statement. Signed is Sig_structure: ["Signature1", protected, h'', payload].
"""

from __future__ import annotations

from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from crypto.errors import BadSignature, Malformed, TooLarge, UnsupportedAlgorithm
from crypto.keys import PrivateKey, PublicKey

MAX_BYTES = 1024
KID_BYTES = 8

_TAG, _ALG, _KID, _ES256 = 18, 1, 4, -7
_HALF = 32


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed COSE_Sign1; nothing is verified yet."""

    kid: bytes
    payload: bytes
    protected: bytes
    signature: bytes


def sign1(payload: bytes, *, key: PrivateKey, kid: bytes) -> bytes:
    """Return the COSE_Sign1 of `payload`. `kid` is what the verifier finds the key by: `KID_BYTES` bytes."""
    protected = encode({_ALG: _ES256, _KID: kid})
    der = key.sign(_signed(protected, payload), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    signature = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    return encode(cbor2.CBORTag(_TAG, [protected, {}, payload, signature]))


def parse_sign1(data: bytes) -> Sign1:
    """Return the parts of a COSE_Sign1 in its only encoding. Raises `TooLarge`, `Malformed`, `UnsupportedAlgorithm`."""
    if len(data) > MAX_BYTES:
        raise TooLarge(f"a COSE_Sign1 of {len(data)} bytes; at most {MAX_BYTES} are read")
    tagged = decode(data)
    if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != _TAG:
        raise Malformed("not a COSE_Sign1: CBOR tag 18 is missing")
    parts = tagged.value
    if not isinstance(parts, list) or len(parts) != 4 or parts[1] != {}:
        raise Malformed("a COSE_Sign1 here is [protected, {}, payload, signature]")
    protected, _, payload, signature = parts
    if not all(isinstance(each, bytes) for each in (protected, payload, signature)) or len(signature) != 2 * _HALF:
        raise Malformed("header, payload and signature are byte strings, the signature of 64 bytes")
    header = decode(protected)
    if not isinstance(header, dict) or header.keys() != {_ALG, _KID}:
        raise Malformed("the protected header is alg and kid and nothing else")
    if header[_ALG] != _ES256:
        raise UnsupportedAlgorithm(f"alg must be ES256 (-7), got {header[_ALG]!r:.40}")
    kid = header[_KID]
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise Malformed(f"kid is {KID_BYTES} bytes")
    return Sign1(kid, payload, protected, signature)


def verify_sign1(found: Sign1, *, key: PublicKey) -> bytes:
    """Return the payload once `key` is proven to have signed it. Raises `BadSignature`."""
    r, s = (int.from_bytes(half, "big") for half in (found.signature[:_HALF], found.signature[_HALF:]))
    try:
        key.verify(encode_dss_signature(r, s), _signed(found.protected, found.payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as exc:
        raise BadSignature("the receipt's signature does not belong to these bytes and this key") from exc
    return found.payload


def encode(value: object) -> bytes:
    """Return `value` in core deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> object:
    """Return the value of `data`, all of it, in its only encoding. Raises `Malformed`."""
    try:
        value = cbor2.loads(data)
        if encode(value) == data:
            return value
    except (cbor2.CBORError, ValueError, TypeError, RecursionError) as exc:
        raise Malformed(f"not CBOR: {exc}") from exc
    raise Malformed("not in the deterministic encoding of CBOR, or bytes follow it")


def _signed(protected: bytes, payload: bytes) -> bytes:
    return encode(["Signature1", protected, b"", payload])
