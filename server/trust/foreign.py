"""Certificate chains of authorities outside our own tree: public CAs, the Government's, whoever the policy names.

Their profiles are not ours: RSA keys, policies, directory-name constraints, CRLs of many kinds. `crypto.path` refuses
all of that, so these chains go to a full RFC 5280 validator (pyhanko-certvalidator, extra `pdf`), without network:
every CRL and intermediate certificate has to be at hand. Which anchors count, for what and since when `policy` says.

Two of its traps, tried out: in its "soft-fail" and "hard-fail" modes CRLs that are handed over are ignored where a
certificate names no distribution point, so "require" is used; and a list made after the instant asked for is refused
as "too recent" unless it may speak about the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.algorithms import VerifyingKey
from crypto.certificates import parse_certificate
from crypto.errors import Malformed, ReasonCode, TooLarge, UntrustedChain
from crypto.event import fingerprint_of
from server.errors import NotReady

MAX_INTERMEDIATES = 32
MAX_CRLS = 64
MAX_CRL_BYTES = 16 * 1024 * 1024  # of all lists together; a public CA's own is some megabytes


@dataclass(frozen=True, slots=True)
class ForeignSigner:
    """A signer whose chain leads to an anchor outside our tree. It is a `Signer` for `crypto.event`.

    `subject` and `anchor` are names for people (RFC 4514); what the signer is called inside our events it does not say.
    """

    certificate: x509.Certificate = field(repr=False)
    fingerprint: str
    public_key: VerifyingKey = field(repr=False)
    subject: str
    anchor: str
    anchor_fingerprint: str


def verify_foreign_chain(
    leaf_der: bytes,
    intermediates_der: Sequence[bytes],
    *,
    anchors: Sequence[x509.Certificate],
    at: datetime,
    crls: Sequence[bytes],
) -> ForeignSigner:
    """Return who signs with a leaf under one of `anchors`, proven for the instant `at` (aware), revocation included.

    Raises `UntrustedChain` with a reason code (`unknown_issuer` also where a CRL is missing: more may still come),
    `Malformed` or `TooLarge`, and `NotReady` where the extra `pdf` is not installed.
    """
    if len(intermediates_der) > MAX_INTERMEDIATES or len(crls) > MAX_CRLS or sum(map(len, crls)) > MAX_CRL_BYTES:
        raise TooLarge(f"at most {MAX_INTERMEDIATES} certificates, {MAX_CRLS} lists and {MAX_CRL_BYTES} bytes of lists")
    leaf = parse_certificate(leaf_der)
    key = _signing_key(leaf)
    for each in intermediates_der:
        parse_certificate(each)
    path = _validate(leaf_der, intermediates_der, anchors, at, crls)
    root = parse_certificate(path.trust_anchor.authority.certificate.dump())
    return ForeignSigner(
        certificate=leaf,
        fingerprint=fingerprint_of(leaf),
        public_key=key,
        subject=leaf.subject.rfc4514_string(),
        anchor=root.subject.rfc4514_string(),
        anchor_fingerprint=fingerprint_of(root),
    )


def _signing_key(leaf: x509.Certificate) -> VerifyingKey:
    """Return the leaf's key if it is meant to sign documents. Raises `UntrustedChain` (`not_a_signer`)."""
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise UntrustedChain("a signer's key is EC or RSA", "not_a_signer")
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise UntrustedChain("a CA certificate signs certificates, not documents", "not_a_signer")
    except x509.ExtensionNotFound:
        pass
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return key
    if not usage.digital_signature and not usage.content_commitment:
        raise UntrustedChain("key usage allows neither digitalSignature nor nonRepudiation", "not_a_signer")
    return key


def _validate(
    leaf: bytes,
    intermediates: Sequence[bytes],
    anchors: Sequence[x509.Certificate],
    at: datetime,
    crls: Sequence[bytes],
) -> Any:
    """Return the library's path, or raise its refusal in our words."""
    try:
        from asn1crypto import crl as asn1_crl
        from asn1crypto import x509 as asn1
        from pyhanko_certvalidator import CertificateValidator, ValidationContext, errors
    except ImportError as exc:
        raise NotReady("certificates of other authorities need the extra: pip install 'tram[pdf]'") from exc
    try:
        lists = [asn1_crl.CertificateList.load(each, strict=True) for each in crls]
        context = ValidationContext(
            trust_roots=[asn1.Certificate.load(each.public_bytes(Encoding.DER)) for each in anchors],
            crls=lists,
            moment=at.astimezone(UTC),
            revocation_mode="require",
            retroactive_revinfo=True,
            allow_fetching=False,
        )
        validator = CertificateValidator(
            asn1.Certificate.load(leaf, strict=True),
            [asn1.Certificate.load(each, strict=True) for each in intermediates],
            validation_context=context,
        )
        return asyncio.run(validator.async_validate_path())
    except (errors.PathBuildingError, errors.ValidationError, errors.CRLFetchError) as exc:
        raise UntrustedChain(str(exc), _reason(exc, errors)) from exc
    except (ValueError, TypeError, KeyError, OverflowError) as exc:  # what its parsers raise on damaged DER
        raise Malformed(f"a certificate or list of this chain cannot be read: {exc}") from exc


def _reason(exc: Exception, errors: Any) -> ReasonCode:
    table: tuple[tuple[type[Exception], ReasonCode], ...] = (
        (errors.RevokedError, "revoked"),
        (errors.ExpiredError, "expired"),
        (errors.NotYetValidError, "not_yet_valid"),
        (errors.InsufficientRevinfoError, "unknown_issuer"),
        (errors.PathBuildingError, "unknown_issuer"),
    )
    return next((code for kind, code in table if isinstance(exc, kind)), "bad_chain")
