"""Who asks for an exchange while one is under way gets one that began after they asked."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import wait_for
from tests.browser.phones import Phone
from tests.server.conftest import wait_until

# Ask twice while the first answer is awaited; note what has been asked when the promises are kept.
ASK_TWICE = """async () => {
  const { syncNow } = await import("/sync.js");
  window.kept = 0;
  for (const one of [syncNow(), syncNow()]) one.then(() => { window.kept += 1; });
}"""


@pytest.mark.browser
def test_what_is_asked_for_during_an_exchange_has_its_own(chromium: Browser, office: Any) -> None:
    """Two calls while one exchange waits for the office: one more exchange, and both are told when that has ended."""
    phone = Phone(chromium, office.url)
    page, held = phone.page, list[Route]()
    try:
        page.goto("/#/register")
        page.get_by_label("Họ, chữ đệm và tên").fill("Lò Thị Phìn")
        page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
        page.locator(".bigcode").wait_for()
        page.route("**/api/enrolments/*", lambda route: held.append(route))  # each exchange asks how it stands
        wait_until(lambda: page.title() and held)

        page.evaluate(ASK_TWICE)
        held[0].continue_()
        wait_until(lambda: page.title() and len(held) == 2)
        assert page.evaluate("window.kept") == 0
        held[1].continue_()
        wait_for(page, "window.kept === 2")
        expect(page.locator(".bigcode")).to_be_visible()
        assert phone.faults == []
    finally:
        phone.context.close()
