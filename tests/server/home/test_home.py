"""A node's home on disk."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import pytest

from server.clocks.clock import NodeClock
from server.errors import Refused
from server.home import Engine, Home, Settings, write_atomically
from server.node.numbering import Numbering
from server.nodedb import NodeDb
from server.pki.authority import Authority, found_root

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
COUCH = Engine("couchdb", "http://tram:secret@127.0.0.1:5984", "p-")


@pytest.mark.parametrize("engine", [Engine(), COUCH])
def test_a_home_is_read_as_it_was_made(tmp_path, engine):
    """Settings come back whole; keys and settings are nobody else's to read."""
    made = Settings("H41.12.03", "Xã Mẫu Sơn", engine, "http://10.0.0.1:8080", "2026-11-21T08:00:00Z", True)
    Home.create(tmp_path / "c", made)

    home = Home.open(tmp_path / "c")

    assert home.settings == made
    for name in ("node.json", "keys/node.key"):
        assert stat.S_IMODE((home.path / name).stat().st_mode) == 0o600
    with pytest.raises(Refused, match="already a node's home"):
        Home.create(tmp_path / "c", made)


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"v":2}', b'{"v":1,"unit":"H41","unit":"H42"}', b'{"v":1,"engine":{"kind":"mysql"}}']
)
def test_damaged_settings_are_refused_with_what_to_do(tmp_path, damage):
    """No default is made up for what cannot be read."""
    home = Home.create(tmp_path / "c", Settings("H41", "x", Engine(), None, ""))
    (home.path / "node.json").write_bytes(damage)

    with pytest.raises(Refused) as caught:
        Home.open(home.path)

    assert caught.value.code == "bad_home"


def test_an_encrypted_ca_key_opens_with_its_passphrase_alone(tmp_path, monkeypatch):
    """TRAM_CA_PASSPHRASE encrypts at init and is needed from then on; the node's own key is not touched by it."""
    monkeypatch.setenv("TRAM_CA_PASSPHRASE", "mật khẩu dài")
    home = Home.create(tmp_path / "p", Settings("H41", "x", Engine(), None, ""))
    found_root(home, NOW)
    assert Authority.open(home).unit == "H41"

    for wrong in ("sai", ""):
        monkeypatch.setenv("TRAM_CA_PASSPHRASE", wrong)
        with pytest.raises(Refused) as caught:
            home.ca_key()
        assert caught.value.code == "bad_key"
    assert home.node_key()


def test_replacing_a_file_leaves_no_leftovers(tmp_path):
    """The old content or the new: an interrupted earlier attempt is overwritten, modes are as asked."""
    path = tmp_path / "a"
    (tmp_path / ".a.new").write_bytes(b"left by a power cut")

    write_atomically(path, b"one", 0o644)
    write_atomically(path, b"two", 0o600)

    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_clock_never_goes_back_even_over_a_restart(tmp_path):
    """A PC that wakes up in 2009 goes on at the time it had vouched for, and says that it is behind."""
    now = [NOW]
    db = NodeDb(tmp_path / "node.db")
    clock = NodeClock(db, lambda: now[0])
    assert clock.now() == NOW
    now[0] = NOW + timedelta(hours=1)
    clock.now()

    now[0] = datetime(2009, 1, 1, tzinfo=UTC)
    later = NodeClock(db, lambda: now[0])
    db.close()

    assert clock.now() == later.now() == NOW + timedelta(hours=1)
    assert later.is_behind()


def test_codes_are_given_once_per_dossier_and_day_by_any_number_of_threads(tmp_path):
    """Numbers within a day have no gap and no repeat; the same dossier keeps its code on another day."""
    from concurrent.futures import ThreadPoolExecutor

    db = NodeDb(tmp_path / "node.db")
    numbering = Numbering(db)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda i: numbering.allocate(f"s{i % 20}", "H41.12.03", NOW), range(60)))
    again = numbering.allocate("s0", "H41.12.03", NOW + timedelta(days=3))
    tomorrow = numbering.allocate("t", "H41.12.03", NOW + timedelta(hours=10))
    db.close()

    assert len(set(codes)) == 20
    assert sorted(set(codes))[0] == "H41.12.03-261121-0001"
    assert sorted(set(codes))[-1] == "H41.12.03-261121-0020"
    assert again == codes[0]
    assert tomorrow == "H41.12.03-261122-0001"  # the day is Vietnam's: 18:00 UTC is the next one
