"""A proposal to erase that is withdrawn or refused: who may, what it ends, and that every tier says the same."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dossier.erasing import settle_erasures
from server.dossier.event import EventId, StoredEvent, build_event, event_id, parse_event
from server.dossier.granting import FOREVER, Grant
from server.dossier.roles import Grants

UNIT, STREAM = "H41.12.03", "unit.h41-12-03"
DOSSIER = "01937c2e-5a10-7b3c-9d1e-0123456789ab"
CLERK, ADA, BE, CHI = (f"urn:tram:subject:{digit * 32}" for digit in "1234")
COMMUNE, DISTRICT, OTHER = "urn:tram:node:h41-12-03", "urn:tram:node:h41-12", "urn:tram:node:h41-13"
LEADERS = {ADA: FOREVER, BE: FOREVER, CHI: FOREVER}


def stored(type, actor, body, at="2046-01-02T00:00:00Z"):
    event = build_event(stream=STREAM, type=type, unit=UNIT, actor=actor, at=at, nonce=b"n" * 16, body=body)
    return StoredEvent(EventId(event_id(event)), parse_event(event))


def proposed(actor, basis="Quyết định 12"):
    body = {"dossier": DOSSIER, "basis": basis, "rule": "20 năm", "ended": "2046-01-01T00:00:00Z"}
    return stored("erasure.proposed", actor, body | {"events": ["sha256-" + "A" * 43], "files": []})


def confirmed(actor, of):
    return stored("erasure.confirmed", actor, {"of": of.id})


def stop(kind, actor, of, at="2046-01-02T00:00:00Z"):
    return stored(f"erasure.{kind}", actor, {"of": of.id, "reason": "Chọn nhầm hồ sơ"}, at)


def done(actor, of):
    return stored("erasure.done", actor, {"of": of.id, "events": 1, "files": 0, "chunks": 0})


def grants(leaders=LEADERS):
    begins = "2020-01-01T00:00:00Z"
    return Grants({who: (Grant(UNIT, who, "leader", begins, end, "X", "sha256-x"),) for who, end in leaders.items()})


@pytest.mark.parametrize(
    ("proposer", "kind", "actor", "counts"),
    [
        (ADA, "withdrawn", ADA, True),
        (ADA, "withdrawn", BE, False),
        (ADA, "withdrawn", COMMUNE, False),
        (ADA, "withdrawn", CLERK, False),
        (COMMUNE, "withdrawn", COMMUNE, True),
        (COMMUNE, "withdrawn", DISTRICT, False),
        (ADA, "refused", BE, True),
        (ADA, "refused", COMMUNE, True),
        (ADA, "refused", DISTRICT, True),
        (COMMUNE, "refused", DISTRICT, True),
        (COMMUNE, "refused", BE, True),
        (ADA, "refused", ADA, False),
        (ADA, "refused", CLERK, False),
        (ADA, "refused", OTHER, False),
    ],
)
def test_who_proposed_withdraws_and_another_with_the_right_refuses(proposer, kind, actor, counts):
    """Nobody takes back what somebody else proposed; nobody without the right refuses; a refusal takes one voice."""
    proposal = proposed(proposer)
    [found] = settle_erasures([proposal, stop(kind, actor, proposal)], grants())
    assert found.is_stopped is counts
    assert found.is_ordered is False
    if counts:
        assert (found.stop.kind, found.stop.actor, found.stop.reason) == (kind, actor, "Chọn nhầm hồ sơ")


def test_who_is_a_leader_no_more_still_takes_their_own_proposal_back():
    """To keep a dossier nobody needs an office; to refuse somebody else's proposal they do."""
    proposal, ended = proposed(ADA), LEADERS | {ADA: "2046-06-01T00:00:00Z", BE: "2046-06-01T00:00:00Z"}
    own = stop("withdrawn", ADA, proposal, at="2046-07-01T00:00:00Z")
    others = stop("refused", BE, proposal, at="2046-07-01T00:00:00Z")
    assert settle_erasures([proposal, own], grants(ended))[0].is_stopped
    assert not settle_erasures([proposal, others], grants(ended))[0].is_stopped


