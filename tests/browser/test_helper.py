"""Filing for somebody without a phone, on the helper's phone: offline, signed on paper, received, and gone again."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from deploy.scenario.scans import sample_scans
from server.log.receipt import parse_receipt_url, verify_receipt
from tests.browser.conftest import PHONE, shoot
from tests.browser.phones import Phone, answer_form
from tests.server.conftest import wait_until

HELPER, PERSON, WITNESS = "Sùng A Hồ", "Giàng A Páo", "Lò Thị Mẩy"
PAPERS = {"58mm": 219, "80mm": 302, "a4": 794}  # widths in CSS pixels, 96 to the inch


@pytest.mark.browser
@pytest.mark.slow
def test_a_helper_files_offline_for_somebody_who_signs_on_paper(chromium: Browser, office: Any, tmp_path: Path) -> None:
    """From the consent paper to the slip with the receipt's code; apart from the helper's own; then off the phone."""
    office.stock()
    scan = tmp_path / "giay.jpg"
    scan.write_bytes(sample_scans()[0].jpeg)
    phone = Phone(chromium, office.url)
    page = phone.page
    try:
        subject = phone.register(office, HELPER)
        phone.go("behalf")
        expect(page.get_by_text("Việc này dành cho thành viên tổ công nghệ số")).to_be_visible()
        office.node.people.grant(subject, HELPER, "helper")
        page.get_by_role("button", name="Hỏi lại máy của xã").click()
        expect(page.get_by_role("link", name="Chọn thủ tục")).to_be_visible()
        shoot(phone.page, "helper-start")
        phone.go("procedures?behalf=1")
        phone.work_offline()

        _fill_in(phone, scan)
        stream = _sign(phone)
        _look_at_unsent_slip(phone, stream)
        phone.context.set_offline(False)
        phone.go(f"dossiers/{stream}")
        phone.wait_for_receipt()
        expect(page.get_by_text("Ảnh giấy tờ đã xóa khỏi máy này")).to_be_visible()
        shoot(phone.page, "helper-received")
        _check_event(office, stream, subject)
        _look_at_slip(phone, office, stream)
        _look_at_lists(phone)
        _leave(phone, stream)
        assert phone.faults == []
    finally:
        phone.context.close()


def _fill_in(phone: Phone, scan: Path) -> None:
    """Who it is for, the consent paper with its photograph, then the normal form."""
    page = phone.page
    page.get_by_role("link", name="Trợ cấp hưu trí xã hội", exact=True).click()
    page.get_by_role("button", name="Bắt đầu nộp hộ").click()
    page.wait_for_url("**/#/drafts/*")
    draft = page.url
    expect(page.get_by_role("heading", name="Người nhờ nộp", exact=True)).to_be_visible()
    shoot(phone.page, "helper-tasks")
    page.get_by_role("link", name="Người nhờ nộp và cách ký").click()
    page.get_by_label("Họ, chữ đệm và tên người nhờ nộp").fill(PERSON)
    page.get_by_label("Số định danh cá nhân (CCCD)").fill("040198000001")
    page.get_by_label("Điểm chỉ").check()
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("alert")).to_contain_text("điểm chỉ phải có người chứng kiến")
    phone.look("helper-who-fault")
    page.get_by_label("Người làm chứng").fill(WITNESS)
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Giấy đồng ý đã ký")
    phone.look("helper-paper")
    page.get_by_role("link", name="Giấy đồng ý nhờ nộp hồ sơ").click()
    expect(page.get_by_role("heading", name="GIẤY ĐỒNG Ý NHỜ NỘP HỒ SƠ ĐIỆN TỬ")).to_be_visible()
    expect(page.locator(".paper")).to_contain_text(PERSON)
    _print(page, "helper-consent", PAPERS["a4"])
    page.go_back()
    page.locator("input[type=file]").last.set_input_files(scan)
    page.locator(".photo").first.wait_for()
    page.goto(draft)
    page.locator(".tasks li").first.wait_for()
    answer_form(page, scan)


def _sign(phone: Phone) -> str:
    """Check, sign; no screen says that the person signed. Returns the stream."""
    page = phone.page
    page.get_by_role("link", name="Kiểm tra và ký").click()
    expect(page.get_by_text(f"{PERSON} không ký điện tử")).to_be_visible()
    phone.look("helper-check")
    page.get_by_role("link", name="Đúng rồi, chuyển sang ký").click()
    statement = page.locator(".panel .lead")
    expect(statement).to_contain_text(f"Tôi, {HELPER}, nộp hộ {PERSON}")
    expect(statement).to_contain_text(f"{PERSON} không ký điện tử mà điểm chỉ trên giấy")
    expect(statement).to_contain_text(f"Người làm chứng: {WITNESS}.")
    phone.look("helper-sign")
    page.get_by_role("button", name="Ký và nộp").click()
    expect(page.get_by_text("Chưa có mạng. Hồ sơ nằm trên máy này").first).to_be_visible()
    expect(page.get_by_text(f"{PERSON} không ký điện tử").first).to_be_visible()
    expect(page.get_by_text("nằm trên máy này cho đến khi xã nhận đủ")).to_be_visible()
    shoot(phone.page, "helper-waiting")
    return page.url.rpartition("/")[2]


def _look_at_unsent_slip(phone: Phone, stream: str) -> None:
    """Before the office has it, the slip says so, and carries no code that would look like a receipt."""
    phone.go(f"dossiers/{stream}/slip")
    expect(phone.page.locator(".ticket")).to_contain_text("CHƯA nhận hồ sơ này")
    assert phone.page.locator(".ticket .qr").count() == 0
    shoot(phone.page, "helper-slip-unsent")


def _check_event(office: Any, stream: str, subject: str) -> None:
    """What was signed: by the helper, for the person, with the scan among the files and the witness named."""
    dossier = office.official.get(f"/api/dossiers/{stream}").json()
    assert dossier["owner"] == subject
    assert dossier["channel"] == "helper"
    scans = [each["sha256"] for each in dossier["files"] if each["part"] == "giay-ky-nop-thay"]
    assert dossier["on_behalf"] == {"name": PERSON, "how": "fingerprint", "witness": WITNESS, "scan": scans[0]}


def _look_at_slip(phone: Phone, office: Any, stream: str) -> None:
    """The slip names both persons and carries the receipt, which another reader reads and the node's key verifies."""
    page = phone.page
    phone.go(f"dossiers/{stream}/slip")
    for text in (PERSON, HELPER, f"{PERSON} không ký điện tử"):
        expect(page.locator(".ticket")).to_contain_text(text)
    page.locator(".ticket .qr").wait_for()
    phone.look("helper-slip")
    for paper, width in PAPERS.items():
        picture = _print(page, f"helper-slip-{paper}", width)
        [code] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
        host = phone.url.removeprefix("http://")
        receipt = verify_receipt(
            parse_receipt_url(code.text, host), key=office.node.signer.public_key, unit=office.node.unit
        )
        assert receipt.code == stream[:8]


