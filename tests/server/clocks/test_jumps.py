"""Jumps of the clock forward, found by comparing it with one that nobody can set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from replication.errors import StoreError
from server.clocks.clock import NodeClock
from server.clocks.jumps import Uptime, system_uptime
from server.nodedb import NodeDb

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Machine:
    """A wall clock that anybody sets, and the time since the machine was switched on, which nobody does."""

    def __init__(self) -> None:
        self.wall, self.up, self.boot = START, 100.0, "first"

    def passes(self, time: timedelta) -> None:
        self.wall += time
        self.up += time.total_seconds()

    def set_wall(self, by: timedelta) -> None:
        self.wall += by

    def switch_off(self, time: timedelta) -> None:
        self.wall += time
        self.up, self.boot = 5.0, self.boot + "+"

    def uptime(self) -> Uptime:
        return Uptime(self.boot, self.up)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def jumps(clock: NodeClock) -> list[int]:
    clock.now()
    return [each.minutes for each in clock.jumps.unanswered()]


@pytest.fixture
def run(machine: Machine, tmp_path: Path) -> Any:
    """Start the clock of a home; each call is another run of the program over the same file."""
    opened: list[NodeDb] = []

    def start() -> NodeClock:
        for db in opened:
            db.close()
        opened[:] = [NodeDb(tmp_path / "node.db")]
        return NodeClock(opened[0], lambda: machine.wall, machine.uptime)

    yield start
    for db in opened:
        db.close()


def test_a_jump_of_more_than_five_minutes_is_noted_with_its_size(run: Any, machine: Machine) -> None:
    """Four minutes are NTP's; six hours are somebody's. Time goes on from there."""
    clock = run()
    assert jumps(clock) == []
    machine.passes(10 * MINUTE)
    machine.set_wall(4 * MINUTE)
    assert jumps(clock) == []
    machine.passes(2 * HOUR)
    assert jumps(clock) == []

    machine.set_wall(6 * HOUR)

    assert jumps(clock) == [360]
    assert clock.now() == machine.wall
    assert not clock.is_behind()


def test_a_jump_that_cannot_be_written_down_is_not_forgotten(run: Any, machine: Machine) -> None:
    """The disk was full at that moment; it is said as soon as there is room."""
    clock = run()
    assert jumps(clock) == []
    machine.set_wall(6 * HOUR)
    file = clock.jumps._db._connection
    file.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON clock_compared BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(StoreError, match="disk is full"):
        clock.now()
    file.execute("DROP TRIGGER full")

    machine.passes(2 * HOUR)
    assert jumps(clock) == [360]


def test_many_small_steps_are_one_jump(run: Any, machine: Machine) -> None:
    """Three steps of four minutes within the hour."""
    clock = run()
    for _ in range(3):
        jumps(clock)
        machine.passes(MINUTE)
        machine.set_wall(4 * MINUTE)

    assert jumps(clock) == [8]


def test_a_jump_while_the_program_did_not_run_is_found_at_its_start(run: Any, machine: Machine) -> None:
    """The machine stayed on: both clocks went on, one of them further."""
    clock = run()
    assert jumps(clock) == []
    machine.passes(30 * MINUTE)
    machine.set_wall(3 * HOUR)

    assert jumps(run()) == [180]
    assert jumps(run()) == [180]  # and is still there after another start


def test_a_night_off_or_asleep_is_no_jump(run: Any, machine: Machine) -> None:
    """Off: another boot, nothing is compared. Asleep: both clocks went on."""
    assert jumps(run()) == []
    machine.switch_off(12 * HOUR)
    clock = run()
    assert jumps(clock) == []
    machine.passes(12 * HOUR)
    assert jumps(clock) == []


def test_back_and_forward_again_is_measured_from_when_it_was_right(run: Any, machine: Machine) -> None:
    """A clock put back a day and then forward to where it should be is no jump; further than that is one."""
    clock = run()
    assert jumps(clock) == []
    machine.set_wall(-24 * HOUR)
    machine.passes(10 * MINUTE)
    assert jumps(clock) == []
    machine.set_wall(24 * HOUR)
    assert jumps(clock) == []
    machine.set_wall(-24 * HOUR)
    machine.passes(10 * MINUTE)
    assert jumps(clock) == []
    machine.set_wall(26 * HOUR)
    assert jumps(clock) == [120]


def test_an_operators_word_settles_it(run: Any, machine: Machine) -> None:
    """Whether the new time was right, or the clock was set back first."""
    clock = run()
    assert jumps(clock) == []
    machine.set_wall(6 * HOUR)
    assert jumps(clock) == [360]
    clock.accept_system()
    assert jumps(clock) == []
    machine.set_wall(6 * HOUR)
    assert jumps(clock) == [360]
    machine.set_wall(-6 * HOUR)
    assert clock.is_behind()
    clock.accept_system()
    assert jumps(clock) == []
    assert clock.now() == machine.wall


def test_this_machines_second_clock_goes_on_and_names_its_boot() -> None:
    """The real one, which the tests above stand in for."""
    first, second = system_uptime(), system_uptime()
    assert 0 < first.seconds <= second.seconds
    assert first.boot == second.boot
