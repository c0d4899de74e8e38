"""Nobody gives themselves a role: one proposes, another confirms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dossier.event import StoredEvent
from server.dossier.granting import TWO_PERSONS_SINCE
from server.dossier.proofs import Evidence
from server.dossier.roles import Grants, fold_grants
from server.dossier.times import parse_time
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_NODE,
    LEADER,
    NODE,
    OFFICIAL,
    SECOND_LEADER,
    UNIT,
    Story,
    confirm,
    grant,
    revoke,
)

FOUNDED, LATER, LATEST = "2026-11-23T00:30:00Z", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"
NOON = "2026-11-30T05:00:00Z"


def given_at(at: str, person: str, role: str = "official", *, by: str = NODE, **body: str) -> StoredEvent:
    """A grant made at a time; it begins with the year unless said otherwise."""
    made = grant(person, role, by=by, **body).event
    return Story(made.stream, made.unit).write("role.granted", by, made.body, at=at)


FOUNDER = given_at(FOUNDED, LEADER, "leader")


def holds(events: list[StoredEvent], person: str, at: str = NOON, role: str = "official") -> bool:
    """Whether a role came about."""
    return fold_grants(events).holds(person, role, UNIT, at)


def test_while_a_unit_has_no_leader_its_nodes_word_is_enough() -> None:
    """Somebody has to be the first; the first leader ends it, also for what comes in the same fold."""
    assert holds([given_at(FOUNDED, OFFICIAL)], OFFICIAL)
    assert not holds([FOUNDER, given_at(LATER, OFFICIAL)], OFFICIAL)


def test_a_grant_waits_for_a_second_person_and_says_so() -> None:
    """It is listed with who proposed it; confirmed, it holds from the confirmation on, not from its `from`."""
    waiting = given_at(LATER, OFFICIAL)
    [pending] = fold_grants([FOUNDER, waiting]).pending
    assert (pending.event, pending.subject, pending.proposer) == (waiting.id, OFFICIAL, NODE)

    done = fold_grants([FOUNDER, waiting, confirm(waiting, LEADER, LATEST)])
    assert done.pending == ()
    assert [done.holds(OFFICIAL, "official", UNIT, at) for at in (LATER, "2026-11-24T23:59:59Z", LATEST)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("proposer", "second", "counts"),
    [
        (NODE, LEADER, True),
        (NODE, NODE, False),
        (NODE, DISTRICT_NODE, False),  # two consoles are no person
        (NODE, OFFICIAL, False),  # who gets it
        (NODE, CITIZEN, False),
        (LEADER, LEADER, False),
        (LEADER, NODE, True),
        (LEADER, SECOND_LEADER, True),
        (OFFICIAL, LEADER, False),  # proposed for oneself
        (CITIZEN, LEADER, False),
    ],
)
def test_two_voices_with_the_right_neither_of_them_the_one_who_gains(proposer: str, second: str, counts: bool) -> None:
    """Every pair of voices."""
    deputy = given_at(FOUNDED, SECOND_LEADER, "leader")
    founded = [FOUNDER, deputy, confirm(deputy, LEADER, "2026-11-23T01:00:00Z")]
    if FOUNDER.id > deputy.id:  # in one second the smaller id is first, and the other one is confirmed by it
        founded[2] = confirm(FOUNDER, SECOND_LEADER, "2026-11-23T01:00:00Z")
    waiting = given_at(LATER, OFFICIAL, by=proposer)
    assert holds([*founded, waiting, confirm(waiting, second, LATEST)], OFFICIAL) is counts


def test_a_confirmation_names_the_person_it_is_about() -> None:
    """One that names somebody else confirms nothing."""
    waiting = given_at(LATER, OFFICIAL)
    body = {"of": waiting.id, "subject": CITIZEN}
    other = Story(waiting.event.stream).write("role.confirmed", LEADER, body, at=LATEST)
    assert not holds([FOUNDER, waiting, other], OFFICIAL)


def test_ending_the_leader_at_the_console_does_not_found_the_unit_again() -> None:
    """Whoever holds the console could otherwise end the leader's role and give themselves every other."""
    events = [FOUNDER, revoke(LEADER, LATER, "leader"), given_at(LATEST, OFFICIAL, "leader")]
    assert not holds(events, OFFICIAL, role="leader")


