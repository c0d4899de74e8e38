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


def test_a_reason_is_read_in_the_language_of_the_page_alone(office):
    """What the node says in both languages is shown in the reader's."""
    in_vietnamese, in_english = (office.citizen.get("/desk", cookies={"tram_lang": each}).text for each in ("vi", "en"))
    assert "Chỉ dành cho cán bộ của H41.12.03" in in_vietnamese
    assert "this is for officials" not in in_vietnamese
    assert "this is for officials of H41.12.03" in in_english
    assert "Chỉ dành cho cán bộ" not in in_english


@pytest.mark.parametrize(
    ("method", "path", "headers", "place"),
    [
        ("GET", "/desk?queue=late", {}, "/desk?queue=late"),
        ("POST", "/desk/usb/export", {"Referer": "{url}/desk/usb?to=H41"}, "/desk/usb?to=H41"),
        ("GET", "/desk/links?seen=1", {"Referer": "{url}/desk/links", "HX-Request": "true"}, "/desk/links"),
        ("POST", "/desk/usb/export", {"Referer": "http://[elsewhere"}, "/desk"),
        ("POST", "/desk/usb/export", {}, "/desk"),
    ],
)
def test_after_signing_in_again_one_is_back_where_one_was(office, method, path, headers, place):
    """The page whose form was sent or whose list asked, never the address of a form, which shows nothing."""
    sent = {name: value.format(url=office.url) for name, value in headers.items()}
    answer = office.nobody(method, path, headers=sent, allow_redirects=False)
    login = answer.headers.get("HX-Redirect") or answer.headers["Location"]
    assert f'data-next="{place}"' in office.nobody.get(login).text


def test_trying_again_opens_the_page_that_was_left(office, session):
    """A form's own address shows nothing, and a page of somebody else's is never offered."""
    for referrer, again in ((f"{office.url}/desk/usb", "/desk/usb"), ("http://a//elsewhere.example/", "/desk")):
        headers = {"Origin": office.url, "Referer": referrer}
        answer = office.nobody("POST", "/desk/usb/export", data={"to": "H41"}, cookies=session, headers=headers)
        assert answer.status_code == 400
        assert f'<a class="button button--secondary" href="{again}">' in answer.text


def test_an_address_with_a_slash_at_its_end_is_the_desk(office, session):
    """As people type it."""
    answer = office.nobody.get("/desk/", cookies=session)
    assert (answer.status_code, answer.url) == (200, f"{office.url}/desk")


@pytest.mark.parametrize("path", ["/desk/language", "/desk/usb/export", "/desk/enrolments/read"])
def test_nobody_makes_the_desk_keep_a_file_of_any_size(office, session, path):
    """It is refused unread, and so is one whose length is not told; of a picture the page says why."""
    beginning = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": office.url}
    body = beginning + bytes(13 << 20) + b"\r\n--x--\r\n"

    def send(data):
        answer = office.nobody("POST", path, data=data, headers=headers, cookies=session, allow_redirects=False)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return answer

    answer = send(body)
    assert answer.status_code == 413
    assert ("Ảnh hoặc nội dung quá lớn" in answer.text) == path.endswith("/read")
    assert send(iter([body])).status_code == 411
