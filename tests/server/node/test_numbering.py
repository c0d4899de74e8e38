"""Official codes: no number twice, whatever happened to the node's own notes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.backup.restored import note_restore
from server.node.numbering import Numbering
from server.nodedb import NodeDb

MORNING = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def test_each_dossier_gets_the_next_number_and_keeps_it(tmp_path: Path) -> None:
    """A second dossier counts on; the first, asked again on another day, has its old code."""
    db = NodeDb(tmp_path / "node.db")
    numbering = Numbering(db)

    first = numbering.allocate("a", "H41.12.03", MORNING)
    second = numbering.allocate("b", "H41.12.03", MORNING)
    again = numbering.allocate("a", "H41.12.03", datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    db.close()

    assert (first, second, again) == ("H41.12.03-261121-0001", "H41.12.03-261121-0002", first)


def test_a_node_that_lost_its_notes_counts_on_from_what_was_signed(tmp_path: Path) -> None:
    """After a restore `node.db` is empty, the signed events are not: their highest number is the last one given."""
    db = NodeDb(tmp_path / "node.db")

    code = Numbering(db).allocate("c", "H41.12.03", MORNING, signed="H41.12.03-261121-0041")
    foreign = Numbering(db).allocate("d", "H41.12.03", MORNING, signed="H41.12.03-261121-phụ")
    db.close()

    assert code == "H41.12.03-261121-0042"
    assert foreign == "H41.12.03-261121-0043"


def test_a_node_put_back_offline_gives_no_code_twice_not_even_after_a_second_time(tmp_path: Path) -> None:
    """The backup of the morning is put back at noon, and again an hour later: three lives, one day, no number twice."""
    db = NodeDb(tmp_path / "node.db")
    morning = [Numbering(db).allocate(f"a{n}", "H41.12.03", MORNING) for n in range(3)]
    db.close()
    backup = (tmp_path / "node.db").read_bytes()
    lives = [morning[2:]]
    for number, hours in enumerate((3, 4)):
        home = tmp_path / f"life-{number}"
        home.mkdir()
        (home / "node.db").write_bytes(backup)
        db = NodeDb(home / "node.db")
        noon = MORNING + timedelta(hours=hours)
        note_restore(db, made_at="2026-11-21T02:00:00Z", at=noon)
        lives.append([Numbering(db).allocate(f"b{n}", "H41.12.03", noon + timedelta(seconds=n)) for n in range(50)])
        tomorrow = Numbering(db).allocate("c", "H41.12.03", noon + timedelta(days=1))
        db.close()
        assert tomorrow == "H41.12.03-261122-0001"

    given = [code for life in lives for code in life]
    assert len(given) == len(set(given))
    assert lives[1][0] == "H41.12.03-261121-53201"
