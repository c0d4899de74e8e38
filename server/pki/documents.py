"""Reading certificates and CRLs out of their documents; `server.dossier.documents` builds them.

{"_id": "cert:sha256-…", "_rev": "1-…", "certificate": "<base64 DER>"}
{"_id": "crl:sha256-…",  "_rev": "1-…", "crl": "<base64 DER>"}
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, strictjson
from crypto.certificates import MAX_CERTIFICATE_BYTES
from crypto.crl import MAX_CRL_BYTES
from crypto.errors import CryptoError
from replication.document import DocId
from server.dossier.documents import CERTIFICATE_PREFIX
from server.errors import Refused

_LIMITS = {"certificate": MAX_CERTIFICATE_BYTES, "crl": MAX_CRL_BYTES}
_BASE64_GROWTH = 4 / 3
_ENVELOPE_BYTES = 64


def certificate_id(fingerprint: str) -> DocId:
    """Return the document id of the certificate with this `x5t#S256`: both are the hash of the same bytes."""
    return DocId(f"{CERTIFICATE_PREFIX}sha256-{fingerprint}")


def certificate_rev(fingerprint: str) -> str:
    """Return the revision of the certificate with this `x5t#S256`: 128 bits of the same hash, in hexadecimal."""
    return "1-" + base64url.decode(fingerprint).hex()[:32]


def parse_der_body(body: bytes, member: Literal["certificate", "crl"]) -> bytes:
    """Return the DER in the body of a certificate or CRL document.

    Raises `Refused`: "too_large", or "schema" unless the body has exactly `member` in strict base64.
    """
    limit = int(_LIMITS[member] * _BASE64_GROWTH) + _ENVELOPE_BYTES
    if len(body) > limit:
        raise Refused("too_large", f"a {member} document of {len(body)} bytes; at most {limit} are read")
    try:
        fields = strictjson.parse(body, max_bytes=limit, max_depth=1)
        return der_from_base64(fields, member)
    except CryptoError as exc:
        raise Refused("malformed", str(exc)) from exc


def der_from_base64(fields: Any, member: str) -> bytes:
    """Return the bytes of the only member of `fields`. Raises `Refused("schema")`."""
    if not isinstance(fields, Mapping) or fields.keys() != {member} or not isinstance(fields[member], str):
        raise Refused("schema", f'such a document has exactly one member, "{member}", in base64')
    try:
        der = base64.b64decode(fields[member], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refused("schema", f'"{member}" is not base64: {exc}') from exc
    if base64.b64encode(der).decode("ascii") != fields[member]:
        raise Refused("schema", f'"{member}" is not base64 in its only spelling')
    return der


def to_base64(certificate: x509.Certificate) -> str:
    """Return the base64 of a certificate's DER, as documents and the API carry it."""
    return der_to_base64(certificate.public_bytes(Encoding.DER))


def der_to_base64(der: bytes) -> str:
    """Return DER as standard base64 text."""
    return base64.b64encode(der).decode("ascii")
