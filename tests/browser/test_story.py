"""The spine in a browser: from a phone without signal to the province, and back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.scenario.damage import flip_one_byte
from deploy.scenario.person import Person
from deploy.scenario.scans import sample_scans
from deploy.scenario.story import enrol_official, has_arrived, wait_until
from deploy.scenario.tiers import COMMUNE, DISTRICT, PROVINCE, Province
from server.verify import verify_path
from tests.browser.conftest import shoot, wait_for
from tests.browser.filling import fill_draft
from tests.browser.story import open_page, sign_in_to_desk

CITIZEN = "Lò Thị Mẫu"
LONG_MS = 180_000


@pytest.mark.browser
@pytest.mark.slow
def test_a_dossier_signed_offline_reaches_the_province_and_a_comment_comes_back(
    chromium: Browser, province: Province, tmp_path: Path
) -> None:
    """Steps 2 to 5 of the spine: the browser's network is cut, then the commune's uplink; nothing is lost."""
    district = enrol_official(province, DISTRICT, "Hà Thị Mẫu")
    upper = enrol_official(province, PROVINCE, "Nguyễn Văn Mẫu")
    wait_until("no catalogue at the commune", lambda: bool(_catalogue(province)), 180)
    faults: list[str] = []
    desk = open_page(chromium, province.url(COMMUNE), 1280, 800, faults)
    phone = open_page(chromium, province.url(COMMUNE), 360, 740, faults)

    sign_in_to_desk(desk, province)
    _register_phone(phone, desk, province)
    _file_offline(phone, tmp_path, province)
    province.links["commune-district"].cut()
    phone.context.set_offline(False)
    expect(phone.get_by_text("Xã đã nhận đủ hồ sơ").first).to_be_visible(timeout=LONG_MS)
    shoot(phone, "phone-received")
    _look_at_receipt(phone)

    stream = _work_at_desk(desk, province)
    assert district.find_dossier(stream) is None, "the uplink is cut; the district cannot know yet"
    province.links["commune-district"].restore()
    wait_until("the district lacks something", lambda: has_arrived(district, stream, events=6), 180)
    wait_until("the province lacks something", lambda: has_arrived(upper, stream, events=6), 180)
    district.act(stream, "dossier.commented", text="Huyện đã kiểm tra, hồ sơ hợp lệ")
    desk.goto(f"{province.url(COMMUNE)}/desk/dossiers/{stream}")
    _reload_until(desk, "Huyện đã kiểm tra, hồ sơ hợp lệ")
    shoot(desk, "desk-comment")
    phone.goto(f"{province.url(COMMUNE)}/#/")
    shoot(phone, "phone-home-after")
    wait_until("the comment is not at the province", lambda: has_arrived(upper, stream, events=7), 180)

    assert [line for line in faults if "Failed to load resource" not in line] == []
    province.stop_all()
    _verify(province)


def _catalogue(province: Province) -> object:
    return Person("nobody", province.url(COMMUNE)).find_procedure("1.001193")


def _register_phone(phone: Page, desk: Page, province: Province) -> None:
    phone.goto("/#/register")
    phone.get_by_label("Họ, chữ đệm và tên").fill(CITIZEN)
    phone.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    code = phone.locator(".bigcode").inner_text()
    desk.goto("/desk/enrolments")
    expect(desk.locator(".bigcode")).to_have_text(code)
    shoot(desk, "desk-enrolments")
    desk.get_by_label("Tôi đã kiểm tra giấy tờ").check()
    desk.get_by_role("button", name="Duyệt và ký").click()
    shoot(desk, "desk-sign")
    desk.get_by_role("button", name="Ký", exact=True).click()
    expect(phone.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()


def _file_offline(phone: Page, tmp_path: Path, province: Province) -> None:
    """Pick the procedure with a network, do everything else without, reload included."""
    phone.goto("/#/procedures")
    phone.get_by_label("Tìm thủ tục").fill("khai sinh")
    phone.get_by_role("link", name="Đăng ký khai sinh", exact=True).click()
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")  # every file of the application is here now
    phone.reload()  # from here on the worker answers for the page
    wait_for(phone, "navigator.serviceWorker.controller !== null")
    phone.get_by_text("Bắt đầu nhập hồ sơ").wait_for()
    phone.context.set_offline(True)
    phone.get_by_text("Bắt đầu nhập hồ sơ").click()
    expect(phone).to_have_url(re.compile("#/drafts/"))
    draft = re.sub(r"(#/drafts/[^/?]+).*", r"\1", phone.url)
    phone.goto(draft)
    phone.reload()
    phone.locator(".tasks li").first.wait_for()
    shoot(phone, "phone-tasks")
    fill_draft(phone, _scans(tmp_path))
    shoot(phone, "phone-tasks-done")
    phone.get_by_role("link", name="Kiểm tra và ký").click()
    shoot(phone, "phone-check")
    phone.get_by_role("button", name="Đúng rồi, chuyển sang ký").or_(
        phone.get_by_role("link", name="Đúng rồi, chuyển sang ký")
    ).click()
    shoot(phone, "phone-sign")
    phone.get_by_role("button", name="Ký và nộp").click()
    expect(phone.get_by_text("Chưa có mạng. Hồ sơ nằm trên máy này").first).to_be_visible()
    shoot(phone, "phone-waiting")
    phone.reload()
    expect(phone.get_by_text("Chưa có mạng. Hồ sơ nằm trên máy này").first).to_be_visible()
    assert Person("nobody", province.url(COMMUNE)).find_procedure("1.001193"), "the node itself is up all the while"


def _scans(folder: Path) -> dict[str, Path]:
    """Write the sample scans; return them by the paper they stand for."""
    found = {}
    for label, scan in zip(("Giấy chứng sinh", "Giấy tờ khác"), sample_scans(), strict=True):
        found[label] = folder / scan.name
        found[label].write_bytes(scan.jpeg)
    return found


def _look_at_receipt(phone: Page) -> None:
    phone.get_by_text("Xem biên nhận").first.click()
    expect(phone.get_by_role("heading", level=1)).to_be_visible()
    shoot(phone, "phone-receipt")


def _work_at_desk(desk: Page, province: Province) -> str:
    """Receive, pass on, decide, return: each step signed in the browser. Returns the stream."""
    desk.goto("/desk")
    desk.get_by_role("link", name="Chưa cấp mã").click()
    expect(desk).to_have_url(re.compile("/desk/dossiers/"))
    stream = desk.url.rpartition("/")[2]
    shoot(desk, "desk-dossier-new")
    _act(desk, "Tiếp nhận hồ sơ", {}, "Được tiếp nhận")
    expect(desk.get_by_text(re.compile(r"H41\.12\.03-\d{6}-0001")).first).to_be_visible()
    _act(desk, "Chuyển xử lý", {"Chuyển đến": "Công chức Tư pháp - Hộ tịch"}, "Đang xử lý")
    shoot(desk, "desk-dossier-processing")
    _act(desk, "Ghi kết quả giải quyết", {"Tóm tắt kết quả": "Đã đăng ký khai sinh"}, "Đã xử lý xong")
    _act(desk, "Trả kết quả", {"Người nhận": CITIZEN}, "Đã trả kết quả")
    shoot(desk, "desk-dossier-returned")
    desk.get_by_role("link", name="Giấy tiếp nhận và hẹn trả").click()
    shoot(desk, "desk-slip")
    desk.goto("/desk/links")
    shoot(desk, "desk-links")
    return stream


def _act(desk: Page, action: str, fields: dict[str, str], status: str) -> None:
    form = desk.locator(f'details:has(summary:text-is("{action}"))')
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    for label, value in fields.items():
        form.get_by_label(label).fill(value)
    form.get_by_role("button", name=action).click()
    desk.get_by_role("button", name="Ký", exact=True).click()
    expect(desk.locator("h1 .tag")).to_have_text(status)


def _reload_until(page: Page, text: str) -> None:
    def is_there() -> bool:
        page.reload()
        return page.get_by_text(text).count() > 0

    wait_until(f"«{text}» is not on the page", is_there, 180)


def _verify(province: Province) -> None:
    home = province.home(PROVINCE)
    report = verify_path(home)
    assert report.holds, list(report.lines())
    assert report.checked["whole files"] >= 2
    document = flip_one_byte(home)
    damaged = verify_path(home)
    assert not damaged.holds
    assert any(document in problem for problem in damaged.problems)
