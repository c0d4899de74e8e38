"""A heap of events becomes one dossier: its course from filing to the result, and what does not count."""

from __future__ import annotations

import pytest

from server.dossier.fold import fold
from tests.server.dossier.story import (
    CITIZEN,
    DISTRICT_NODE,
    DISTRICT_OFFICIAL,
    NODE,
    OFFICIAL,
    Story,
    office,
    photo,
    states_of,
)

OFFICE = office()


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
