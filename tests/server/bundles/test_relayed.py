"""Bundles for others: kept closed, and carried on by whoever comes past."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

C, D, P = "H41.12.03", "H41.12", "H41"
SHARED = ("u-h41-12-03", "f-h41-12-03")


def test_a_bundle_for_somebody_else_is_kept_closed_and_carried_on(carry):
    """The province's bundle for a commune lies at the district unopened, and goes on with the next stick."""
    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(D, P)
    carrier.meet(P, C)
    from server.node.publishing import publish_sample

    publish_sample(carrier.nodes[P])
    carrier.send(P, C, "from-province")

    passing = carrier.take(D, "from-province")

    assert passing.stored == 0
    assert len(passing.relayed) == 1
    assert carrier.take(D, "from-province").relayed == []
    onward = carrier.send(D, C, "to-commune")
    assert len(onward.relayed) == 1
    assert b"hops=01" in onward.relayed[0].read_bytes()[:30]
    arrived = carrier.take(C, "to-commune")
    assert arrived.problems == []
    assert len(carrier.nodes[C].model.catalogue().bodies) > 30


def test_a_damaged_copy_gives_way_to_a_whole_one_on_its_way(carry):
    """What was cut off when somebody copied it, or is gone from the disk, is kept anew from the next stick."""
    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(P, C)
    carrier.send(P, C, "good")
    (part,) = carrier.parts("good")
    cut = carrier.stick("cut") / part.name
    cut.write_bytes(part.read_bytes()[:-500])
    assert len(carrier.take(D, "cut").relayed) == 1

    assert len(carrier.take(D, "good").relayed) == 1
    (note,) = [each for each in carrier.take(D, "good").notes if part.name in each]
    assert "here already" in note
    (kept,) = (carrier.nodes[D].home.path / "relay").glob("*.tram")
    kept.unlink()
    assert len(carrier.take(D, "good").relayed) == 1
    carrier.send(D, C, "onward")
    assert carrier.take(C, "onward").problems == []


class _Pulled:
    """A file on a stick that is pulled out when more than its beginning is read."""

    def __init__(self, file):
        self._file = file

    def read(self, size):
        if size > 65_600:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.read(size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_stick_pulled_while_others_bundles_are_copied_is_told_as_such(carry, monkeypatch):
    """The error says what to do about the stick, and no half copy stays in the home."""
    from replication.bundle import MediumError

    carrier = carry()
    carrier.meet(C, D)
    carrier.meet(P, C)
    carrier.send(P, C)
    (part,) = carrier.parts()
    opened = Path.open

    def opening(self, *arguments, **options):
        file = opened(self, *arguments, **options)
        return _Pulled(file) if self == part else file

    monkeypatch.setattr(Path, "open", opening)

    with pytest.raises(MediumError, match=rf"usb/tram/{part.name}.*Put it in again"):
        carrier.take(D)

    assert list((carrier.nodes[D].home.path / "relay").iterdir()) == []


def test_a_bundle_that_travelled_too_far_or_too_long_is_not_carried_on(carry):
    """Hops beyond the limit and a date that has passed end its way, with the reason."""
    from datetime import UTC, datetime, timedelta

    carrier = carry()
    carrier.meet(P, C)
    carrier.send(P, C)
    (part,) = carrier.parts()
    raw = part.read_bytes()
    part.write_bytes(raw.replace(b"hops=00", b"hops=08", 1))
    assert any("carried on 8 times" in note for note in carrier.take(D).notes)
    part.write_bytes(raw)
    later = datetime.now(UTC) + timedelta(days=200)
    for unit in (D, C):
        carrier.nodes[unit].clock._now = lambda: later

    assert any("it expired" in note for note in carrier.take(D).notes)
    assert any("ask H41 for a new one" in note for note in carrier.take(C).notes)
