"""When to try again."""

from __future__ import annotations

from replication.document import Doc, DocId, Rev
from replication.errors import StorageFull
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator.backoff import Backoff
from replication.replicator.batching import Ratio
from replication.replicator.figures import Tally
from replication.replicator.stretches import Stretches
from replication.replicator.wire import Pace
from replication.store import Database


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


def test_a_source_that_can_be_read_mends_no_full_target(near: Database, near_peer: LocalPeer) -> None:
    """Each try costs a batch: they grow as rare while documents are still written here, and the fault stays told."""
    pace, target = Pace(lambda: 0.5), HttpPeer(Endpoint("http://district.invalid"), "far")
    stretches = Stretches(near_peer, None, pace, Tally(), Ratio(0.0))
    waits = []
    for number in range(9):
        pace.not_before = 0.0
        pace.fault(StorageFull("no room"), 0.0, target)
        waits.append(pace.not_before)
        name = f"{number:032x}"
        near.bulk_docs([Doc(DocId(name), Rev("1-" + name), (name,))], new_edits=False)
        stretches.at_end = False
        assert stretches.turn(0.0, with_docs=False)
        assert stretches.reap(0.0) is not None

    assert waits == [0.2, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pace.last_error == "the peer answered 507 insufficient_storage: no room"
    pace.success(target)
    assert pace.last_error is None
