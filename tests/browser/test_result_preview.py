"""A result paper attached at the desk: its preview is signed with it, and seen above before the paper has come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from deploy.scenario.scans import sample_scans
from server.home import Home
from server.node.allowance import ClassRule, LinkRules
from server.node.links import Neighbour
from server.pki.authority import Authority
from tests.browser.test_pages import AXE, Reader
from tests.server.conftest import (
    Client,
    ca_keys,
    home_templates,
    issue_person,
    key_pool,
    make_homes,
    make_node,
    office,
    serve,
    wait_until,
)

__all__ = ["ca_keys", "home_templates", "key_pool", "make_homes", "make_node", "office", "serve"]

OFFICIAL = "Vàng A Mẫu"
DUE = "2030-01-04T09:00:00Z"


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_a_result_scan_is_signed_with_a_preview_that_is_seen_above_first(
    chromium: Browser, office: Any, serve: Any, key_pool: Any, tmp_path: Path
) -> None:
    """One paper is signed for, with its preview; the district shows the preview while photographs are held back."""
    node = office.node
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    district.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    node.links.put(Neighbour("parent", url, "parent"))
    node.links.set_rules("parent", LinkRules(files=ClassRule(daily=0)), by="test", at=datetime.now(UTC))
    stream = office.file()
    assert office.act(office.official, stream, "dossier.accepted", due=DUE).status_code == 201
    subject, code = node.people.invite(OFFICIAL, "official")
    node.people.grant(subject, OFFICIAL, "official")
    node.model.follower.catch_up()
    scan = sample_scans()[0]
    paper = tmp_path / "kết quả.v2.jpg"
    paper.write_bytes(scan.jpeg)
    above = issue_person(Authority.open(district.home), key_pool())
    district.copier.ensure_certificate(district.database, above.certificate)
    district.people.grant(above.urn, "Cán bộ huyện", "official")
    district.model.follower.catch_up(district.database)

    mine, seen = Reader(chromium, office.url), Reader(chromium, url, Client(url, district.signer.urn, above))
    try:
        page = mine.page
        page.goto(f"/desk/login?next=/desk/dossiers/{stream}")
        page.get_by_label("Họ và tên").fill(OFFICIAL)
        page.get_by_label("Mã kích hoạt").fill(code)
        page.get_by_role("button", name="Tạo khóa và đăng nhập").click()
        page.locator('details:has(summary:text-is("Ghi kết quả giải quyết")) summary').click()
        form = page.locator('form[data-sign="dossier.resolved"]')
        form.get_by_label("Tóm tắt kết quả").fill("Đã đăng ký khai sinh")
        form.locator("input[type=file]").set_input_files(paper)
        form.get_by_role("button", name="Ghi kết quả giải quyết").click()
        expect(page.locator("#sign-statement")).to_contain_text("Đã đăng ký khai sinh. Kèm theo 1 tệp.")
        page.get_by_role("button", name="Ký", exact=True).click()
        expect(page.locator("h1 .tag")).to_have_text("Đã xử lý xong")
        mine.look("dossier-result-attached")

        node.model.follower.catch_up()
        (result,) = [file for file in node.model.story(stream).dossier.files if file.kind == "result"]
        assert (result.ref.name, result.ref.size) == (paper.name, len(scan.jpeg))
        assert result.preview is not None
        assert (result.preview.name, result.preview.preview_of) == ("kết quả.v2.xem-truoc.jpg", result.ref.sha256)
        node.sync.start()
        wait_until(lambda: district.files.presence(node.unit, result.preview.manifest).complete, 30)
        wait_until(lambda: district.model.queries.dossier(stream), 30)
        assert not district.files.presence(node.unit, result.ref.manifest).complete

        seen.open(f"/desk/dossiers/{stream}", "dossier-result-preview-above")
        frame = seen.page.locator(".photo__frame img")
        expect(frame).to_have_attribute("src", f"/api/files/{result.preview.sha256}")
        assert frame.evaluate("image => image.naturalWidth") > 100
        expect(seen.page.get_by_text("Ảnh xem trước")).to_be_visible()
        assert [*mine.faults, *seen.faults] == []
    finally:
        for reader in (mine, seen):
            reader.context.close()
