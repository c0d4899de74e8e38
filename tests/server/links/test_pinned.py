"""Who a link believes: the pinned certificate and no other, and nothing readable on the way unless somebody said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from crypto import base64url
from crypto.keys import generate_p256, private_to_pem
from replication.errors import NotAPeer
from server.api import create_app
from server.cli import main
from server.errors import Refused
from server.links.neighbours import Links, Neighbour
from server.links.tls import is_readable_on_the_way, parse_pin
from server.links.troubles import explain_trouble
from server.nodedb import NodeDb


@pytest.fixture
def self_signed(tmp_path):
    """A certificate nobody else has signed: (certificate file, key file, thumbprint in hex)."""
    key, now = generate_p256(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "huyen.example")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = tmp_path / "tls.pem", tmp_path / "tls.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(private_to_pem(key))
    return pem, key_pem, certificate.fingerprint(hashes.SHA256()).hex()


def test_a_pinned_certificate_is_believed_and_no_other(make_homes, make_node, self_signed):
    """Replication runs over a certificate of the office's own; with another pin, or none, nothing is sent."""
    homes, (pem, key_pem, pin) = make_homes(), self_signed
    district, commune = make_node(homes["H41.12"]), make_node(homes["H41.12.03"])
    url = district.start(create_app(district), sync=False, certificate=pem, key=key_pem).rstrip("/")
    assert url.startswith("https://")

    commune.links.put(Neighbour("parent", url, "parent", pin=pin))
    assert commune.sync.run_once("parent").docs_written > 0
    for wrong in ("0" * 64, ""):
        commune.links.put(Neighbour("parent", url, "parent", pin=wrong))
        with pytest.raises(NotAPeer) as refused:
            commune.sync.run_once("parent")
        assert explain_trouble(str(refused.value)).word == "stranger"


def test_a_pin_is_read_as_people_copy_it(self_signed, capsys):
    """As openssl and browsers print it, as our own command prints it, and as base64url."""
    pem, _, pin = self_signed
    assert main(["link", "thumbprint", str(pem)]) == 0
    assert capsys.readouterr().out.strip() == pin
    colons = ":".join(pin[i : i + 2].upper() for i in range(0, 64, 2))

    assert parse_pin(colons) == parse_pin(f"sha256:{pin}") == parse_pin(base64url.encode(bytes.fromhex(pin))) == pin
    with pytest.raises(Refused, match="64 hex digits"):
        parse_pin(pin[:-2])


def test_plain_http_to_another_machine_has_to_be_said(make_homes, capsys):
    """The refusal says what could be read and what to do; this machine itself needs no flag."""
    home = str(make_homes()["H41.12.03"].path)

    assert main(["link", "add", home, "parent", "http://10.0.0.1:8080"]) == 1
    assert "--insecure-lan" in capsys.readouterr().err
    assert main(["link", "add", home, "parent", "http://10.0.0.1:8080", "--insecure-lan"]) == 0
    assert main(["link", "add", home, "parent", "http://127.0.0.1:8080"]) == 0
    assert main(["link", "add", home, "parent", "http://127.0.0.1:8080", "--pin", "0" * 64]) == 1


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
        ("https://10.0.0.1", False),
        ("http://10.0.0.1", True),
        ("http://huyen.example", True),
    ],
)
def test_what_others_can_read_is_told_by_the_address(url, readable):
    """Loopback and https cannot be read on the way."""
    assert is_readable_on_the_way(url) is readable


def test_a_pin_stays_with_its_link(tmp_path):
    """Over a restart; a new address without a pin takes it away, so that an old pin never guards another node."""
    db = NodeDb(tmp_path / "node.db")
    Links(db).put(Neighbour("parent", "https://a.example", "parent", pin="ab" * 32))
    assert Links(db).get("parent").pin == "ab" * 32
    Links(db).set_paused("parent", True)
    assert Links(db).get("parent").pin == "ab" * 32
    Links(db).put(Neighbour("parent", "https://b.example", "parent"))
    assert Links(db).get("parent").pin == ""
    db.close()
