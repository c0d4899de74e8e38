"""Counts of bytes a day: over restarts, over midnight, under clocks that jump, with few writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.clocks.clock import NodeClock
from server.clocks.localtime import OfficeClock
from server.links.allowance import Kind, LinkRules
from server.links.spending import KEPT_DAYS, WRITE_BYTES, Spending, read_days
from server.nodedb import NodeDb

ZONE = LinkRules().zone


class Clock:
    """The system's clock and the monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.system = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)  # noon at the office
        self.steady = 1000.0

    def pass_(self, **times: float) -> None:
        self.system += timedelta(**times)
        self.steady += timedelta(**times).total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_spending(tmp_path: Path, clock: Clock):
    """Open the counts of the link "parent", as often as a node restarts."""
    opened: list[NodeDb] = []

    def open_() -> Spending:
        opened.append(NodeDb(tmp_path / "node.db"))
        office = OfficeClock(NodeClock(opened[-1], lambda: clock.system), lambda: clock.steady)
        return Spending(opened[-1], "parent", lambda: office.now().astimezone(ZONE), lambda: clock.steady)

    yield open_
    for db in opened:
        db.close()


def test_counts_survive_a_restart_and_begin_anew_at_local_midnight(open_spending, clock: Clock) -> None:
    """Midnight is at 17:00 UTC; what was counted before stays readable as yesterday's."""
    spending = open_spending()
    spending.add(Kind.FILES, 1000)
    spending.add(Kind.EVENTS, 10)
    spending.flush()

    again = open_spending()
    again.add(Kind.FILES, 5)
    assert again.today() == {Kind.EVENTS: 10, Kind.PREVIEWS: 0, Kind.FILES: 1005}
    clock.pass_(hours=11, minutes=59)
    assert again.today()[Kind.FILES] == 1005
    clock.pass_(minutes=2)
    assert again.today()[Kind.FILES] == 0
    again.add(Kind.FILES, 7)
    again.flush()
    assert open_spending().today()[Kind.FILES] == 7


def test_a_count_is_written_by_the_quarter_megabyte_and_by_the_minute(open_spending, clock: Clock, monkeypatch) -> None:
    """A thousand small batches within a minute are one write, not a thousand."""
    spending = open_spending()
    writes: list[object] = []
    original = Spending._write
    monkeypatch.setattr(Spending, "_write", lambda self: (writes.append(1), original(self))[1])

    for _ in range(1000):
        spending.add(Kind.EVENTS, 300)
    assert len(writes) == 300_000 // WRITE_BYTES
    clock.pass_(seconds=61)
    spending.add(Kind.EVENTS, 1)

    assert len(writes) == 300_000 // WRITE_BYTES + 1
    assert open_spending().today()[Kind.EVENTS] == 300_001


def test_a_clock_set_back_gives_no_second_budget_and_the_day_still_ends(open_spending, clock: Clock) -> None:
    """A box that wakes in 1970 goes on with the day it knew, and its hours and midnight still come."""
    spending = open_spending()
    spending.add(Kind.FILES, 1000)
    spending.flush()
    clock.system = datetime(1970, 1, 1, tzinfo=UTC)

    rebooted = open_spending()
    assert rebooted.today()[Kind.FILES] == 1000
    clock.pass_(hours=11)
    assert rebooted.today()[Kind.FILES] == 1000
    clock.pass_(hours=1, minutes=5)
    assert rebooted.today()[Kind.FILES] == 0


def test_a_clock_that_jumps_ahead_costs_no_history(open_spending, clock: Clock, tmp_path: Path) -> None:
    """A year ahead is a new day; the days before stay, because old days go by number and not by age."""
    spending = open_spending()
    spending.add(Kind.FILES, 1000)
    clock.pass_(days=365)
    spending.add(Kind.FILES, 1)
    spending.flush()
    db = NodeDb(tmp_path / "node.db")

    days = read_days(db, "parent")
    db.close()

    assert [day for day, _ in days] == ["2027-11-21", "2026-11-21"]


def test_old_days_are_forgotten(open_spending, clock: Clock, tmp_path: Path) -> None:
    """Two months are kept."""
    spending = open_spending()
    for _ in range(KEPT_DAYS + 5):
        spending.add(Kind.EVENTS, 1)
        clock.pass_(days=1)
    spending.today()
    db = NodeDb(tmp_path / "node.db")

    kept = read_days(db, "parent", 1000)
    db.close()

    assert len(kept) == KEPT_DAYS
