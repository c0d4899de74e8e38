"""A heap of events becomes one dossier, whatever the order they came in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.dossier.event import StoredEvent
from server.dossier.fold import fold
from server.dossier.order import arrange
from server.dossier.roles import Grants, fold_grants
from server.dossier.rules import is_office, why_not
from server.dossier.view import Views
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_NODE,
    DISTRICT_OFFICIAL,
    HELPER,
    NODE,
    OFFICIAL,
    OTHER_CITIZEN,
    SECOND_OFFICIAL,
    Story,
    grant,
    office,
    photo,
    revoke,
)

OFFICE = office()


def states_of(events: list[StoredEvent], grants: Grants = OFFICE) -> dict[str, str]:
    """The state of each event, by id."""
    return {entry.id: entry.state for entry in fold(events, grants).timeline}


def test_a_birth_registration_runs_from_filing_to_hand_over() -> None:
    """Every step counts, and the dossier shows what each brought."""
    s = Story()
    paper, result = photo(1), photo(2, part="ket-qua")
    filed = s.submit(files=[paper])
    received = s.receipt(filed)
    accepted = s.accept(received)
    forwarded = s.forward(accepted)
    resolved = s.resolve(forwarded, files=[result])
    s.give_back(resolved)

    d = fold(s.events, OFFICE)

    assert [entry.state for entry in d.timeline] == ["applied"] * 6
    assert [entry.id for entry in d.timeline] == [stored.id for stored in s.events]
    assert (d.status, d.states.handover, d.is_received) == (10, "returned", True)
    assert (d.code, d.due, d.accepted_by) == ("H41.12.03-261123-0001", "2026-11-23T10:00:00Z", OFFICIAL)
    assert [(f.ref, f.kind, f.actor) for f in d.files] == [(paper, "submission", CITIZEN), (result, "result", OFFICIAL)]
    assert d.outcome is not None
    assert (d.outcome.word, d.outcome.text) == ("granted", "Đã cấp Giấy khai sinh")
    assert d.returned is not None
    assert (d.returned.word, d.returned.text) == ("counter", "Nguyễn Thị Ánh")
    assert d.heads == (s.events[-1].id,)


@pytest.mark.parametrize(
    ("steps", "status", "handover"),
    [
        ([], 1, "with_applicant"),
        (["accept"], 2, "at_desk"),
        (["refuse"], 3, "closed"),
        (["accept", "forward"], 4, "forwarded"),
        (["ask"], 5, "with_applicant"),
        (["withdraw"], 7, "closed"),
        (["accept", "stop"], 8, "closed"),
        (["accept", "resolve"], 9, "result_waiting"),
        (["accept", "resolve", "give_back"], 10, "returned"),
        (["ask", "supplement"], 1, "with_applicant"),
        (["ask", "accept"], 2, "at_desk"),
        (["ask", "refuse"], 3, "closed"),
        (["accept", "ask", "supplement"], 2, "at_desk"),
        (["accept", "forward", "ask", "supplement"], 4, "forwarded"),
    ],
)
def test_each_step_leads_to_its_status(steps: list[str], status: int, handover: str) -> None:
    """Status codes are those of the national exchange; after papers came the dossier is where it was."""
    s = Story()
    last = s.submit()
    for step in steps:
        last = getattr(s, step)(last)

    d = fold(s.events, OFFICE)

    assert all(entry.applied for entry in d.timeline)
    assert (d.status, d.states.handover) == (status, handover)


@pytest.mark.parametrize(
    ("steps", "bad"),
    [
        (["refuse"], "accept"),
        (["accept"], "accept"),
        (["accept"], "give_back"),
        ([], "resolve"),
        (["accept", "resolve"], "withdraw"),
        (["withdraw"], "accept"),
        (["accept"], "supplement"),
        (["accept", "resolve", "give_back"], "stop"),
    ],
)
def test_an_impossible_step_is_kept_with_its_reason(steps: list[str], bad: str) -> None:
    """It changes nothing, and says in two languages why."""
    s = Story()
    last = s.submit()
    for step in steps:
        last = getattr(s, step)(last)
    before = fold(s.events, OFFICE)
    getattr(s, bad)(last)

    after = fold(s.events, OFFICE)

    entry = after.timeline[-1]
    assert entry.state == "not_applied"
    assert entry.reason is not None
    assert entry.reason.vi
    assert entry.reason.en
    assert (after.status, after.code, after.states) == (before.status, before.code, before.states)


@pytest.mark.parametrize("step", ["accept", "refuse", "ask", "comment"])
@pytest.mark.parametrize("actor", [CITIZEN, OTHER_CITIZEN, HELPER, NODE])
def test_only_officials_decide(step: str, actor: str) -> None:
    """A decision by anybody else, the node included, does not count."""
    s = Story()
    filed = s.submit()
    getattr(s, step)(filed, actor=actor)

    d = fold(s.events, OFFICE)

    assert d.status == 1
    assert d.timeline[-1].state == "not_applied"


def test_an_official_of_a_unit_above_may_decide() -> None:
    """A role holds in everything below its unit."""
    s = Story()
    s.accept(s.submit(), actor=DISTRICT_OFFICIAL)
    assert fold(s.events, OFFICE).status == 2


def test_an_official_of_a_neighbour_may_not_decide() -> None:
    """A role in H41.12.04 means nothing in H41.12.03."""
    s = Story()
    s.accept(s.submit())
    assert fold(s.events, fold_grants([grant(OFFICIAL, unit="H41.12.04")])).status == 1


def test_a_revoked_official_may_not_decide_any_more() -> None:
    """What was signed before the revocation stays; what is dated later waits for a leader."""
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    s.forward(accepted)
    cut = s.events[2].event.at
    d = fold(s.events, fold_grants([grant(OFFICIAL), revoke(OFFICIAL, cut)]))
    assert [entry.state for entry in d.timeline] == ["applied", "applied", "held"]


def test_a_helper_who_filed_may_supplement_and_withdraw() -> None:
    """Whoever filed speaks for the dossier."""
    s = Story()
    s.withdraw(s.supplement(s.ask(s.submit(actor=HELPER)), actor=HELPER), actor=HELPER)
    d = fold(s.events, OFFICE)
    assert (d.status, d.owner) == (7, HELPER)


@pytest.mark.parametrize("step", ["supplement", "withdraw"])
def test_a_stranger_may_neither_supplement_nor_withdraw(step: str) -> None:
    """Knowing the stream's id gives no rights in it."""
    s = Story()
    getattr(s, step)(s.ask(s.submit()), actor=OTHER_CITIZEN)
    d = fold(s.events, OFFICE)
    assert (d.status, d.timeline[-1].state) == (5, "not_applied")


