"""Certificates carry exactly what the profile says, and branches cannot be left when issuing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from crypto import certificates, names
from crypto.crl import build_crl, parse_crl
from crypto.errors import Malformed, TooLarge

ID = "00112233445566778899aabbccddeeff"
labels = st.from_regex(r"[A-Z0-9]{1,16}", fullmatch=True)


@given(st.lists(labels, min_size=1, max_size=8).map(".".join))
def test_a_unit_code_survives_its_dns_name_at_any_depth(unit: str) -> None:
    """One tier or eight; the parent's name is a suffix of the child's."""
    dns = names.unit_dns(unit)

    assert names.parse_unit_dns(dns) == unit
    parent, _, _ = unit.rpartition(".")
    if parent:
        assert names.is_within(dns, names.unit_dns(parent))
        assert not names.is_within(names.unit_dns(parent), dns)


def test_the_names_of_a_commune_are_as_documented() -> None:
    """Golden: these names stand in certificates that live for years."""
    assert names.unit_dns("H41.12.03") == "03.12.h41.tram.internal"
    assert names.node_urn("H41.12.03") == "urn:tram:node:h41-12-03"
    assert names.person_dns(ID, "H41.12.03") == f"{ID}.03.12.h41.tram.internal"
    assert names.subject_urn(ID) == f"urn:tram:subject:{ID}"


@pytest.mark.parametrize(
    "unit",
    [
        "",
        ".",
        "H41.",
        "H41..03",
        "-a",
        "a-",
        "H 41",
        "H41/03",
        "Đ41",
        "a" * 17,
        "a.b.c.d.e.f.g.h.i",
        "h41\n",
        "\u212a",
        "h41-12",
    ],
)
def test_what_is_no_unit_code_is_refused(unit: str) -> None:
    """Empty labels, other letters (one is the Kelvin sign, whose small letter is k), too long, too deep, a dash."""
    with pytest.raises(Malformed):
        names.unit_dns(unit)


@pytest.mark.parametrize(
    ("dns", "urn"),
    [
        (f"{ID}.03.12.h41.tram.internal", "urn:tram:subject:" + "0" * 32),
        (f"{ID}.03.12.h41.tram.internal", "urn:tram:node:h41-12-03"),
        ("03.12.h41.tram.internal", f"urn:tram:subject:{ID}"),
        ("03.12.h41.tram.internal", "urn:tram:node:H41-12-03"),
        ("03.12.h41.tram.internal", "urn:tram:node:h41-12-04"),
        ("03.12.h41.evil.invalid", "urn:tram:node:h41-12-03"),
        ("03.12.H41.tram.internal", "urn:tram:node:h41-12-03"),
        (f"{ID}.tram.internal", f"urn:tram:subject:{ID}"),
        (f"x.{ID}.03.12.h41.tram.internal", f"urn:tram:subject:{ID}"),
        ("tram.internal", "urn:tram:node:"),
    ],
)
def test_leaf_names_that_do_not_say_the_same_are_refused(dns: str, urn: str) -> None:
    """DNS name and URN name one subject, one unit, in one spelling."""
    with pytest.raises(Malformed):
        names.parse_leaf_names(dns, urn)


def test_root_ca_and_leaves_have_the_profile(province: Any) -> None:
    """Key usages, constraints, names and identifiers of each kind, criticality included."""
    root, commune = province.root.certificate, province.commune.certificate
    person, node = province.official.certificate, province.node.certificate

    assert isinstance(root.public_key().curve, ec.SECP384R1)
    for ca, path_length, suffix in ((root, None, None), (commune, 0, "03.12.h41.tram.internal")):
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, path_length)
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
        assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
        assert not usage.value.digital_signature
        assert certificates.dns_suffix_of(ca) == suffix
    assert commune.extensions.get_extension_for_class(x509.NameConstraints).critical
    for leaf, repudiation, purposes in (
        (person, True, [certificates.DOCUMENT_SIGNING]),
        (
            node,
            False,
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, certificates.DOCUMENT_SIGNING],
        ),
    ):
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
        assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)
        assert usage.value.content_commitment is repudiation
        assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == purposes
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for certificate in (root, commune, person, node):
        assert certificate.serial_number.bit_length() <= 159
        assert certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
        assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_the_certificate_of_a_person_says_nothing_personal(province: Any) -> None:
    """Subject and names hold the pseudonym and the unit; certificates replicate to every tier."""
    person = province.official.certificate

    assert person.subject.rfc4514_string() == f"CN={ID}"
    assert set(person.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == {
        x509.DNSName(f"{ID}.03.12.h41.tram.internal"),
        x509.UniformResourceIdentifier(f"urn:tram:subject:{ID}"),
    }


def test_a_ca_issues_only_inside_its_branch(province: Any, issuing: Any) -> None:
    """Neither a sibling's leaf, nor a sibling's CA, nor its own parent's names."""
    with pytest.raises(Malformed, match="outside"):
        issuing.leaf(province.commune, "H41.12.04")
    with pytest.raises(Malformed, match="outside"):
        issuing.ca(province.district, "H41.13")
    with pytest.raises(Malformed, match="outside"):
        issuing.leaf(province.commune, "H41.12", kind="node", subject_id="")


