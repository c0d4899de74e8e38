"""What a node remembers of bundles it took in: positions and holes, over a real `node.db`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.bundle import Acknowledgement, Envelope, FrameEntry, parse_acknowledgement
from replication.bundle.acknowledgement import MAX_HOLES, Have
from replication.document import Seq
from server.bundles import Ledger
from server.nodedb import NodeDb

OURS, THEIRS, UNIT, NAME = "a" * 32, "b" * 32, "H41.12.03", "f-h41-12-03"
AT = "2026-11-22T00:00:00Z"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    db = NodeDb(tmp_path / "node.db")
    yield Ledger(db, OURS)
    db.close()


def take(ledger: Ledger, number: int, since: str, until: str, damaged: int = 0) -> None:
    """Take in a bundle of one part, some of its frames damaged."""
    envelope = Envelope(f"{number:032x}", 1, UNIT, "H41.12", number, AT, "2027-05-01T00:00:00Z")
    first, tail = int(since.partition("-")[0]), until.partition("-")[2]
    frames = [
        FrameEntry(i, i, 1, b"", "files", NAME, Seq(f"{first + i}-{tail}"), Seq(f"{first + i + 1}-{tail}"), 1)
        for i in range(damaged)
    ]
    assert ledger.part_done(
        envelope,
        store=THEIRS,
        is_last=True,
        basis={NAME: Seq(since)},
        until={NAME: Seq(until)},
        taken=AT,
        damaged=frames,
        filled=[],
        refused=0,
        is_news=True,
        carried={},
    )


def test_more_holes_than_can_be_named_count_as_not_come(ledger: Ledger) -> None:
    """What is said stays what the other side reads; the next whole bundle from there closes them, whoever numbered."""
    take(ledger, 1, "0", "10-00000001")
    take(ledger, 2, "10-00000001", "2000-00000002", damaged=MAX_HOLES + 44)

    said = Acknowledgement(OURS, AT, ledger.have(UNIT))
    assert parse_acknowledgement(said.value()).have == {THEIRS: {NAME: Have(Seq("10-00000001"))}}
    take(ledger, 3, "10-00000001", "2100-00000003")

    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("2100-00000003"))}}


def test_a_hole_is_named_with_the_position_behind_it_until_a_whole_bundle_went_over_it(ledger: Ledger) -> None:
    """A damaged bundle counts with its holes; one that was read whole from before them leaves none."""
    take(ledger, 1, "0", "10-00000001", damaged=2)
    named = (Seq("0-00000001"), Seq("1-00000001")), (Seq("1-00000001"), Seq("2-00000001"))
    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("10-00000001"), named)}}
    take(ledger, 2, "10-00000001", "20-00000002")
    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("20-00000002"), named)}}

    take(ledger, 3, "0", "30-00000003")

    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("30-00000003"))}}


def test_holes_in_a_feed_without_one_order_are_named_until_all_of_it_came(ledger: Ledger) -> None:
    """The numbers of CouchDB's seqs do not say what lies before what, so no hole is taken for one that lies behind, and
    none for filled, but by everything from the beginning to beyond what was known."""
    take(ledger, 1, "0", "10-g1AAAAa")
    take(ledger, 2, "10-g1AAAAa", "12-g1AAAAb", damaged=3)
    named = tuple((Seq(f"{at}-g1AAAAb"), Seq(f"{at + 1}-g1AAAAb")) for at in (10, 11, 12))
    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("12-g1AAAAb"), named)}}

    take(ledger, 3, "10-g1AAAAa", "40-g1AAAAc")
    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("40-g1AAAAc"), named)}}
    take(ledger, 4, "0", "39-g1AAAAd")
    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("40-g1AAAAc"), named)}}
    take(ledger, 5, "0", "41-g1AAAAe")

    assert ledger.have(UNIT) == {THEIRS: {NAME: Have(Seq("41-g1AAAAe"))}}


def test_a_node_whose_clock_had_jumped_is_heard_again_once_it_is_put_right(ledger: Ledger) -> None:
    """Its word from the future does not silence those that come after; a word that is older than the last one does not
    count."""

    def hear(at: str, seq: str, now: str) -> str:
        ledger.hear(UNIT, Acknowledgement(THEIRS, at, {OURS: {NAME: Have(Seq(seq))}}), {}, now)
        said = ledger.said(UNIT)
        assert said is not None
        return said.have[OURS][NAME].seq

    assert hear("2031-01-01T00:00:00Z", "10-00000001", "2026-11-22T08:00:00Z") == "10-00000001"
    assert hear("2026-11-21T00:00:00Z", "5-00000001", "2026-11-22T09:00:00Z") == "10-00000001"
    assert hear("2026-11-22T10:00:00Z", "20-00000001", "2026-11-22T10:00:05Z") == "20-00000001"
