"""Authorities of a tree, the certificates they issue, and the databases those are copied into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.chain import TrustAnchors, verify_chain
from crypto.errors import CryptoError, UntrustedChain
from server.errors import Refused
from server.intake.source import Source
from server.pki.authority import RENEW_NODE_BEFORE, Authority, renew_node
from server.pki.peers import PeerCertificates

NOW = datetime.now(UTC)


def _der(*certificates):
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


@pytest.mark.parametrize("tree", [("H41", "H41.12.03"), ("H41", "H41.12", "H41.12.03"), ("H41.12.03",)])
def test_a_tree_may_have_any_number_of_tiers(make_homes, tree):
    """Two tiers, three, or a commune on its own: each node's certificate leads to its root."""
    homes = make_homes(*tree)
    home = homes[tree[-1]]

    signer = verify_chain(
        *(_der(home.node_certificate())[0], _der(*home.chain())), anchors=TrustAnchors(home.anchors()), at=NOW
    )

    assert (signer.kind, signer.subject_urn) == ("node", "urn:tram:node:h41-12-03")
    assert len(signer.chain) == len(tree) + 1


def test_a_commune_cannot_certify_its_neighbour(make_homes, ca_keys):
    """The CA refuses to sign for units that are not below it, also when it is told that it is another's."""
    homes = make_homes()
    commune = Authority.open(homes["H41.12.03"])
    with pytest.raises(Refused):
        commune.issue_unit(ca_keys["H41.12.04"].public_key(), unit="H41.12.04", now=NOW)
    rogue = Authority("H41.12.04", ca_keys["H41.12.03"], commune.chain)

    with pytest.raises(CryptoError):
        rogue.issue_node(ca_keys["H41"].public_key(), now=NOW)


def test_a_node_renews_its_certificate_before_it_ends(make_homes):
    """With the CA key at hand a new certificate is issued in time; before that nothing changes."""
    home = make_homes()["H41.12.03"]
    first = home.node_certificate()

    assert not renew_node(home, NOW)
    assert renew_node(home, first.not_valid_after_utc - RENEW_NODE_BEFORE + timedelta(days=1))

    second = home.node_certificate()
    assert second.public_key() == first.public_key()
    assert second.not_valid_after_utc > first.not_valid_after_utc


def test_certificates_say_nothing_about_people(make_homes, key_pool, helpers):
    """A pseudonym, the unit, and no name: they replicate to every tier."""
    home = make_homes()["H41.12.03"]
    person = helpers.issue_person(Authority.open(home), key_pool())

    assert person.certificate.subject.rfc4514_string() == f"CN={person.subject_id}"


def test_credentials_travel_with_whoever_acts_in_another_database(make_homes, make_station, key_pool, helpers):
    """Before a district official's event goes into a commune's database, chain and grants are put there."""
    homes = make_homes()
    district = make_station(homes["H41.12"])
    official = district.enrol(key_pool)
    grant = district.signer.sign(
        stream="unit.h41-12",
        type="role.granted",
        at=NOW,
        body={"subject": official.urn, "name": "Trần Văn Nam", "role": "official", "from": "2020-01-01T00:00:00Z"},
    )
    assert district.put(grant) == ""

    district.copier.ensure_database("u-h41-12-03")
    district.copier.ensure_credentials("u-h41-12-03", official.fingerprint)

    there = {row.id: row.rev for row in district.store.open("u-h41-12-03").changes().rows for row in [_flat(row)]}
    here = {row.id: row.rev for row in district.store.open("u-h41-12").changes().rows for row in [_flat(row)]}
    assert grant.id in there
    assert f"cert:sha256-{official.fingerprint}" in there
    assert all(here[doc_id] == rev for doc_id, rev in there.items())  # the same revisions: copies are free
    with pytest.raises(Refused, match="in no database"):
        district.copier.ensure_credentials("u-h41-12-03", "A" * 43)


