"""A time-stamp token (RFC 3161): its form, what it is about, and under which authority it holds.

The signature in the token and the path of the authority's certificate are judged by rfc3161-client, for the token's own
time. Two of its traps, tried out: it refuses tokens whose set of certificates is not sorted (strict DER), as `openssl
ts` writes them with `certs=`, so intermediates belong in the policy's `chain`; and a path has to end in a self-signed
certificate.

What is stamped is the hash of the signature's base64url text, as JAdES wants it (ETSI TS 119 182-1 §5.3.4, `sigTst`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from crypto import base64url
from crypto.errors import Malformed, TooLarge, UntrustedChain
from server.dossier.trustpolicy import TimeAuthority

MAX_TOKEN_BYTES = 12 * 1024  # with a chain of three RSA certificates inside some 6 KB
_SHA256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = b"0\x03\x02\x01\x00"  # PKIStatusInfo, status granted (RFC 3161 §2.4.2)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_MAX_ACCURACY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has been read; nothing about it is verified. `imprint` is the SHA-256 it is about.

    `at` is when what it is about existed by: its time and its own accuracy, rounded up to whole seconds.
    """

    der: bytes
    imprint: bytes
    at: datetime
    response: TimeStampResponse = field(repr=False, compare=False)


def parse_token(der: bytes) -> Token:
    """Return the token in `der`, a CMS ContentInfo. Raises `TooLarge`, `Malformed`."""
    if len(der) > MAX_TOKEN_BYTES:
        raise TooLarge(f"a time-stamp token of {len(der)} bytes; at most {MAX_TOKEN_BYTES} are read")
    try:
        response = decode_timestamp_response(build_response(der))
        return _token(response, der)
    except ValueError as exc:
        raise Malformed(f"not a time-stamp token: {exc}") from exc


def parse_response(data: bytes) -> Token:
    """Return the token an authority answered with. Raises `Malformed` with the authority's words if it refused."""
    try:
        response = decode_timestamp_response(data)
        if response.status not in (0, 1):
            said = "; ".join(response.status_string) or f"status {response.status}"
            raise Malformed(f"the authority granted no time-stamp: {said[:200]}")
        token = response.time_stamp_token()
    except ValueError as exc:
        raise Malformed(f"not the answer of a time-stamp authority: {exc}") from exc
    return parse_token(token)


def build_response(token: bytes) -> bytes:
    """Return a granted TimeStampResp around a token: what `openssl ts -verify -in` reads."""
    body = _GRANTED + token
    size = len(body)
    length = bytes([size]) if size < 0x80 else bytes([0x80 | (n := (size.bit_length() + 7) // 8)]) + size.to_bytes(n)
    return b"0" + length + body


def build_imprint(signature: bytes) -> bytes:
    """Return the SHA-256 that stamps a signature (r ‖ s)."""
    return sha256(base64url.encode(signature).encode("ascii")).digest()


def is_about(token: Token, signature: bytes) -> bool:
    """Say whether a token stamps this ECDSA signature, or the other spelling of it.

    From (r, s) anybody makes (r, n - s), which holds as well; a copy that came dressed like that is proven all the
    same, so that no road decides what a tier can prove.
    """
    other = signature[:32] + (_P256_ORDER - int.from_bytes(signature[32:])).to_bytes(32, signed=False)
    return token.imprint in (build_imprint(signature), build_imprint(other))


def verify_token(token: Token, authorities: Sequence[TimeAuthority]) -> TimeAuthority:
    """Return the first of the authorities under which a token holds at its own time, dates of the policy included.

    Raises `UntrustedChain` if there is none.
    """
    reason = "the trust policy names no time-stamp authority for its time"
    for each in authorities:
        if not each.span.holds(token.at):
            continue
        verifier = VerifierBuilder(roots=[each.certificate], intermediates=list(each.chain)).build()
        try:
            verifier.verify(token.response, token.imprint)
        except (VerificationError, ValueError) as exc:
            reason = f"it does not hold under {each.name}: {exc}"
        else:
            return each
    raise UntrustedChain(reason[:400], "unknown_issuer")


def _token(response: TimeStampResponse, der: bytes) -> Token:
    info = response.tst_info
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256 or len(imprint.message) != 32:
        raise Malformed("a time-stamp over our signatures is of a SHA-256")
    made, accuracy = info.gen_time.astimezone(UTC), _accuracy(response)
    if not timedelta() <= accuracy <= _MAX_ACCURACY:
        raise Malformed(f"an accuracy of {accuracy} is none")
    seconds = math.ceil((made + accuracy).timestamp())
    return Token(der, bytes(imprint.message), datetime.fromtimestamp(seconds, UTC), response)


def _accuracy(response: TimeStampResponse) -> timedelta:
    found = response.tst_info.accuracy
    if found is None:  # optional (RFC 3161 §2.4.2), which the library's types do not say
        return timedelta()
    return timedelta(seconds=found.seconds or 0, milliseconds=found.millis or 0, microseconds=found.micros or 0)
