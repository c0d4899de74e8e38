"""Threat 2: a forged commune CA, and a real one that speaks for its neighbour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.certificates import Issuer, build_ca, build_leaf
from server.dossier.documents import certificate_doc
from server.intake.source import Source
from server.pki.authority import Authority

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture
def district(make_homes, make_station):
    """The district's intake, holding its own chain and the commune's database."""
    homes = make_homes()
    station = make_station(homes["H41.12"])
    station.copier.ensure_database("u-h41-12-03")
    genuine = [certificate_doc(each.public_bytes(Encoding.DER)) for each in homes["H41.12.03"].chain()]
    assert not any(r.error for r in station.intake.admit("u-h41-12-03", genuine, source=Source("peer", "test")))
    station.homes = homes
    return station


def _word(station, *certificates):
    """The words with which the certificates are answered, "" where one is taken."""
    docs = [certificate_doc(each.public_bytes(Encoding.DER)) for each in certificates]
    results = station.intake.admit("u-h41-12-03", docs, source=Source("peer", "test"))
    return [result.error.reason.partition(":")[0] if result.error else "" for result in results]


def _ca(issuer, name, unit, key):
    return build_ca(
        issuer,
        name=name,
        public_key=key.public_key(),
        unit=unit,
        not_before=NOW - DAY,
        not_after=NOW + 300 * DAY,
        serial=x509.random_serial_number(),
    )


def _person(issuer, unit, key):
    return build_leaf(
        issuer,
        kind="person",
        public_key=key.public_key(),
        unit=unit,
        subject_id="a" * 32,
        not_before=NOW - DAY,
        not_after=NOW + 300 * DAY,
        serial=x509.random_serial_number(),
    )


def test_a_chain_of_the_same_names_under_another_root_opens_nothing(district):
    """Every name is right, and the key at the top is a stranger's."""
    root_key, ca_key = keys.generate_p384(), keys.generate_p256()
    pinned = district.directory.anchors.roots[0]
    from crypto.certificates import build_root

    name = pinned.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    root = build_root(
        name=str(name), key=root_key, unit="H41", serial=2**70, not_before=NOW - DAY, not_after=NOW + 300 * DAY
    )
    genuine = district.homes["H41.12.03"].chain()[0]
    ca = _ca(Issuer(root, root_key), str(genuine.subject.rfc4514_string()[3:]), "H41.12.03", ca_key)
    leaf = _person(Issuer(ca, ca_key), "H41.12.03", keys.generate_p256())

    assert all(word in ("untrusted_chain", "unknown_certificate") for word in _word(district, root, ca, leaf))


def test_a_real_ca_cannot_certify_a_person_of_its_neighbour(district, ca_keys):
    """Commune 03 signs for somebody of commune 99: outside the branch its own certificate confines it to."""
    genuine = district.homes["H41.12.03"].chain()[0]
    told_otherwise = Issuer(_unconfined(genuine, ca_keys["H41.12"]), ca_keys["H41.12.03"])

    leaf = _person(told_otherwise, "H41.12.99", keys.generate_p256())

    assert _word(district, leaf) == ["untrusted_chain"]


def test_a_real_ca_cannot_widen_itself_by_a_ca_below(district, ca_keys):
    """Commune 03 certifies a CA for the whole district: refused, and so is what that CA signs."""
    genuine = district.homes["H41.12.03"].chain()[0]
    told_otherwise = Issuer(_unconfined(genuine, ca_keys["H41.12"]), ca_keys["H41.12.03"])
    key = keys.generate_p256()

    wide = _ca(told_otherwise, "H41.12 CA wide", "H41.12", key)
    leaf = _person(Issuer(wide, key), "H41.12.99", keys.generate_p256())

    assert _word(district, wide, leaf) == ["untrusted_chain", "unknown_certificate"]


def test_a_leaf_without_a_name_does_not_escape_its_branch(district, ca_keys):
    """Constraints on DNS names bind only what has one, so a signer must have exactly one."""
    genuine = district.homes["H41.12.03"].chain()[0]
    good = _person(Issuer(genuine, ca_keys["H41.12.03"]), "H41.12.03", keys.generate_p256())
    nameless = _rebuilt(good, ca_keys["H41.12.03"], x509.SubjectAlternativeName)

    assert _word(district, good) == [""]
    assert _word(district, nameless) == ["untrusted_chain"]


def _unconfined(certificate, issuer_key):
    """The same CA without its constraints, so that our own builder does not refuse what the test needs."""
    return _rebuilt(certificate, issuer_key, x509.NameConstraints)


def _rebuilt(certificate, key, drop):
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    for each in certificate.extensions:
        if not isinstance(each.value, drop):
            builder = builder.add_extension(each.value, each.critical)
    return builder.sign(key, hashes.SHA256())


def test_the_helpers_of_this_module_make_what_they_say(district, ca_keys):
    """The CA whose constraints were taken away is itself not taken: the forgeries above do not hide behind that."""
    genuine = district.homes["H41.12.03"].chain()[0]

    assert _word(district, _unconfined(genuine, ca_keys["H41.12"])) == ["untrusted_chain"]
    assert Authority.open(district.homes["H41.12.03"]).certificate == genuine