class _flat:
    def __init__(self, row):
        self.id, self.rev = row.id, row.leaves[0]


def test_a_grant_of_one_branch_has_no_place_in_another(make_homes, make_station, key_pool):
    """Grants travel downward only; the district's are refused in the province's own database."""
    homes = make_homes()
    province, district = make_station(homes["H41"]), make_station(homes["H41.12"])
    grant = district.signer.sign(
        stream="unit.h41-12",
        type="role.granted",
        at=NOW,
        body={
            "subject": "urn:tram:subject:" + "0" * 32,
            "name": "x",
            "role": "official",
            "from": "2020-01-01T00:00:00Z",
        },
    )

    assert province.put(grant).startswith("wrong_database")


def test_a_neighbour_introduces_itself_with_a_chain_to_the_same_root(make_homes, make_station, key_pool, helpers):
    """A proven node is believed from then on; a person, a stranger and a broken chain are not."""
    homes = make_homes()
    district = make_station(homes["H41.12"])
    peers = PeerCertificates(district.db, district.directory, "registry")
    commune = homes["H41.12.03"]
    chain = _der(commune.node_certificate(), *commune.chain())
    person = helpers.issue_person(Authority.open(commune), key_pool())

    signer = peers.introduce(chain, NOW)

    assert peers.verify(signer.fingerprint, NOW).subject_urn == "urn:tram:node:h41-12-03"
    with pytest.raises(Refused, match="people are enrolled"):
        peers.introduce(_der(person.certificate, *commune.chain()), NOW)
    with pytest.raises(UntrustedChain):
        peers.introduce([chain[0], *chain[2:]], NOW)
    with pytest.raises(Refused):
        peers.verify("A" * 43, NOW)


def test_an_earlier_chain_handed_over_again_does_not_drive_out_the_present_one(make_homes, make_station):
    """Chains are public, so a visitor can keep one until the node has another and bring it back each second: the node's
    tokens hold all the same. What is kept is bounded."""
    homes = make_homes()
    district = make_station(homes["H41.12"])
    peers = PeerCertificates(district.db, district.directory, "registry")
    commune = homes["H41.12.03"]
    authority, key = Authority.open(commune), commune.node_key().public_key()
    earlier = _der(commune.node_certificate(), *commune.chain())
    present = peers.introduce(_der(authority.issue_node(key, now=NOW), *commune.chain()), NOW)

    peers.introduce(earlier, NOW)
    peers.introduce(earlier, NOW)

    assert peers.verify(present.fingerprint, NOW).subject_urn == "urn:tram:node:h41-12-03"
    for _ in range(12):
        peers.introduce(_der(authority.issue_node(key, now=NOW), *commune.chain()), NOW)
    assert district.db.row("SELECT count(*) AS n FROM peers")["n"] == 8
    with pytest.raises(Refused):
        peers.verify(present.fingerprint, NOW)


def test_a_borrowed_key_identifier_is_refused(make_homes, make_station, ca_keys):
    """A CA certificate whose identifier is another CA's would hide that one: it is not taken."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    homes = make_homes()
    district = make_station(homes["H41.12"])
    genuine = homes["H41.12.03"].chain()[0]
    forged = x509.CertificateBuilder(
        homes["H41.12"].chain()[0].subject,
        genuine.subject,
        ca_keys["H41.13"].public_key(),
        x509.random_serial_number(),
        genuine.not_valid_before_utc,
        genuine.not_valid_after_utc,
        list(genuine.extensions),
    ).sign(ca_keys["H41.12"], hashes.SHA256())
    from server.dossier.documents import certificate_doc

    assert district.put(certificate_doc(*_der(forged))).startswith("bad_certificate")
    assert district.put(certificate_doc(*_der(genuine))) == ""
    results = district.intake.admit(
        "u-h41-12", [certificate_doc(*_der(homes["H41.12.03"].node_certificate()))], source=Source("peer", "x")
    )
    assert results[0].error is None
