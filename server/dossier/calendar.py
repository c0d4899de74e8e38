"""Which days offices work: weekends, holidays, days off in lieu, Saturdays worked in exchange. All of it is data.

    {"v": 1, "year": 2026, "provisional": false,
     "days": [{"date": "2026-01-01", "kind": "holiday", "name": {"vi", "en"}, "mark": "C", "source": "…"}],
     "hours": {"sessions": [["07:30", "11:30"], ["13:30", "17:00"]], "saturday": false, "mark": "R", "source": "…"}}

`kind`: `holiday`; `make_up_holiday` (nghỉ bù, a day off because a holiday fell on a weekend or was swapped);
`make_up_workday` (làm bù, a Saturday that works); `half_day` (the morning only). A year nobody has published counts
weekends alone and says that it is provisional.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from crypto import jcs
from server.dossier.checks import (
    Wrong,
    characters,
    day,
    flag,
    line,
    listing,
    matching,
    members,
    one_of,
    refuse,
    shown,
    text,
    whole,
)
from server.dossier.states import Text
from server.dossier.times import VIETNAM

_SATURDAY = 5
_ONE_DAY = timedelta(days=1)
_FARTHEST_DAYS = 366 * 3  # nothing in the catalogue takes longer; a search beyond it is a mistake in the data


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that is not what its weekday says."""

    date: date
    kind: str
    name: Text
    mark: str
    source: str


@dataclass(frozen=True, slots=True)
class YearTable:
    """The special days of one year and the office hours that hold in it."""

    year: int
    provisional: bool
    days: Mapping[date, SpecialDay]
    sessions: tuple[tuple[time, time], ...]
    saturday: bool


_DEFAULT_SESSIONS: Final = ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0)))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days of an office over several years."""

    years: Mapping[int, YearTable] = field(default_factory=dict)

    def is_workday(self, day: date) -> bool:
        """Say whether the office works on `day`, half days included."""
        table = self.years.get(day.year)
        special = table.days.get(day) if table else None
        if special:
            return special.kind in ("make_up_workday", "half_day")
        if day.weekday() == _SATURDAY:
            return bool(table and table.saturday)
        return day.weekday() < _SATURDAY

    def special(self, day: date) -> SpecialDay | None:
        """Return what is special about `day`, None for an ordinary one."""
        table = self.years.get(day.year)
        return table.days.get(day) if table else None

    def is_provisional(self, first: date, last: date) -> bool:
        """Say whether any year between the two days is not published for certain."""
        tables = (self.years.get(year) for year in range(first.year, last.year + 1))
        return any(table is None or table.provisional for table in tables)

    def sessions(self, day: date) -> tuple[tuple[time, time], ...]:
        """Return the office hours of `day` as (opens, closes), none if it does not work."""
        if not self.is_workday(day):
            return ()
        table = self.years.get(day.year)
        sessions = table.sessions if table else _DEFAULT_SESSIONS
        special = self.special(day)
        return sessions[:1] if special and special.kind == "half_day" else sessions

    def is_open(self, at: datetime) -> bool:
        """Say whether the office is open at an instant."""
        local = at.astimezone(VIETNAM)
        return any(opens <= local.time() < closes for opens, closes in self.sessions(local.date()))

    def closing(self, day: date) -> datetime:
        """Return when the office closes on a working day. Raises ValueError if it does not work that day."""
        sessions = self.sessions(day)
        if not sessions:
            raise ValueError(f"{day} is not a working day")
        return datetime.combine(day, sessions[-1][1], VIETNAM)

    def next_workday(self, day: date, count: int = 1) -> date:
        """Return the `count`th working day after `day`."""
        left = count
        for step in range(1, _FARTHEST_DAYS):
            candidate = day + step * _ONE_DAY
            left -= self.is_workday(candidate)
            if left == 0:
                return candidate
        raise ValueError(f"no {count} working days within three years of {day}; the calendar is damaged")

    def on_or_after(self, day: date) -> date:
        """Return `day` if it works, else the next day that does."""
        return day if self.is_workday(day) else self.next_workday(day)


def parse_year(value: Any) -> YearTable:
    """Return the year in a JSON object. Raises `Refused` naming the member that is wrong."""
    try:
        check(value)
        characters(value, jcs.canonical(value))
    except Wrong as wrong:
        raise refuse(wrong, "calendar") from None
    days = [
        SpecialDay(
            date.fromisoformat(d["date"]), d["kind"], Text(d["name"]["vi"], d["name"]["en"]), d["mark"], d["source"]
        )
        for d in value["days"]
    ]
    sessions = tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in value["hours"]["sessions"])
    table = {special.date: special for special in days}
    return YearTable(value["year"], value["provisional"], table, sessions, value["hours"]["saturday"])


def build_calendar(years: Iterable[YearTable]) -> Calendar:
    """Return the calendar of these years; a later table of the same year replaces an earlier one."""
    return Calendar({table.year: table for table in years})


def check(value: Any) -> None:
    """Check the JSON object of a year: its form, that the days lie in it, and that hours do not overlap."""
    _SHAPE(value)
    seen: set[str] = set()
    for i, special in enumerate(value["days"]):
        if not special["date"].startswith(f"{value['year']}-"):
            raise Wrong(f"{special['date']} does not lie in {value['year']}", place=f"days[{i}].date")
        if special["date"] in seen:
            raise Wrong(f"{special['date']} stands there twice", place=f"days[{i}].date")
        seen.add(special["date"])
    flat = [moment for session in value["hours"]["sessions"] for moment in session]
    if flat != sorted(set(flat)):
        raise Wrong("the hours are not in order or overlap", place="hours.sessions")


def _version(value: Any) -> None:
    if type(value) is not int or value != 1:
        raise Wrong(f"got {shown(value)}, this program reads version 1; update it")


_both = members({"vi": text(300), "en": text(300)})
_mark = one_of("V", "C", "R")
_clock = matching(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", 'a time of day such as "07:30"')
_DAY = members(
    {
        "date": day,
        "kind": one_of("holiday", "make_up_holiday", "make_up_workday", "half_day"),
        "name": _both,
        "mark": _mark,
        "source": line(300),
    }
)
_HOURS = members(
    {
        "sessions": listing(listing(_clock, 2, least=2), 4, least=1),
        "saturday": flag,
        "mark": _mark,
        "source": line(300),
    }
)
_SHAPE: Final = members(
    {"v": _version, "year": whole(2000, 2199), "provisional": flag, "days": listing(_DAY, 60), "hours": _HOURS},
    {"note": text(1000)},
)
