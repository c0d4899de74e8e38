"""`tram verify` on bundles, and the commands as people type them."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from server.bundles import export_bundle
from server.cli import main
from server.verify import verify_path
from tests import disks

C, D = "H41.12.03", "H41.12"


@pytest.fixture
def sent(carry):
    """A commune's bundle with two dossiers on a stick."""
    carrier = carry()
    carrier.meet(C, D)
    carrier.file(C, 40_000)
    carrier.file(C, 90_000, seed=2)
    carrier.send(C, D)
    return carrier


def test_a_bundle_holds_for_its_destination_and_outside_for_anybody(sent):
    """With the district's home everything is checked; without a key what can be, and it says what was not."""
    home = sent.nodes[D].home.path

    inside = verify_path(sent.stick(), home=home)
    outside = verify_path(sent.parts()[0])

    assert inside.holds, list(inside.lines())
    assert inside.checked["events"] >= 2
    assert inside.checked["chunks"] == 13
    assert outside.holds
    assert outside.checked["frames"] == 5
    assert any("not looked at" in note for note in outside.notes)


def test_every_kind_of_change_is_found(sent):
    """One byte anywhere: a whole bundle holds, a changed one does not, with the key or without."""
    home = sent.nodes[D].home.path
    (part,) = sent.parts()
    raw = part.read_bytes()
    for place in (30, 2500, len(raw) // 3, len(raw) // 2, len(raw) - 500, len(raw) - 5):
        part.write_bytes(raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :])
        assert not verify_path(part, home=home).holds, place
        assert not verify_path(part).holds, place
    for cut in (raw[:-1], raw[: len(raw) // 2], raw + b"x"):
        part.write_bytes(cut)
        assert not verify_path(part).holds
    part.write_bytes(raw)
    assert verify_path(part).holds


def test_another_root_is_not_ours(sent, make_homes, tmp_path):
    """With a root given, a bundle of another tree does not hold; with its own it does."""
    from crypto import keys as ec
    from server.home import Engine, Home, Settings
    from server.pki.authority import found_root

    other = Home.create(tmp_path / "other", Settings("H41", "x", Engine(), None, "2026-01-01T00:00:00Z"))
    root = found_root(other, sent.nodes[C].clock.now(), ec.generate_p256())

    assert not verify_path(sent.parts()[0], [root.certificate]).holds
    assert verify_path(sent.parts()[0], sent.nodes[C].home.anchors()).holds


def test_the_commands_say_what_goes_and_what_came(sent, capsys):
    """Dry run, export, import, list, verify: sizes for people, and a status that tells."""
    commune, district = (str(sent.nodes[unit].home.path) for unit in (C, D))
    stick = str(sent.stick("second"))

    assert main(["bundle", "export", commune, "--to", D, "--dry-run", stick]) == 0
    dry = capsys.readouterr().out
    assert "for H41.12, everything so far: 2 dossiers" in dry
    assert "free on the stick" in dry
    assert not list(sent.parts("second"))
    assert main(["bundle", "export", commune, "--to", D, "--max-size", "1G", stick]) == 0
    out = capsys.readouterr().out
    assert "read back and equal" in out
    assert "safe to remove" in out
    assert main(["bundle", "import", district, stick]) == 0
    assert "1 bundles whole" in capsys.readouterr().out
    assert main(["bundle", "list", commune]) == 0
    assert "not acknowledged yet" in capsys.readouterr().out
    assert main(["verify", str(sent.parts("second")[0]), "--home", district]) == 0
    assert "all of it holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "H41.13", "USB"], "neither above nor below"),
        (["--to", "H41.12.03", "USB"], "this node itself"),
        (["--to", "H41", "USB"], "no key of H41 is known here"),
        (["--to", "somewhere", "USB"], "not an agency code"),
        (["--to", "H41.12", "/nonexistent/usb"], "put the stick in"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(sent, capsys, arguments, words):
    """Wrong unit, unknown key, no stick: one line, status 1."""
    stick = str(sent.stick("new"))
    arguments = [stick if each == "USB" else each for each in arguments]

    assert main(["bundle", "export", str(sent.nodes[C].home.path), *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MiB of its own."""
    with disks.small_disk(tmp_path / "small", "6m") as path:
        yield path


def test_a_stick_that_is_full_and_one_that_is_write_protected(sent, small_disk):
    """What fits goes on; a full stick is refused before anything is written, a protected one with what to do."""
    from replication.bundle import MediumError
    from server.errors import Refused

    node = sent.nodes[C]
    sent.file(C, 3_000_000, seed=9)
    part = export_bundle(node, to=D, path=small_disk)
    assert not part.is_whole
    assert part.bytes < 6 * 1024 * 1024
    (small_disk / "films").write_bytes(bytes(1_500_000))
    with pytest.raises(Refused, match="no room"):
        export_bundle(node, to=D, path=small_disk)
    assert len(list((small_disk / "tram").glob("*.tram"))) == 1
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(MediumError, match="read-only") as caught:
        export_bundle(node, to=D, path=small_disk)
    assert caught.value.word == "read_only"


def test_a_stick_filled_by_somebody_else_meanwhile(sent, small_disk, monkeypatch):
    """ENOSPC in the middle: told as a full stick, and nothing half is left on it."""
    from replication.bundle import MediumError
    from server.bundles import media

    sent.file(C, 8_000_000, seed=9)
    monkeypatch.setattr(media, "free_bytes", lambda path: 1 << 40)

    with pytest.raises(MediumError) as caught:
        export_bundle(sent.nodes[C], to=D, path=small_disk)

    assert caught.value.word == "full"
    assert list((small_disk / "tram").glob("*.tram*")) == []
    assert os.strerror(errno.ENOSPC)
    from server.bundles import Ledger

    assert [each.state for each in Ledger(sent.nodes[C].db, sent.nodes[C].store.uuid).written(D, 1)] == ["failed"]
