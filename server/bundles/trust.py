"""Who signs bundles, and who is believed: nodes of our tree, by the certificates in `x5c`, up to our own roots.

A bundle lies on a stick for weeks, so a certificate that ended meanwhile is judged at its last instant; one that was
revoked is refused. The signature vouches for the manifest and its acknowledgements; documents prove themselves.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import base64url, jws, strictjson
from crypto.certificates import parse_certificate
from crypto.chain import TrustAnchors, VerifiedSigner, verify_chain
from crypto.crl import CrlSet
from crypto.errors import CryptoError, UntrustedChain
from crypto.keys import PrivateKey
from replication.bundle import BadBundle, Signed
from server.pki.directory import MAX_DEPTH
from server.pki.documents import to_base64


class NodeTokens:
    """Signs as this node, the chain in the header."""

    def __init__(self, key: PrivateKey, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
        self._key = key
        self._x5c = [to_base64(each) for each in (certificate, *chain)]

    def sign(self, payload: bytes, typ: str) -> str:
        """Return a compact JWS (ES256) of `payload`."""
        return jws.sign_compact(payload, key=self._key, header={"typ": typ, "x5c": self._x5c})


class TreeVerifier:
    """Believes the nodes that lead to `anchors`, by what `crls` say at the time `now`."""

    def __init__(self, anchors: TrustAnchors, crls: Sequence[CrlSet], now: datetime) -> None:
        self._anchors = anchors
        self._crls = crls or [CrlSet()]
        self._now = now

    def verify(self, token: str, typ: str) -> Signed:
        """Return what a token says and the unit whose node signed it. Raises `BadBundle`."""
        try:
            chain = _chain_of(token)
            signer = self._signer(chain)
            if signer.kind != "node":
                raise BadBundle("a person signed it; bundles are signed by nodes")
            _, payload = jws.verify_compact(token, public_key=signer.public_key, typ=typ)
        except CryptoError as exc:
            raise BadBundle(f"its signature does not hold: {exc}") from exc
        return Signed(payload, signer.unit)

    def _signer(self, chain: Sequence[bytes]) -> VerifiedSigner:
        leaf = parse_certificate(chain[0])
        at = min(max(self._now, leaf.not_valid_before_utc), leaf.not_valid_after_utc)
        for crls in self._crls:
            signer = verify_chain(chain[0], chain[1:], anchors=self._anchors, at=at, crls=crls)
            if signer.revoked_at is not None and signer.revoked_at <= self._now:
                raise UntrustedChain(f"the certificate of {signer.unit} was revoked", "revoked")
        return signer


def _chain_of(token: str) -> list[bytes]:
    """Return the certificates in a header that is not verified yet. Raises `CryptoError`, `BadBundle`."""
    if len(token) > jws.MAX_TOKEN_BYTES:
        raise BadBundle(f"a token of {len(token)} characters; at most {jws.MAX_TOKEN_BYTES} are read")
    header = strictjson.parse(
        base64url.decode(token.partition(".")[0]), max_bytes=jws.MAX_HEADER_BYTES, max_depth=3, allow_floats=True
    )
    texts = header.get("x5c") if isinstance(header, dict) else None
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_DEPTH + 2:
        raise BadBundle('it does not bring its certificates in "x5c"')
    try:
        return [base64.b64decode(str(text), validate=True) for text in texts]
    except (binascii.Error, ValueError) as exc:
        raise BadBundle('"x5c" holds no base64') from exc


def root_of(token: str) -> x509.Certificate:
    """Return the last certificate a token brings, which nobody has verified: for reports that trust what they find."""
    try:
        return parse_certificate(_chain_of(token)[-1])
    except CryptoError as exc:
        raise BadBundle(f"its certificates cannot be read: {exc}") from exc


def chain_der(certificates: Sequence[x509.Certificate]) -> list[bytes]:
    """Return certificates as DER."""
    return [each.public_bytes(Encoding.DER) for each in certificates]
