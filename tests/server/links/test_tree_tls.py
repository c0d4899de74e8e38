"""TLS under the tree's own certificates: who is believed at the other end, how the certificate follows."""

from __future__ import annotations

import socket
import sqlite3
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.errors import UntrustedChain
from crypto.path import verify_leaf_profile
from replication.errors import NotAPeer
from server.api import create_app
from server.cli import main
from server.errors import Refused
from server.home import Engine, Home, Settings
from server.links.neighbours import Links, Neighbour
from server.links.troubles import explain_trouble
from server.node.servertls import ServerTls, parse_address
from server.nodedb import NodeDb
from server.pki.authority import found_root, install

UNITS = ("H41", "H41.12", "H41.12.03", "H41.12.04")


@pytest.fixture
def speak(make_node):
    """Start a node that speaks TLS by its unit's CA, at the time `now`: (node, address)."""

    def start(home, now=lambda: datetime.now(UTC), addresses=()):
        node = make_node(home)
        url = node.start(create_app(node), sync=False, tls=ServerTls(home, addresses, now))
        assert url.startswith("https://")
        return node, url.rstrip("/")

    return start


def _links(commune, url, **how):
    commune.links.put(Neighbour("parent", url, "parent", trust="tree", **how))
    return commune.sync.run_once("parent").docs_written


def _is_refused(commune, url, **how):
    with pytest.raises(NotAPeer) as refused:
        _links(commune, url, **how)
    return str(refused.value)


def test_the_unit_above_is_believed_at_any_address(make_homes, make_node, speak):
    """No name and no address is in the certificate: the unit's place in the tree is who it is."""
    homes = make_homes(*UNITS)
    _, url = speak(homes["H41.12"])
    commune = make_node(homes["H41.12.03"])

    assert _links(commune, url) > 0
    assert _links(commune, url.replace("127.0.0.1", "localhost"), unit="H41.12") >= 0
    assert explain_trouble(_is_refused(commune, url, unit="H41")).word == "stranger"


def test_another_commune_cannot_stand_in_for_the_parent(make_homes, make_node, speak):
    """Its certificate leads to the same root, but it is not above us."""
    homes = make_homes(*UNITS)
    _, url = speak(homes["H41.12.04"])

    said = _is_refused(make_node(homes["H41.12.03"]), url)
    assert "a unit above H41.12.03" in said
    assert explain_trouble(said).word == "stranger"


def test_a_child_is_believed_by_its_unit(make_homes, make_node, speak):
    """With --unit the one commune; its neighbour in the same district is refused."""
    homes = make_homes(*UNITS)
    _, url = speak(homes["H41.12.03"])
    district = make_node(homes["H41.12"])

    district.links.put(Neighbour("xa", url, "child", trust="tree", unit="H41.12.03"))
    assert district.sync.run_once("xa").docs_written >= 0
    district.links.put(Neighbour("xa", url, "child", trust="tree", unit="H41.12.04"))
    with pytest.raises(NotAPeer, match=r"expected is H41\.12\.04"):
        district.sync.run_once("xa")


def test_a_strangers_root_is_refused_whatever_names_it_writes(make_homes, make_node, speak, tmp_path):
    """Somebody founds a tree of their own and calls themselves our district."""
    now = datetime.now(UTC)
    root = Home.create(tmp_path / "their-root", Settings("H41", "x", Engine(), None, now.isoformat()))
    theirs = Home.create(tmp_path / "their-district", Settings("H41.12", "x", Engine(), None, now.isoformat()))
    authority, key = found_root(root, now), keys.generate_p256()
    theirs.write_ca_key(key)
    ca = authority.issue_unit(key.public_key(), unit="H41.12", now=now)
    install(theirs, [ca, *authority.chain], now)
    _, url = speak(theirs)

    said = _is_refused(make_node(make_homes(*UNITS)["H41.12.03"]), url)
    assert explain_trouble(said).word == "stranger"


def test_an_expired_certificate_is_refused_and_renewed_while_the_node_serves(make_homes, make_node, speak):
    """A certificate that ended yesterday stops the link; the hourly look issues another, with no restart."""
    homes = make_homes(*UNITS)
    clock = [datetime.now(UTC) - timedelta(days=91)]
    node, url = speak(homes["H41.12"], now=lambda: clock[0])
    commune = make_node(homes["H41.12.03"])
    assert explain_trouble(_is_refused(commune, url)).word == "certificate_time"

    clock[0] = datetime.now(UTC)
    node.life.front.renew_certificate()
    assert _links(commune, url) > 0


def test_a_certificate_is_issued_again_only_when_it_must_be(make_homes):
    """Not at each start; but a month before its end, for other addresses, and when its key is lost."""
    home = make_homes(*UNITS)["H41.12.03"]
    now = [datetime.now(UTC)]
    tls = ServerTls(home, [], lambda: now[0])

    assert [tls.prepare(), tls.prepare()] == [True, False]
    assert tls.key.stat().st_mode & 0o777 == 0o600
    assert ServerTls(home, [ip_address("10.0.0.3")], lambda: now[0]).prepare()
    assert tls.prepare()
    now[0] += timedelta(days=61)
    assert [tls.prepare(), tls.prepare()] == [True, False]
    tls.key.unlink()
    assert tls.prepare()


