"""A scanned receipt in a real Chromium: true, damaged, of another commune."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import PHONE, WAIT_MS, shoot


@pytest.fixture
def scanned(make_homes: Any, make_node: Any, serve: Any, take: Any) -> Any:
    """The address of a running commune, its receipt's fragment, and the fragment of another node's receipt."""
    homes = make_homes()
    commune, url = serve(homes["H41.12.03"])
    other = make_node(homes["H41.12"])
    fragments = []
    for node in (commune, other):
        doc = take(node, 1)[0]
        issued = node.receipt_desk.issue(doc.id.rpartition(":")[2], "H41.12.03-261121-00042", host="h")
        fragments.append(issued.url.partition("#")[2])
    return url, *fragments


def test_a_scanned_receipt_is_checked_on_the_phone(chromium: Browser, scanned: Any) -> None:
    """The page says whose it is, or clearly that it is not theirs, or not true; the fragment goes nowhere."""
    url, own, foreign = scanned
    page = chromium.new_page(viewport=PHONE, locale="vi-VN")
    page.set_default_timeout(WAIT_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{url}/r#{own}")
    expect(page.locator(".notice--good")).to_contain_text("Biên nhận thật")
    expect(page.locator("main")).to_contain_text("H41.12.03-261121-00042")
    shoot(page, "scanned-good")
    damaged = own[:-8] + ("A" if own[-8] != "A" else "B") + own[-7:]
    for fragment, words in ((damaged, "chữ ký không khớp"), (foreign, "không do cơ quan"), (own[:-40], "đã bị hỏng")):
        page.goto("about:blank")
        page.goto(f"{url}/r#{fragment}")
        expect(page.locator(".notice--bad")).to_contain_text(words)
    shoot(page, "scanned-bad")

    assert not [each for each in asked if own[:40] in each.partition("#")[0]]
    page.close()