def test_an_official_may_record_a_withdrawal_only_of_what_was_filed_at_the_counter() -> None:
    """At the counter the citizen has no key; a dossier filed online is withdrawn by whoever filed it."""
    online, counter = Story(), Story()
    online.withdraw(online.submit(), actor=OFFICIAL)
    counter.withdraw(counter.submit(actor=SECOND_OFFICIAL, channel="counter"), actor=OFFICIAL)
    assert fold(online.events, OFFICE).status == 1
    assert fold(counter.events, OFFICE).status == 7


def test_a_supplement_changes_the_form_and_adds_files() -> None:
    """Fields it names replace the old ones; nothing else is touched."""
    s = Story()
    filed = s.submit(files=[photo(1)], form={"child_name": "Nguyễn Minh Đưc", "child_sex": "Nam"})
    s.supplement(s.ask(filed), files=[photo(2)], form={"child_name": "Nguyễn Minh Đức"})
    d = fold(s.events, OFFICE)
    assert d.form == {"child_name": "Nguyễn Minh Đức", "child_sex": "Nam"}
    assert [(f.ref.name, f.kind) for f in d.files] == [("anh-1.jpg", "submission"), ("anh-2.jpg", "supplement")]
    assert d.requests[0].answered == s.events[-1].id


def test_a_receipt_counts_only_for_the_files_it_names() -> None:
    """The node has to name exactly the files of the filing, and to be the unit's or one above."""
    good, short, foreign = Story(), Story(), Story()
    filed = [s.submit(files=[photo(1), photo(2)]) for s in (good, short, foreign)]
    good.receipt(filed[0], actor=DISTRICT_NODE)
    body = {"of": filed[1].id, "files": [photo(1).sha256], "bytes": 1000}
    short.write("receipt.issued", NODE, body, [filed[1]])
    foreign.receipt(filed[2], actor="urn:tram:node:h41-12-04")

    assert fold(good.events, OFFICE).is_received
    assert fold(good.events, OFFICE).unreceipted == ()
    for s in (short, foreign):
        d = fold(s.events, OFFICE)
        assert not d.is_received
        assert d.unreceipted == (d.submission,)


