"""A page of the desk that renews itself takes nothing away from the person in front of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from deploy.scenario.person import Citizen
from deploy.scenario.story import wait_until
from tests.browser.conftest import wait_for
from tests.browser.test_pages import Reader

POLL_MS = 5_000


@pytest.fixture
def enrolments(chromium: Browser, office: Any) -> Any:
    """The page where phones are approved, with one waiting; polls are held back until the test lets them through."""
    Citizen("Giàng Thị Mỷ", office.url).request_enrolment(kind="citizen")
    reader = Reader(chromium, office.url, office.official)
    held: list[Route] = []
    reader.page.route(
        "**/desk/enrolments",
        lambda route: held.append(route) if "hx-request" in route.request.headers else route.continue_(),
    )
    reader.page.clock.install()
    reader.page.goto("/desk/enrolments")
    yield reader.page, held
    reader.context.close()


def _wait_for_poll(page: Page, held: list[Route]) -> Route:
    """Let the page's own clock run to its next poll, unless that has come by itself; return it, not answered yet."""
    if not held:
        page.clock.fast_forward(POLL_MS + 100)
    wait_until("the poll is not held back", lambda: bool(page.title() and held), 60)  # asking the page lets events in
    return held.pop()


@pytest.mark.browser
@pytest.mark.slow
def test_an_answer_on_its_way_does_not_empty_a_box_ticked_meanwhile(enrolments: Any) -> None:
    """The poll was sent before the tick and answered after it; the row stays, and the step can be signed."""
    page, held = enrolments
    poll = _wait_for_poll(page, held)
    page.get_by_label("Tôi đã kiểm tra giấy tờ").check()
    with page.expect_response("**/desk/enrolments"):
        poll.continue_()
    wait_for(page, "document.querySelectorAll('.htmx-request').length === 0")
    expect(page.get_by_label("Tôi đã kiểm tra giấy tờ")).to_be_checked()


@pytest.mark.browser
@pytest.mark.slow
def test_a_list_nobody_touches_is_renewed_and_says_when_it_cannot_be(enrolments: Any, office: Any) -> None:
    """Somebody new is seen without reloading; while the node cannot be reached the page says that it may be old."""
    page, held = enrolments
    Citizen("Vừ Thị Dợ", office.url).request_enrolment(kind="citizen")
    _wait_for_poll(page, held).continue_()
    expect(page.get_by_text("Vừ Thị Dợ")).to_be_visible()
    expect(page.locator("#stale")).to_be_hidden()
    _wait_for_poll(page, held).abort()
    expect(page.locator("#stale")).to_be_visible()
    _wait_for_poll(page, held).continue_()
    expect(page.locator("#stale")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.slow
def test_the_browser_makes_no_script_out_of_text(enrolments: Any, office: Any) -> None:
    """Trusted Types: a script's address or code made of a string is refused everywhere; on the PWA markup, too."""
    page, _ = enrolments
    attempts = {
        "address": "document.createElement('script').src = '/x.js'",
        "code": "document.createElement('script').text = '1'",
        "markup": "document.createElement('p').innerHTML = '<b>x</b>'",
        "policy": "trustedTypes.createPolicy('other', {})",
    }

    def refused() -> set[str]:
        found = set()
        for name, code in attempts.items():
            if page.evaluate(
                f"() => {{ try {{ {code}; return false; }} catch (e) {{ return e instanceof TypeError; }} }}"
            ):
                found.add(name)
        return found

    assert refused() == {"address", "code", "policy"}
    page.goto("/")
    page.locator("main h1").wait_for()
    assert refused() == {"address", "code", "markup", "policy"}
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")


@pytest.mark.browser
@pytest.mark.slow
def test_a_list_seen_again_is_renewed_at_once(enrolments: Any) -> None:
    """A page behind another asks for nothing; in front again it does not show for seconds what was. The page's clock
    stands still meanwhile, so that no poll comes by itself."""
    page, _ = enrolments
    page.unroute("**/desk/enrolments")
    page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))
    for path in ("/desk", "/desk/enrolments", "/desk/roles", "/desk/usb"):
        page.goto(path)
        with page.expect_request(lambda request: "hx-request" in request.headers):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
