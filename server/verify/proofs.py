"""Certificates and CRLs of one place, checked, and signers found among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.certificates import parse_certificate
from crypto.chain import ChainCache, TrustAnchors, VerifiedSigner, verify_actor, verify_chain, verify_claim
from crypto.crl import Crl, CrlSet, is_issued_by, parse_crl
from crypto.errors import Malformed, UntrustedChain
from crypto.event import SignedEvent, fingerprint_of, verify_event_signature
from crypto.logcert import LogSigner, is_log_certificate, verify_log_certificate
from crypto.path import verify_ca
from server.dossier.times import parse_time


@dataclass(frozen=True, slots=True)
class Known:
    """Roots, certificates and proven CRLs as DER: what another process needs to go on."""

    roots: tuple[bytes, ...]
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]


class Proofs:
    """The certificates and CRLs that came with some events. Take all of them first, then ask."""

    def __init__(self, anchors: Sequence[x509.Certificate]) -> None:
        self.anchors = TrustAnchors(anchors)
        self._leaves: dict[str, bytes] = {}
        self._authorities: dict[str, bytes] = {}
        self._crls = CrlSet()
        self._proven_crls: list[bytes] = []
        self._cache = ChainCache()

    @classmethod
    def of(cls, known: Known) -> Proofs:
        """Return the proofs another process had. CRLs are verified again, it costs a signature each."""
        proofs = cls([parse_certificate(each) for each in known.roots])
        for der in known.certificates:
            proofs.take_certificate(der)
        for der in known.crls:
            proofs.verify_crl(der)
        return proofs

    def known(self) -> Known:
        """Return what was taken so far, for `of`."""
        roots = (root.public_bytes(Encoding.DER) for root in self.anchors.roots)
        return Known(tuple(roots), (*self._authorities.values(), *self._leaves.values()), tuple(self._proven_crls))

    def take_certificate(self, der: bytes) -> str:
        """Take a certificate and return its thumbprint. Raises `CryptoError` if it is none."""
        certificate = parse_certificate(der)
        fingerprint = fingerprint_of(certificate)
        (self._authorities if _is_authority(certificate) else self._leaves)[fingerprint] = der
        return fingerprint

    def verify_certificate(self, der: bytes) -> None:
        """Return if a path leads from this certificate to an anchor, revocation apart. Raises `CryptoError`."""
        certificate = parse_certificate(der)
        if certificate in self.anchors.roots:
            return
        above = list(self._authorities.values())
        begins = [parse_certificate(each).not_valid_before_utc for each in above]
        at = min(max([certificate.not_valid_before_utc, *begins]), certificate.not_valid_after_utc)
        if fingerprint_of(certificate) in self._authorities:
            verify_ca(der, above, anchors=self.anchors, at=at)
        elif is_log_certificate(certificate):
            self.verify_log_certificate(der)
        else:
            verify_chain(der, above, anchors=self.anchors, at=at)

    def log_signer(self, fingerprint: str) -> LogSigner:
        """Return the log key with this thumbprint, proven. Raises `CryptoError`."""
        der = self._leaves.get(fingerprint)
        if der is None:
            raise UntrustedChain(f"the log's certificate {fingerprint} is not here", "unknown_issuer")
        return self.verify_log_certificate(der)

    def verify_log_certificate(self, der: bytes) -> LogSigner:
        """Return the log key in `der`, which need not have been taken, proven. Raises `CryptoError`."""
        certificate, above = parse_certificate(der), list(self._authorities.values())
        begins = [parse_certificate(each).not_valid_before_utc for each in above]
        at = min(max([certificate.not_valid_before_utc, *begins]), certificate.not_valid_after_utc)
        return verify_log_certificate(der, above, anchors=self.anchors, at=at, crls=self._crls)

    def verify_crl(self, der: bytes) -> Crl:
        """Return a CRL, and count it from now on, once a CA here is proven to have signed it. Raises `Malformed`."""
        crl = parse_crl(der)
        issuers = [*self.anchors.roots, *map(parse_certificate, self._authorities.values())]
        if not any(is_issued_by(crl, issuer) for issuer in issuers):
            raise Malformed(f"CRL number {crl.number} was signed by none of the CAs here")
        self._crls = self._crls.adding(crl)
        self._proven_crls.append(der)
        return crl

    def verify_event(self, signed: SignedEvent) -> VerifiedSigner:
        """Return who signed an event, proven: chain and CRLs at the claimed time, signature, actor. Of a key that was
        lost, `revoked_at` may lie before that time: then the signature is in doubt and the fold holds it for a leader.

        Raises `CryptoError`, `Refused("bad_time")`.
        """
        der = self._leaves.get(signed.fingerprint)
        if der is None:
            raise UntrustedChain(f"the signer's certificate {signed.fingerprint} is not here", "unknown_issuer")
        at = parse_time(str(signed.event["at"]))
        above = list(self._authorities.values())
        signer = verify_claim(der, above, anchors=self.anchors, claimed=at, crls=self._crls, cache=self._cache)
        verify_event_signature(signed, signer=signer)
        verify_actor(signer, signed.event["actor"])
        return signer


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
