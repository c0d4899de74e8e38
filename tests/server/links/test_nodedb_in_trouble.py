"""A `node.db` that cannot be written for a while, a full disk or another process at it, ends no link."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from server.errors import Refused
from server.links.allowance import Kind
from server.links.auditing import Auditor
from server.links.neighbours import Links, Neighbour
from server.links.spending import WRITE_BYTES, Spending, read_day
from server.links.state import LinkState
from server.nodedb import NodeDb


@pytest.fixture
def linked(make_homes, serve):
    """A commune whose link to its district is at work: (commune, district)."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, _ = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", url, "parent"))
    return commune, district


def _state(commune):
    [status] = commune.sync.status()
    return status.state


def test_a_link_goes_on_when_node_db_can_be_written_again(linked, helpers, caplog):
    """Held by another process while the line is cut: what should be written then cannot be, and the link is minded and
    tries on all the same."""
    commune, district = linked
    helpers.wait_until(lambda: _state(commune) == "idle")
    commune.db._connection.execute("PRAGMA busy_timeout=20")

    with closing(sqlite3.connect(commune.home.path / "node.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        district.stop()
        helpers.wait_until(lambda: "cannot be noted" in caplog.text, 30)
        other.execute("ROLLBACK")
    commune.db._connection.execute("PRAGMA busy_timeout=10000")

    helpers.wait_until(lambda: _state(commune) == "down" and commune.sync.status()[0].last_error, 30)
    commune.links.set_paused("parent", True)
    helpers.wait_until(lambda: _state(commune) == "paused" and not commune.sync.status()[0].running, 30)


def test_a_link_that_cannot_be_made_holds_up_no_other(linked, helpers, caplog):
    """Authorities that are no certificates (a hand that wrote into node.db): it is told, the others run."""
    commune, _ = linked
    with commune.db.transaction() as connection:
        connection.execute("INSERT INTO links VALUES ('a-broken', 'https://127.0.0.1:9', 'child', 0)")
        connection.execute("INSERT INTO link_trust VALUES ('a-broken', 'ca', '', 'no certificates')")
    with pytest.raises(Refused):
        commune.sync.run_once("a-broken")

    helpers.wait_until(lambda: "a-broken" in caplog.text, 30)
    helpers.wait_until(lambda: commune.sync._running["parent"].is_running, 30)


def test_bytes_that_could_not_be_written_down_are_counted_later(tmp_path):
    """The count in force knows them meanwhile; nothing is lost while the program runs."""
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    db = NodeDb(tmp_path / "node.db")
    Links(db)
    spending = Spending(db, "parent", lambda: now)
    spending.add(Kind.EVENTS, 1)
    db._connection.execute("PRAGMA query_only=ON")  # every write fails from here on

    spending.add(Kind.EVENTS, WRITE_BYTES)
    spending.flush()

    assert spending.today()[Kind.EVENTS] == WRITE_BYTES + 1
    db._connection.execute("PRAGMA query_only=OFF")
    spending.flush()
    assert read_day(db, "parent", now.date())[Kind.EVENTS] == WRITE_BYTES + 1
    db.close()


def test_an_audit_whose_end_cannot_be_written_down_does_not_begin_at_every_look(commune):
    """A full disk for days: the next one is a day later all the same, as each costs bytes on the line."""
    now = [datetime(2026, 11, 22, 10, tzinfo=UTC)]
    state = LinkState(commune.db, "parent")
    state.set_facts(audit_due=now[0].isoformat())
    auditor = Auditor(state, lambda: now[0], lambda: 0.5)
    commune.db._connection.execute("PRAGMA query_only=ON")
    assert auditor.tend([])
    auditor.stop()

    assert not auditor.tend([])
    now[0] += timedelta(hours=25)
    commune.db._connection.execute("PRAGMA query_only=OFF")
    assert auditor.tend([])
    auditor.stop()
    assert datetime.fromisoformat(state.facts()["audit_due"]) == now[0] + timedelta(days=1)
