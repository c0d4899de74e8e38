"""A lost telephone in a real browser: recorded at the desk, the old phone told, the new one the same person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.scenario.scans import sample_scans
from tests.browser.conftest import shoot
from tests.browser.filling import fill_draft
from tests.browser.sample import approve_waiting
from tests.browser.story import activate, open_page

NAME, OFFICIAL = "Lò Thị Phìn", "Vàng A Mẫu"


@pytest.mark.browser
@pytest.mark.slow
def test_a_lost_phone_is_reported_at_the_desk_and_its_owner_goes_on_with_a_new_one(
    chromium: Browser, office: Any, tmp_path: Path
) -> None:
    """Search, record, sign; the old phone says that its key was revoked; the new one has the old dossier."""
    office.stock()
    faults: list[str] = []
    old = open_page(chromium, office.url, 360, 740, faults)
    desk = open_page(chromium, office.url, 1280, 800, faults)
    _sign_in(desk, office)
    _register(old)
    approve_waiting(office, NAME)
    expect(old.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    _file(old, tmp_path)

    _report(desk)
    old.goto("/#/procedures")
    old.goto("/#/")
    old.reload()
    expect(old.get_by_role("heading", name="Khóa trên điện thoại này đã bị thu hồi")).to_be_visible()
    shoot(old, "lost-old-phone")
    old.get_by_role("link", name="Đăng ký lại").click()
    shoot(old, "lost-old-phone-register")

    new = open_page(chromium, office.url, 360, 740, faults)
    _register(new)
    _let_in(desk)
    expect(new.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    new.goto("/#/")
    expect(new.get_by_role("link", name="Đăng ký khai sinh", exact=True)).to_be_visible()
    shoot(new, "lost-new-phone")
    [subject] = {each.subject for each in office.node.revoking.all()}
    assert len(office.node.revoking.keys_of(subject)) == 2
    # What the old phone is answered it is answered rightly; the browser logs each "no" as an error.
    assert [line for line in faults if "Failed to load resource" not in line] == []


def _sign_in(desk: Page, office: Any) -> None:
    """An official with a key of this browser, invited at the console."""
    subject, code = office.node.people.invite(OFFICIAL, "official")
    office.node.people.grant(subject, OFFICIAL, "official")
    desk.goto("/desk")
    activate(desk, OFFICIAL, code)
    expect(desk.get_by_role("heading", name="Hồ sơ", level=1)).to_be_visible()


def _register(phone: Page) -> None:
    phone.goto("/#/register")
    phone.get_by_label("Họ, chữ đệm và tên").fill(NAME)
    phone.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    phone.locator(".bigcode").wait_for()


def _file(phone: Page, folder: Path) -> None:
    scan = folder / "giay.jpg"
    scan.write_bytes(sample_scans()[0].jpeg)
    phone.goto("/#/procedures/1.001193")
    phone.get_by_text("Bắt đầu nhập hồ sơ").click()
    phone.wait_for_url("**/#/drafts/*")
    fill_draft(phone, {"Giấy chứng sinh": scan})
    phone.goto(f"/#/drafts/{phone.url.partition('#/drafts/')[2].partition('/')[0].partition('?')[0]}/sign")
    phone.get_by_role("button", name="Ký và nộp").click()
    expect(phone.get_by_text("Xã đã nhận đủ hồ sơ").first).to_be_visible()


def _report(desk: Page) -> None:
    desk.goto("/desk/enrolments")
    desk.get_by_role("link", name="Mất điện thoại").click()
    shoot(desk, "lost-search-empty")
    desk.get_by_role("searchbox").fill("lo phin")
    desk.get_by_role("button", name="Tìm").click()
    shoot(desk, "lost-search")
    desk.get_by_role("link", name=NAME).click()
    expect(desk.get_by_text("Đang dùng")).to_be_visible()
    shoot(desk, "lost-person")
    desk.get_by_role("link", name="Mất điện thoại").click()
    shoot(desk, "lost-form")
    desk.get_by_label("Bị lấy cắp").check()
    desk.get_by_label("Họ gọi điện").or_(desk.get_by_label("Người này gọi điện")).check()
    desk.get_by_label("Lời trình bày").fill("Bị giật điện thoại ở chợ phiên sáng nay")
    desk.get_by_role("button", name="Thu hồi và ký").click()
    expect(desk.locator("#sign-statement")).to_contain_text("không thể hoàn tác")
    shoot(desk, "lost-sign")
    desk.get_by_role("button", name="Ký", exact=True).click()
    expect(desk.get_by_text("Đã ghi nhận. Khóa cũ không mở được gì")).to_be_visible()
    expect(desk.get_by_text("Đã thu hồi").first).to_be_visible()
    shoot(desk, "lost-recorded")


def _let_in(desk: Page) -> None:
    desk.goto("/desk/enrolments")
    desk.get_by_label(f"Khóa mới của {NAME}").check()
    desk.get_by_label("Tôi đã kiểm tra giấy tờ").check()
    shoot(desk, "lost-enrolments")
    desk.get_by_role("button", name="Duyệt và ký").click()
    expect(desk.locator("#sign-statement")).to_contain_text("khóa mới của người đã đăng ký trước đây")
    desk.get_by_role("button", name="Ký", exact=True).click()
    expect(desk.get_by_text("Đã cấp chứng thư cho thiết bị này")).to_be_visible()