def test_two_decisions_made_apart_are_a_conflict_until_a_third_settles_it() -> None:
    """Both stand and are shown; the status stays what both had seen; the choice brings its branch back to life."""
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    forwarded = s.forward(accepted)
    refused = s.refuse(filed, actor=SECOND_OFFICIAL)

    open_ = fold(s.events, OFFICE)
    settled_by = s.settle(accepted, forwarded, refused)
    done = fold(s.events, OFFICE)

    assert (open_.status, open_.code) == (1, "")
    assert states_of(s.events[:4]) == {filed.id: "applied"} | dict.fromkeys(
        [accepted.id, forwarded.id, refused.id], "disputed"
    )
    [conflict] = open_.conflicts
    assert set(conflict.events) == {accepted.id, refused.id}
    assert conflict.fields["code"] == {accepted.id: "H41.12.03-261123-0001", refused.id: None}
    assert (done.status, done.code) == (4, "H41.12.03-261123-0001")
    assert states_of(s.events)[refused.id] == "set_aside"
    assert [(c.settled_by, c.chosen) for c in done.conflicts] == [(settled_by.id, accepted.id)]
    assert done.open_conflicts == ()


def test_the_other_choice_sets_the_whole_branch_aside() -> None:
    """What was built on the losing decision falls with it, also by people who had not heard of the choice."""
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    refused = s.refuse(filed, actor=SECOND_OFFICIAL)
    s.settle(refused, accepted, refused)
    late = s.forward(accepted)

    d = fold(s.events, OFFICE)

    assert (d.status, d.code) == (3, "")
    assert states_of(s.events)[accepted.id] == states_of(s.events)[late.id] == "set_aside"


def test_equal_decisions_made_apart_are_no_conflict() -> None:
    """Two acceptances with the same code and due date agree; the second changes nothing."""
    s = Story()
    filed = s.submit()
    s.accept(filed)
    s.accept(filed, actor=SECOND_OFFICIAL)
    d = fold(s.events, OFFICE)
    assert (d.status, d.conflicts) == (2, ())
    assert sorted(states_of(s.events).values()) == ["applied", "applied", "overtaken"]


def test_two_codes_for_one_dossier_are_a_conflict() -> None:
    """An official code is assigned once."""
    s = Story()
    filed = s.submit()
    one, two = s.accept(filed, number=1), s.accept(filed, actor=SECOND_OFFICIAL, number=2)
    assert fold(s.events, OFFICE).code == ""
    s.settle(two, one, two)
    assert fold(s.events, OFFICE).code == "H41.12.03-261123-0002"


def test_officials_go_on_only_after_a_conflict_is_settled() -> None:
    """Who saw both decisions has to choose first; comments and the citizen are not held up."""
    s = Story()
    filed = s.submit()
    accepted, refused = s.accept(filed), s.refuse(filed, actor=SECOND_OFFICIAL)
    blocked = s.forward(accepted, refused)
    s.comment(accepted, refused)
    assert states_of(s.events)[blocked.id] == "not_applied"
    s.withdraw(accepted, refused)
    d = fold(s.events, OFFICE)
    assert d.status == 7
    assert len(d.comments) == 1


