"""When to try again."""

from __future__ import annotations

from replication.replicator.backoff import Backoff


def test_tries_come_often_for_ten_seconds_then_ever_later_and_start_again_after_an_answer() -> None:
    """0.2, forty times 0.25, then 1, 2, 4, 8, 16, 30, 30; the first again after `reset`."""
    backoff = Backoff(lambda: 0.5)

    delays = [backoff.next_s() for _ in range(48)]
    backoff.reset()

    assert delays == [0.2, *[0.25] * 40, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.next_s() == 0.2


def test_delays_are_spread_by_a_quarter_and_never_pass_thirty_seconds() -> None:
    """The spread keeps peers out of step; the ceiling holds with it."""
    low, high = Backoff(lambda: 0.0), Backoff(lambda: 0.999999)

    assert low.next_s() == 0.2 * 0.75
    assert 0.249 < high.next_s() < 0.25
    assert max(high.next_s() for _ in range(60)) == 30
