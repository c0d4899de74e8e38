"""What the desk shows when a page cannot be shown: a page, with the status that fits, in the reader's language."""

from __future__ import annotations

import pytest


@pytest.fixture
def session(office):
    """The official's cookie."""
    token = office.official.person.token(office.official.audience)
    return office.official.post("/api/session", {"token": token}).cookies


def test_our_own_fault_is_a_page_without_its_details(office, session, monkeypatch):
    """It says that nothing is lost and what to do; what went wrong stands in the log alone."""

    def fail(*_args, **_named):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(office.node.model.queries, "counts", fail)
    answer = office.nobody.get("/desk", cookies=session)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert "vẫn còn nguyên" in answer.text
    assert "secret detail" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/desk/nowhere/at-all", 404),
        ("GET", "/desk/static/nothing.js", 404),
        ("GET", "/desk/dossiers/0197c0de-0000-7000-8000-000000000000", 404),
        ("POST", "/desk/roles", 404),
    ],
)
def test_every_refusal_under_the_desk_is_a_page(office, session, method, path, status):
    """Never JSON, and always with the way back."""
    answer = office.nobody(method, path, cookies=session, headers={"Origin": office.url})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert 'href="/desk"' in answer.text


def test_a_citizen_is_told_in_a_page_that_the_desk_is_not_theirs(office):
    """Status and words of a refusal, as HTML."""
    answer = office.citizen.get("/desk")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "không có quyền" in answer.text
