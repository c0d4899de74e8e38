"""What is told before somebody signs: a paper changed after signing, a certificate that ends or is revoked, a clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from server.pki import authority
from tests.browser.phones import Phone

BROKEN = b"%PDF-1.7\n1 0 obj\n<</Type /Sig /Contents <00> /ByteRange [0 33 37 900000]>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.mark.browser
@pytest.mark.slow
def test_what_will_be_doubted_is_told_with_the_answers_to_check(
    chromium: Browser, office: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each on the page before signing, as soon as there are answers to check."""
    monkeypatch.setattr(authority, "PERSON_LIFE", timedelta(days=20))
    office.stock()
    paper = tmp_path / "giay.pdf"
    paper.write_bytes(BROKEN)
    phone = Phone(chromium, office.url)
    page = phone.page
    try:
        subject = phone.register(office, "Lò Thị Phìn")
        phone.go("procedures/1.001193")
        page.get_by_text("Bắt đầu nhập hồ sơ").click()
        page.wait_for_url("**/#/drafts/*")
        page.get_by_role("link", name="Giấy chứng sinh", exact=True).click()
        page.locator("input[type=file]").last.set_input_files(paper)
        page.locator(".photo").first.wait_for()
        phone.go(page.url.partition("#/")[2].partition("/papers")[0] + "/check")
        expect(page.get_by_role("heading", name="Nên biết trước khi ký")).to_be_visible()
        expect(page.get_by_text("chữ ký số trong tệp PDF không khớp")).to_be_visible()
        expect(page.get_by_text("Chứng thư của điện thoại này hết hạn ngày")).to_be_visible()
        phone.look("doubts")

        office.node.people.revoke_certificates(subject)
        phone.sync()
        page.reload()
        expect(page.get_by_text("chứng thư của điện thoại này đã bị thu hồi")).to_be_visible()
        phone.context.set_offline(True)
        page.clock.set_fixed_time(datetime.now().astimezone() - timedelta(days=2))
        phone.go("settings")
        page.go_back()
        expect(page.get_by_text("Giờ trên điện thoại đang sớm hơn lần liên lạc gần nhất")).to_be_visible()
        expect(page.get_by_text("chứng thư của điện thoại này đã bị thu hồi")).to_be_visible()
        phone.look("doubts-revoked")
        assert phone.faults == []
    finally:
        phone.context.close()
