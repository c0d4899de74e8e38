"""A desk on a slow machine: what is pressed before the page's program has come is done when it is there."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from deploy.scenario.story import wait_until
from tests.browser.story import activate, open_page

OFFICIAL = "Vàng A Mẫu"


def hold(page: Page) -> list[Route]:
    """Hold back desk.js from now on; the list fills with what was asked for."""
    held: list[Route] = []
    page.route("**/desk/static/desk.js", lambda route: held.append(route))
    return held


def let_go(page: Page, held: list[Route]) -> None:
    """Let the page have it."""
    wait_until("desk.js is not asked for", lambda: bool(page.title() and held), 60)
    held.pop().continue_()
    page.unroute("**/desk/static/desk.js")


@pytest.mark.browser
@pytest.mark.slow
def test_what_is_pressed_early_is_done_and_nothing_filled_in_is_lost(chromium: Browser, office: Any) -> None:
    """Signing in, and a step that is signed: both forms are sent while desk.js is on its way."""
    node = office.node
    stream = office.file()
    subject, code = node.people.invite(OFFICIAL, "official")
    node.people.grant(subject, OFFICIAL, "official")
    node.model.follower.catch_up()
    faults: list[str] = []
    page = open_page(chromium, office.url, 1280, 800, faults)
    try:
        held = hold(page)
        page.goto(f"/desk/login?next=/desk/dossiers/{stream}", wait_until="commit")
        activate(page, OFFICIAL, code)
        let_go(page, held)
        expect(page.get_by_role("heading", name="Việc cần làm")).to_be_visible()

        held = hold(page)
        page.goto(f"/desk/dossiers/{stream}", wait_until="commit")
        page.locator('details:has(summary:text-is("Yêu cầu bổ sung")) summary').click()
        form = page.locator('form[data-sign="dossier.supplement_requested"]')
        form.locator("textarea").first.fill("Bản sao giấy chứng sinh")
        form.locator("input").first.fill("Bản sao bị mờ")
        form.get_by_role("button").click()
        let_go(page, held)

        expect(page.locator("#sign-statement")).to_contain_text("Bản sao giấy chứng sinh")
        assert faults == []
    finally:
        page.context.close()
