"""Who goes first on a line, and how much of it is left to the last."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from replication.replicator.turns import FLOOR_EVERY, Turns


@dataclass(slots=True, eq=False)
class Flow:
    """One that shares a line: its batches have this size, and it has so many of them left."""

    priority: int
    batches: float = 1.0
    left: int = 1 << 30
    last_turn: int = 0
    sent: float = 0.0


def share(flows: list[Flow], turns: int) -> list[float]:
    """Give turns to whoever is first in order and has something; return what part of the line each had."""
    line = Turns()
    for _ in range(turns):
        flow = next(each for each in line.order(flows) if each.left)
        flow.left -= 1
        flow.sent += flow.batches
        line.note(flow, flows, flow.batches)
    total = sum(each.sent for each in flows)
    return [each.sent / total for each in flows]


@pytest.mark.parametrize("batches", [1.0, 3.0, 5.5])
def test_the_last_in_line_has_an_eighth_of_the_line_however_large_its_batches(batches: float) -> None:
    """A file chunk on a slow line is three batches of events: it comes each twenty-first turn, not each eighth."""
    events, chunks = share([Flow(0), Flow(2, batches)], 2000)

    assert chunks == pytest.approx(1 / FLOOR_EVERY, abs=0.01)
    assert events == pytest.approx(1 - 1 / FLOOR_EVERY, abs=0.01)


def test_those_in_between_wait_for_the_first_and_the_last_passes_them_as_well() -> None:
    """Events have seven eighths, files one, and what stands between them goes when there is room."""
    assert share([Flow(0), Flow(1), Flow(2)], 800) == pytest.approx([0.875, 0.0, 0.125], abs=0.01)
    assert share([Flow(0, left=0), Flow(1), Flow(2)], 800) == pytest.approx([0.0, 0.875, 0.125], abs=0.01)


def test_a_floor_that_the_last_does_not_use_goes_to_the_next_and_no_further() -> None:
    """With no files, previews have an eighth beside events, not all of the line."""
    assert share([Flow(0), Flow(1), Flow(2, left=0)], 800) == pytest.approx([0.875, 0.125, 0.0], abs=0.01)


def test_files_alone_save_no_credit_and_owe_none() -> None:
    """After a night of files a new event goes first at once."""
    events, files = Flow(0, left=0), Flow(2, 3.0)
    line = Turns()
    for _ in range(500):
        line.note(files, [events, files], 3.0)

    assert line.order([files, events])[0] is events


def test_equals_take_turns() -> None:
    """Two communes below one district have half of the line each."""
    assert share([Flow(0), Flow(0)], 100) == [0.5, 0.5]
