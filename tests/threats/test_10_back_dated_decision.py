"""Threat 10: an official dates a decision back, to keep a due time or to be first. The log knows when it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from server.dossier.event import build_event
from server.dossier.times import format_time, parse_time


def refusal(office: Any, stream: str, at: datetime) -> dict[str, Any]:
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
    )


def test_a_decision_dated_a_week_back_is_shown_at_its_proven_time_with_the_claim_beside_it(office: Any) -> None:
    """It counts, since the official is in office; nobody is told it was made last week."""
    stream = office.file()
    before = datetime.now(UTC).replace(microsecond=0)
    claimed = before - timedelta(days=7)
    event = refusal(office, stream, claimed)
    assert office.official.post("/api/events", office.official.person.envelope(event, claimed)).status_code == 201

    # a role that began today could not cover last week; the proven time is what it is judged by
    entry = office.official.get(f"/api/dossiers/{stream}").json()["timeline"][-1]
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
    entry = office.official.get(f"/api/dossiers/{stream}").json()["timeline"][-1]
    assert (entry["time"]["differs"], entry["time"]["provisional"]) == (False, False)
