"""JSON Web Signatures (RFC 7515): the compact form for tokens, and the rules every header obeys.

The signed event, our own use of JWS, is in `crypto.event`; its names are available from here as well.

A header never chooses the key. `jku`, `x5u`, `jwk`, `kid` and `x5c` may stand in it and are ignored; the caller hands
over the key it already trusts. The one exception says so in its name: `verify_self_signed_compact`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from crypto import base64url, jcs, strictjson
from crypto.algorithms import DEFAULT, VerifyingKey, check_algorithm, sign_es256, verify_signature
from crypto.errors import Malformed, TooLarge
from crypto.event import (
    MAX_EVENT_BYTES,
    SignedEvent,
    Signer,
    certificate_signer,
    event_document,
    parse_signed_event,
    sign_event,
    to_jws,
    verify_event_signature,
)
from crypto.keys import PrivateKey, PublicKey, parse_public_jwk

__all__ = [
    "MAX_EVENT_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_TOKEN_BYTES",
    "SignedEvent",
    "Signer",
    "certificate_signer",
    "event_document",
    "parse_signed_event",
    "sign_compact",
    "sign_event",
    "to_jws",
    "verify_compact",
    "verify_event_signature",
    "verify_self_signed_compact",
]

MAX_HEADER_BYTES = 16 * 1024  # room for an x5c of four certificates; a longer one is an attack on the parser
MAX_TOKEN_BYTES = 64 * 1024
_HEADER_DEPTH = 6


def sign_compact(payload: bytes, *, key: PrivateKey, header: Mapping[str, Any]) -> str:
    """Return the compact JWS (RFC 7515 §7.1) of `payload`, ES256 under `key`.

    `header` is the rest of the protected header (`typ`, `kid`, …); `alg` is set here and may be left out. Raises
    `Malformed` if the header breaks the rules that `verify_compact` enforces, so nothing unverifiable is made.
    """
    protected = {**header, "alg": header.get("alg", "ES256")}
    check_algorithm(protected["alg"], key.public_key(), DEFAULT)
    encoded = base64url.encode(_checked_size(jcs.canonical(_checked_header(protected))))
    signing_input = f"{encoded}.{base64url.encode(payload)}"
    token = f"{signing_input}.{base64url.encode(sign_es256(key, signing_input.encode()))}"
    if len(token) > MAX_TOKEN_BYTES:
        raise TooLarge(f"a token of {len(token)} characters, at most {MAX_TOKEN_BYTES}")
    return token


def verify_compact(
    token: str, *, public_key: VerifyingKey, algs: Collection[str] = DEFAULT, typ: str | None = None
) -> tuple[dict[str, Any], bytes]:
    """Return (header, payload) of a compact JWS whose signature `public_key` made. The payload is the signed bytes.

    `algs` is the allow-list; `typ`, if given, must be the header's, so that a token of one use is refused in another.
    Raises `Malformed` for anything but a compact JWS in strict base64url and JSON, `UnsupportedAlgorithm` unless `alg`
    is allowed and fits the key, `BadSignature` if the key does not match.
    """
    header, payload, signing_input, signature = _parse_compact(token)
    return _verified(header, payload, signing_input, signature, public_key, algs, typ)


def verify_self_signed_compact(
    token: str, *, algs: Collection[str] = DEFAULT, typ: str | None = None
) -> tuple[dict[str, Any], bytes, PublicKey]:
    """Return (header, payload, key) of a compact JWS made with the key in its own `jwk` header.

    This proves that the sender holds the private key (enrolment) and nothing about who the sender is. Raises as
    `verify_compact`.
    """
    header, payload, signing_input, signature = _parse_compact(token)
    jwk = header.get("jwk")
    if not isinstance(jwk, dict):
        raise Malformed('a self-signed token carries its public key as header "jwk"')
    key = parse_public_jwk(jwk)
    return (*_verified(header, payload, signing_input, signature, key, algs, typ), key)


def _verified(
    header: dict[str, Any],
    payload: bytes,
    signing_input: bytes,
    signature: bytes,
    key: VerifyingKey,
    algs: Collection[str],
    typ: str | None,
) -> tuple[dict[str, Any], bytes]:
    if typ is not None and header.get("typ") != typ:
        raise Malformed(f"this token is of type {header.get('typ')!r}, expected {typ!r}")
    alg = check_algorithm(header.get("alg"), key, algs)
    verify_signature(alg, key, signature, signing_input)
    return header, payload


def _parse_compact(token: str) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    """Return (header, payload, signing input, signature), nothing verified."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TooLarge(f"a token of {len(token)} characters, at most {MAX_TOKEN_BYTES} are read")
    parts = token.split(".")
    if len(parts) != 3:
        raise Malformed(f"a compact JWS has three parts, this text has {len(parts)}")
    protected, payload, signature = (base64url.decode(part) for part in parts)
    header = strictjson.parse(protected, max_bytes=MAX_HEADER_BYTES, max_depth=_HEADER_DEPTH, allow_floats=True)
    return _checked_header(header), payload, token.rpartition(".")[0].encode("ascii"), signature


def _checked_header(header: Any) -> dict[str, Any]:
    """Return a protected header that asks for nothing we would have to understand and do not.

    RFC 7515 §4.1.11: whoever does not implement every name in `crit` must refuse; we implement no extension. `b64`
    (RFC 7797) changes what was signed, so it is refused even where a careless signer left it out of `crit`.
    """
    if not isinstance(header, dict):
        raise Malformed("a JWS header is a JSON object")
    for name in ("crit", "b64"):
        if name in header:
            raise Malformed(f'header "{name}" asks for an extension that is not supported here')
    return header


def _checked_size(header: bytes) -> bytes:
    if len(header) > MAX_HEADER_BYTES:
        raise TooLarge(f"a header of {len(header)} bytes, at most {MAX_HEADER_BYTES}")
    return header
