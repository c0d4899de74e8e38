"""What was decided apart: both stand, the fold names the conflict, somebody settles it."""

from __future__ import annotations

import pytest

from server.dossier.fold import fold
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_OFFICIAL,
    OTHER_CITIZEN,
    SECOND_OFFICIAL,
    Story,
    office,
    photo,
    states_of,
)

OFFICE = office()


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