def test_bad_ids_serials_and_times_are_refused_when_issuing(province: Any, issuing: Any) -> None:
    """A name that is no pseudonym, an id for a node, a guessable serial, a naive time."""
    for change in ({"subject_id": "001090000001"}, {"subject_id": ""}, {"kind": "node"}):
        with pytest.raises(Malformed):
            issuing.leaf(province.commune, "H41.12.03", **change)
    with pytest.raises(ValueError, match="serial"):
        issuing.leaf(province.commune, "H41.12.03", serial=7)
    with pytest.raises(ValueError, match="aware"):
        issuing.leaf(province.commune, "H41.12.03", not_before=datetime(2026, 1, 1))


def test_issuing_is_a_function_of_its_arguments(province: Any) -> None:
    """The same root twice, byte for byte."""
    root = province.root
    arguments = {
        "name": "Same",
        "key": root.key,
        "not_before": root.certificate.not_valid_before_utc,
        "not_after": root.certificate.not_valid_after_utc,
        "serial": root.certificate.serial_number,
    }
    assert certificates.build_root(**arguments) == certificates.build_root(**arguments)


def test_certificates_are_bounded_and_parsed_to_the_end(province: Any) -> None:
    """DER and PEM come back equal; too long, cut and padded ones are refused."""
    certificate, data = province.official.certificate, province.official.der

    assert certificates.parse_certificate(data) == certificate
    assert certificates.parse_certificate_pem(certificates.certificate_to_pem(certificate).encode()) == certificate
    for bad in (data[:-1], data + b"\0", b"", b"\x30\x80"):
        with pytest.raises(Malformed):
            certificates.parse_certificate(bad)
    with pytest.raises(TooLarge):
        certificates.parse_certificate(b"0" * 9000)
    with pytest.raises(Malformed):
        certificates.parse_certificate_pem(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")


def test_a_name_of_a_type_it_may_not_have_is_refused(province: Any) -> None:
    """A common name as a BIT STRING: the library raises a TypeError, in certificates and in CRLs."""
    issuer = province.commune
    now = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
    due = now + timedelta(days=1)
    listed = build_crl(issuer.certificate, issuer.key, number=1, revoked=(), this_update=now, next_update=due)
    as_text, as_bits = b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03"
    for parse, made in ((certificates.parse_certificate, issuer.certificate), (parse_crl, listed)):
        der = made.public_bytes(Encoding.DER)
        assert as_text in der
        with pytest.raises(Malformed, match="BitString"):
            parse(der.replace(as_text, as_bits))
