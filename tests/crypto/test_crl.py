"""CRLs answer what had been revoked by an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from crypto import crl
from crypto.errors import Malformed, TooLarge

NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def build(holder: Any, *revoked: crl.Revocation, number: int = 1) -> crl.Crl:
    built = crl.build_crl(
        holder.certificate, holder.key, number=number, revoked=revoked, this_update=NOW, next_update=NOW + 30 * DAY
    )
    return crl.parse_crl(built.public_bytes(Encoding.DER))


def test_a_crl_comes_back_as_it_was_built(province: Any) -> None:
    """Number, times, entries with reason and invalidity date; the issuer's signature holds, another's does not."""
    lost = crl.Revocation(2**70, NOW - DAY, x509.ReasonFlags.key_compromise, NOW - 3 * DAY)
    plain = crl.Revocation(2**71, NOW - DAY)

    parsed = build(province.commune, lost, plain, number=7)

    assert (parsed.number, parsed.this_update, parsed.next_update) == (7, NOW, NOW + 30 * DAY)
    assert crl.revocation_of(parsed, 2**70) == lost
    assert crl.revocation_of(parsed, 2**71) == plain
    assert crl.revocation_of(parsed, 2**72) is None
    assert crl.verify_crl(parsed, province.commune.certificate) is parsed
    with pytest.raises(Malformed, match="not signed"):
        crl.verify_crl(parsed, province.district.certificate)


def test_a_signature_counts_strictly_before_the_revocation(province: Any) -> None:
    """The second before is fine, the instant itself is not."""
    parsed = build(province.commune, crl.Revocation(2**70, NOW, x509.ReasonFlags.superseded))

    assert not crl.is_revoked(parsed, 2**70, at=NOW - SECOND)
    assert crl.is_revoked(parsed, 2**70, at=NOW)
    assert not crl.is_revoked(parsed, 2**71, at=NOW)


def test_after_a_compromise_the_thief_gets_no_time(province: Any) -> None:
    """Signatures stop counting when the key was lost, or a day before the report if nobody knows."""
    reason = x509.ReasonFlags.key_compromise
    known = build(province.commune, crl.Revocation(2**70, NOW, reason, NOW - 5 * DAY))
    unknown = build(province.commune, crl.Revocation(2**70, NOW, reason))

    assert not crl.is_revoked(known, 2**70, at=NOW - 5 * DAY - SECOND)
    assert crl.is_revoked(known, 2**70, at=NOW - 5 * DAY)
    assert not crl.is_revoked(unknown, 2**70, at=NOW - DAY - SECOND)
    assert crl.is_revoked(unknown, 2**70, at=NOW - DAY)


def test_the_set_gives_the_highest_number_first(province: Any) -> None:
    """An old CRL that arrives late does not hide the newer one."""
    old, new, other = build(province.commune), build(province.commune, number=2), build(province.district)

    known = crl.CrlSet([new, other]).adding(old)

    assert known.of(new.issuer) == (new, old)
    assert known.of(other.issuer) == (other,)
    assert known.of(b"") == ()


def test_what_is_no_complete_crl_is_refused(province: Any) -> None:
    """Garbage, a missing number, a missing nextUpdate, a critical extension, too many bytes."""
    holder = province.commune
    base = x509.CertificateRevocationListBuilder().issuer_name(holder.certificate.subject).last_update(NOW)
    numbered = base.next_update(NOW + DAY).add_extension(x509.CRLNumber(1), critical=False)
    delta = numbered.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    for builder in (base.next_update(NOW + DAY), delta):
        with pytest.raises(Malformed):
            crl.parse_crl(builder.sign(holder.key, hashes.SHA256()).public_bytes(Encoding.DER))
    with pytest.raises(Malformed):
        crl.parse_crl(b"not a crl")
    with pytest.raises(TooLarge):
        crl.parse_crl(b"0" * (crl.MAX_CRL_BYTES + 1))


@pytest.mark.parametrize("place", ["list", "entry"])
def test_a_crl_with_names_that_cannot_be_read_is_refused(province: Any, place: str) -> None:
    """An X.400 address, which RFC 5280 allows and no library reads: in issuerAltName, or as the issuer of an entry."""
    x400 = bytes.fromhex("3004a3020500")
    alternative = x509.UnrecognizedExtension(ExtensionOID.ISSUER_ALTERNATIVE_NAME, x400)
    entry = x509.RevokedCertificateBuilder().serial_number(2**70).revocation_date(NOW)
    holder = province.commune
    builder = x509.CertificateRevocationListBuilder().issuer_name(holder.certificate.subject).last_update(NOW)
    builder = builder.next_update(NOW + DAY).add_extension(x509.CRLNumber(1), critical=False)
    if place == "list":
        builder = builder.add_extension(alternative, critical=False)
    else:
        issuer = x509.UnrecognizedExtension(CRLEntryExtensionOID.CERTIFICATE_ISSUER, x400)
        entry = entry.add_extension(issuer, critical=False)
    made = builder.add_revoked_certificate(entry.build()).sign(holder.key, hashes.SHA256())

    with pytest.raises(Malformed):
        crl.parse_crl(made.public_bytes(Encoding.DER))
