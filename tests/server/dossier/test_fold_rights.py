"""Who may take which step of a dossier, and who may not."""

from __future__ import annotations

import pytest

from server.dossier.fold import fold
from server.dossier.roles import fold_grants
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_OFFICIAL,
    HELPER,
    NODE,
    OFFICIAL,
    OTHER_CITIZEN,
    SECOND_OFFICIAL,
    Story,
    grant,
    office,
    revoke,
)

OFFICE = office()


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
