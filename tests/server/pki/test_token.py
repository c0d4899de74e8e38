"""CA keys in a PKCS#11 token, with SoftHSM: found a root, certify, publish lists, roll over; the key stays inside."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from server.cli import main
from server.errors import Refused
from server.home import Home
from server.home.token import PIN_VARIABLE, TokenKey, make_key, open_key, parse_token_uri
from server.node.assembly import Node
from server.pki.authority import Authority

DRIVERS = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
)
PIN = "271828"


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """The URI, object left out, of a fresh token. SoftHSM reads its settings once a process, so one for the module."""
    driver = next((each for each in DRIVERS if Path(each).exists()), None)
    if driver is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed: deploy/ensure-softhsm")
    pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = os.environ | {"SOFTHSM2_CONF": str(folder / "conf")}
    command = ["softhsm2-util", "--init-token", "--free", "--label", "tram", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        yield lambda name: f"pkcs11:token=tram;object={name}?module-path={driver}"


@pytest.fixture(autouse=True)
def pin(monkeypatch):
    monkeypatch.setenv(PIN_VARIABLE, PIN)


def test_a_root_lives_in_a_token_and_does_all_a_root_does(token, tmp_path, capsys, monkeypatch):
    """`init --ca-token`: the certificate, a list and a commune's certificate are signed by the token; no key file."""
    root, commune = tmp_path / "h41", tmp_path / "commune"

    assert main(["init", str(root), "--unit", "H41", "--ca-token", token("ca-h41")]) == 0
    assert not (root / "keys" / "ca.key").exists()
    assert PIN not in (root / "keys" / "ca.token").read_text()
    assert main(["ca", "token", str(root)]) == 0
    assert "in its token and signs (secp384r1)" in capsys.readouterr().out

    main(["init", str(commune), "--unit", "H41.12.03", "--ca-token", token("ca-commune")])
    assert main(["ca", "request", str(commune), str(tmp_path / "request")]) == 0
    code = capsys.readouterr().out.splitlines()[-1].removeprefix("code: ")
    assert main(["ca", "sign", str(root), str(tmp_path / "request"), str(tmp_path / "answer"), "--code", code]) == 0
    assert main(["ca", "install", str(commune), str(tmp_path / "answer")]) == 0

    home = Home.open(commune)
    assert isinstance(home.ca_key(), TokenKey)
    node = Node(home)
    assert node.crls.refresh() == 1  # a list by the token, through the door
    node.close()

    monkeypatch.setenv(PIN_VARIABLE, "000000")
    with pytest.raises(Refused, match=PIN_VARIABLE):
        Authority.open(home)


def test_a_key_moves_from_a_file_into_a_token_by_rolling_over(token, tmp_path, capsys):
    """The next generation is made in the token; the old key file stays to sign its lists."""
    root = tmp_path / "h42"
    main(["init", str(root), "--unit", "H42"])

    assert main(["ca", "rollover", str(root), "--ca-token", token("ca-h42-g2")]) == 0

    present, retired = Authority.generations(Home.open(root))
    assert isinstance(Home.open(root).ca_key(), TokenKey)
    assert "root G2" in present.certificate.subject.rfc4514_string()
    assert "G2" not in retired.certificate.subject.rfc4514_string()
    node = Node(Home.open(root))
    assert node.crls.refresh() == 2
    node.close()


def test_the_key_never_leaves_its_token(token):
    """Reading it out is refused by us and by the token; a label is given once."""
    uri = parse_token_uri(token("ca-fixed"))
    key = make_key(uri, "secp256r1")

    with pytest.raises(Refused, match="does not leave"):
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(Refused, match="does not leave"):
        key.private_numbers()
    with pytest.raises(Refused, match="exists in that token"):
        make_key(uri, "secp256r1")
    assert open_key(uri).public_key() == key.public_key()


def test_a_pin_may_come_from_a_file(token, tmp_path, monkeypatch):
    """`pin-source=file:/…`, for a service that starts by itself."""
    monkeypatch.delenv(PIN_VARIABLE)
    (tmp_path / "pin").write_text(PIN + "\n")

    key = make_key(parse_token_uri(token("ca-pin") + f"&pin-source=file:{tmp_path / 'pin'}"), "secp256r1")

    assert key.key_size == 256


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:/keys/ca.key", "named as pkcs11:"),
        ("pkcs11:object=a?module-path=/x.so", "does not say: token"),
        ("pkcs11:token=a?module-path=/x.so", "does not say: object"),
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:token=a;object=b?module-path=/x.so&pin-value=1234", "leave the PIN out"),
        ("pkcs11:token=a;object=b?module-path=/x.so&pin-source=https://x", "pin-source is file:"),
    ],
)
def test_a_uri_that_names_no_key_is_refused_with_what_is_missing(uri, said, monkeypatch):
    """And a PIN inside it, which would end up in a file and on screens."""
    monkeypatch.delenv("TRAM_PKCS11_MODULE", raising=False)
    with pytest.raises(Refused, match=said):
        parse_token_uri(uri)


def test_a_token_that_is_not_there_leaves_no_half_made_home(tmp_path, capsys):
    """A wrong driver: one line that says what to do, and `init` can be run again."""
    pytest.importorskip("pkcs11", reason="the extra pkcs11 is not installed")
    uri = f"pkcs11:token=a;object=b?module-path={tmp_path / 'no-driver.so'}"

    assert main(["init", str(tmp_path / "home"), "--unit", "H41", "--ca-token", uri]) == 1
    assert "plugged in" in capsys.readouterr().err
    assert main(["init", str(tmp_path / "home"), "--unit", "H41"]) == 0
