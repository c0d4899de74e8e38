"""Who may act where, and from when to when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dossier.event import StoredEvent
from server.dossier.roles import fold_grants
from server.dossier.units import node_urn, unit_stream
from tests.server.dossier.story import CITIZEN, HELPER, OFFICIAL, SECOND_OFFICIAL, UNIT, Story, grant, revoke

SPRING, SUMMER, AUTUMN = "2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-09-01T00:00:00Z"


def test_a_role_holds_at_its_unit_and_below() -> None:
    """A district's official acts in its communes, a commune's official nowhere else."""
    grants = fold_grants([grant(OFFICIAL, unit="H41.12"), grant(HELPER, "helper")])
    assert grants.holds(OFFICIAL, "official", "H41.12.03", SUMMER)
    assert not grants.holds(OFFICIAL, "official", "H41", SUMMER)
    assert not grants.holds(OFFICIAL, "leader", "H41.12", SUMMER)
    assert grants.roles(HELPER, UNIT, SUMMER) == ("helper",)
    assert not grants.may_decide(HELPER, UNIT, SUMMER)
    assert grants.units_of(OFFICIAL, SUMMER) == ("H41.12",)
    assert [g.subject for g in grants.people(UNIT, SUMMER)] == [HELPER]


@pytest.mark.parametrize(
    ("by", "holds"), [(UNIT, True), ("H41.12", True), ("H41", True), ("H41.12.04", False), ("H42", False)]
)
def test_only_the_unit_and_those_above_give_roles(by: str, holds: bool) -> None:
    """A grant by any other node is as if it were not there."""
    grants = fold_grants([grant(OFFICIAL, by=node_urn(by))])
    assert grants.holds(OFFICIAL, "official", UNIT, SUMMER) is holds


def test_a_person_gives_no_roles() -> None:
    """Not even an official."""
    assert not fold_grants([grant(OFFICIAL), grant(CITIZEN, by=OFFICIAL)]).may_decide(CITIZEN, UNIT, SUMMER)


def test_a_role_holds_from_and_until() -> None:
    """The end is not included."""
    grants = fold_grants([grant(OFFICIAL, **{"from": SPRING, "until": AUTUMN})])
    held = [grants.holds(OFFICIAL, "official", UNIT, at) for at in ("2026-02-28T23:59:59Z", SPRING, SUMMER, AUTUMN)]
    assert held == [False, True, True, False]


def test_a_revocation_ends_the_role_and_a_new_grant_gives_it_back() -> None:
    """Only this role, only at this unit, only what began before."""
    grants = fold_grants(
        [
            grant(OFFICIAL),
            grant(OFFICIAL, "leader"),
            revoke(OFFICIAL, SPRING),
            grant(OFFICIAL, **{"from": AUTUMN}),
        ]
    )
    held = [grants.holds(OFFICIAL, "official", UNIT, at) for at in ("2026-02-28T23:59:59Z", SPRING, SUMMER, AUTUMN)]
    assert held == [True, False, False, True]
    assert grants.holds(OFFICIAL, "leader", UNIT, SUMMER)


def test_a_revocation_by_a_stranger_revokes_nothing() -> None:
    """Neither a neighbour's node nor a person can."""
    events = [grant(OFFICIAL), revoke(OFFICIAL, SPRING, by=node_urn("H41.12.04")), revoke(OFFICIAL, SPRING, by=CITIZEN)]
    assert fold_grants(events).holds(OFFICIAL, "official", UNIT, SUMMER)


@given(
    st.permutations(
        [grant(OFFICIAL), revoke(OFFICIAL, SPRING), grant(OFFICIAL, **{"from": AUTUMN}), grant(SECOND_OFFICIAL)]
    )
)
def test_the_order_of_arrival_does_not_matter(events: list[StoredEvent]) -> None:
    """Any order gives the same grants."""
    assert fold_grants(events) == fold_grants(reversed(events))


def test_units_are_described_with_dates() -> None:
    """A unit that was renamed keeps its old name for the time before."""
    events = []
    for begins, name in [(SPRING, "Trung tâm Hành chính công"), (SUMMER, "Bộ phận Tiếp nhận và Trả kết quả")]:
        body = {"code": UNIT, "name": name, "tier": "commune", "from": begins, "parent": "H41.12"}
        events.append(Story(unit_stream(UNIT)).write("unit.described", node_urn("H41"), body))
    grants = fold_grants(events)
    old, new = grants.describe(UNIT, SPRING), grants.describe(UNIT, AUTUMN)
    assert old is not None
    assert new is not None
    assert (old.name, new.name) == ("Trung tâm Hành chính công", "Bộ phận Tiếp nhận và Trả kết quả")
    assert grants.describe(UNIT, "2026-01-01T00:00:00Z") is None


def test_names_come_from_enrolments_by_those_who_may() -> None:
    """An official or the node may enrol; a citizen cannot rename anybody."""
    story = Story(unit_stream(UNIT))
    body = {"subject": CITIZEN, "name": "Nguyễn Thị Ánh", "thumbprint": "A" * 43, "kind": "citizen"}
    story.write("enrol.approved", OFFICIAL, body)
    story.write("enrol.approved", HELPER, body | {"name": "Kẻ mạo danh"})
    grants = fold_grants([*story.events, grant(OFFICIAL)])
    assert grants.name_of(CITIZEN) == "Nguyễn Thị Ánh"
    assert grants.name_of(OFFICIAL) == "Lò Văn Páo"
    assert grants.name_of(HELPER) == ""