def test_contradicting_settlements_settle_nothing_until_a_later_one() -> None:
    """Two officials choose differently at the same time: the conflict is open again, and names both choices."""
    s = Story()
    filed = s.submit()
    accepted, refused = s.accept(filed), s.refuse(filed, actor=SECOND_OFFICIAL)
    one = s.settle(accepted, accepted, refused)
    other = s.settle(refused, accepted, refused, actor=SECOND_OFFICIAL)

    [conflict] = fold(s.events, OFFICE).conflicts
    assert set(conflict.undone) == {one.id, other.id}
    assert conflict.settled_by == ""
    s.settle(refused, one, other)
    d = fold(s.events, OFFICE)
    assert d.status == 3
    assert d.open_conflicts == ()


def test_a_third_decision_that_arrives_after_the_settlement_opens_a_new_conflict() -> None:
    """Nobody chose against it, so it is not lost."""
    s = Story()
    filed = s.submit()
    accepted, refused = s.accept(filed), s.refuse(filed, actor=SECOND_OFFICIAL)
    s.settle(accepted, accepted, refused)
    late = s.ask(filed, actor=DISTRICT_OFFICIAL)
    d = fold(s.events, OFFICE)
    [conflict] = d.open_conflicts
    assert set(conflict.events) == {accepted.id, late.id}


def test_a_settlement_must_choose_from_an_open_conflict() -> None:
    """A choice without a conflict does not count."""
    s = Story()
    accepted = s.accept(s.submit())
    s.settle(accepted, accepted)
    assert fold(s.events, OFFICE).timeline[-1].state == "not_applied"


def test_a_withdrawal_beside_a_result_comes_too_late_whatever_its_hash() -> None:
    """The order of parallel events never decides between a citizen and an official by chance."""
    for attempt in range(8):
        s = Story()
        accepted = s.accept(s.submit(form={"child_name": f"Lần {attempt}"}))
        s.resolve(accepted)
        gone = s.withdraw(accepted)
        d = fold(s.events, OFFICE)
        assert (d.status, states_of(s.events)[gone.id]) == (9, "overtaken")


def test_a_stranger_cannot_push_a_second_submission_in_front() -> None:
    """Of two submissions the one that the office built on first counts, whatever the hashes."""
    for attempt in range(8):
        s = Story()
        mine = s.submit()
        received = s.receipt(mine)
        theirs = s.submit(actor=OTHER_CITIZEN, form={"child_name": f"Người khác {attempt}"})
        s.receipt(theirs, received, theirs)
        d = fold(s.events, OFFICE)
        assert (d.owner, d.submission) == (CITIZEN, mine.id)
        [conflict] = d.open_conflicts
        assert (conflict.kind, set(conflict.events)) == ("submission", {mine.id, theirs.id})
        assert states_of(s.events)[theirs.id] == "disputed"


def test_what_is_built_on_the_other_submission_alone_is_disputed_with_it() -> None:
    """The stranger's own supplement does not reach the dossier."""
    s = Story()
    s.receipt(s.submit())
    theirs = s.submit(actor=OTHER_CITIZEN)
    more = s.supplement(theirs, actor=OTHER_CITIZEN, form={"child_name": "Người khác"})
    d = fold(s.events, OFFICE)
    assert states_of(s.events)[more.id] == "disputed"
    assert d.form == {"child_name": "Nguyễn Minh Đức"}


@pytest.mark.parametrize("step", ["supplement", "withdraw"])
def test_a_stranger_gains_nothing_by_naming_both_submissions(step: str) -> None:
    """With a smaller id the stranger's own submission leads in what the stranger names; not in the dossier."""
    for attempt in range(8):
        s = Story()
        mine = s.submit()
        s.receipt(mine)
        theirs = s.submit(actor=OTHER_CITIZEN, form={"child_name": f"Người khác {attempt}"})
        changes = {"form": {"child_name": "Người khác"}, "files": [photo(9)]} if step == "supplement" else {}
        getattr(s, step)(mine, theirs, actor=OTHER_CITIZEN, **changes)
        d = fold(s.events, OFFICE)
        assert (d.owner, d.status, d.files) == (CITIZEN, 1, ())
        assert d.form == {"child_name": "Nguyễn Minh Đức"}


