"""Signing at the desk: one thing at a time, and when it does not work the reason in the official's own language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.story import activate, open_page
from tests.browser.test_early import OFFICIAL, hold, let_go

ACCEPT = 'form[data-sign="dossier.accepted"]'
COMMENT = 'form[data-sign="dossier.commented"]'
SUPPLEMENT = 'form[data-sign="dossier.supplement_requested"]'


@pytest.fixture
def desk(chromium: Browser, office: Any) -> Iterator[tuple[Page, str]]:
    """An official signed in at a new dossier of theirs: (page, stream)."""
    office.stock("1.001193")
    stream = office.file()
    subject, code = office.node.people.invite(OFFICIAL, "official")
    office.node.people.grant(subject, OFFICIAL, "official")
    office.node.model.follower.catch_up()
    page = open_page(chromium, office.url, 1280, 800, [])
    page.goto(f"/desk/login?next=/desk/dossiers/{stream}")
    activate(page, OFFICIAL, "sai-ma-nay")
    expect(page.locator("#login-error")).to_have_text(
        "Mã kích hoạt sai, đã dùng hoặc hết hạn. Xin người quản trị mã mới."
    )
    activate(page, OFFICIAL, code)
    expect(page.get_by_role("heading", name="Việc cần làm")).to_be_visible()
    yield page, stream
    page.context.close()


def types_of(office: Any, stream: str) -> list[str]:
    """The steps that the node holds."""
    return [each.stored.event.type for each in office.node.model.story(stream).events]


def fill(page: Page, form: str, *texts: str) -> None:
    """Open a step's form and fill its fields."""
    page.locator(f"details:has({form}) summary").click()
    for field, text in zip(page.locator(f"{form} :is(textarea, input)").all(), texts, strict=True):
        field.fill(text)


@pytest.mark.browser
@pytest.mark.slow
def test_two_steps_pressed_at_once_are_asked_and_signed_one_by_one(desk: Any, office: Any) -> None:
    """Both are pressed before desk.js has come; nothing is signed but what the dialog says at that moment. On paper the
    dossier has nothing to press."""
    page, stream = desk
    held = hold(page)
    page.reload(wait_until="commit")
    fill(page, SUPPLEMENT, "Bản sao giấy chứng sinh", "Bản sao bị mờ")
    page.locator(f"{SUPPLEMENT} button").click()
    fill(page, COMMENT, "Đã gọi điện cho người nộp")
    page.locator(f"{COMMENT} button").click()
    let_go(page, held)

    statement = page.locator("#sign-statement")
    expect(statement).to_contain_text("Bản sao giấy chứng sinh")
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(statement).to_contain_text("Đã gọi điện cho người nộp")
    page.get_by_role("button", name="Ký", exact=True).dispatch_event("click", {"detail": 2})
    expect(page.locator("#sign-dialog")).to_be_visible()
    assert "dossier.supplement_requested" in types_of(office, stream)
    assert "dossier.commented" not in types_of(office, stream)
    page.get_by_role("button", name="Quay lại").click()
    expect(page.locator("#sign-dialog")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="Quá trình giải quyết")).to_be_visible()
    expect(page.get_by_role("button").or_(page.get_by_role("textbox"))).to_have_count(0)
    assert "dossier.commented" not in types_of(office, stream)


@pytest.mark.browser
@pytest.mark.slow
def test_what_does_not_work_is_told_in_the_officials_words(desk: Any, office: Any) -> None:
    """Somebody was quicker; the line broke while a signed step was sent, or the session was to end."""
    page, stream = desk
    notice = page.locator("#notice")
    page.route("**/api/events", lambda route: route.abort())
    fill(page, COMMENT, "Đã gọi điện")
    page.locator(f"{COMMENT} button").click()
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(notice).to_contain_text("chưa biết việc vừa ký đã được ghi hay chưa")
    page.unroute("**/api/events")
    page.route("**/api/session", lambda route: route.abort())
    page.get_by_role("button", name="Đăng xuất").click()
    expect(notice).to_have_text("Không liên lạc được với máy chủ của đơn vị. Kiểm tra mạng rồi thử lại.")

    assert office.act(office.official, stream, "dossier.accepted").status_code == 201
    page.locator(f"details:has({ACCEPT}) summary").click()
    page.locator(f"{ACCEPT} button").click()
    expect(notice).to_have_text("Hồ sơ này đã được tiếp nhận, mã " + office.node.model.queries.dossier(stream).code)


@pytest.mark.browser
@pytest.mark.slow
def test_without_https_the_login_page_says_what_is_missing(chromium: Browser, office: Any) -> None:
    """On a plain http address that is not this machine a browser has no keys: nothing else would tell why."""

    def pass_on(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("http://tram.example", office.url)))

    page = open_page(chromium, "http://tram.example", 360, 740, [])
    try:
        page.route("http://tram.example/**", pass_on)
        page.goto("/desk/login")
        expect(page.locator("#login-error")).to_contain_text("https://")
    finally:
        page.unroute_all(behavior="wait")
        page.context.close()
