"""A browser that does not keep keys is found out before anything is asked of the office, and told in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from server.api import create_app
from server.home import Engine, Home, Settings
from server.node.assembly import Node
from server.pki.authority import found_root
from tests.browser.conftest import WAIT_MS
from tests.server.conftest import wait_until

REFUSES = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value, ...rest) {
  if (this.name === "keys") throw new DOMException("a CryptoKey cannot be stored", "DataCloneError");
  return put.call(this, value, ...rest);
};"""
# What one browser was seen to do: the record is stored, and comes back without the key.
FORGETS = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value, ...rest) {
  return put.call(this, this.name === "keys" ? { ...value, privateKey: null } : value, ...rest);
};"""
ANOTHER = """
const put = IDBObjectStore.prototype.put;
const other = crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
let key;
other.then((pair) => { key = pair.privateKey; });
IDBObjectStore.prototype.put = function (value, ...rest) {
  return put.call(this, this.name === "keys" ? { ...value, privateKey: key } : value, ...rest);
};"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    """One running node that is the root of its own tree, and its address."""
    at = datetime.now(UTC)
    home = Home.create(tmp_path / "h41", Settings("H41", "Tỉnh Mẫu", Engine(), None, at.isoformat()))
    found_root(home, at)
    running = Node(home)
    url = running.start(create_app(running), sync=False)
    yield running, url.rstrip("/")
    running.stop()


def register(page: Page) -> None:
    page.goto("/#/register")
    page.get_by_label("Họ, chữ đệm và tên").fill("Giàng A Mẫu")
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()


@pytest.mark.browser
@pytest.mark.parametrize("fault", [REFUSES, FORGETS, ANOTHER], ids=["refuses", "forgets", "another-key"])
def test_a_browser_that_keeps_no_key_asks_for_nothing_and_says_what_to_do(
    chromium: Browser, node: tuple[Node, str], fault: str
) -> None:
    """Refused storage, an empty record and a foreign key: no request leaves the phone, nothing stays behind."""
    running, url = node
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="vi-VN", base_url=url)
    context.add_init_script(fault)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    register(page)

    expect(page.get_by_role("alert")).to_contain_text("không giữ được khóa ký")
    expect(page.get_by_role("alert")).to_contain_text("cửa sổ thường hoặc trình duyệt khác")
    assert running.people.enrolments.pending() == []
    page.reload()
    expect(page.get_by_label("Họ, chữ đệm và tên")).to_have_value("")
    context.close()


@pytest.mark.browser
def test_a_browser_that_keeps_its_key_asks_with_it(chromium: Browser, node: tuple[Node, str]) -> None:
    """The same page without a fault sends its request: the tests above see the fault and not the setting."""
    running, url = node
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="vi-VN", base_url=url)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    register(page)
    expect(page.locator(".bigcode")).to_be_visible()
    (asked,) = wait_until(running.people.enrolments.pending)
    assert page.locator(".bigcode").inner_text().replace(" ", "") == asked.code
    context.close()
