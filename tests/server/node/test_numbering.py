"""Official codes: no number twice, whatever happened to the node's own notes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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
