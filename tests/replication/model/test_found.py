"""What the random histories found, each as the shortest story that shows it."""

from __future__ import annotations

from pathlib import Path

from replication.document import DocId
from replication.sqlite import SqliteStore
from replication.testing.base import build_attachment, build_doc, edit, put


def test_an_edit_made_again_on_a_parent_that_came_back_leaves_no_orphan(tmp_path: Path) -> None:
    """The edit exists, its parent was stemmed away and returns from a peer as a leaf: the same edit is the same
    revision, and its body is stored once."""
    store = SqliteStore(tmp_path)
    db = store.create("a")
    put(db, build_doc("d", "1-p"))
    db.set_revs_limit(1)
    changed = build_doc("d", "1-p", atts={"scan": build_attachment(b"scan")}, n=1)
    first = edit(db, changed)
    put(db, build_doc("d", "1-p"))

    again = edit(db, changed)

    assert again == first
    assert [rev for rev, _ in db.leaves(DocId("d"))] == [first]
    assert db.check() == []
    store.close()
