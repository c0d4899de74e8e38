"""Phones fetch revocation lists: told by number, fetched by the CA's key."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.crl import parse_crl, verify_crl
from server.dossier.documents import crl_doc
from server.home import Home
from server.intake.source import Source
from server.pki.authority import Authority
from server.pki.directory import key_id


def bring_lists(office: Any, *units: str) -> None:
    """Put a fresh list of each unit's CA into the commune's database, as the sync does."""
    for unit in units:
        home = Home.open(office.node.home.path.parent / unit)
        authority = Authority.open(home)
        crl = authority.issue_crl([], number=7, now=office.node.clock.now())
        doc = crl_doc(crl.public_bytes(Encoding.DER))
        [result] = office.node.intake.admit(office.node.database, [doc], source=Source("peer", "test"))
        assert result.error is None


def test_the_lists_of_a_units_path_are_told_and_served(shared_office: Any) -> None:
    """`/api/node` tells the numbers of CAs up to the root; each list is its CA's, and asking twice costs nothing."""
    node = shared_office.node
    node.crls.refresh()
    bring_lists(shared_office, "h41-12", "h41")
    chain = node.home.chain()

    told = shared_office.nobody.get("/api/node").json()["crls"]

    assert set(told) == {key_id(each) for each in chain}
    for authority in chain:
        answer = shared_office.nobody.get(f"/api/crls/{key_id(authority)}")
        crl = verify_crl(parse_crl(answer.content), authority)
        assert str(crl.number) == told[key_id(authority)]
        assert answer.headers["Content-Type"] == "application/pkix-crl"
        unchanged = {"If-None-Match": answer.headers["ETag"]}
        assert shared_office.nobody.get(f"/api/crls/{key_id(authority)}", headers=unchanged).status_code == 304


def test_a_new_list_has_a_higher_number_and_long_ones_are_packed(shared_office: Any) -> None:
    """What was revoked is in the list the node serves from then on; an unknown CA has none."""
    node = shared_office.node
    node.crls.refresh()
    authority = Authority.open(node.home)
    key = key_id(authority.certificate)
    before = int(shared_office.nobody.get("/api/node").json()["crls"][key])
    people = [shared_office.enrol(each.key).person for each in (shared_office.citizen.person,) * 40]

    node.crls.revoke({each.fingerprint: node.database for each in people}, x509.ReasonFlags.superseded)

    after = int(shared_office.nobody.get("/api/node").json()["crls"][key])
    answer = shared_office.nobody.get(f"/api/crls/{key}")
    assert after > before
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(parse_crl(answer.content).entries) == 40
    assert shared_office.nobody.get("/api/crls/00ff").json()["error"] == "not_found"
