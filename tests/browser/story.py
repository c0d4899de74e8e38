"""The first steps of every story in a browser: a page at a node's address, an official at their desk."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from deploy.scenario.tiers import COMMUNE, Province
from tests.browser.conftest import WAIT_MS, shoot

OFFICIAL = "Vàng A Mẫu"


def open_page(browser: Browser, address: str, width: int, height: int, faults: list[str]) -> Page:
    """Return a page in a context of its own; what it throws or logs as an error is added to `faults`."""
    context = browser.new_context(viewport={"width": width, "height": height}, locale="vi-VN", base_url=address)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    return page


def sign_in_to_desk(desk: Page, province: Province) -> None:
    """Activate the commune's official in the browser of `desk`; ends on the queue."""
    code = province.add_official(COMMUNE, OFFICIAL)
    desk.goto("/desk")
    shoot(desk, "desk-login")
    activate(desk, OFFICIAL, code)
    expect(desk.get_by_role("heading", name="Hồ sơ", level=1)).to_be_visible()
    shoot(desk, "desk-queue-empty")


def activate(desk: Page, name: str, code: str) -> None:
    """Make an official's key in this browser, on the login page that is open, by the code they were invited with."""
    desk.get_by_label("Họ và tên").fill(name)
    desk.get_by_label("Mã kích hoạt").fill(code)
    desk.get_by_role("button", name="Tạo khóa và đăng nhập").click()
