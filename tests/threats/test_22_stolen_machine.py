"""Threat 22: a stolen commune server or phone. Once its unit or the one above has revoked it, it opens nothing."""

from __future__ import annotations

import pytest
import requests

from server.cli.ca import revoke_by_name
from server.errors import NotSignedIn
from server.home import Home
from server.pki.documents import to_base64
from server.signing import NodeSigner


def _introduce(url, home):
    signer = NodeSigner.of(home)
    chain = [to_base64(each) for each in (signer.certificate, *home.chain())]
    return signer, requests.post(f"{url}/api/introductions", json={"chain": chain}, timeout=60)


def test_a_revoked_node_can_neither_read_nor_write_nor_introduce_itself_again(serve, make_homes):
    """The district revokes the stolen commune's CA: its old token, a new one and a new introduction all fail."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    stolen = homes["H41.12.03"]
    signer, introduced = _introduce(url, stolen)
    headers = {"Authorization": f"Bearer {signer.token(district.signer.urn, district.clock.now())}"}
    assert introduced.status_code == 200
    requests.put(f"{url}/db/u-h41-12-03", headers=headers, timeout=60)
    assert requests.get(f"{url}/db/u-h41-12-03/_changes", headers=headers, timeout=60).status_code == 200
    from cryptography.hazmat.primitives.serialization import Encoding

    from server.dossier.documents import certificate_doc
    from server.intake.source import Source

    docs = [certificate_doc(each.public_bytes(Encoding.DER)) for each in stolen.chain()]
    district.intake.admit("u-h41-12-03", docs, source=Source("peer", "test"))
    district.model.follower.catch_up()

    assert revoke_by_name(district, "H41.12.03", lost=True) == 1

    again = {"Authorization": f"Bearer {signer.token(district.signer.urn, district.clock.now())}"}
    for header in (headers, again):
        assert requests.get(f"{url}/db/u-h41-12-03/_changes", headers=header, timeout=60).status_code == 401
        answer = requests.post(f"{url}/db/u-h41-12-03/_bulk_docs", json={"docs": []}, headers=header, timeout=60)
        assert answer.status_code == 401
    assert _introduce(url, stolen)[1].status_code == 403


def test_a_lost_phone_opens_nothing_once_it_is_revoked(office):
    """Token and signature alike; what it had filed stays."""
    stream = office.file()
    assert office.citizen.get(f"/api/dossiers/{stream}").status_code == 200

    assert revoke_by_name(office.node, office.citizen.person.urn, lost=True) == 1

    assert office.citizen.get(f"/api/dossiers/{stream}").status_code == 401
    assert office.official.get(f"/api/dossiers/{stream}").status_code == 200


def test_a_token_that_was_being_judged_while_its_key_was_revoked_is_not_remembered(office, monkeypatch):
    """One request was let in a moment before; the next with the same token is asked anew, not in ten minutes."""
    judge, token = office.node.tokens._verify, office.citizen.person.token(office.citizen.audience)

    def and_then_revoked(*arguments):
        found = judge(*arguments)
        assert revoke_by_name(office.node, office.citizen.person.urn, lost=True) == 1
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(office.node.tokens, "_verify", and_then_revoked)
        assert office.node.tokens.verify(token).urn == office.citizen.person.urn
    with pytest.raises(NotSignedIn):
        office.node.tokens.verify(token)


def test_a_ca_key_on_a_stolen_disk_is_not_readable_without_its_passphrase(tmp_path, monkeypatch):
    """With TRAM_CA_PASSPHRASE set at `init` the disk holds the CA's key encrypted, the retired one too."""
    from server.cli import main
    from server.errors import Refused
    from server.pki.authority import Authority

    monkeypatch.setenv("TRAM_CA_PASSPHRASE", "ba mươi sáu con gà")
    assert main(["init", str(tmp_path / "h41"), "--unit", "H41"]) == 0
    assert main(["ca", "rollover", str(tmp_path / "h41")]) == 0
    monkeypatch.delenv("TRAM_CA_PASSPHRASE")

    for file in (tmp_path / "h41" / "keys").glob("ca*.key"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()
    with pytest.raises(Refused, match="TRAM_CA_PASSPHRASE"):
        Authority.open(Home.open(tmp_path / "h41"))