def _print(page: Page, name: str, width: int) -> bytes:
    """Return how the page looks on paper of that width, in dots of a receipt printer (203 to the inch)."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": width, "height": 900})
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    shoot(page, name)
    picture = page.screenshot(full_page=True, caret="initial")
    page.emulate_media(media="screen")
    page.set_viewport_size(PHONE)
    assert sideways <= 0, f"{name} is {sideways} px too wide"
    return picture


def _look_at_lists(phone: Phone) -> None:
    """What was filed for others stands apart from what is one's own."""
    page = phone.page
    phone.go("")
    expect(page.get_by_role("heading", name="Đã nộp hộ người khác")).to_be_visible()
    expect(page.get_by_role("heading", name="Đã ký", exact=True)).to_have_count(0)
    expect(page.locator(".card")).to_contain_text([f"Nộp hộ {PERSON}"])
    shoot(phone.page, "helper-home")
    phone.go("behalf")
    shoot(phone.page, "helper-list")
    page.set_viewport_size({"width": 1280, "height": 800})
    phone.look("helper-list-wide")
    page.set_viewport_size(PHONE)


def _leave(phone: Phone, stream: str) -> None:
    """Removed when asked for, taken back, removed again; a minute later nothing of the person is on the phone."""
    page = phone.page
    assert PERSON in phone.stored_text()
    phone.go(f"dossiers/{stream}")
    page.get_by_role("button", name="Xóa khỏi máy này ngay").click()
    expect(page.get_by_text("Hồ sơ sẽ xóa khỏi máy này trong ít phút").first).to_be_visible()
    page.get_by_role("button", name="Hoàn tác").click()
    expect(page.get_by_text("tự xóa ngày")).to_be_visible()
    shoot(phone.page, "helper-keeping")
    page.get_by_role("button", name="Xóa khỏi máy này ngay").click()
    expect(page.get_by_role("button", name="Xóa khỏi máy này ngay")).to_have_count(0)
    page.clock.set_fixed_time(datetime.now().astimezone() + timedelta(minutes=2))
    phone.go("behalf")
    page.reload()
    expect(page.get_by_text("Đã xóa khỏi máy này: 1 hồ sơ")).to_be_visible()
    shoot(phone.page, "helper-left")
    wait_until(lambda: PERSON not in phone.stored_text())  # that it left is noted before it goes
    stored = phone.stored_text()
    assert WITNESS not in stored
    assert stream in stored  # what is left: which dossier it was
    assert page.evaluate("import('/store/db.js').then(({ getAll }) => getAll('chunks')).then((all) => all.length)") == 0
