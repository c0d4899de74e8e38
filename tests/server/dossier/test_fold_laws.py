"""What holds for any heap of events, in whatever order they came."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from server.dossier.event import StoredEvent
from server.dossier.fold import fold
from server.dossier.order import arrange
from server.dossier.rules import is_office, why_not
from server.dossier.view import Views
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_OFFICIAL,
    OFFICIAL,
    OTHER_CITIZEN,
    SECOND_OFFICIAL,
    Story,
    office,
)

OFFICE = office()


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
@settings(max_examples=150)
def test_order_of_arrival_and_copies_do_not_matter(events: list[StoredEvent], data: st.DataObject) -> None:
    """Any permutation, with any events twice, folds to the same dossier, and every event is in its timeline."""
    shuffled = data.draw(st.permutations(events))
    copies = data.draw(st.lists(st.sampled_from(events), max_size=4))

    d = fold(events, OFFICE)

    assert fold([*copies, *shuffled], OFFICE) == d
    assert {entry.id for entry in d.timeline} == {stored.id for stored in events}


@given(events=stories(), data=st.data())
@settings(max_examples=150)
def test_two_nodes_that_exchange_what_they_hold_agree(events: list[StoredEvent], data: st.DataObject) -> None:
    """Any two subsets merge to the same dossier, and both can be folded alone, holes and all."""
    mine = data.draw(st.lists(st.sampled_from(events), min_size=1))
    theirs = [stored for stored in events if stored not in mine] + data.draw(st.lists(st.sampled_from(events)))
    for part in (mine, theirs):
        if part:
            assert len(fold(part, OFFICE).timeline) == len({stored.id for stored in part})
    assert fold([*theirs, *mine], OFFICE) == fold(events, OFFICE)


@given(events=stories())
@settings(max_examples=150)
def test_a_verdict_depends_on_the_past_alone(events: list[StoredEvent]) -> None:
    """Whether an event was possible never changes when more arrives: its past alone gives the same verdict."""
    order = arrange(events)
    whole = {entry.id: entry.state == "not_applied" for entry in fold(events, OFFICE).timeline}
    for i, stored in enumerate(order.events):
        past = [e for j, e in enumerate(order.events) if order.past[i] >> j & 1 or j == i]
        alone = {entry.id: entry.state == "not_applied" for entry in fold(past, OFFICE).timeline}
        assert alone[stored.id] == whole[stored.id]


@given(events=stories())
@settings(max_examples=150)
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
@settings(max_examples=100)
def test_causes_come_before_effects(events: list[StoredEvent]) -> None:
    """The timeline never tells an event before one it builds on."""
    seen: set[str] = set()
    for entry in fold(events, OFFICE).timeline:
        assert set(entry.stored.event.prev) <= seen
        seen.add(entry.id)
