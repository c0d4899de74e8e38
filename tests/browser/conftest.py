"""A real Chromium and a real province of three nodes, for tests that see what people see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from bench.link import Profile
from deploy.scenario.processes import free_port
from deploy.scenario.tiers import PORTS_BESIDE, Province
from tests.server.conftest import (
    ca_keys,
    helpers,
    home_templates,
    key_pool,
    make_homes,
    make_node,
    office,
    serve,
    wait_until,
)
from tests.server.log.conftest import take

# A running office and what it is made of, for every test here.
__all__ = ["ca_keys", "helpers", "home_templates", "key_pool", "make_homes", "make_node", "office", "serve", "take"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Slow enough that files are seen travelling, quick enough for a test; make smoke runs over 64 kbit/s.
LINK = Profile(up_bps=1_000_000, down_bps=1_000_000, rtt_ms=200)
PHONE = ViewportSize(width=360, height=740)
WAIT_MS = 60_000  # a page of a busy machine may take its time; Playwright alone would give it five seconds
expect.set_options(timeout=WAIT_MS)
SHOTS = os.environ.get("TRAM_SHOTS")  # a folder to keep screenshots in, for looking at them


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium with a fresh profile. Not for the whole session: Playwright keeps an event loop running in
    this thread while it is open, and others want to run one of their own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed; deploy/ensure-chromium installs it on Debian")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    """Three nodes running, with links between them that the test can cut."""
    found = Province(tmp_path / "province", port_base=free_port(*PORTS_BESIDE), profile=LINK)
    found.make()
    try:
        found.start_all()
        yield found
    finally:
        found.stop_all()


def wait_for(page: Page, expression: str) -> None:
    """Return once a JavaScript expression is true on the page.

    Playwright's `wait_for_function` would look a first time, and find `eval` forbidden by our policy the second time.
    """
    wait_until(lambda: page.evaluate(expression))


def shoot(page: Page, name: str) -> None:
    """Keep pictures of the whole page where TRAM_SHOTS names a folder; a desk page also as wide as a phone."""
    if not SHOTS:
        return
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    _picture(page, f"{name}.png")
    size = page.viewport_size
    if size is not None and size["width"] > PHONE["width"]:
        page.set_viewport_size(PHONE)
        _picture(page, f"{name}-narrow.png")
        page.set_viewport_size(size)


def _picture(page: Page, name: str) -> None:
    # caret="initial": to hide the caret Playwright would add a style that our policy refuses, rightly.
    page.screenshot(path=Path(SHOTS or ".") / name, full_page=True, caret="initial")