def test_while_the_ca_key_is_elsewhere_the_present_certificate_serves(make_homes):
    """A look that cannot renew changes nothing; the first start without a certificate says what is missing."""
    home = make_homes(*UNITS)["H41.12.03"]
    now = [datetime.now(UTC)]
    tls = ServerTls(home, [], lambda: now[0])
    tls.prepare()
    before = tls.certificate.read_bytes()
    (home.path / "keys" / "ca.key").unlink()
    now[0] += timedelta(days=61)

    reloads = []
    tls.renew(lambda: reloads.append(1))
    assert (reloads, tls.certificate.read_bytes()) == ([], before)
    tls.certificate.unlink()
    with pytest.raises(Refused, match="CA key"):
        tls.prepare()


def test_a_look_that_fails_comes_again(make_homes, helpers, monkeypatch):
    """A node.db that is locked, a process without a free descriptor: neither ends the looking, and what was issued is
    shown as soon as it can be."""
    monkeypatch.setattr("server.node.servertls.LOOK_EVERY_S", 0.02)
    now, looks, shown = datetime.now(UTC), [], []

    def clock():
        looks.append(now)
        if len(looks) == 2:
            raise sqlite3.OperationalError("database is locked")
        return now if len(looks) < 3 else now + timedelta(days=61)

    def show():
        shown.append(len(looks))
        if len(shown) == 1:
            raise OSError("too many open files")

    tls = ServerTls(make_homes(*UNITS)["H41.12.03"], [], clock)
    tls.prepare()
    tls.follow(show)
    helpers.wait_until(lambda: len(shown) == 2, 30)
    tls.stop()
    assert shown == [3, 4]


def test_a_browser_that_trusts_the_root_reaches_the_node_by_its_address(make_homes, speak):
    """--name puts an address into the certificate; OpenSSL checks it as browsers do, and refuses another address."""
    homes = make_homes(*UNITS)
    _, url = speak(homes["H41.12.03"], addresses=[parse_address("127.0.0.1")])
    port = int(url.rpartition(":")[2])
    root = homes["H41"].chain()[0]
    context = ssl.create_default_context(cadata=root.public_bytes(Encoding.DER))

    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1"),
    ):
        pass
    with socket.create_connection(("127.0.0.1", port), 10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="127.0.0.2")
    with pytest.raises(Refused, match="its own branch"):
        parse_address("xa.example.vn")


def test_the_key_of_tls_signs_no_document(make_homes):
    """Its certificate is no signer's: what a stolen TLS key signs is refused."""
    home = make_homes(*UNITS)["H41.12.03"]
    tls = ServerTls(home, [], lambda: datetime.now(UTC))
    tls.prepare()

    leaf = x509.load_pem_x509_certificate(tls.certificate.read_bytes())
    with pytest.raises(UntrustedChain, match="documentSigning"):
        verify_leaf_profile(leaf)


def test_the_command_line_says_whom_a_link_believes(make_homes, tmp_path, capsys):
    """https believes the tree unless --public, --pin or --ca is said; a child's unit can be named."""
    home = make_homes(*UNITS)["H41.12"]
    root = str(make_homes(*UNITS)["H41"].path / "certs" / "chain.pem")

    def add(*options):
        assert main(["link", "add", str(home.path), "xa", *options]) == 0
        db = NodeDb(home.path / "node.db")
        try:
            return Links(db).get("xa")
        finally:
            db.close()

    assert add("https://10.0.0.3:8443").trust == "tree"
    assert add("http://127.0.0.1:8443").trust == "system"
    assert add("https://xa.example", "--public").trust == "system"
    assert add("https://xa.example", "--pin", "0" * 64).trust == "pin"
    assert add("https://xa.example", "--ca", root).ca.startswith("-----BEGIN")
    child = add("https://10.0.0.3", "--child", "--unit", "H41.12.03")
    assert (child.trust, child.unit, child.ca) == ("tree", "H41.12.03", "")
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    assert main(["link", "add", str(home.path), "xa", "https://xa.example", "--ca", str(junk)]) == 1
    assert main(["link", "add", str(home.path), "xa", "https://xa.example", "--public", "--pin", "0" * 64]) == 1


def test_init_asks_before_a_parent_over_plain_http(tmp_path, capsys):
    """As `tram link add`: another machine over http needs --insecure-lan, https and this machine do not."""

    def init(name, url, *more):
        return main(["init", str(tmp_path / name), "--unit", "H41.12.03", "--parent", url, *more])

    assert init("a", "http://10.0.0.1:8080") == 1
    assert "--insecure-lan" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert init("b", "http://10.0.0.1:8080", "--insecure-lan") == 0
    assert init("c", "https://10.0.0.1:8443") == 0
    assert init("d", "http://127.0.0.1:8080") == 0
