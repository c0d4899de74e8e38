"""Working days and due dates, on the calendar that ships with the program."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import data
from server.dossier.calendar import Calendar, parse_year
from server.dossier.dossier import Request
from server.dossier.due import compute_due, extend, outcome
from server.dossier.event import EventId
from server.dossier.procedure import TimeRule
from server.dossier.states import Text
from server.dossier.times import VIETNAM, format_time
from server.errors import Refused

CALENDAR = data.calendar()
NO_TEXT = Text("-", "-")


def local(text: str) -> datetime:
    """A time in Vietnam, "2026-11-23 15:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def rule(kind: str, count: int = 0, mountain: int = 0) -> TimeRule:
    """A time rule."""
    return TimeRule(kind, count, "15:00" if kind == "same_day" else "", mountain, 0, NO_TEXT)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-11-23", True),  # a Monday
        ("2026-11-24", False),  # Ngày Văn hóa Việt Nam
        ("2026-11-28", False),  # a Saturday
        ("2026-02-16", False),  # Tết
        ("2026-04-27", False),  # in lieu of Giỗ Tổ, a Sunday
        ("2026-08-22", True),  # a Saturday worked in exchange
        ("2026-08-31", False),
        ("2025-11-24", True),  # not a holiday before NQ 28/2026
        ("2027-02-10", False),
        ("2030-11-25", True),  # no table: weekends alone
    ],
)
def test_working_days(day: str, works: bool) -> None:
    """Holidays, days in lieu and worked Saturdays come from the data of their year."""
    assert CALENDAR.is_workday(date.fromisoformat(day)) is works


@pytest.mark.parametrize(
    ("at", "is_open"),
    [("07:29", False), ("07:30", True), ("11:30", False), ("13:30", True), ("16:59", True), ("17:00", False)],
)
def test_office_hours(at: str, is_open: bool) -> None:
    """Closed over noon; the closing minute is closed."""
    assert CALENDAR.is_open(local(f"2026-11-23 {at}").astimezone(UTC)) is is_open
    assert not CALENDAR.is_open(local(f"2026-11-24 {at}"))


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-23 08:00", "2026-11-23 17:00"),
        ("2026-11-23 14:59", "2026-11-23 17:00"),
        ("2026-11-23 15:00", "2026-11-25 17:00"),  # the 24th is a holiday
        ("2026-11-20 15:01", "2026-11-23 17:00"),  # Friday
        ("2026-11-28 09:00", "2026-11-30 17:00"),  # Saturday
        ("2026-02-13 16:00", "2026-02-23 17:00"),  # before Tết
    ],
)
def test_same_day_until_three_in_the_afternoon(received: str, due: str) -> None:
    """After the cut-off, and on days off, the next working day."""
    found = compute_due(rule("same_day"), local(received), CALENDAR)
    assert found.at == local(due)
    assert ("trong ngày làm việc tiếp theo" in found.rule.vi) is (received[:10] != due[:10])


@pytest.mark.parametrize(
    ("kind", "count", "received", "due"),
    [
        ("working_days", 3, "2026-11-20 09:00", "2026-11-26 17:00"),
        ("working_days", 1, "2026-11-23 16:59", "2026-11-25 17:00"),
        ("working_days", 5, "2026-08-20 08:00", "2026-08-26 17:00"),  # Saturday 22 August works
        ("calendar_days", 15, "2026-11-02 08:00", "2026-11-17 17:00"),
        ("calendar_days", 5, "2026-11-23 08:00", "2026-11-30 17:00"),
        ("months", 1, "2026-01-30 08:00", "2026-03-02 17:00"),
        ("months", 13, "2026-11-10 08:00", "2027-12-10 17:00"),
    ],
)
def test_counted_times(kind: str, count: int, received: str, due: str) -> None:
    """The day after receipt is day 1; a last day off moves on; a month ends where it must."""
    assert compute_due(rule(kind, count), local(received), CALENDAR).at == local(due)


def test_difficult_areas_have_longer_times_where_the_procedure_says_so() -> None:
    """Land mediation: 30 days, 40 in the mountains, and the words say it."""
    mediation = data.procedure("1.012812")
    assert mediation is not None
    received = local("2026-11-02 08:00")
    plain = compute_due(mediation.time, received, CALENDAR)
    mountain = compute_due(mediation.time, received, CALENDAR, difficult_area=True)
    assert (plain.at, mountain.at) == (local("2026-12-02 17:00"), local("2026-12-14 17:00"))
    assert "vùng khó khăn" in mountain.rule.vi
    assert compute_due(rule("working_days", 3), received, CALENDAR, difficult_area=True).at == local("2026-11-05 17:00")


