"""Threat 1: an event in somebody else's name, at every tier."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from server.dossier.documents import certificate_doc, event_doc
from server.intake.source import Source


@pytest.fixture
def tiers(make_homes, make_node):
    """Nodes of all three tiers, each holding the commune's database with its chain."""
    homes = make_homes()
    nodes = [make_node(homes[unit]) for unit in ("H41.12.03", "H41.12", "H41")]
    chain = [certificate_doc(each.public_bytes(Encoding.DER)) for each in homes["H41.12.03"].chain()]
    for node in nodes:
        node.copier.ensure_database("u-h41-12-03")
        assert not any(r.error for r in node.intake.admit("u-h41-12-03", chain, source=Source("peer", "test")))
    return nodes


def _offer(nodes, doc):
    return [node.intake.admit("u-h41-12-03", [doc], source=Source("peer", "test"))[0] for node in nodes]


def test_an_event_signed_by_one_in_the_name_of_another_is_refused_at_every_tier(tiers, key_pool, helpers):
    """Signed with Lan's key, `actor` Bình: the actor must be the subject of the certificate."""
    from server.pki.authority import Authority

    authority = Authority.open(tiers[0].home)
    lan, binh = (helpers.issue_person(authority, key_pool()) for _ in range(2))
    for person in (lan, binh):
        doc = certificate_doc(person.certificate.public_bytes(Encoding.DER))
        assert not any(result.error for result in _offer(tiers, doc))

    in_his_name = _offer(tiers, lan.sign(helpers.submission("H41.12.03", binh)))
    in_her_own = _offer(tiers, lan.sign(helpers.submission("H41.12.03", lan)))

    assert [result.error.reason.partition(":")[0] for result in in_his_name] == ["actor_mismatch"] * 3
    assert [result.error for result in in_her_own] == [None] * 3


def test_naming_the_victims_certificate_does_not_help(tiers, key_pool, helpers):
    """The header says Bình's certificate, the signature is Lan's: no tier takes it."""
    from crypto import algorithms, base64url, jcs
    from server.pki.authority import Authority

    authority = Authority.open(tiers[0].home)
    lan, binh = (helpers.issue_person(authority, key_pool()) for _ in range(2))
    for person in (lan, binh):
        _offer(tiers, certificate_doc(person.certificate.public_bytes(Encoding.DER)))
    envelope = binh.envelope(helpers.submission("H41.12.03", binh))
    entry = envelope["signatures"][0]
    signing_input = f"{entry['protected']}.{base64url.encode(jcs.canonical(envelope['event']))}"
    entry["signature"] = base64url.encode(algorithms.sign_es256(lan.key, signing_input.encode()))

    results = _offer(tiers, event_doc(envelope))

    assert [result.error.reason.partition(":")[0] for result in results] == ["bad_signature"] * 3
