"""Enrolment at the counter with no network between phone and node, in a real browser: two QR codes instead."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from deploy.scenario.tiers import COMMUNE, DISTRICT, Province, Tier
from tests.browser.conftest import shoot, wait_for
from tests.browser.story import open_page, sign_in_to_desk

CITIZEN = "Sùng Thị Mẫu"


def picture_of(page: Page) -> bytes:
    """Return a picture of the QR code on the page, as a camera in front of the screen would take it."""
    page.locator(".qr").wait_for()
    # Where the code stands on the page: the page may draw it anew, the same, whenever it has tried the line again.
    place = page.evaluate(
        """() => {
          const box = document.querySelector(".qr").getBoundingClientRect();
          return { x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height };
        }"""
    )
    return page.screenshot(caret="initial", full_page=True, clip=place)


def text_in(picture: bytes) -> str:
    """Return what the one QR code in a picture says."""
    (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(picture)))
    return str(code.text)


def open_registration_offline(phone: Page) -> None:
    """Open the application once with a network, as when it was installed; then register without one."""
    phone.goto("/#/")
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")  # every file of the application is here now
    phone.reload()  # from here on the worker answers for the page
    wait_for(phone, "navigator.serviceWorker.controller !== null")
    phone.context.set_offline(True)
    phone.goto("/#/register")
    phone.get_by_label("Họ, chữ đệm và tên").fill(CITIZEN)
    phone.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    expect(phone.get_by_text("Chưa gửi được đến máy của xã")).to_be_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_a_phone_without_a_network_is_enrolled_by_two_qr_codes(
    chromium: Browser, province: Province, tmp_path: Path
) -> None:
    """Request out as a picture, certificate back as a text; the phone is offline before it makes its key and after it
    has its certificate, and takes no certificate that is another's or another commune's."""
    faults: list[str] = []
    desk = open_page(chromium, province.url(COMMUNE), 1280, 800, faults)
    phone = open_page(chromium, province.url(COMMUNE), 360, 740, faults)
    sign_in_to_desk(desk, province)
    open_registration_offline(phone)
    shoot(phone, "phone-enrol-offline")
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture_of(phone))

    desk.goto("/desk/enrolments")
    desk.get_by_text("Điện thoại không có mạng: đọc mã QR trên máy").click()
    shoot(desk, "desk-counter")
    desk.get_by_label("Hoặc dán nội dung của mã").fill("không phải yêu cầu")
    desk.get_by_role("button", name="Đọc yêu cầu").click()
    expect(desk.get_by_role("alert")).to_contain_text("không phải yêu cầu đăng ký")
    shoot(desk, "desk-counter-fault")
    desk.get_by_label("Ảnh chụp mã QR").set_input_files(photo)
    desk.get_by_role("button", name="Đọc yêu cầu").click()
    expect(desk.get_by_role("status").filter(has_text=f"Đã đọc yêu cầu của {CITIZEN}")).to_be_visible()
    expect(desk.locator(".bigcode")).to_have_text(phone.locator(".bigcode").inner_text())
    shoot(desk, "desk-counter-read")
    desk.get_by_label("Tôi đã kiểm tra giấy tờ").check()
    desk.get_by_role("button", name="Duyệt và ký").click()
    desk.get_by_role("button", name="Ký", exact=True).click()
    expect(desk.get_by_text("Đã cấp chứng thư cho thiết bị này")).to_be_visible()
    shoot(desk, "desk-certificate")
    answer = text_in(picture_of(desk))

    phone.get_by_role("link", name="Nhận chứng thư").click()
    expect(phone.get_by_role("heading", name="Nhận chứng thư")).to_be_visible()
    shoot(phone, "phone-receive")
    assert not phone.evaluate("navigator.onLine")
    _refuse_wrong_ones(phone, province)
    phone.get_by_label("Nội dung của mã").fill(answer)
    phone.get_by_role("button", name="Nhận", exact=True).click()
    expect(phone.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    phone.reload()
    expect(phone.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    assert [line for line in faults if "Failed to load resource" not in line and "ERR_INTERNET" not in line] == []


def _refuse_wrong_ones(phone: Page, province: Province) -> None:
    """A code for another key, one of another authority, and one that is none are each refused in their own words."""
    for certificate, said in (
        (_another_key(province, COMMUNE), "không khớp với khóa trên máy"),
        (_another_key(province, DISTRICT), "không do xã mà điện thoại đã biết cấp"),
        ("https://example.invalid/hello", "không phải mã chứng thư"),
    ):
        phone.get_by_label("Nội dung của mã").fill(certificate)
        phone.get_by_role("button", name="Nhận", exact=True).click()
        expect(phone.get_by_role("alert")).to_contain_text(said)
    shoot(phone, "phone-receive-refused")


def _another_key(province: Province, tier: Tier) -> str:
    """A certificate that a unit's CA issued to somebody else, as its code would say it."""
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives.serialization import Encoding

    from crypto import base64url, keys
    from server.home import Home
    from server.pki.authority import Authority, new_subject_id

    authority = Authority.open(Home.open(province.home(tier)))
    key = keys.generate_p256().public_key()
    certificate = authority.issue_person(key, subject_id=new_subject_id(), now=datetime.now(UTC))
    return f"https://tram.example/#/register/{base64url.encode(certificate.public_bytes(Encoding.DER))}"
