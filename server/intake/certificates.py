"""Certificates and CRLs at the door. They prove themselves: whoever brings them, an issuer known here signed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from crypto.certificates import parse_certificate
from crypto.chain import verify_ca
from crypto.crl import Crl, CrlSet, is_issued_by, parse_crl
from crypto.errors import UntrustedChain
from crypto.event import fingerprint_of
from crypto.hashing import rev_of, sha256_id
from crypto.logcert import is_log_certificate, verify_log_certificate
from replication.document import Doc
from server.dossier.documents import CERTIFICATE_PREFIX, CRL_PREFIX
from server.errors import Refused
from server.intake.documents import check_name
from server.intake.refusal import refusing
from server.pki.directory import Directory, UnknownCertificate, authority_key_id, crl_key_id, is_ca, key_id
from server.pki.documents import parse_der_body

_NO_CRLS = CrlSet()


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """A certificate whose path holds, revocation apart. `satisfies` are the keys under which others wait for it."""

    certificate: x509.Certificate
    fingerprint: str
    is_ca: bool
    satisfies: tuple[str, ...]


def check_certificate_document(doc: Doc, *, database: str, directory: Directory, now: datetime) -> CheckedCertificate:
    """Return the certificate in `doc`.

    An expired one is taken: events it signed in time may still come. A revoked one is taken: what it signed before
    counts. Raises `Refused`, `UnknownCertificate` while its issuer's certificate is not here.
    """
    der = parse_der_body(doc.body, "certificate")  # 1, 2, 3
    check_name(doc, CERTIFICATE_PREFIX + sha256_id(der), rev_of(der))  # 4
    with refusing("bad_certificate"):
        certificate = parse_certificate(der)
        at = _inside(certificate, now)
        authority = is_ca(certificate)
        if authority:
            _check_key_id(certificate)
            _verify_authority(der, certificate, database, directory, at)  # 7
        else:
            _verify_leaf(der, certificate, database, directory, at)  # 7
    fingerprint = fingerprint_of(certificate)
    satisfies = (f"key:{key_id(certificate)}",) if authority else (f"leaf:{fingerprint}",)
    return CheckedCertificate(certificate, fingerprint, authority, satisfies)


def check_crl_document(doc: Doc, *, database: str, directory: Directory) -> Crl:
    """Return the CRL in `doc` once a CA of this database is proven to have signed it. Raises `Refused`."""
    der = parse_der_body(doc.body, "crl")  # 1, 2, 3
    check_name(doc, CRL_PREFIX + sha256_id(der), rev_of(der))  # 4
    with refusing("bad_crl"):
        crl = parse_crl(der)
        wanted = _crl_issuer_key(crl)
        roots = [root for root in directory.anchors.roots if key_id(root) == wanted]
        issuers = [*roots, *map(parse_certificate, directory.authorities(database).get(wanted, []))]
    if not issuers:
        raise UnknownCertificate(f"the CA with key {wanted} that signed this CRL is not in {database}", f"key:{wanted}")
    issuer = next((each for each in issuers if is_issued_by(crl, each)), None)
    if issuer is None:  # 9
        raise Refused("bad_crl", f"CRL number {crl.number} was not signed by the CA it names")
    _check_rises(crl, issuer, directory.crls(database))
    return crl


def _check_rises(crl: Crl, issuer: x509.Certificate, known: CrlSet) -> None:
    """Raise `Refused("crl_rollback")` for a list made later than one here that bears a higher number, or the same.

    Old lists may come late and in any order: they change no answer, since the highest number counts. But one that is
    newer and numbered lower would bring revoked certificates back to life wherever the other had not arrived.
    """
    for other in known.of(crl.issuer):
        if other.number >= crl.number and other.this_update < crl.this_update and is_issued_by(other, issuer):
            raise Refused(
                "crl_rollback",
                f"CRL number {crl.number} of {crl.this_update:%Y-%m-%dT%H:%MZ} comes after number {other.number} of"
                f" {other.this_update:%Y-%m-%dT%H:%MZ}; numbers only rise, so its CA must issue a higher one",
            )


def _verify_leaf(der: bytes, certificate: x509.Certificate, database: str, directory: Directory, at: datetime) -> None:
    if is_log_certificate(certificate):
        verify_log_certificate(der, directory.path(database, der), anchors=directory.anchors, at=at)
        return
    try:
        directory.verify_der(database, der, at, crls=_NO_CRLS)
    except UntrustedChain as exc:
        if exc.reason_code != "not_yet_valid":
            raise
        # The issuer's certificate may begin later than this one does: clocks of two offices. Take the later beginning.
        later = [parse_certificate(each).not_valid_before_utc for each in directory.path(database, der)]
        directory.verify_der(database, der, max([certificate.not_valid_before_utc, *later]), crls=_NO_CRLS)


def _verify_authority(
    der: bytes, certificate: x509.Certificate, database: str, directory: Directory, at: datetime
) -> None:
    if certificate in directory.anchors.roots:
        return
    verify_ca(der, directory.path(database, der), anchors=directory.anchors, at=at)


def _check_key_id(certificate: x509.Certificate) -> None:
    """Key identifiers find issuers, so they must be made of the key: a borrowed one would hide another branch's CA."""
    own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()
    if key_id(certificate) != own:
        raise Refused("bad_certificate", "a CA's key identifier is the SHA-1 of its key (RFC 5280 §4.2.1.2)")
    if certificate.issuer == certificate.subject and authority_key_id(certificate) not in ("", own):
        raise Refused("bad_certificate", "a self-issued certificate names another key as its issuer's")


def _inside(certificate: x509.Certificate, now: datetime) -> datetime:
    """Return the instant nearest to `now` at which the certificate itself is valid."""
    return min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)


def _crl_issuer_key(crl: Crl) -> str:
    found = crl_key_id(crl)
    if not found:
        raise Refused("bad_crl", "this CRL does not say which key signed it")
    return found
