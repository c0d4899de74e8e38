"""The signed event: canonical JSON under a JWS in the JAdES B-B profile (ETSI TS 119 182-1).

    { "event":      { … },                                  the payload is its RFC 8785 form, never stored twice
      "signatures": [ { "protected": "<base64url of the header below>",
                        "signature": "<base64url of r ‖ s, 64 bytes>",
                        "header":    { "etsiU": [] } } ] }

    {"alg":"ES256","cty":"vnd.tram.event+json","iat":1780279384,"typ":"jose+json","x5t#S256":"<SHA-256 of the leaf>"}

The protected header has exactly these five members in this (canonical) spelling. `iat` is what the author's clock
said, for display; it decides nothing. `etsiU` is where timestamps are added later; it is not signed.

An event's identity is the hash of its payload, never of the signature: from one ECDSA signature anybody can make a
second valid one. So the same event under two signatures is the same event.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, jcs, strictjson, text
from crypto.algorithms import DEFAULT, VerifyingKey, check_algorithm, sign_es256, verify_signature
from crypto.errors import BadSignature, Malformed, TooLarge, UnsupportedAlgorithm
from crypto.hashing import ContentId, rev_of, sha256_id
from crypto.keys import PrivateKey

CONTENT_TYPE = "vnd.tram.event+json"
MAX_EVENT_BYTES = 48 * 1024
MAX_EVENT_DEPTH = 16
MAX_PROTECTED_BYTES = 512  # the five members take about 150
MAX_ETSIU_BYTES = 64 * 1024  # a timestamp token with its chain takes 3 KiB, a CRL of 500 entries 20 KiB
MAX_ETSIU_ITEMS = 16

_ENVELOPE = {"event", "signatures"}
_SIGNATURE = {"protected", "signature", "header"}
_PROTECTED = {"alg", "cty", "iat", "typ", "x5t#S256"}


class Signer(Protocol):
    """A certificate's key, as `crypto.chain.VerifiedSigner` has it: what a signature is checked against.

    `fingerprint` is the base64url SHA-256 of the DER certificate (`x5t#S256`).
    """

    @property
    def fingerprint(self) -> str: ...
    @property
    def public_key(self) -> VerifyingKey: ...


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """A bare certificate as a `Signer`. It says whose key to try, not that the certificate deserves trust."""

    fingerprint: str
    public_key: VerifyingKey


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """A well-formed signed event. Its signature has NOT been checked: `verify_event_signature` does that.

    `payload` is the canonical form of `event`; `id` and `rev` follow from it. `fingerprint` names the certificate to
    check against. `protected` is the header as signed (base64url text), `signature` 64 bytes, `iat` Unix seconds.
    """

    event: dict[str, Any]
    payload: bytes
    id: ContentId
    rev: str
    protected: str
    signature: bytes
    fingerprint: str
    alg: str
    iat: int

    @property
    def signing_input(self) -> bytes:
        """The bytes under the signature (RFC 7515 §5.1)."""
        return f"{self.protected}.{base64url.encode(self.payload)}".encode("ascii")


def certificate_signer(certificate: x509.Certificate) -> CertificateSigner:
    """Return `certificate` as a `Signer`. Raises `UnsupportedAlgorithm` if its key is neither EC nor RSA."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise UnsupportedAlgorithm("a signer's key is EC on P-256, or RSA")
    return CertificateSigner(fingerprint_of(certificate), key)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the `x5t#S256` of a certificate: base64url of the SHA-256 of its DER, 43 characters."""
    return base64url.encode(sha256(certificate.public_bytes(Encoding.DER)).digest())


def canonical_event(event: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of `event` if it keeps the data rules of signed data.

    An object of at most 48 KiB and 16 levels, no floats, integers within ±(2^53-1), text and names as `crypto.text`
    demands. Raises `Malformed` or `TooLarge` naming what breaks them.
    """
    value: Any = event if type(event) is dict else dict(event)
    payload = jcs.canonical(value)
    if not jcs.is_restricted(value, MAX_EVENT_DEPTH):  # deeper, or floats, or names beyond ASCII: find out which
        strictjson.check_numbers(value, MAX_EVENT_DEPTH)  # here, since 1.0 is canonically 1 and would look innocent
        value = strictjson.parse(payload, max_bytes=MAX_EVENT_BYTES, max_depth=MAX_EVENT_DEPTH)
    if len(payload) > MAX_EVENT_BYTES:
        raise TooLarge(f"an event of {len(payload)} bytes, at most {MAX_EVENT_BYTES}")
    text.check_canonical(payload, value)
    return payload


