"""Batch sizes follow the measured link."""

from __future__ import annotations

import pytest

from replication.replicator.batching import (
    INITIAL_RATE,
    MAX_BATCH_BYTES,
    MIN_BATCH_BYTES,
    LinkMeter,
    Rate,
    build_batch_bytes,
)


@pytest.mark.parametrize(("bits", "expected"), [(32_000, 10_392), (64_000, 14_697), (256_000, 29_394)])
def test_batch_is_the_size_that_loses_least(bits: int, expected: int) -> None:
    """sqrt(2·450·T·R) for 30 s between cuts: 10, 15 and 29 KB."""
    assert round(build_batch_bytes(bits / 8, 30)) == expected


def test_batch_stays_between_its_bounds() -> None:
    """A dead slow line still sends 1.5 KB, a fast one no more than 256 KB."""
    assert build_batch_bytes(10, 5) == MIN_BATCH_BYTES
    assert build_batch_bytes(100e6, 3600) == MAX_BATCH_BYTES


def test_batch_never_takes_more_than_a_quarter_of_the_time_between_cuts() -> None:
    """With a cut each second the quotient rules, not the root."""
    assert build_batch_bytes(20_000, 1) == min(5000, (2 * 450 * 20_000) ** 0.5)


def test_rate_counts_time_between_answers_not_time_in_the_queue() -> None:
    """Two batches sent together and answered one after the other give the rate of the line."""
    rate = Rate()
    rate.observe(8000, begun=0, ended=1)

    rate.observe(8000, begun=0, ended=2)

    assert rate.value == pytest.approx(8000)


def test_answers_that_come_together_do_not_look_like_a_fast_line() -> None:
    """Two answers in one packet: the mean over both counts."""
    rate = Rate()
    for second in range(1, 20, 2):
        rate.observe(8000, begun=0, ended=second + 1)
        rate.observe(8000, begun=0, ended=second + 1)

    assert 6000 < rate.value < 11000


def test_a_lost_batch_halves_the_next_and_good_ones_win_it_back() -> None:
    """AIMD: half after a cut with data under way, a tenth more after each batch that arrived."""
    meter = LinkMeter(0.0)
    meter.up.observe(8000, 0, 1)
    before = meter.up_batch_bytes(30)
    meter.cut(30, lost_batch=True)
    meter.connected(31)

    halved = meter.up_batch_bytes(32)
    for _ in range(8):
        meter.acknowledged()

    assert halved == pytest.approx(before / 2, rel=0.05)
    assert meter.up_batch_bytes(32) == pytest.approx(before, rel=0.05)


def test_a_link_that_holds_is_believed_to_hold() -> None:
    """Ten minutes without a cut allow bigger batches than thirty seconds."""
    meter = LinkMeter(0.0)

    assert meter.between_cuts_s(10) == 30
    assert meter.between_cuts_s(600) == 600


def test_the_first_cut_counts_for_more_than_a_guess() -> None:
    """A line that breaks each second is believed to at once: batches of the size for 30 s up would all be torn."""
    meter = LinkMeter(0.0)
    meter.cut(1.0, lost_batch=False)
    meter.connected(2.0)

    assert meter.between_cuts_s(2.0) == 1.0
    assert meter.up_batch_bytes(2.0) == build_batch_bytes(INITIAL_RATE, 1.0)
