"""A new version of the application comes while pages of the old one are open."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, expect
from werkzeug.serving import make_server

from server.api.static import static_blueprint
from tests.browser.conftest import PHONE, WAIT_MS, wait_for

PWA = Path(__file__).resolve().parents[2] / "pwa"
UPDATE = "navigator.serviceWorker.getRegistration().then((registration) => registration.update()).then(() => true)"
DRAFT = """async () => {
  const { addDraft } = await import("/store/drafts.js");
  const person = { name: "", id_number: "", phone: "", address: "" };
  const [form, visited, createdMs, savedMs] = [{}, [], Date.now(), Date.now()];
  const more = { applicant: person, form, delivery: "", note: "", visited, createdMs, savedMs };
  await addDraft({ id: "d1", type: "dossier.submitted", stream: "d1", procedure: "1.001193", ...more });
}"""


def application(folder: Path) -> Flask:
    app = Flask("pwa")
    app.register_blueprint(static_blueprint(folder))
    return app


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Callable[[str, str], None]]]:
    """The application alone on a server, and a way to put out its next version with other words."""
    folder = tmp_path / "pwa"
    shutil.copytree(PWA, folder)
    served = [application(folder)]
    server = make_server("127.0.0.1", 0, lambda environ, start: served[-1](environ, start), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def put_out(old: str, new: str) -> None:
        for file in (folder / "i18n" / "vi").iterdir():
            file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
        served.append(application(folder))

    yield f"http://127.0.0.1:{server.port}", put_out
    server.shutdown()
    server.server_close()


@pytest.fixture
def context(chromium: Browser, site: tuple[str, Callable[[str, str], None]]) -> Iterator[BrowserContext]:
    made = chromium.new_context(base_url=site[0], viewport=PHONE, locale="vi-VN")
    made.set_default_timeout(WAIT_MS)
    yield made
    made.close()


@pytest.mark.browser
def test_a_new_version_waits_until_it_is_wanted_and_no_page_mixes_two(
    context: BrowserContext, site: tuple[str, Callable[[str, str], None]]
) -> None:
    """Both windows are told and go on; one takes the new version, the other follows at its next page; drafts stay."""
    one, other = context.new_page(), context.new_page()
    for page in (one, other):
        page.goto("/")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        wait_for(page, "navigator.serviceWorker.controller !== null")
    one.evaluate(DRAFT)
    site[1]("Cài đặt", "Thiết lập")

    one.evaluate(UPDATE)
    for page in (one, other):
        expect(page.get_by_text("Có bản mới")).to_be_visible()
        page.reload()
        expect(page.get_by_role("link", name="Cài đặt")).to_be_visible()  # the old one, while any window is open
    one.get_by_role("button", name="Dùng bản mới ngay").click()
    expect(one.get_by_role("link", name="Thiết lập")).to_be_visible()
    expect(one.get_by_role("heading", name="Đang nhập")).to_be_visible()

    expect(other.get_by_role("link", name="Cài đặt")).to_be_visible()
    other.get_by_role("link", name="Cài đặt").click()
    expect(other.get_by_role("heading", name="Thiết lập", level=1)).to_be_visible()
    expect(other.get_by_role("link", name="Thiết lập")).to_be_visible()
    other.goto("/#/drafts/d1")
    expect(other.get_by_text("1.001193")).to_be_visible()
