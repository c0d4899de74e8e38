"""Every page of desk and PWA, on a phone's width and on a desk's: what it throws, what it is called, how it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect

from deploy.scenario.scans import sample_scans
from server.api.sessions import COOKIE
from server.bundles import media
from tests.browser.conftest import PHONE, WAIT_MS, shoot
from tests.browser.filling import fill_draft
from tests.browser.phones import SYNC_NOW, wait_for_receipt
from tests.browser.sample import approve_waiting, fill_erasures, fill_office, fill_people
from tests.server.conftest import Client

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DESK = ViewportSize(width=1280, height=800)


class Reader:
    """A browser that looks at pages and keeps what it found wrong."""

    def __init__(self, browser: Browser, url: str, client: Client | None = None) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=url, locale="vi-VN", viewport=DESK, reduced_motion="reduce"
        )
        for script in (AXE, Path(__file__).with_name("look.js")):
            self.context.add_init_script(path=script)
        self.faults: list[str] = []
        self.expected = ""
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._console(said))
        self.page.on("pageerror", lambda error: self._note(str(error)))
        if client is not None:
            self._sign_in(url, client)

    def _sign_in(self, url: str, client: Client) -> None:
        assert client.person is not None
        cookies = client.post("/api/session", {"token": client.person.token(client.audience)}).cookies
        self.context.add_cookies([{"name": COOKIE, "value": cookies[COOKIE], "url": url}])

    def _console(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self._note(f"{said.text} {said.location['url']}")

    def _note(self, text: str) -> None:
        if not (self.expected and re.search(self.expected, text)):
            self.faults.append(f"{self.page.url}: {text}")

    def look(self, name: str, *, sizes: tuple[ViewportSize, ...] = (DESK, PHONE)) -> None:
        """Judge the page that is open, at each size; axe once, on the phone."""
        for size in sizes:
            self.page.set_viewport_size(size)
            self.faults += [f"{name} at {size['width']}: {each}" for each in self.page.evaluate("lookAtPage()")]
        self.faults += [f"{name}: {each}" for each in self.page.evaluate("runAxe()")]
        self.page.set_viewport_size(DESK if DESK in sizes else sizes[0])
        shoot(self.page, name)

    def open(self, path: str, name: str, status: int = 200) -> None:
        """Open a page of the desk and look at it."""
        self.expected = f"status of {status}" if status != 200 else ""
        answer = self.page.goto(path)
        assert answer is not None
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        self.look(name)


@pytest.fixture
def readers(chromium: Browser) -> Iterator[list[Reader]]:
    """Readers made during a test; their contexts are closed after it."""
    made: list[Reader] = []
    yield made
    for reader in made:
        reader.context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_every_page_of_the_desk_reads_well_on_both_sizes(
    chromium: Browser,
    office: Any,
    key_pool: Any,
    readers: list[Reader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No console error, no refusal by the policy, nothing sideways, names, headings, targets, axe; faults are pages."""
    stick = tmp_path / "media" / "KINGSTON"
    stick.mkdir(parents=True)
    monkeypatch.setenv(media.ROOTS_VARIABLE, str(stick.parent))
    streams = fill_office(office, key_pool)
    office.node.sync.start()
    reader = Reader(chromium, office.url, office.leader)
    readers.append(reader)

    for name, path in {
        "login": "/desk/login",
        "queue": "/desk",
        "queue-held": "/desk?queue=held",
        "queue-nothing": "/desk?q=kh%C3%B4ng+c%C3%B3",
        "file": "/desk/file",
        "enrolments": "/desk/enrolments",
        "roles": "/desk/roles",
        "erasures": "/desk/erasures?of=unknown",
        "links": "/desk/links",
        "usb": "/desk/usb",
        "slip": f"/desk/dossiers/{streams['pictures']}/slip",
        **{f"dossier-{name}": f"/desk/dossiers/{stream}" for name, stream in streams.items()},
    }.items():
        reader.open(path, f"desk-{name}")
    people = fill_people(office)
    for name, path in (fill_erasures(office, streams["refused"]) | people).items():
        reader.open(path, f"desk-{name}")
    reader.page.goto(people["person-gone"])
    reader.page.get_by_role("button", name="Cấp mã kích hoạt").click()
    reader.page.locator(".bigcode").wait_for()
    reader.look("desk-code")
    reader.open("/desk/nowhere", "desk-404", 404)
    reader.open("/desk/dossiers/0197c0de-0000-7000-8000-000000000000", "desk-404-dossier", 404)
    reader.expected = ""
    reader.page.goto("/desk")
    reader.page.get_by_role("button", name="English").click()
    reader.open("/desk", "desk-queue-english")
    reader.open(f"/desk/dossiers/{streams['pictures']}", "desk-dossier-english")
    reader.page.emulate_media(color_scheme="dark")
    reader.open(f"/desk/dossiers/{streams['conflict']}", "desk-dossier-dark")
    assert not reader.faults, json.dumps(reader.faults, ensure_ascii=False, indent=1)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_every_page_of_the_pwa_reads_well_on_both_sizes(
    chromium: Browser, office: Any, key_pool: Any, readers: list[Reader], tmp_path: Path
) -> None:
    """From an empty phone to a dossier with its receipt, offline in between."""
    fill_office(office, key_pool)
    reader = Reader(chromium, office.url)
    readers.append(reader)
    page, look = reader.page, _looker(reader)

    look("", "home-empty")
    look("procedures", "procedures")
    look("procedures/1.001193", "procedure")
    look("settings", "settings")
    look("settings/wipe", "wipe")
    look("nowhere", "nowhere")
    look("register", "register")
    # The phone asks whether it was here before, and PouchDB for a checkpoint: the browser logs each "no" as an error.
    reader.expected = "404.*(/api/enrolments/|/_local/)|ERR_INTERNET_DISCONNECTED"
    page.get_by_label("Họ, chữ đệm và tên").fill("Lò Thị Phìn")
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    page.locator(".bigcode").wait_for()
    reader.look("pwa-register-code")
    approve_waiting(office, "Lò Thị Phìn")
    page.evaluate(SYNC_NOW)
    expect(page.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    reader.look("pwa-registered")

    draft = _start_draft(page)
    for path in ("", "/applicant", "/papers/giay-chung-sinh", "/delivery", "/note", "/check"):
        look(f"{draft}{path}", f"draft{path.replace('/', '-')}")
    page.goto(f"/#/{draft}")
    page.locator(".tasks li").first.wait_for()
    fill_draft(page, _scan(tmp_path))
    look(f"{draft}/check", "check-done")
    look(f"{draft}/sign", "sign")
    reader.context.set_offline(True)
    page.get_by_role("button", name="Ký và nộp").click()
    expect(page.get_by_text("Chưa có mạng. Hồ sơ nằm trên máy này").first).to_be_visible()
    reader.look("pwa-dossier-offline")
    reader.context.set_offline(False)
    wait_for_receipt(page)
    reader.look("pwa-dossier-received")
    page.get_by_text("Xem biên nhận").first.click()
    page.wait_for_url("**/receipt")
    expect(page.get_by_role("heading", level=1)).to_contain_text("iên nhận")
    reader.look("pwa-receipt")
    look(f"{page.url.partition('#/')[2].removesuffix('/receipt')}/slip", "slip")
    look("behalf", "behalf")
    look("behalf/paper", "consent")
    look("", "home")
    page.emulate_media(color_scheme="dark")
    look("", "home-dark")
    assert not reader.faults, json.dumps(reader.faults, ensure_ascii=False, indent=1)


def _looker(reader: Reader) -> Any:
    def look(path: str, name: str) -> None:
        if not reader.page.url.endswith(f"/#/{path}"):  # another page will take the place of this one's heading
            reader.page.evaluate("document.querySelector('main h1')?.setAttribute('data-before', '')")
        reader.page.goto(f"/#/{path}")
        reader.page.locator("main h1:not([data-before])").wait_for()
        reader.look(f"pwa-{name}")

    return look


def _scan(folder: Path) -> dict[str, Path]:
    scan = folder / "giay.jpg"
    scan.write_bytes(sample_scans()[0].jpeg)
    return {"Giấy chứng sinh": scan}


def _start_draft(page: Page) -> str:
    page.goto("/#/procedures/1.001193")
    page.get_by_text("Bắt đầu nhập hồ sơ").click()
    page.wait_for_url("**/#/drafts/*")
    return "/".join(page.url.partition("#/")[2].partition("?")[0].split("/")[:2])
