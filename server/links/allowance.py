"""What a link may carry and when: hours and daily bytes, for all of it and for each class. Pure: no clock, no store.

    {"daily": 134217728, "utc_offset_minutes": 420,
     "events": {"hours": [], "daily": null}, "previews": {…}, "files": {"hours": ["20:00-06:00"], "daily": null}}

Three classes. **events** are dossiers, certificates, the registry and every small question; **previews** the small
pictures that travel ahead of photographs; **files** the photographs and scans. A day ends at midnight of the rules' own
offset from UTC, which is data because a province may replicate with a place that keeps another one.

Events do not stop at the daily limit: a decision that waits until tomorrow because of a photograph would be absurd.
They have a cap of their own, equal to the daily limit unless another is set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Final

from server.errors import Refused

_DAY_MINUTES: Final = 24 * 60
_MOST_SPANS: Final = 8
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)", re.ASCII)
_SIZE = re.compile(r"(\d{1,9})(?:[.,](\d{1,2}))?\s*([KMG]?)i?B?", re.ASCII | re.IGNORECASE)
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)", re.ASCII)
_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class Kind(StrEnum):
    """The class of what travels."""

    EVENTS = "events"
    PREVIEWS = "previews"
    FILES = "files"


class Why(StrEnum):
    """Why a class may not travel now."""

    HOURS = "hours"
    DAILY = "daily"  # the limit of the whole link
    OWN_DAILY = "own_daily"  # the limit of the class


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to before `end`, in minutes after midnight; over midnight if `end` is not later than `begin`."""

    begin: int
    end: int

    def holds(self, minute: int) -> bool:
        """Say whether a minute of the day lies in the span."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    def __str__(self) -> str:
        return f"{_clock(self.begin)}-{_clock(self.end)}"


@dataclass(frozen=True, slots=True)
class ClassRule:
    """`hours` empty means at any time, `daily` None any number of bytes a day."""

    hours: tuple[Span, ...] = ()
    daily: int | None = None


@dataclass(frozen=True, slots=True)
class LinkRules:
    """The rules of one link. `daily` counts everything on the wire, both ways; `utc_offset_minutes` says whose day."""

    daily: int | None = None
    events: ClassRule = field(default_factory=ClassRule)
    previews: ClassRule = field(default_factory=ClassRule)
    files: ClassRule = field(default_factory=ClassRule)
    utc_offset_minutes: int = 420  # Vietnam: one zone, no summer time since 1975

    def of(self, kind: Kind) -> ClassRule:
        """Return the rule of a class."""
        rule: ClassRule = getattr(self, kind.value)
        return rule

    def with_class(self, kind: Kind, rule: ClassRule) -> LinkRules:
        """Return these rules with another for one class."""
        changes: dict[str, Any] = {kind.value: rule}
        return replace(self, **changes)

    @property
    def zone(self) -> timezone:
        """The zone in which hours are meant and days end."""
        return timezone(timedelta(minutes=self.utc_offset_minutes))

    @property
    def are_none(self) -> bool:
        """Whether nothing is limited."""
        return self.daily is None and all(self.of(kind) == ClassRule() for kind in Kind)

    @property
    def events_cap(self) -> int | None:
        """The bytes a day at which even events wait, None for never."""
        return self.events.daily if self.events.daily is not None else self.daily


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a class may travel; if not, why, and in how many seconds that changes by itself."""

    why: Why | None = None
    wait_s: float = 0.0

    @property
    def open(self) -> bool:
        """Whether it may travel now."""
        return self.why is None


def judge(rules: LinkRules, kind: Kind, used: Mapping[Kind, int], local: datetime) -> Verdict:
    """Return whether `kind` may travel at `local` (a time in the rules' zone) with `used` bytes gone since midnight."""
    rule = rules.of(kind)
    waits = [(Why.HOURS, _until_hours(rule.hours, local))]
    total = sum(used.values())
    if kind is Kind.EVENTS:
        own, shared = rules.events_cap, None
    else:
        own, shared = rule.daily, rules.daily
    if own is not None and used.get(kind, 0) >= own:
        waits.append((Why.OWN_DAILY, until_midnight(local)))
    if shared is not None and total >= shared:
        waits.append((Why.DAILY, until_midnight(local)))
    why, wait_s = max(waits, key=lambda each: each[1])  # the longest wait is the one people have to know
    return Verdict(why, wait_s) if wait_s > 0 else Verdict()


