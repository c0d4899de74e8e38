"""A registered phone in a real browser: what several tests begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PHONE, WAIT_MS, shoot, wait_for
from tests.browser.sample import approve_waiting
from tests.server.conftest import wait_until

# What a browser logs when the network is cut, or an answer is "no": told to people in words, and no fault of the page.
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
LOOK = Path(__file__).with_name("look.js")
# Returns when the exchange that is under way, or the one that begins now, has ended.
SYNC_NOW = "import('/sync.js').then(({ syncNow }) => syncNow())"
EXPECTED = ("Failed to load resource", "ERR_INTERNET_DISCONNECTED")


class Phone:
    """A browser of a phone's size; `faults` keeps what its pages threw."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context: BrowserContext = browser.new_context(
            base_url=url, locale="vi-VN", viewport=PHONE, reduced_motion="reduce", accept_downloads=True, **options
        )
        for script in (AXE, LOOK):
            if script.exists():
                self.context.add_init_script(path=script)
        self.faults: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))

    def _note(self, text: str) -> None:
        if not any(each in text for each in EXPECTED):
            self.faults.append(text)

    def register(self, office: Any, name: str) -> str:
        """Make a key, have it approved at the counter, return the person's URN."""
        self.page.goto("/#/register")
        self.page.get_by_label("Họ, chữ đệm và tên").fill(name)
        self.page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
        self.page.locator(".bigcode").wait_for()
        approve_waiting(office, name)
        self.sync()
        expect(self.page.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
        return str(self.page.evaluate("import('/state.js').then(({ state }) => state.identity.subject)"))

    def sync(self) -> None:
        """Have the application ask the office now instead of at its next turn."""
        self.page.evaluate(SYNC_NOW)

    def wait_for_receipt(self) -> None:
        """Return once the page says that the office has everything; asked for without the usual pause."""
        wait_for_receipt(self.page)

    def look(self, name: str) -> None:
        """Judge the page that is open (names, headings, targets, axe) and keep its picture."""
        self.faults += [f"{name}: {each}" for each in self.page.evaluate("lookAtPage()")]
        if AXE.exists():
            self.faults += [f"{name}: {each}" for each in self.page.evaluate("runAxe()")]
        shoot(self.page, name)

    def work_offline(self) -> None:
        """Cut the network once every file of the application is here."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        self.page.reload()
        wait_for(self.page, "navigator.serviceWorker.controller !== null")
        self.page.locator("main h1").wait_for()
        self.context.set_offline(True)

    def go(self, path: str) -> None:
        """Open another page of the application, and return once it stands."""
        self.page.evaluate("document.querySelector('main h1')?.setAttribute('data-before', '')")
        self.page.goto(f"/#/{path}")
        self.page.locator("main h1:not([data-before])").wait_for()

    def stored_text(self) -> str:
        """Return everything the browser keeps in its databases, as text."""
        return str(self.page.evaluate(_DUMP))


def wait_for_receipt(page: Page) -> None:
    """Return once the phone's page says that the office has everything; asked for without the usual pause."""
    said = page.get_by_text("Xã đã nhận đủ hồ sơ").first

    def is_told() -> bool:
        page.evaluate(SYNC_NOW)
        return said.is_visible()

    wait_until(is_told)


_DUMP = """async () => {
  const found = [];
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((resolve, reject) => {
      const asked = indexedDB.open(name);
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    for (const store of db.objectStoreNames) {
      const rows = await new Promise((resolve, reject) => {
        const asked = db.transaction(store).objectStore(store).getAll();
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
      });
      found.push([name, store, rows]);
    }
    db.close();
  }
  return JSON.stringify(found, (key, value) => (key === "procedures" ? undefined : value));
}"""


def answer_form(page: Page, scan: Path) -> None:
    """Fill in the draft that is open: one paper, then whatever the task list still wants."""
    from tests.browser.filling import fill_draft

    fill_draft(page, {"Giấy tờ khác": scan})


def parsed(download: Path) -> Any:
    """Return the JSON in a file that was downloaded."""
    return json.loads(download.read_text(encoding="utf-8"))