def test_a_procedure_without_a_time_has_no_due_date() -> None:
    """The yearly review of poor households goes by rounds."""
    review = data.procedure("1.011606")
    assert review is not None
    assert compute_due(review.time, local("2026-11-02 08:00"), CALENDAR).at is None


def test_a_due_date_in_an_uncertain_year_says_so() -> None:
    """2027 awaits the government's decision; a year without a table is no more certain."""
    assert not compute_due(rule("working_days", 3), local("2026-11-02 08:00"), CALENDAR).provisional
    assert compute_due(rule("working_days", 3), local("2026-12-30 08:00"), CALENDAR).provisional
    assert compute_due(rule("working_days", 3), local("2030-01-10 08:00"), CALENDAR).provisional


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 11, 1)), st.integers(1, 30))
def test_a_due_time_is_a_closing_time_after_receipt(at: datetime, count: int) -> None:
    """Whatever the moment, the office is at work that day and exactly `count` working days have passed."""
    received = at.replace(tzinfo=VIETNAM)
    due = compute_due(rule("working_days", count), received, CALENDAR).at
    assert due is not None
    assert CALENDAR.is_workday(due.date())
    between = ((received.date() + timedelta(days=n)) for n in range(1, (due.date() - received.date()).days + 1))
    assert sum(CALENDAR.is_workday(day) for day in between) == count


def waited(asked: str, answered: str) -> Request:
    """A wait for papers between two local times; no answer while it is empty."""
    end = format_time(local(answered)) if answered else ""
    return Request(EventId("sha256-x"), ("?",), "?", "?", format_time(local(asked)), "e" if end else "", end)


def test_waiting_for_papers_stops_the_clock() -> None:
    """The working days of all waits, each counted once, are added to the due time."""
    due = local("2026-11-30 17:00")
    one = waited("2026-11-23 10:00", "2026-11-26 09:00")  # 25 and 26 November work, the 24th does not
    same = waited("2026-11-25 10:00", "2026-11-26 16:00")
    assert extend(due, [one], CALENDAR) == local("2026-12-02 17:00")
    assert extend(due, [one, same], CALENDAR) == local("2026-12-02 17:00")
    assert extend(due, [waited("2026-11-23 10:00", "")], CALENDAR) == due
    assert extend(due, [waited("2026-11-23 08:00", "2026-11-23 16:00")], CALENDAR) == due


@pytest.mark.parametrize(
    ("finished", "now", "requests", "expected"),
    [
        ("2026-11-27 16:00", "2026-12-01 08:00", 0, "early"),
        ("2026-11-30 08:00", "2026-12-01 08:00", 0, "on_time"),
        ("2026-11-30 17:00", "2026-12-01 08:00", 1, "on_time"),
        ("2026-11-30 17:01", "2026-12-01 08:00", 0, "late"),
        ("2026-11-27 16:00", "2026-12-01 08:00", 2, "late"),
        ("", "2026-11-30 16:00", 0, "running"),
        ("", "2026-12-01 08:00", 0, "late"),
    ],
)
def test_how_a_dossier_stands(finished: str, now: str, requests: int, expected: str) -> None:
    """Trước hạn, đúng hạn, quá hạn; asking for papers twice counts as late."""
    end = local(finished) if finished else None
    assert outcome(local("2026-11-30 17:00"), end, local(now), requests=requests) == expected
    assert outcome(None, end, local(now)) == "none"


def test_a_calendar_is_checked() -> None:
    """Days of another year, twice the same day and overlapping hours are refused by name."""
    good = data.calendar_bodies()[1]
    spoilt = [
        {"days": [good["days"][0] | {"date": "2027-01-01"}]},
        {"days": [good["days"][0], good["days"][0]]},
        {"hours": good["hours"] | {"sessions": [["07:30", "11:30"], ["11:00", "17:00"]]}},
        {"hours": good["hours"] | {"sessions": [["11:30", "07:30"]]}},
    ]
    for change in spoilt:
        with pytest.raises(Refused):
            parse_year({**good, **change})


def test_an_office_that_opens_on_saturday_and_a_half_day() -> None:
    """Both are data of the year."""
    body = dict(data.calendar_bodies()[1])
    half = body["days"][0] | {"date": "2026-12-31", "kind": "half_day"}
    year = parse_year(body | {"hours": body["hours"] | {"saturday": True}, "days": [*body["days"], half]})
    calendar = Calendar({2026: year})
    assert calendar.is_workday(date(2026, 11, 28))
    assert not calendar.is_workday(date(2026, 11, 29))
    assert compute_due(rule("same_day"), local("2026-12-31 09:00"), calendar).at == local("2026-12-31 11:30")