def until_midnight(local: datetime) -> float:
    """Return the seconds until the day of `local` ends."""
    next_day = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (next_day - local).total_seconds()


def _until_hours(spans: tuple[Span, ...], local: datetime) -> float:
    """Return the seconds until one of the spans begins, 0 inside one or if there are none."""
    minute = local.hour * 60 + local.minute
    if not spans or any(span.holds(minute) for span in spans):
        return 0.0
    wait = min((span.begin - minute) % _DAY_MINUTES for span in spans)
    return wait * 60.0 - local.second - local.microsecond / 1e6


# Reading and writing


def parse_hours(text: str) -> tuple[Span, ...]:
    """Return the spans in "20:00-06:00" or "11:30-13:30,20:00-06:00"; "any" gives none, which means at any time.

    Raises `Refused("bad_rule")`.
    """
    if text.strip().lower() in ("", "any"):
        return ()
    spans = tuple(_parse_span(part.strip()) for part in text.split(","))
    if len(spans) > _MOST_SPANS:
        raise Refused("bad_rule", f"at most {_MOST_SPANS} spans of hours, got {len(spans)}", member="hours")
    return spans


def _parse_span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Refused("bad_rule", f"hours look like 20:00-06:00 (or «any»), got {text[:40]!r}", member="hours")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if end > _DAY_MINUTES or begin == end:
        raise Refused("bad_rule", f"{text}: a span ends at another time than it begins, at 24:00 at the latest")
    return Span(begin, end % _DAY_MINUTES if end == _DAY_MINUTES and begin else end)


def parse_bytes(text: str) -> int | None:
    """Return the bytes in "128M", "1,5 GB" or "300k" (1 K = 1024); None for "none".

    Raises `Refused("bad_rule")`.
    """
    if text.strip().lower() in ("", "none"):
        return None
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise Refused("bad_rule", f"a size looks like 128M, 1,5G or «none», got {text[:40]!r}", member="daily")
    fraction = int(found[2]) / 10 ** len(found[2]) if found[2] else 0.0
    return int((int(found[1]) + fraction) * _UNITS[found[3].upper()])


def parse_offset(text: str) -> int:
    """Return the minutes in "+07:00". Raises `Refused("bad_rule")`."""
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise Refused("bad_rule", f"an offset from UTC looks like +07:00, got {text[:40]!r}", member="utc_offset")
    minutes = int(found[2]) * 60 + int(found[3])
    return minutes if found[1] == "+" else -minutes


def hours_text(spans: tuple[Span, ...]) -> str:
    """Return spans as `parse_hours` takes them."""
    return ",".join(map(str, spans)) or "any"


def size_text(size: int | None) -> str:
    """Return a limit as `parse_bytes` takes it, exactly."""
    if size is None:
        return "none"
    unit = next((name for name in ("G", "M", "K") if size and size % _UNITS[name] == 0), "")
    return f"{size // _UNITS[unit]}{unit}"


def rules_to_json(rules: LinkRules) -> str:
    """Return rules as text for `node.db`."""
    value: dict[str, Any] = {"daily": rules.daily, "utc_offset_minutes": rules.utc_offset_minutes}
    for kind in Kind:
        rule = rules.of(kind)
        value[kind.value] = {"hours": [str(span) for span in rule.hours], "daily": rule.daily}
    return json.dumps(value)


def rules_from_json(text: str) -> LinkRules:
    """Return the rules that `rules_to_json` wrote. Raises `Refused("bad_rule")` for what it did not write."""
    try:
        value = json.loads(text)
        kinds = {
            kind.value: ClassRule(parse_hours(",".join(value[kind.value]["hours"])), value[kind.value]["daily"])
            for kind in Kind
        }
        return LinkRules(daily=value["daily"], utc_offset_minutes=value["utc_offset_minutes"], **kinds)
    except (json.JSONDecodeError, KeyError, TypeError) as exc:
        raise Refused(
            "bad_rule", f"the rules of this link cannot be read, set them again: tram link set ({exc!r})"
        ) from exc


def describe_rules(rules: LinkRules) -> list[tuple[str, str]]:
    """Return (option of `tram link set`, value) for everything that is limited."""
    said = [("daily", size_text(rules.daily))] if rules.daily is not None else []
    for kind in Kind:
        rule = rules.of(kind)
        said += [(f"{kind}-hours", hours_text(rule.hours))] if rule.hours else []
        said += [(f"{kind}-daily", size_text(rule.daily))] if rule.daily is not None else []
    return said


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