def sign_event(event: Mapping[str, Any], *, key: PrivateKey, certificate: x509.Certificate, iat: int) -> dict[str, Any]:
    """Return `{"event", "signatures"}` with one ES256 signature by `key`.

    `certificate` is the leaf of `key`; `iat` the author's time in Unix seconds. Raises `Malformed` if the event breaks
    the data rules, `UnsupportedAlgorithm` unless the key is on P-256, `BadSignature` if certificate and key are not a
    pair.
    """
    if certificate.public_key() != key.public_key():
        raise BadSignature("this certificate belongs to another key; nobody could verify the signature")
    header = {
        "alg": "ES256",
        "cty": CONTENT_TYPE,
        "iat": iat,
        "typ": "jose+json",
        "x5t#S256": fingerprint_of(certificate),
    }
    payload, protected = canonical_event(event), base64url.encode(jcs.canonical(header))
    signature = sign_es256(key, f"{protected}.{base64url.encode(payload)}".encode("ascii"))
    unprotected: dict[str, Any] = {"etsiU": []}
    entry = {"protected": protected, "signature": base64url.encode(signature), "header": unprotected}
    return {"event": orjson.loads(payload), "signatures": [entry]}


def parse_signed_event(fields: Mapping[str, Any]) -> SignedEvent:
    """Return the signed event in `fields`, a value that `strictjson.parse` returned, without `_id` and `_rev`.

    Everything that needs no key is checked here: shape, strict base64url, the exact protected header in canonical form,
    the data rules of the event. Raises `Malformed`, `TooLarge` or `UnsupportedAlgorithm`.
    """
    _check_members(fields, _ENVELOPE, "a signed event")
    event, signatures = fields["event"], fields["signatures"]
    if not isinstance(event, dict):
        raise Malformed('"event" must be an object')
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise Malformed('"signatures" must hold exactly one signature; an unsigned event has no form')
    protected, signature = _parse_signature(signatures[0])
    header = _parse_protected(protected)
    payload = canonical_event(event)
    return SignedEvent(
        event=event,
        payload=payload,
        id=sha256_id(payload),
        rev=rev_of(payload),
        protected=protected,
        signature=signature,
        fingerprint=header["x5t#S256"],
        alg=header["alg"],
        iat=header["iat"],
    )


def verify_event_signature(signed: SignedEvent, *, signer: Signer) -> bytes:
    """Return the payload of `signed` once `signer`'s key is proven to have signed it.

    The header must name this very certificate. Whether the certificate may be trusted is `crypto.chain`'s to say, and
    whether the actor in the event is its subject, `chain.verify_actor`'s. Raises `BadSignature` or
    `UnsupportedAlgorithm`.
    """
    if signed.fingerprint != signer.fingerprint:
        raise BadSignature(f"signed under certificate {signed.fingerprint}, checked against {signer.fingerprint}")
    alg = check_algorithm(signed.alg, signer.public_key, DEFAULT)
    verify_signature(alg, signer.public_key, signed.signature, signed.signing_input)
    return signed.payload


