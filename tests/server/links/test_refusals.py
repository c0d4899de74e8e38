"""Documents that one side of a link refuses stay visible after the run that met them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from replication.document import DocId, Rev
from replication.peers import Refusal
from server.links import refusals
from server.links.refusals import Refusals
from server.nodedb import NodeDb

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def _refusal(name: str, reason: str = "schema: a member is missing") -> Refusal:
    return Refusal(DocId(name), Rev("1-aa"), "forbidden", reason)


def test_a_refusal_is_kept_over_a_restart_and_counted_once(tmp_path: Path) -> None:
    """The same document refused again over the same pair is one entry, with the newer words."""
    db = NodeDb(tmp_path / "node.db")
    kept = Refusals(db)
    kept.note("parent", "a → b", _refusal("x"), NOW)
    kept.note("parent", "a → b", _refusal("y"), NOW)
    kept.note("parent", "a → b", _refusal("x", "bad_hash: other bytes"), NOW)
    db.close()
    db = NodeDb(tmp_path / "node.db")

    found = Refusals(db).newest()
    db.close()

    assert [(each.doc_id, each.reason) for each in found] == [
        ("x", "bad_hash: other bytes"),
        ("y", "schema: a member is missing"),
    ]


def test_the_list_stays_short_however_much_is_refused(tmp_path: Path, monkeypatch) -> None:
    """The oldest entries make room."""
    monkeypatch.setattr(refusals, "MOST", 5)
    db = NodeDb(tmp_path / "node.db")
    kept = Refusals(db)

    for number in range(12):
        kept.note("parent", "a → b", _refusal(f"doc-{number}"), NOW)
    found = [each.doc_id for each in kept.newest()]
    count = kept.count()
    db.close()

    assert count == 5
    assert found == ["doc-11", "doc-10", "doc-9", "doc-8", "doc-7"]
