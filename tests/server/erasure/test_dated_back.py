"""An order whose author had left the office: dated back and brought past the unit that would know."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from server.dossier.times import format_time
from server.intake.source import Source
from tests.server.erasure.conftest import COMMUNE, DISTRICT, here


def next_second(helpers: Any) -> datetime:
    """The present, in a second of its own: times of events have no parts of seconds."""
    now = int(time.time())
    helpers.wait_until(lambda: int(time.time()) > now)
    return datetime.now(UTC).replace(microsecond=0)


def test_a_leader_who_has_left_confirms_nothing_on_the_tier_above(offices: Any, helpers: Any) -> None:
    """The stick goes to the district, whose records say that she was a leader then: it waits for the word of the
    commune's log, which takes the confirmation at its own time; then it counts nowhere, and nothing was erased."""
    commune, district, made = offices.commune, offices.district, offices.made
    erasure, leader = offices.propose(), made.person(COMMUNE, "leader")
    made.meet(COMMUNE, DISTRICT)
    in_office = next_second(helpers)
    next_second(helpers)
    commune.people.revoke(leader.urn, "leader", "Nghỉ việc")
    next_second(helpers)
    made.send(COMMUNE, DISTRICT)
    made.take(DISTRICT)
    event = made.helpers.submission(
        COMMUNE, leader, stream="unit.h41-12-03", type="erasure.confirmed", prev=[], body={"of": erasure.id}
    )
    doc = leader.sign(event | {"at": format_time(in_office)}, in_office)
    for node in (district, commune):
        [result] = node.intake.admit(commune.database, [doc], source=Source("bundle", "usb"))
        assert result.error is None
        node.model.follower.catch_up()
        assert node.erasing.settle() == 0
        assert here(node, commune.database, erasure.documents) == set(erasure.documents)
    assert district.erasures.doubt(district.erasures.get(erasure.id)) == "not_logged"

    commune.publisher.publish(everything=True)
    made.send(COMMUNE, DISTRICT, "log")
    made.take(DISTRICT, "log")
    district.proofs.catch_up()
    assert not district.erasures.get(erasure.id).confirmed


def test_an_order_that_the_units_log_holds_is_carried_out_above_without_its_node(offices: Any) -> None:
    """The commune's node logged both words and has not erased yet (its lists are stale, say): its pages suffice."""
    commune, district, made = offices.commune, offices.district, offices.made
    made.meet(COMMUNE, DISTRICT)
    erasure = offices.order()
    made.send(COMMUNE, DISTRICT)
    made.take(DISTRICT)
    district.model.follower.catch_up()
    commune.publisher.publish(everything=True)
    made.send(COMMUNE, DISTRICT, "log")
    made.take(DISTRICT, "log")
    district.proofs.catch_up()
    assert district.erasing.settle() == 1
    assert here(district, commune.database, erasure.documents) == set()