def test_a_choice_between_submissions_settles_whose_dossier_it_is() -> None:
    """An official may say that the other one is right after all."""
    s = Story()
    mine = s.submit()
    received = s.receipt(mine)
    theirs = s.submit(actor=OTHER_CITIZEN)
    s.settle(theirs, received, theirs)
    d = fold(s.events, OFFICE)
    assert (d.owner, d.open_conflicts) == (OTHER_CITIZEN, ())
    assert states_of(s.events)[mine.id] == "set_aside"


def test_who_saw_both_sides_does_not_fall_with_one() -> None:
    """A withdrawal made in view of both decisions stands, whichever is chosen at the same time."""
    s = Story()
    filed = s.submit()
    accepted, refused = s.accept(filed), s.refuse(filed, actor=SECOND_OFFICIAL)
    s.withdraw(accepted, refused)
    s.settle(accepted, accepted, refused)
    assert fold(s.events, OFFICE).status == 7


def test_papers_that_two_officials_ask_for_apart_are_all_asked_for() -> None:
    """The second request adds to the first while the dossier waits."""
    s = Story()
    filed = s.submit()
    s.ask(filed, item="Giấy chứng sinh")
    s.ask(filed, actor=SECOND_OFFICIAL, item="Giấy ủy quyền")
    d = fold(s.events, OFFICE)
    assert (d.status, d.conflicts) == (5, ())
    assert {item for request in d.requests for item in request.items} == {"Giấy chứng sinh", "Giấy ủy quyền"}


def test_a_second_submission_after_the_first_does_not_count() -> None:
    """A dossier is filed once."""
    s = Story()
    s.submit(s.submit())
    assert [e.state for e in fold(s.events, OFFICE).timeline] == ["applied", "not_applied"]


def test_an_event_that_names_another_unit_does_not_count() -> None:
    """A dossier stays with the unit it was filed at."""
    s = Story()
    filed = s.submit()
    s.write("dossier.commented", DISTRICT_OFFICIAL, {"text": "?"}, [filed], unit="H41.12")
    assert fold(s.events, OFFICE).timeline[-1].state == "not_applied"


def test_an_event_without_its_cause_waits_and_is_no_head() -> None:
    """It counts as soon as the cause arrives, and so does what builds on it."""
    s = Story()
    filed = s.submit()
    accepted = s.accept(filed)
    forwarded = s.forward(accepted)

    partial = fold([filed, forwarded], OFFICE)

    assert states_of([filed, forwarded]) == {filed.id: "applied", forwarded.id: "waiting"}
    assert (partial.status, partial.heads, partial.missing) == (1, (filed.id,), (accepted.id,))
    assert fold(s.events, OFFICE).status == 4
    assert fold([forwarded], OFFICE).status == 0


def test_a_fold_takes_one_stream() -> None:
    """Mixing dossiers, or none at all, is the caller's mistake."""
    one, two = Story(), Story("01937c2e-0000-7000-8000-000000000000")
    with pytest.raises(ValueError, match="got events of 2"):
        fold([one.submit(), two.submit()], OFFICE)
    with pytest.raises(ValueError, match="got events of 0"):
        fold([], OFFICE)


STEPS: list[Callable[..., StoredEvent]] = [
    Story.submit,
    Story.accept,
    Story.accept,
    Story.refuse,
    Story.forward,
    Story.ask,
    Story.supplement,
    Story.withdraw,
    Story.stop,
    Story.resolve,
    Story.give_back,
    Story.comment,
]
ACTORS = [OFFICIAL, OFFICIAL, SECOND_OFFICIAL, CITIZEN, OTHER_CITIZEN, DISTRICT_OFFICIAL]


