"""A dossier's page while photographs are held back: the preview that came ahead, and asking for the dossier first."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from deploy.scenario.scans import draw_preview, sample_scans
from tests.browser.above import build_district, check_preview
from tests.browser.test_pages import AXE, Reader
from tests.server.conftest import wait_until


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_the_preview_is_seen_above_and_the_dossier_put_first_below(
    chromium: Browser, office: Any, serve: Any, key_pool: Any
) -> None:
    """The district sees what the photograph shows before it came; the commune's official puts it first and back."""
    node = office.node
    district, above = build_district(node, serve, key_pool())
    scan = sample_scans()[0]
    photo = office.citizen.put_file(scan.jpeg, scan.name, scan.part)
    preview = office.citizen.put_file(draw_preview(scan.jpeg) or b"", "xem-truoc.jpg", scan.part)
    stream = office.file(files=[photo, preview | {"preview_of": photo["sha256"]}])
    node.sync.start()
    wait_until(lambda: district.files.presence(node.unit, preview["manifest"]).complete)
    wait_until(lambda: district.model.queries.dossier(stream))

    seen, mine = Reader(chromium, above.url, above), Reader(chromium, office.url, office.official)
    try:
        check_preview(seen, stream, preview["sha256"], "dossier-preview-above")
        mine.open(f"/desk/dossiers/{stream}", "dossier-push-first")
        mine.page.get_by_role("button", name="Gửi hồ sơ này trước").click()
        expect(mine.page.get_by_text("thứ 1 trong 1 hồ sơ ưu tiên")).to_be_visible()
        mine.look("dossier-pushed-first")
        mine.page.get_by_role("button", name="Bỏ ưu tiên").click()
        expect(mine.page.get_by_role("button", name="Gửi hồ sơ này trước")).to_be_visible()
        assert [*seen.faults, *mine.faults] == []
    finally:
        for reader in (seen, mine):
            reader.context.close()