def test_helpers_decide_nothing_and_need_one_voice() -> None:
    """A leader's word is enough; an official's is none."""
    assert holds([FOUNDER, given_at(LATER, OFFICIAL, "helper", by=LEADER)], OFFICIAL, role="helper")
    assert not holds([FOUNDER, given_at(LATER, OFFICIAL, "helper", by=CITIZEN)], OFFICIAL, role="helper")


def test_a_leader_takes_a_role_back_alone_and_nobody_else_does() -> None:
    """Taking away never waits for a second person."""
    first = given_at("2026-11-23T00:20:00Z", OFFICIAL)
    assert not holds([first, FOUNDER, revoke(OFFICIAL, LATER, by=LEADER)], OFFICIAL)
    assert holds([first, FOUNDER, revoke(OFFICIAL, LATER, by=CITIZEN)], OFFICIAL)


def test_a_proposal_that_was_taken_back_waits_no_longer() -> None:
    """Nor can it be confirmed into effect."""
    waiting = given_at(LATER, OFFICIAL)
    events = [FOUNDER, waiting, revoke(OFFICIAL, LATEST)]
    assert fold_grants(events).pending == ()
    assert not holds([*events, confirm(waiting, LEADER, "2026-11-26T00:00:00Z")], OFFICIAL)


def test_what_was_granted_before_the_rule_stays_granted() -> None:
    """Rules have dates: a home from before keeps its officials."""
    old = [given_at("2026-10-01T00:00:00Z", LEADER, "leader"), given_at("2026-11-21T23:59:59Z", OFFICIAL)]
    assert TWO_PERSONS_SINCE > "2026-11-21T23:59:59Z"
    assert holds(old, OFFICIAL)


def test_a_grant_dated_before_the_rule_is_judged_when_it_is_proven() -> None:
    """The log knows better than the console's clock."""
    dated_back = given_at("2026-11-01T00:00:00Z", OFFICIAL)
    founder = given_at("2026-10-01T00:00:00Z", LEADER, "leader")
    proofs = Evidence({dated_back.id: parse_time(LATER)})
    assert fold_grants([founder, dated_back]).holds(OFFICIAL, "official", UNIT, NOON)
    assert not fold_grants([founder, dated_back], proofs).holds(OFFICIAL, "official", UNIT, NOON)


def test_a_role_ends_by_its_date() -> None:
    """`until` is not included, and shows in the grant."""
    events = [
        FOUNDER,
        waiting := given_at(LATER, OFFICIAL, until="2026-12-01T00:00:00Z"),
        confirm(waiting, LEADER, LATEST),
    ]
    assert holds(events, OFFICIAL, "2026-11-30T23:59:59Z")
    assert not holds(events, OFFICIAL, "2026-12-01T00:00:00Z")


WAITING = given_at(LATER, OFFICIAL)
DEPUTY = given_at(LATER, SECOND_LEADER, "leader", by=LEADER)
ALL = [
    FOUNDER,
    WAITING,
    DEPUTY,
    confirm(DEPUTY, NODE, "2026-11-24T01:00:00Z"),
    confirm(WAITING, SECOND_LEADER, "2026-11-24T02:00:00Z"),
    revoke(LEADER, LATEST, "leader", by=SECOND_LEADER),
    given_at(LATEST, CITIZEN, "admin", by=SECOND_LEADER),
]


@given(st.permutations([*ALL, *ALL[:3]]))
def test_the_order_of_arrival_does_not_matter(events: list[StoredEvent]) -> None:
    """Every order gives the same grants and the same waiting list."""
    whole: Grants = fold_grants(ALL)
    assert fold_grants(events) == whole
    assert (whole.holds(OFFICIAL, "official", UNIT, NOON), whole.holds(LEADER, "leader", UNIT, NOON)) == (True, False)
    assert [each.subject for each in whole.pending] == [CITIZEN]
