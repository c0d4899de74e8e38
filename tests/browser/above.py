"""The district above a commune, which gets no photographs: what an official there sees of a paper meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import expect

from server.home import Home
from server.links.allowance import ClassRule, LinkRules
from server.links.neighbours import Neighbour
from tests.browser.test_pages import Reader
from tests.server.conftest import Client, enrol


def build_district(node: Any, serve: Callable[[Home], tuple[Any, str]], key: Any) -> tuple[Any, Client]:
    """Run the district of a commune, linked to it, with photographs held back; return it and an official there."""
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    district.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    node.links.put(Neighbour("parent", url, "parent"))
    node.links.set_rules("parent", LinkRules(files=ClassRule(daily=0)), by="test", at=datetime.now(UTC))
    return district, enrol(district, url, key, "official")


def check_preview(reader: Reader, stream: str, sha256: str, name: str) -> None:
    """Open a dossier's page, called `name`: it shows the small picture `sha256` in place of the paper, and says so."""
    reader.open(f"/desk/dossiers/{stream}", name)
    frame = reader.page.locator(".photo__frame img")
    expect(frame).to_have_attribute("src", f"/api/files/{sha256}")
    expect(frame).to_have_js_property("complete", True)
    assert frame.evaluate("image => image.naturalWidth") > 100
    expect(reader.page.get_by_text("Ảnh xem trước")).to_be_visible()