@st.composite
def stories(draw: st.DrawFn) -> list[StoredEvent]:
    """A stream of up to fourteen events, each on one to three of those before it; mostly plausible, some not."""
    s = Story()
    s.submit()
    if draw(st.integers(0, 9)) == 0:
        s.submit(actor=OTHER_CITIZEN)
    for number in range(draw(st.integers(0, 12))):
        prev = draw(st.lists(st.sampled_from(s.events), min_size=1, max_size=3, unique_by=lambda e: e.id))
        kind = draw(st.integers(0, len(STEPS) + 3))
        if kind >= len(STEPS):
            s.settle(draw(st.sampled_from(s.events)), *prev, actor=draw(st.sampled_from(ACTORS[:3])))
        elif STEPS[kind] is Story.accept:
            s.accept(*prev, actor=draw(st.sampled_from(ACTORS)), number=1 + number % 2)
        else:
            STEPS[kind](s, *prev, actor=draw(st.sampled_from(ACTORS)))
    return s.events


@given(events=stories(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_order_of_arrival_and_copies_do_not_matter(events: list[StoredEvent], data: st.DataObject) -> None:
    """Any permutation, with any events twice, folds to the same dossier, and every event is in its timeline."""
    shuffled = data.draw(st.permutations(events))
    copies = data.draw(st.lists(st.sampled_from(events), max_size=4))

    d = fold(events, OFFICE)

    assert fold([*copies, *shuffled], OFFICE) == d
    assert {entry.id for entry in d.timeline} == {stored.id for stored in events}


@given(events=stories(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_two_nodes_that_exchange_what_they_hold_agree(events: list[StoredEvent], data: st.DataObject) -> None:
    """Any two subsets merge to the same dossier, and both can be folded alone, holes and all."""
    mine = data.draw(st.lists(st.sampled_from(events), min_size=1))
    theirs = [stored for stored in events if stored not in mine] + data.draw(st.lists(st.sampled_from(events)))
    for part in (mine, theirs):
        if part:
            assert len(fold(part, OFFICE).timeline) == len({stored.id for stored in part})
    assert fold([*theirs, *mine], OFFICE) == fold(events, OFFICE)


@given(events=stories())
@settings(max_examples=150, deadline=None)
def test_a_verdict_depends_on_the_past_alone(events: list[StoredEvent]) -> None:
    """Whether an event was possible never changes when more arrives: its past alone gives the same verdict."""
    order = arrange(events)
    whole = {entry.id: entry.state == "not_applied" for entry in fold(events, OFFICE).timeline}
    for i, stored in enumerate(order.events):
        past = [e for j, e in enumerate(order.events) if order.past[i] >> j & 1 or j == i]
        alone = {entry.id: entry.state == "not_applied" for entry in fold(past, OFFICE).timeline}
        assert alone[stored.id] == whole[stored.id]


@given(events=stories())
@settings(max_examples=150, deadline=None)
def test_the_short_way_agrees_with_all_five_stages(events: list[StoredEvent]) -> None:
    """Taking one step after a complete past gives what building the view of everything gives."""
    order = arrange(events)
    views = Views(order)
    for i, stored in enumerate(order.events):
        view = views.before(i)
        office_acts = is_office(stored.event, OFFICE, stored.event.at)
        if why_not(i, view, order, views, is_office=office_acts) is None:
            views.admit(i, view, is_office=office_acts)
        else:
            views.pass_over(i, view)
        past = [e for j, e in enumerate(order.events) if order.past[i] >> j & 1]
        if past:
            assert (fold(past, OFFICE).status, views.before(i).status) == (view.status, view.status)
    assert views.whole() == views.merged_whole()


@given(events=stories())
@settings(max_examples=100, deadline=None)
def test_causes_come_before_effects(events: list[StoredEvent]) -> None:
    """The timeline never tells an event before one it builds on."""
    seen: set[str] = set()
    for entry in fold(events, OFFICE).timeline:
        assert set(entry.stored.event.prev) <= seen
        seen.add(entry.id)
