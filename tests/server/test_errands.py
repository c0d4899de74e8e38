"""A background task lives through its failures, says them, and lets nothing that failed hold up the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from server.errands import Errand, Unfinished, for_each
from tests.server.conftest import wait_until

WAIT_S = 90.0


class Recorder:
    """A task that notes what it was handed, and fails as long as it is told to."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.failing: set[str] = set()
        self.changed = threading.Condition()

    def __call__(self, told: Sequence[str]) -> None:
        with self.changed:
            self.runs.append(list(told))
            self.changed.notify_all()
        for_each(told, self._do)

    def _do(self, each: str) -> None:
        if each in self.failing:
            raise OSError(f"no room for {each}")

    def wait(self, true: Callable[[list[list[str]]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: true(self.runs), WAIT_S)


@pytest.fixture
def started() -> Iterator[Callable[..., Errand]]:
    """Errands that are started, and stopped at the end."""
    made: list[Errand] = []

    def start(task: Any, **options: Any) -> Errand:
        made.append(Errand("test", task, **options))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_it_is_done_at_the_start_when_told_and_when_due(started: Any) -> None:
    """Empty-handed when it is due; what was told twice before its turn comes once, in order."""
    task = Recorder()
    errand = Errand("test", task, every_s=0.2)
    errand.notice("b", "a", "b")
    errand.start()
    try:
        task.wait(lambda runs: ["b", "a"] in runs and runs.count([]) >= 3)
    finally:
        errand.stop()
    assert task.runs[0] == []
    assert [run for run in task.runs if run] == [["b", "a"]]
    status = errand.status()
    assert (status.alive, status.failures, status.runs) == (False, 0, len(task.runs))


def test_what_fails_comes_again_and_holds_up_nothing_else(started: Any, caplog: Any) -> None:
    """The others are done at once; the failure is in the journal and in the status until it is mended."""
    task = Recorder()
    task.failing = {"stuck"}
    errand = started(task, again_s=0.05)
    errand.notice("stuck", "good")
    task.wait(lambda runs: ["stuck"] in runs)
    errand.notice("next")
    task.wait(lambda runs: ["next"] in runs or any("next" in run for run in runs))
    assert errand.status().alive
    assert "no room for stuck" in errand.complaint
    task.wait(lambda runs: sum("stuck" in run for run in runs) >= 3)  # two of them have failed by then
    task.failing = set()
    wait_until(lambda: errand.complaint == "")

    assert errand.status().failures >= 2
    assert any("test failed" in record.message for record in caplog.records)
    assert sum("good" in run for run in task.runs) == 1


def test_a_failure_when_due_is_tried_again_sooner_than_the_next_time(started: Any) -> None:
    """And does not keep what is told meanwhile from being done."""
    runs: list[list[str]] = []
    seen = threading.Event()

    def task(told: Sequence[str]) -> None:
        runs.append(list(told))
        if not told and runs.count([]) < 3:
            raise OSError("disk full")
        if runs.count([]) >= 3 and ["x"] in runs:
            seen.set()

    errand = started(task, every_s=3600.0, again_s=0.05)
    errand.notice("x")

    assert seen.wait(WAIT_S)
    assert errand.status().failures == 2


def test_failures_that_are_expected_are_told_in_a_sentence_and_once(started: Any, caplog: Any) -> None:
    """A key that is locked is no defect: no trace, and not a line every two seconds."""
    tries = threading.Semaphore(0)

    def task(told: Sequence[str]) -> None:
        tries.release()
        raise PermissionError("the key is locked")

    with caplog.at_level(logging.WARNING):
        started(task, again_s=0.01, expected=(PermissionError,))
        for _ in range(4):
            assert tries.acquire(timeout=WAIT_S)

    lines = [record for record in caplog.records if "the key is locked" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None


def test_stop_waits_for_the_task_and_ends_what_is_long(started: Any) -> None:
    """A long task looks whether it is to end; after that nothing runs."""
    begun, ended = threading.Event(), threading.Event()

    def task(_: Sequence[str]) -> None:
        begun.set()
        while not errand.is_ending:
            threading.Event().wait(0.01)
        ended.set()

    errand = Errand("test", task)
    errand.start()
    assert begun.wait(WAIT_S)
    errand.stop()

    assert ended.is_set()
    assert not errand.status().alive


def test_a_task_may_say_when_it_is_due_again(started: Any) -> None:
    """Instead of what was agreed."""
    runs = threading.Semaphore(0)

    def task(_: Sequence[str]) -> float:
        runs.release()
        return 0.01

    started(task, every_s=3600.0)

    for _ in range(3):
        assert runs.acquire(timeout=WAIT_S)


def test_for_each_does_all_and_names_what_failed() -> None:
    """With the cause of the first."""
    done: list[str] = []

    def do(each: str) -> None:
        done.append(each)
        if each in "bc":
            raise OSError(each)

    with pytest.raises(Unfinished) as found:
        for_each(["a", "b", "c", "d"], do)

    assert (done, found.value.left, str(found.value.__cause__)) == (["a", "b", "c", "d"], ("b", "c"), "b")


def test_every_errand_of_a_node_is_in_its_figures(office: Any) -> None:
    """All of them run, none fails, and the figures name each."""
    names = {each.name for each in office.node.errands}
    text = office.nobody.get("/metrics").text

    assert {"readmodel", "receipts", "papers", "erasing", "crls", "log", "gossip"} <= names
    for name in names:
        assert f'tram_errand_alive{{errand="{name}"}} 1.0' in text
        assert f'tram_errand_failures_total{{errand="{name}"}} 0.0' in text
