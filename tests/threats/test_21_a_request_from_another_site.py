"""Threat 21: another site, a planted session or a stolen cookie wants to act for an official."""

from __future__ import annotations

from typing import Any

import pytest

from server.api.sessions import COOKIE


@pytest.fixture
def cookies(office: Any) -> Any:
    """The desk's cookie of the official."""
    token = office.official.person.token(office.official.audience)
    answer = office.nobody.post("/api/session", {"token": token})
    assert answer.status_code in (200, 201), answer.text
    return answer.cookies


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_a_request_with_the_cookie_from_elsewhere_changes_nothing(office: Any, cookies: Any, headers: Any) -> None:
    """Without our own origin the cookie is worth nothing for whatever is not a look."""
    stream = office.file()
    path = f"/api/dossiers/{stream}/drafts"
    wanted = {"type": "dossier.commented", "fields": {"text": "x"}}
    assert office.nobody.post(path, wanted, cookies=cookies, headers=headers).status_code == 403
    ours = office.nobody.post(path, wanted, cookies=cookies, headers={"Origin": office.url})
    assert ours.status_code == 200


def test_the_cookie_cannot_be_read_by_pages_nor_sent_along_by_other_sites(office: Any) -> None:
    """HttpOnly, and kept from cross-site posts."""
    token = office.official.person.token(office.official.audience)
    said = office.nobody.post("/api/session", {"token": token}).headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said or "SameSite=Strict" in said


def test_a_session_id_that_somebody_planted_is_not_taken_over(office: Any) -> None:
    """Signing in always begins a session of its own."""
    planted = {COOKIE: "planted"}
    token = office.official.person.token(office.official.audience)
    begun = office.nobody.post("/api/session", {"token": token}, cookies=planted).cookies[COOKIE]
    assert begun != "planted"
    assert office.nobody.get("/api/dossiers", cookies=planted).status_code == 401


def test_a_stolen_cookie_signs_nothing(office: Any, cookies: Any) -> None:
    """It opens pages; an event needs the key, whoever posts it."""
    stream = office.file()
    wanted = {"type": "dossier.refused", "fields": {"reason": "x"}}
    headers = {"Origin": office.url}
    path = f"/api/dossiers/{stream}/drafts"
    event = office.nobody.post(path, wanted, cookies=cookies, headers=headers).json()["event"]
    thief = office.citizen.person
    forged = thief.envelope(event)
    answer = office.nobody.post("/api/events", forged, cookies=cookies, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"] in ("actor_mismatch", "bad_signature")
