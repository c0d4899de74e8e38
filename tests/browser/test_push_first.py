"""A dossier's page while photographs are held back: the preview that came ahead, and asking for the dossier first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from deploy.scenario.scans import draw_preview, sample_scans
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


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_the_preview_is_seen_above_and_the_dossier_put_first_below(
    chromium: Browser, office: Any, serve: Any, key_pool: Any
) -> None:
    """The district sees what the photograph shows before it came; the commune's official puts it first and back."""
    node = office.node
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    district.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    node.links.put(Neighbour("parent", url, "parent"))
    held = LinkRules(files=ClassRule(daily=0))
    node.links.set_rules("parent", held, by="test", at=datetime.now(UTC))
    scan = sample_scans()[0]
    photo = office.citizen.put_file(scan.jpeg, scan.name, scan.part)
    preview = office.citizen.put_file(draw_preview(scan.jpeg) or b"", "xem-truoc.jpg", scan.part)
    stream = office.file(files=[photo, preview | {"preview_of": photo["sha256"]}])
    node.sync.start()
    wait_until(lambda: district.files.presence(node.unit, preview["manifest"]).complete)
    wait_until(lambda: district.model.queries.dossier(stream))
    above = issue_person(Authority.open(district.home), key_pool())
    district.copier.ensure_certificate(district.database, above.certificate)
    district.people.grant(above.urn, "Cán bộ huyện", "official")
    district.model.follower.catch_up(district.database)

    readers = [
        Reader(chromium, url, Client(url, district.signer.urn, above)),
        Reader(chromium, office.url, office.official),
    ]
    try:
        seen, mine = readers
        seen.open(f"/desk/dossiers/{stream}", "dossier-preview-above")
        frame = seen.page.locator(".photo__frame img")
        expect(frame).to_have_attribute("src", f"/api/files/{preview['sha256']}")
        assert frame.evaluate("image => image.naturalWidth") > 100
        expect(seen.page.get_by_text("Ảnh xem trước")).to_be_visible()

        mine.open(f"/desk/dossiers/{stream}", "dossier-push-first")
        mine.page.get_by_role("button", name="Gửi hồ sơ này trước").click()
        expect(mine.page.get_by_text("thứ 1 trong 1 hồ sơ ưu tiên")).to_be_visible()
        mine.look("dossier-pushed-first")
        mine.page.get_by_role("button", name="Bỏ ưu tiên").click()
        expect(mine.page.get_by_role("button", name="Gửi hồ sơ này trước")).to_be_visible()
        assert [*seen.faults, *mine.faults] == []
    finally:
        for reader in readers:
            reader.context.close()
