"""A result paper attached at the desk: its preview is signed with it, and seen above before the paper has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from deploy.scenario.scans import sample_scans
from tests.browser.above import build_district, check_preview
from tests.browser.story import activate
from tests.browser.test_pages import AXE, Reader
from tests.server.conftest import wait_until

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
    district, above = build_district(node, serve, key_pool())
    stream = office.file()
    assert office.act(office.official, stream, "dossier.accepted", due=DUE).status_code == 201
    subject, code = node.people.invite(OFFICIAL, "official")
    node.people.grant(subject, OFFICIAL, "official")
    node.model.follower.catch_up()
    scan = sample_scans()[0]
    paper = tmp_path / "kết quả.v2.jpg"
    paper.write_bytes(scan.jpeg)

    mine, seen = Reader(chromium, office.url), Reader(chromium, above.url, above)
    try:
        page = mine.page
        page.goto(f"/desk/login?next=/desk/dossiers/{stream}")
        activate(page, OFFICIAL, code)
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
        wait_until(lambda: district.files.presence(node.unit, result.preview.manifest).complete)
        wait_until(lambda: district.model.queries.dossier(stream))
        assert not district.files.presence(node.unit, result.ref.manifest).complete

        check_preview(seen, stream, result.preview.sha256, "dossier-result-preview-above")
        assert [*mine.faults, *seen.faults] == []
    finally:
        for reader in (mine, seen):
            reader.context.close()
