"""Certificate revocation lists (RFC 5280 §5): built, read, asked.

A CRL is an ordinary replicated object: one per CA, its number only ever rises, and a late one is worth more than none.
The question asked of it is never "is it revoked?" but "had it been revoked by that instant?".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from crypto import base64url
from crypto.errors import Malformed, TooLarge
from crypto.keys import PrivateKey

# What the library raises for DER that is no certificate or CRL; some of it only where a field is read.
UNREADABLE = (
    ValueError,
    TypeError,
    exceptions.UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
MAX_CRL_BYTES = 4 * 1024 * 1024  # about 80 000 entries; 5000 take 195 kB
COMPROMISE_GRACE = timedelta(hours=24)  # a lost key was lost before somebody noticed


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked certificate. `invalid_since` is when the key is known to have been lost, if that is known."""

    serial: int
    revoked_at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified
    invalid_since: datetime | None = None

    @property
    def effective_at(self) -> datetime:
        """The first instant at which a signature no longer counts.

        After a key compromise the thief may have signed before anybody noticed, so there it is `invalid_since`, or
        else `revoked_at` less the grace of 24 hours.
        """
        if self.reason is not x509.ReasonFlags.key_compromise:
            return self.revoked_at
        return min(self.revoked_at, self.invalid_since or self.revoked_at - COMPROMISE_GRACE)


@dataclass(frozen=True, slots=True)
class Crl:
    """A parsed CRL, its signature not yet checked. `issuer` is the DER of the issuer's name, `fingerprint` the
    base64url SHA-256 of the whole; times are aware, in UTC."""

    der: bytes = field(repr=False)
    issuer: bytes
    number: int
    this_update: datetime
    next_update: datetime
    fingerprint: str
    entries: x509.CertificateRevocationList = field(repr=False, compare=False)


class CrlSet:
    """The CRLs at hand, by issuer, newest first. It does not change; `adding` returns another."""

    __slots__ = ("_by_issuer",)

    def __init__(self, crls: Iterable[Crl] = ()) -> None:
        by_issuer: dict[bytes, dict[str, Crl]] = {}
        for crl in crls:
            by_issuer.setdefault(crl.issuer, {})[crl.fingerprint] = crl
        self._by_issuer: Mapping[bytes, tuple[Crl, ...]] = {
            issuer: tuple(sorted(found.values(), key=lambda crl: crl.number, reverse=True))
            for issuer, found in by_issuer.items()
        }

    def adding(self, crl: Crl) -> CrlSet:
        """Return this set and `crl`."""
        return CrlSet([crl, *self])

    def __iter__(self) -> Iterator[Crl]:
        """Yield every CRL of the set."""
        return (crl for found in self._by_issuer.values() for crl in found)

    def of(self, issuer: bytes) -> tuple[Crl, ...]:
        """Return every CRL that claims this issuer (DER of its name), highest number first."""
        return self._by_issuer.get(issuer, ())


def build_crl(
    issuer: x509.Certificate,
    key: PrivateKey,
    *,
    number: int,
    revoked: Iterable[Revocation],
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Return the CRL of `issuer`, signed with its `key`. `number` must exceed that of every earlier one."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key_id(issuer), critical=False)
    )
    for revocation in revoked:
        builder = builder.add_revoked_certificate(_build_entry(revocation))
    return builder.sign(key, signing_hash(key), ecdsa_deterministic=True)


def parse_crl(der: bytes) -> Crl:
    """Return the CRL in `der`. Raises `TooLarge`, or `Malformed` unless it is a complete CRL with number and
    nextUpdate, each entry of which can be read. The signature is checked where the issuer is known: `verify_crl`, and
    every path check."""
    if len(der) > MAX_CRL_BYTES:
        raise TooLarge(f"a CRL of {len(der)} bytes, at most {MAX_CRL_BYTES} are read")
    try:
        entries = x509.load_der_x509_crl(der)
        number = entries.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        this_update, next_update = entries.last_update_utc, entries.next_update_utc
        issuer = entries.issuer.public_bytes()  # read lazily, like the rest
        unknown = [extension.oid.dotted_string for extension in entries.extensions if extension.critical]
        # Such as certificateIssuer: the entry may be about another CA's certificate (RFC 5280 §5.3).
        unknown += [
            extension.oid.dotted_string for entry in entries for extension in entry.extensions if extension.critical
        ]
    except UNREADABLE as exc:
        raise Malformed(f"not a CRL with a number: {exc}") from exc
    if next_update is None:
        raise Malformed("this CRL does not say when the next one is due")
    if not 0 <= number < 1 << 63:  # RFC 5280 allows 20 octets; ours rise by one and are kept in 64-bit columns
        raise Malformed(f"a CRL number of {number.bit_length()} bits is not one that rose by ones")
    if unknown:  # a delta CRL or one for part of the certificates would be read as the whole
        raise Malformed(f"critical CRL extension {', '.join(unknown)} is not supported")
    fingerprint = base64url.encode(sha256(der).digest())
    return Crl(der, issuer, number, this_update, next_update, fingerprint, entries)


def is_issued_by(crl: Crl, issuer: x509.Certificate) -> bool:
    """Say whether `issuer`'s name is on the CRL, its key signed it, and that key is meant to sign CRLs."""
    key = issuer.public_key()
    if not may_sign_crls(issuer):
        return False
    if crl.issuer != issuer.subject.public_bytes() or not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    return crl.entries.is_signature_valid(key)


def may_sign_crls(issuer: x509.Certificate) -> bool:
    """Say whether a certificate's key usage allows cRLSign (RFC 5280 §4.2.1.3); one without key usage allows it."""
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def verify_crl(crl: Crl, issuer: x509.Certificate) -> Crl:
    """Return `crl` once `issuer` is proven to have signed it. Raises `Malformed` if it has not."""
    if not is_issued_by(crl, issuer):
        raise Malformed(f"CRL number {crl.number} was not signed by {issuer.subject.rfc4514_string()}")
    return crl


def revocation_of(crl: Crl, serial: int) -> Revocation | None:
    """Return the entry for a serial number, or None where the list does not name it."""
    entry = crl.entries.get_revoked_certificate_by_serial_number(serial)
    if entry is None:
        return None
    reason, invalid_since = x509.ReasonFlags.unspecified, None
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
        elif isinstance(extension.value, x509.InvalidityDate):
            invalid_since = extension.value.invalidity_date_utc
    return Revocation(serial, entry.revocation_date_utc, reason, invalid_since)


def is_revoked(crl: Crl, serial: int, *, at: datetime) -> bool:
    """Say whether the certificate with this serial had been revoked by `at`: valid if strictly before."""
    revocation = revocation_of(crl, serial)
    return revocation is not None and at >= revocation.effective_at


def signing_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash a CA key signs with: as strong as its curve."""
    return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA256()


def _build_entry(revocation: Revocation) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revocation.serial).revocation_date(revocation.revoked_at)
    if revocation.reason is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: leave "unspecified" out
        builder = builder.add_extension(x509.CRLReason(revocation.reason), critical=False)
    if revocation.invalid_since is not None:
        builder = builder.add_extension(x509.InvalidityDate(revocation.invalid_since), critical=False)
    return builder.build()


def _authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