def event_document(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the envelope as the document to store: with `_id` "<stream>:<hash>" and `_rev` "1-<hash>"."""
    payload = canonical_event(envelope["event"])
    stream = envelope["event"].get("stream")
    if not isinstance(stream, str) or not stream:
        raise Malformed('an event names its "stream"')
    return {"_id": f"{stream}:{sha256_id(payload)}", "_rev": rev_of(payload), **envelope}


def to_jws(envelope: Mapping[str, Any], x5c: Sequence[x509.Certificate]) -> dict[str, Any]:
    """Return a signed event as flattened JWS JSON (RFC 7515 §7.2.2) that stands alone: any JOSE tool can check it.

    `x5c` is the chain, leaf first; it goes into the unprotected header, because the protected one is signed and names
    the leaf by hash already. Standard base64 of DER, as RFC 7515 §4.1.6 asks.
    """
    signed = parse_signed_event({name: envelope[name] for name in _ENVELOPE if name in envelope})
    entry = envelope["signatures"][0]
    chain = [b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii") for certificate in x5c]
    if not x5c or fingerprint_of(x5c[0]) != signed.fingerprint:
        raise Malformed("x5c must begin with the certificate the event was signed under")
    return {
        "payload": base64url.encode(signed.payload),
        "protected": signed.protected,
        "signature": entry["signature"],
        "header": {**entry["header"], "x5c": chain},
    }


def _parse_signature(entry: Any) -> tuple[str, bytes]:
    """Return (protected text, signature bytes) of one entry of "signatures", its unprotected header checked."""
    if not isinstance(entry, dict):
        raise Malformed('each of "signatures" is an object')
    _check_members(entry, _SIGNATURE, "a signature")
    protected, signature = entry["protected"], entry["signature"]
    if not isinstance(protected, str) or not isinstance(signature, str):
        raise Malformed('"protected" and "signature" are base64url text')
    if len(protected) > MAX_PROTECTED_BYTES or len(signature) > MAX_PROTECTED_BYTES:
        raise TooLarge(f'"protected" and "signature" take at most {MAX_PROTECTED_BYTES} characters')
    _check_unprotected(entry["header"])
    return protected, base64url.decode(signature)


def _check_unprotected(header: Any) -> None:
    if not isinstance(header, dict):
        raise Malformed('the unprotected "header" is an object')
    _check_members(header, {"etsiU"}, "the unprotected header")
    items = header["etsiU"]
    if not isinstance(items, list) or len(items) > MAX_ETSIU_ITEMS or not all(isinstance(i, str) for i in items):
        raise Malformed(f'"etsiU" is a list of at most {MAX_ETSIU_ITEMS} base64url texts')
    if sum(map(len, items)) > MAX_ETSIU_BYTES:
        raise TooLarge(f'"etsiU" takes at most {MAX_ETSIU_BYTES} characters')
    for item in items:
        base64url.decode(item)


def _parse_protected(protected: str) -> dict[str, Any]:
    data = base64url.decode(protected)
    header = strictjson.parse(data, max_bytes=MAX_PROTECTED_BYTES, max_depth=2)
    if not isinstance(header, dict):
        raise Malformed("the protected header is a JSON object")
    if header.get("alg") != "ES256":
        raise UnsupportedAlgorithm(f"events are signed with ES256, got alg {str(header.get('alg'))[:40]!a}")
    _check_members(header, _PROTECTED, "the protected header")
    if header["typ"] != "jose+json" or header["cty"] != CONTENT_TYPE:
        raise Malformed(f'expected typ "jose+json" and cty "{CONTENT_TYPE}"')
    if type(header["iat"]) is not int or header["iat"] < 0:
        raise Malformed('"iat" is a whole number of seconds since 1970')
    if not isinstance(header["x5t#S256"], str) or len(base64url.decode(header["x5t#S256"])) != 32:
        raise Malformed('"x5t#S256" is the base64url of 32 bytes')
    if jcs.canonical(header) != data:
        raise Malformed("the protected header is not in canonical form (RFC 8785)")
    return header


def _check_members(value: Mapping[str, Any], expected: set[str], what: str) -> None:
    if value.keys() != expected:
        found = ", ".join(sorted(str(name)[:40] for name in value)[:12])
        raise Malformed(f"{what} has exactly {', '.join(sorted(expected))}; found {found or 'nothing'}")
