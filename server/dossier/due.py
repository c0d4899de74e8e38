"""When a dossier is due, and whether it was on time.

The clock starts with the valid receipt, not with the filing, and the node at the counter computes it: an offline
phone's clock may be wrong. Rules, each with the words an official would print:

- `same_day`: received before the cut-off (15:00) on a working day: the end of that day; after it, the next working day;
- `working_days`: the day after receipt is day 1; due when the office closes on day n;
- `calendar_days`: the same with every day counted; a last day off moves to the next working day;
- `months`: the same date n months on, the month's last day if there is none;
- `none`: the law names no time.

Communes of difficult areas have longer times where a procedure says so. Waiting for papers stops the clock.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from server.dossier.calendar import Calendar
from server.dossier.dossier import Request
from server.dossier.procedure import TimeRule
from server.dossier.states import Text
from server.dossier.times import VIETNAM, parse_time

Outcome = Literal["early", "on_time", "late", "running", "none"]

OUTCOMES: dict[Outcome, Text] = {
    "early": Text("Trước hạn", "Early"),
    "on_time": Text("Đúng hạn", "On time"),
    "late": Text("Quá hạn", "Late"),
    "running": Text("Trong hạn", "Within time"),
    "none": Text("Không quy định thời hạn", "No time is set"),
}


@dataclass(frozen=True, slots=True)
class Due:
    """When the result is due (aware, Vietnam time; None if the law names no time) and by which rule, in words.

    `provisional`: the calendar of a year it runs through is not published for certain.
    """

    at: datetime | None
    rule: Text
    provisional: bool


def compute_due(rule: TimeRule, received_at: datetime, calendar: Calendar, *, difficult_area: bool = False) -> Due:
    """Return the due time of a dossier validly received at `received_at` (aware).

    `difficult_area` is the commune's attribute; it takes `mountain_count` where the procedure has one.
    """
    received = received_at.astimezone(VIETNAM)
    if rule.kind == "none":
        return Due(None, rule.text, False)
    if rule.kind == "same_day":
        last, words = _same_day(rule, received, calendar)
    else:
        extended = difficult_area and rule.mountain_count > 0
        count = rule.mountain_count if extended else rule.count
        last = _last_day(rule.kind, count, received.date(), calendar)
        words = _words(rule.kind, count, extended)
    return Due(calendar.closing(last), words, calendar.is_provisional(received.date(), last))


def extend(due: datetime, requests: Iterable[Request], calendar: Calendar) -> datetime:
    """Return the due time with the working days added that the dossier waited for papers.

    Waiting runs from the request to the answer; parallel waits count once; a request that nobody answered adds
    nothing here (the clock is standing). Each working day begun after the day of the request counts.
    """
    waited: set[date] = set()
    for request in requests:
        if not request.answered_at:
            continue
        asked = parse_time(request.at).astimezone(VIETNAM).date()
        answered = parse_time(request.answered_at).astimezone(VIETNAM).date()
        waited.update(_days_after(asked, answered))
    extra = sum(calendar.is_workday(day) for day in waited)
    if not extra:
        return due
    local = due.astimezone(VIETNAM)
    return datetime.combine(calendar.next_workday(local.date(), extra), local.time(), VIETNAM)


def outcome(due: datetime | None, finished: datetime | None, now: datetime, *, requests: int = 0) -> Outcome:
    """Return how a dossier stands at the instant `now`; `finished` is the end of processing, None while it runs.

    Early means finished on a day before the due day. More than one request for papers counts as late (QĐ 766, as
    scored there [C]), whenever it was finished.
    """
    if due is None:
        return "none"
    end = finished or now
    if end > due or requests > 1:
        return "late"
    if finished is None:
        return "running"
    return "early" if end.astimezone(VIETNAM).date() < due.astimezone(VIETNAM).date() else "on_time"


def _same_day(rule: TimeRule, received: datetime, calendar: Calendar) -> tuple[date, Text]:
    today = received.date()
    if calendar.is_workday(today) and received.time() < min(time.fromisoformat(rule.cutoff), _closing(calendar, today)):
        return today, Text(
            f"Nhận trước {_hour(rule.cutoff)}: trả kết quả trong ngày làm việc",
            f"Received before {rule.cutoff}: the result is due the same working day",
        )
    return calendar.next_workday(today), Text(
        f"Nhận sau {_hour(rule.cutoff)} hoặc ngoài ngày, giờ làm việc: trả kết quả trong ngày làm việc tiếp theo",
        f"Received after {rule.cutoff} or outside office hours: the result is due the next working day",
    )


def _closing(calendar: Calendar, day: date) -> time:
    return calendar.sessions(day)[-1][1]


def _last_day(kind: str, count: int, received: date, calendar: Calendar) -> date:
    if kind == "working_days":
        return calendar.next_workday(received, count)
    if kind == "calendar_days":
        return calendar.on_or_after(received + timedelta(days=count))
    return calendar.on_or_after(_months_later(received, count))


def _months_later(day: date, count: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _words(kind: str, count: int, extended: bool) -> Text:
    vi = {"working_days": "ngày làm việc", "calendar_days": "ngày", "months": "tháng"}[kind]
    en = {"working_days": "working days", "calendar_days": "days", "months": "months"}[kind]
    if extended:
        return Text(f"{count} {vi}, áp dụng cho vùng khó khăn", f"{count} {en}, as for difficult areas")
    return Text(f"{count} {vi} kể từ ngày tiếp theo ngày nhận", f"{count} {en} from the day after receipt")


def _hour(clock: str) -> str:
    hour, _, minute = clock.partition(":")
    return f"{int(hour)} giờ" + (f" {minute}" if int(minute) else "")


def _days_after(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
