"""Times as events write them, and the one time zone of the offices.

An event's time is RFC 3339 in UTC to the second, "2026-11-21T07:12:09Z", so that its text sorts as the time does.
People see Vietnam's time: UTC+07:00 all year round since 1975, which needs no zone database on a small machine.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from server.errors import Refused

VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def parse_time(text: str) -> datetime:
    """Return the instant, aware, in UTC. Raises `Refused("bad_time")` unless it is like "2026-11-21T07:12:09Z"."""
    if not _TIME.fullmatch(text):
        raise Refused("bad_time", f'{text[:40]!a} is not a time; write it in UTC to the second, "2026-11-21T07:12:09Z"')
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        raise Refused("bad_time", f"{text!a} is not a time of the calendar: {exc}") from exc


def format_time(at: datetime) -> str:
    """Return an aware instant as events write it; parts of a second are dropped."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone names no instant; give it one")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_time(text: str) -> bool:
    """Say whether `text` is a time as events write it."""
    try:
        parse_time(text)
    except Refused:
        return False
    return True
