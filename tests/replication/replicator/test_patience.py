"""How long a silent line is waited for: by its silences that ended well, and longer where that proved too short."""

from __future__ import annotations

import pytest

from replication.peers.patience import Patience


def known(silence_s: float = 0.1) -> Patience:
    """A line of 64 kbit/s that has answered enough."""
    patience = Patience(20.0)
    for _ in range(4):
        patience.answered()
    patience.heard(silence_s)
    return patience


def test_a_line_nobody_knows_has_the_whole_time() -> None:
    """Three answers do not tell yet what a large one takes."""
    patience = Patience(20.0)
    for _ in range(3):
        patience.heard(0.1)
        patience.answered()
    assert patience.limit_s(0.6) == 20.0


@pytest.mark.parametrize(
    ("rtt_s", "silence_s", "limit_s"), [(0.6, 1.0, 5.0), (0.6, 4.0, 8.0), (2.5, 1.0, 7.5), (0.6, 15.0, 20.0)]
)
def test_a_known_line_has_what_it_needed_before(rtt_s: float, silence_s: float, limit_s: float) -> None:
    """Twice its longest silence or three round trips, never less than the least or more than the most."""
    assert known(silence_s).limit_s(rtt_s) == pytest.approx(limit_s)


def test_a_long_silence_is_forgotten_with_the_answers_after_it() -> None:
    """One bad minute does not make the line slow to notice for the rest of the day."""
    patience = known(8.0)
    for _ in range(30):
        patience.answered()
    assert patience.limit_s(0.6) == 5.0


def test_a_peer_that_thinks_for_long_is_waited_for_after_a_few_tries() -> None:
    """Each line given up doubles the limit up to the most; answers bring it back, and no further."""
    patience = known()
    limits = []
    for _ in range(4):
        limits.append(patience.limit_s(0.6))
        patience.lost()
    assert limits == [5.0, 10.0, 20.0, 20.0]

    for _ in range(5):
        patience.answered()
    assert 5.0 < patience.limit_s(0.6) < 20.0
    for _ in range(100):
        patience.answered()
    assert patience.limit_s(0.6) == 5.0