def test_a_stop_outweighs_a_confirmation_whichever_was_made_first():
    """While nothing was erased the dossier stays, in whatever order the two are known or dated."""
    proposal = proposed(ADA)
    for at in ("2046-01-01T00:00:00Z", "2046-01-03T00:00:00Z"):
        events = [proposal, confirmed(BE, proposal), stop("refused", CHI, proposal, at)]
        for order in permutations(events):
            [found] = settle_erasures(order, grants())
            assert (bool(found.confirmed), found.is_stopped, found.is_ordered) == (True, True, False)


def test_once_a_node_has_erased_a_stop_comes_too_late_and_is_still_shown():
    """The other tiers go on; who tried to stop it stays on record."""
    proposal = proposed(ADA)
    events = [proposal, confirmed(BE, proposal), stop("withdrawn", ADA, proposal), done(COMMUNE, proposal)]
    [found] = settle_erasures(events, grants())
    assert (found.is_executed, found.is_ordered, found.is_stopped) == (True, True, False)
    assert found.stop.actor == ADA


@pytest.mark.parametrize("liar", [OTHER, CLERK])
def test_nobody_beside_the_path_makes_a_withdrawal_late(liar):
    """Only a node of the unit or above says that it erased; and without two voices its word changes nothing."""
    proposal = proposed(ADA)
    own = stop("withdrawn", ADA, proposal)
    [found] = settle_erasures([proposal, confirmed(BE, proposal), own, done(liar, proposal)], grants())
    assert found.is_stopped
    [alone] = settle_erasures([proposal, own, done(COMMUNE, proposal)], grants())
    assert alone.is_stopped


def test_a_new_proposal_for_the_same_dossier_stands_by_itself():
    """What ended the first one does not touch the second."""
    first, second = proposed(ADA), proposed(ADA, "Quyết định 13")
    events = [first, stop("withdrawn", ADA, first), second, confirmed(BE, first), confirmed(BE, second)]
    found = {each.id: each for each in settle_erasures(events, grants())}
    assert found[first.id].is_stopped
    assert found[second.id].is_ordered


def words(proposal):
    """Everything anybody might say about a proposal, with the right to it or without."""
    said = [confirmed(each, proposal) for each in (ADA, BE, COMMUNE, CLERK)]
    said += [stop(kind, each, proposal) for kind in ("withdrawn", "refused") for each in (ADA, BE, CLERK, DISTRICT)]
    return said + [done(each, proposal) for each in (COMMUNE, DISTRICT, OTHER)]


FIRST = proposed(ADA)
EVENTS = st.lists(st.sampled_from([FIRST, *words(FIRST)]), max_size=10, unique_by=lambda each: each.id)


@given(EVENTS.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some), st.permutations(some))))
def test_every_order_of_arrival_gives_every_tier_the_same_state(orders):
    """What is folded at two tiers that heard it by different roads, the second one twice, is equal; and a dossier is
    ordered erased or its erasure is stopped, never both."""
    some, one, other = orders
    expected = settle_erasures(some, grants())
    assert settle_erasures(one, grants()) == settle_erasures(other, grants()) == expected
    for found in expected:
        assert not (found.is_ordered and found.is_stopped)
        assert found.is_ordered <= bool(found.confirmed)
        assert found.is_stopped <= (found.stop is not None)


@given(EVENTS, st.sampled_from(words(FIRST)))
def test_nothing_but_an_erasure_done_undoes_a_stop(some, more):
    """Whatever else is heard later, a stopped proposal stays stopped and an executed one executed."""
    before = settle_erasures([FIRST, *some], grants())[0]
    after = settle_erasures([FIRST, *some, more], grants())[0]
    if before.is_stopped and after.is_ordered:
        assert after.done
        assert after.confirmed
    if before.is_executed:
        assert after.is_executed
