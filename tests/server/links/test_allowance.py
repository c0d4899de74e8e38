"""Hours and daily limits as rules: pure, so any instant can be asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Refused
from server.links.allowance import (
    ClassRule,
    Kind,
    LinkRules,
    Span,
    Why,
    describe_rules,
    judge,
    parse_bytes,
    parse_hours,
    parse_offset,
    rules_from_json,
    rules_to_json,
    size_text,
)

MIB = 1024 * 1024
NIGHT = LinkRules(daily=128 * MIB, files=ClassRule(parse_hours("20:00-06:00")))


def at(text: str, rules: LinkRules = NIGHT) -> datetime:
    return datetime.fromisoformat(f"2026-11-21T{text}").replace(tzinfo=rules.zone)


def test_files_wait_for_the_evening_and_go_over_midnight() -> None:
    """At noon they wait exactly until eight; at 23:00 and 05:59 they go; at 06:00 they wait again."""
    noon = judge(NIGHT, Kind.FILES, {}, at("12:00:30"))

    assert (noon.why, noon.wait_s) == (Why.HOURS, 7 * 3600 + 59 * 60 + 30)
    assert judge(NIGHT, Kind.FILES, {}, at("20:00:00")).open
    assert judge(NIGHT, Kind.FILES, {}, at("23:59:59")).open
    assert judge(NIGHT, Kind.FILES, {}, at("05:59:59")).open
    assert not judge(NIGHT, Kind.FILES, {}, at("06:00:00")).open
    assert judge(NIGHT, Kind.EVENTS, {}, at("12:00:00")).open


def test_hours_are_those_of_the_office_and_not_utc() -> None:
    """20:00 in the rules is 13:00 UTC at +07:00, and 12:00 UTC where the data says +08:00."""
    instant = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    later = LinkRules(files=NIGHT.files, utc_offset_minutes=parse_offset("+08:00"))

    assert not judge(NIGHT, Kind.FILES, {}, instant.astimezone(NIGHT.zone)).open
    assert judge(later, Kind.FILES, {}, instant.astimezone(later.zone)).open


def test_the_daily_limit_holds_files_and_previews_until_midnight_and_not_events() -> None:
    """Events count towards the limit and go on beyond it, up to the cap, which is as large again by default."""
    used = {Kind.EVENTS: 28 * MIB, Kind.FILES: 100 * MIB}

    files = judge(NIGHT, Kind.FILES, used, at("21:00:00"))
    assert (files.why, files.wait_s) == (Why.DAILY, 3 * 3600)
    assert judge(NIGHT, Kind.PREVIEWS, used, at("21:00:00")).why is Why.DAILY
    assert judge(NIGHT, Kind.EVENTS, used, at("21:00:00")).open
    assert judge(NIGHT, Kind.EVENTS, {Kind.EVENTS: 128 * MIB}, at("21:00:00")).why is Why.OWN_DAILY


def test_a_class_may_have_a_limit_of_its_own() -> None:
    """Photographs stop at theirs while previews go on."""
    rules = LinkRules(files=ClassRule(daily=10 * MIB))
    used = {Kind.FILES: 10 * MIB}

    assert judge(rules, Kind.FILES, used, at("10:00:00")).why is Why.OWN_DAILY
    assert judge(rules, Kind.PREVIEWS, used, at("10:00:00")).open


def test_the_longest_of_several_reasons_is_the_one_told() -> None:
    """With the limit used up at 19:00, the next chance is midnight, not 20:00."""
    verdict = judge(NIGHT, Kind.FILES, {Kind.FILES: 128 * MIB}, at("19:00:00"))

    assert (verdict.why, verdict.wait_s) == (Why.DAILY, 5 * 3600)


@given(
    st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda p: p[0] != p[1]), max_size=4),
    st.integers(0, 86_399),
)
def test_after_the_wait_a_class_may_travel_and_before_it_may_not(spans: list[tuple[int, int]], second: int) -> None:
    """For any hours and any moment, the wait that is told is the right one."""
    rules = LinkRules(files=ClassRule(tuple(Span(begin, end) for begin, end in spans)))
    now = at("00:00:00", rules) + timedelta(seconds=second)

    wait_s = judge(rules, Kind.FILES, {}, now).wait_s

    assert judge(rules, Kind.FILES, {}, now + timedelta(seconds=wait_s)).open
    assert wait_s == 0 or not judge(rules, Kind.FILES, {}, now + timedelta(seconds=wait_s - 1)).open


def test_rules_survive_being_written_down() -> None:
    """What is kept in node.db reads back as the same rules, and is described as the options that made it."""
    rules = LinkRules(
        128 * MIB, ClassRule(daily=5), ClassRule(parse_hours("11:30-13:30,17:00-24:00")), NIGHT.files, 480
    )

    assert rules_from_json(rules_to_json(rules)) == rules
    assert describe_rules(NIGHT) == [("daily", "128M"), ("files-hours", "20:00-06:00")]


@pytest.mark.parametrize("text", ["20:00", "25:00-06:00", "20:00-20:00", "8-10", "20:00-24:30", "20:00-06:00;"])
def test_hours_that_say_nothing_clear_are_refused_with_an_example(text: str) -> None:
    """Nobody should find out at night that hours were misread."""
    with pytest.raises(Refused, match=r"20:00|another time") as refused:
        parse_hours(text)
    assert refused.value.code == "bad_rule"


@pytest.mark.parametrize(("text", "size"), [("128M", 128 * MIB), ("1,5G", 1536 * MIB), ("300k", 307_200), ("0", 0)])
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    """A comma is a decimal comma; K is 1024."""
    assert parse_bytes(text) == size
    assert parse_bytes(size_text(size)) == size


def test_a_size_that_is_none_is_no_limit_and_nonsense_is_refused() -> None:
    """`none` takes a limit away."""
    assert parse_bytes("none") is None
    with pytest.raises(Refused, match="128M"):
        parse_bytes("12 elephants")
