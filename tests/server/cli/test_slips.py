"""What people get wrong at the console: told in one line with what to do, and nothing is half done."""

from __future__ import annotations

import pytest

NOBODY = "urn:tram:subject:" + "0" * 32


@pytest.fixture
def home(make_homes, tmp_path):
    """The home of a root beside a file that is nothing anybody wants."""
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    return make_homes("H41")["H41"].path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("serve HOME --port 0 --certificate NONE --key NONE", "No such file"),
        ("serve HOME --port 0 --certificate NOISE --key NOISE", "a certificate and its key in PEM are wanted"),
        ("link add HOME x https://127.0.0.1:9 --ca NOISE", "PEM, which is text"),
        ("link add HOME x http://127.0.0.1:99999", "http://host:port"),
        ("init NONE --unit H41.12 --parent h41-12.example:8443", "http://host:port"),
        ("ca request HOME NONE", "asks nobody"),
        (f"role revoke HOME {NOBODY} leader --reason x", "tram role list"),
        ("sync HOME --link x", "--link goes with --once"),
        ("sync HOME --once", "tram link add"),
        ("backup HOME NONE --passphrase", "TRAM_BACKUP_PASSPHRASE"),
    ],
)
def test_a_slip_is_told_in_one_line(home, tmp_path, tram, words, said):
    """Status 1, one line that says what was wrong or what to do; nothing new lies there."""
    places = {"HOME": home, "NOISE": tmp_path / "noise", "NONE": tmp_path / "none"}

    status, out, error = tram(*(places.get(word, word) for word in words.split()))

    assert (status, out, error.count("\n")) == (1, "", 1)
    assert said in error
    assert not (tmp_path / "none").exists()


def test_an_identity_that_is_none_opens_no_backup(home, tmp_path, tram):
    """A file of noise is refused like any other wrong identity, and no home is made."""
    recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    assert tram("backup", home, tmp_path / "b", "--to", recipient)[0] == 0

    status, _, error = tram("restore", tmp_path / "b", tmp_path / "none", "--identity", tmp_path / "noise")

    assert (status, error.count("\n")) == (1, 1)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_wrong_usage(home, tram, port, capsys):
    """Status 2 with the range, before the home is touched."""
    with pytest.raises(SystemExit) as ended:
        tram("serve", home, "--port", port)

    assert ended.value.code == 2
    assert "0 to 65535" in capsys.readouterr().err
    assert not (home / "serve.lock").exists()


def test_a_neighbour_that_is_away_keeps_nobody_from_the_next(make_homes, serve, tram):
    """`sync --once` goes through all links, says in words which could not be reached, and ends with 1."""
    homes = make_homes("H41", "H41.12.03")
    _, url = serve(homes["H41"])
    commune = homes["H41.12.03"].path
    tram("link", "add", commune, "away", "http://127.0.0.1:9")
    tram("link", "add", commune, "parent", url)

    status, out, error = tram("sync", commune, "--once")

    assert status == 1
    assert out.startswith("parent: ")
    assert "tram: away: " in error
    assert tram("sync", commune, "--once", "--link", "parent")[0] == 0
