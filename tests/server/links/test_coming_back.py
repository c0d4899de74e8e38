"""After a week without a line a link moves within half a minute, and a hundred of them do not move at once."""

from __future__ import annotations

import random
from statistics import pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replication.errors import LinkCut
from replication.peers import Busy
from server.links.allowance import LinkRules
from server.links.link import NeighbourLink
from server.links.meeting import CONNECT_S
from server.links.neighbours import Neighbour
from server.links.retry import LONGEST_S, SPREAD, WAITS_S, Retry
from server.links.state import LinkState

WEEK_S = 7 * 24 * 3600.0


def _tries(seed: int, until_s: float, try_s: float):
    """Yield when a link tries, on a clock nobody waits for; each try takes `try_s` to fail."""
    retry, now = Retry(random.Random(seed).random), 0.0
    while now < until_s + 60:
        yield now
        now += try_s + retry.next_s()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0.0, 3600.0), st.sampled_from([0.01, 3.0, CONNECT_S]))
def test_after_a_week_the_first_try_is_within_half_a_minute(seed: int, later_s: float, try_s: float) -> None:
    """Whenever the line comes back, and however long a failing try takes (a refused one, a swallowed one)."""
    back_s = WEEK_S / 100 + later_s  # the waits reach their longest within a minute; a hundredth of a week is enough

    first = next(at for at in _tries(seed, back_s, try_s) if at >= back_s)

    assert first - back_s <= 30.0
    assert CONNECT_S + min(LONGEST_S, WAITS_S[-1] * (1 + SPREAD)) <= 30.0


def test_a_hundred_communes_behind_one_mast_spread_over_the_longest_wait() -> None:
    """In no second after the line came back do more than a fifth of them knock; without spreading all would."""
    back_s = 3600.0
    firsts = [next(at for at in _tries(seed, back_s, 0.01) if at >= back_s) - back_s for seed in range(100)]

    per_second = [sum(1 for first in firsts if second <= first < second + 1) for second in range(16)]
    assert max(per_second) <= 20
    assert pstdev(firsts) > 2.0


def test_patience_asked_for_is_kept_and_spread() -> None:
    """503 with Retry-After: 60 is waited for at least 60 s, by each a little differently."""
    waits = {Retry(random.Random(seed).random).next_s(asked_s=60.0) for seed in range(20)}

    assert min(waits) >= 60.0
    assert len(waits) == 20


class Line:
    """A neighbour that does not answer, on a clock moved by the waits themselves."""

    def __init__(self, back_s: float) -> None:
        self.now = 0.0
        self.back_s = back_s
        self.met_at: float | None = None

    def fetch_acquaintance(self):
        if self.now < self.back_s:
            self.now += CONNECT_S  # the packets are swallowed
            raise LinkCut("cannot reach tinh.example:443: timed out")
        self.met_at = self.now
        raise Busy("seen", 3600.0)


def test_the_link_itself_waits_no_longer(commune, monkeypatch) -> None:
    """The link itself over a virtual week: it notices the line within half a minute, and says meanwhile why."""
    line = Line(WEEK_S)
    link = NeighbourLink(
        Neighbour("parent", "http://tinh.example", "parent"),
        pairing=None,  # nothing is replicated before the neighbour is met
        meeting=line,  # type: ignore[arg-type]  # it answers the one call that is made
        rules=LinkRules(),
        db=commune.db,
        now=lambda: commune.now[0],
    )
    errors = set()

    def wait(seconds: float) -> bool:
        errors.add(LinkState(commune.db, "parent").read().last_error)
        line.now += seconds
        if line.met_at is not None:
            link._stop.set()
        return link._stop.is_set()

    monkeypatch.setattr(link._stop, "wait", wait)
    link._run()

    assert line.met_at == pytest.approx(WEEK_S, abs=30.0)
    assert line.met_at >= WEEK_S
    assert errors == {"cannot reach tinh.example:443: timed out", "seen"}
