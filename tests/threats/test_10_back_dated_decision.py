"""Threat 10: an official dates a decision back, to keep a due time or to be first. The log knows when it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from server.dossier.event import build_event, parse_stored
from server.dossier.fold import fold
from server.dossier.proofs import Evidence
from server.dossier.times import format_time, parse_time


def refusal(office: Any, stream: str, at: datetime, after: str = "") -> dict[str, Any]:
    """A refusal by the official, as a program of their own makes it: no draft, the time they like."""
    heads = office.node.model.story(stream).dossier.heads
    return build_event(
        stream=stream,
        type="dossier.refused",
        unit=office.node.unit,
        actor=office.official.person.urn,
        at=format_time(at),
        nonce=b"n" * 16,
        prev=heads,
        body={"reason": "Hồ sơ nộp quá hạn"},
        after=after,
    )


def refused(office: Any, stream: str) -> dict[str, Any]:
    """The refusal in the dossier as the API tells it; the receipt may come before or after it."""
    timeline = office.official.get(f"/api/dossiers/{stream}").json()["timeline"]
    return next(each for each in timeline if each["event"]["type"] == "dossier.refused")


def test_a_decision_dated_a_week_back_is_shown_at_its_proven_time_with_the_claim_beside_it(office: Any) -> None:
    """It counts, since the official is in office; nobody is told it was made last week."""
    stream = office.file()
    before = datetime.now(UTC).replace(microsecond=0)
    claimed = before - timedelta(days=7)
    event = refusal(office, stream, claimed)
    assert office.official.post("/api/events", office.official.person.envelope(event, claimed)).status_code == 201

    # a role that began today could not cover last week; the proven time is what it is judged by
    entry = refused(office, stream)
    assert entry["state"] == "applied"
    assert entry["time"]["claimed"] == format_time(claimed)
    assert entry["time"]["differs"]
    assert not entry["time"]["provisional"]
    assert before <= parse_time(entry["time"]["shown"]) <= datetime.now(UTC) + timedelta(seconds=1)

    cookies = office.official.post(
        "/api/session", {"token": office.official.person.token(office.official.audience)}
    ).cookies
    page = office.nobody.get(f"/desk/dossiers/{stream}", cookies=cookies).text
    assert "lệch quá 15 phút" in page


def test_an_honest_clock_raises_no_flag(office: Any) -> None:
    """A decision made now is shown once, without remarks."""
    stream = office.file()
    event = refusal(office, stream, datetime.now(UTC))
    assert office.official.post("/api/events", office.official.person.envelope(event)).status_code == 201
    entry = refused(office, stream)
    assert (entry["time"]["differs"], entry["time"]["provisional"]) == (False, False)


def test_a_decision_dated_before_the_head_its_author_had_seen_is_flagged_by_that_alone(office: Any) -> None:
    """The draft named the newest head; only `at` was changed. No log, no receipt, no clock has to be believed."""
    stream = office.file()
    office.node.publisher.publish(everything=True)
    office.node.proofs.catch_up()
    answer = office.official.post(
        f"/api/dossiers/{stream}/drafts", {"type": "dossier.refused", "fields": {"reason": "Quá hạn"}}
    )
    seen = answer.json()["event"]["after"]
    assert seen == office.nobody.get("/api/node").json()["checkpoint"] != ""
    claimed = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
    event = refusal(office, stream, claimed, after=seen)
    stored = parse_stored(event)

    story = office.node.model.story(stream)
    known = Evidence(checkpoints={seen: office.node.proofs.seen_at(office.node.database, seen)})
    dossier = fold(
        [*(held.stored for held in story.events), stored], office.node.model.grants(story.row.database), known
    )
    time = next(each.time for each in dossier.timeline if each.id == stored.id)

    assert time is not None
    assert (time.proven, time.differs) == ("", True)
    assert claimed < parse_time(time.shown) == parse_time(time.not_before)
