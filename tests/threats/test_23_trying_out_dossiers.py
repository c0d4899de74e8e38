"""Threat 23: somebody tries streams and receipts to learn which dossiers exist. A hit and a miss look the same."""

from __future__ import annotations

from typing import Any

from server.dossier.event import build_stream_id


def told(answer: Any) -> dict[str, str]:
    """The headers of an answer, without its date."""
    return {name: value for name, value in answer.headers.items() if name != "Date"}


def test_a_dossier_of_somebody_else_answers_as_one_that_is_not_there(office: Any, key_pool: Any) -> None:
    """Status, words and headers that tell anything are those of a stream nobody ever made."""
    mine = office.file()
    absent = build_stream_id(1_780_279_384_000, bytes(10))
    stranger = office.enrol(key_pool())

    assert office.citizen.get(f"/api/dossiers/{mine}").status_code == 200
    hit, miss = (stranger.get(f"/api/dossiers/{each}") for each in (mine, absent))

    assert hit.status_code == miss.status_code == 404
    assert hit.json()["error"] == miss.json()["error"] == "not_found"
    assert hit.json()["reason"].replace(mine, "") == miss.json()["reason"].replace(absent, "")
    assert told(hit) == told(miss)


def test_without_an_account_nothing_is_said_at_all(office: Any) -> None:
    """No page or route tells a visitor whether a dossier exists."""
    mine = office.file()
    absent = build_stream_id(1_780_279_384_000, bytes(10))

    answers = [office.nobody.get(f"/api/dossiers/{each}") for each in (mine, absent)]

    assert [each.status_code for each in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
