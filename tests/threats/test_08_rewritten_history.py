"""Threat 8: a node rewrites or deletes what it took. Its parent, and whoever verifies, notices."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from server.log.leaves import event_of_document
from server.verify import verify_home


@pytest.fixture
def witnessed(make_homes: Any, make_node: Any, serve: Any, take: Any) -> Any:
    """A commune whose head of six leaves its district has cosigned over a real link; the commune is closed again."""
    from server.links.neighbours import Neighbour

    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune = make_node(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    docs = take(commune, 6)
    for _ in range(2):  # the second time brings the witness's certificate back, and with it the cosignature
        commune.sync.run_once("parent")
    commune.stop()
    return homes["H41.12.03"], district, docs


def test_an_event_deleted_from_the_store_is_missed(witnessed: Any) -> None:
    """The row is gone from SQLite as if it had never been; the log still names it."""
    home, _, docs = witnessed
    path = home.path / "store" / "u-h41-12-03.sqlite"
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            if "id" in columns and not table.startswith("sqlite"):
                connection.execute(f"DELETE FROM {table} WHERE id = ?", (docs[2].id,))

    problems = verify_home(home.path).problems

    assert any("1 events it took are not here any more" in each for each in problems), problems


def test_a_leaf_edited_together_with_its_event_is_not_what_was_cosigned(
    witnessed: Any, make_node: Any, take: Any
) -> None:
    """The whole log is made anew over another history, signed with the true key: verify sees it, and the parent."""
    home, district, docs = witnessed
    node = make_node(home)
    node.log.head()
    with node.db.transaction() as connection:
        for table in ("logs", "log_leaves", "log_nodes"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "UPDATE admissions SET admitted = '2026-01-01T00:00:00+00:00' WHERE doc_id = ?", (docs[5].id,)
        )
    node.log.open(node.clock.now())  # dated back: the sixth event is now the first leaf
    assert node.log.place(event_of_document(docs[5].id)).number == 0

    assert any("is not what the unit above cosigned" in each for each in verify_home(home.path).problems)
    take(node, 1)
    node.sync.run_once("parent")

    [evidence] = district.witness.evidence()
    assert "rewritten" in evidence.reason or "two different heads" in evidence.reason
    assert node.gossip.stopped() == [("H41.12", evidence.reason)]
    assert [origin for _, origin, _ in alarms(district)] == ["03.12.h41.tram.internal/log"]


def alarms(node: Any) -> Any:
    node.model.follower.catch_up()
    return node.alarms.all()
