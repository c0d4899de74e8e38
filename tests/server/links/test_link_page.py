"""The desk's page on links, over HTTP: what it says, what it costs to keep fresh, who may change what."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape

import pytest
import requests

from server.links.neighbours import Neighbour


class Page:
    """An answer of the desk: its status, and what it says."""

    def __init__(self, answer):
        self.status_code, self.content = answer.status_code, answer.content
        self.html = unescape(answer.content.decode())


class Desk:
    """An official's browser: a session cookie, and the Origin header a browser sends with a form."""

    def __init__(self, office, client):
        self.url = office.url
        self._session = requests.Session()
        token = client.person.token(office.node.signer.urn)
        assert self._session.post(f"{self.url}/api/session", json={"token": token}, timeout=60).status_code == 200

    def get(self, path, **headers):
        answer = self._session.get(self.url + path, headers=headers, timeout=60)
        return Page(answer)

    def post(self, path, **form):
        answer = self._session.post(self.url + path, data=form, headers={"Origin": self.url}, timeout=60)
        return Page(answer)


@pytest.fixture
def linked(office, key_pool):
    """An office with a link to a port nobody listens on, an official's desk and an administrator's."""
    office.node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    return office, Desk(office, office.official), Desk(office, office.enrol(key_pool(), "admin"))


def test_the_page_says_in_plain_words_what_is_wrong_and_what_happens_next(linked, helpers):
    """Not "Connection refused" but that nobody answers there, that it is tried again, and that work goes on."""
    office, official, _ = linked
    office.node.sync.start()
    helpers.wait_until(lambda: office.node.sync.status()[0].last_error)

    page = official.get("/desk/links")

    assert page.status_code == 200
    assert "Không kết nối được với trạm bên kia." in page.html
    assert "Trạm tự nối lại" in page.html
    assert "Connection refused" in page.html.partition("Chi tiết cho người quản trị")[2]


def test_keeping_the_page_fresh_costs_next_to_nothing(linked):
    """A page that shows the newest is answered 204 without a body; after a change it comes again."""
    office, official, _ = linked
    first = official.get("/desk/links")
    seen = first.html.partition('hx-get="/desk/links?seen=')[2].partition('"')[0]
    assert len(seen) == 16

    again = official.get(f"/desk/links?seen={seen}", **{"HX-Request": "true"})
    assert (again.status_code, again.content) == (204, b"")
    office.node.links.set_paused("parent", True)
    changed = official.get(f"/desk/links?seen={seen}", **{"HX-Request": "true"})

    assert changed.status_code == 200
    assert "Liên kết đang tạm dừng" in changed.html
    assert "<html" not in changed.html


def test_an_administrator_sets_hours_and_limits_and_an_official_cannot(linked):
    """The rules are kept with who set them; an official sees no form and is refused."""
    office, official, admin = linked
    assert "/desk/links/parent/rules" not in official.get("/desk/links").html
    assert official.post("/desk/links/parent/rules", daily="1M").status_code == 403
    assert office.node.links.rules("parent").are_none

    answer = admin.post("/desk/links/parent/rules", daily="128M", files_hours="20:00-06:00")

    assert answer.status_code == 200  # after the redirect to the page
    assert "Đã lưu giờ gửi và hạn mức" in answer.html
    assert 'value="20:00-06:00"' in answer.html
    assert office.node.links.rules("parent").daily == 128 * 1024 * 1024
    assert office.node.links.rules_changed("parent")[1].startswith("Cán bộ ")
    assert admin.post("/desk/links/parent/pause").status_code == 200
    assert office.node.links.get("parent").paused


def test_a_mistyped_rule_changes_nothing_and_stays_to_be_mended(linked):
    """The page comes back with what was typed and says how to write it."""
    office, _, admin = linked

    answer = admin.post("/desk/links/parent/rules", daily="lots", files_hours="20:00-06:00")

    assert answer.status_code == 400
    assert "Tất cả, mỗi ngày nhiều nhất: ghi dung lượng như 128M" in answer.html
    assert 'value="lots"' in answer.html
    assert 'value="20:00-06:00"' in answer.html
    assert office.node.links.rules("parent").are_none


def test_clocks_that_differ_are_told(linked):
    """Ten minutes are all a token bears; two are said."""
    office, official, _ = linked
    from server.links.state import LinkState

    LinkState(office.node.db, "parent").set_facts(clock_offset_s="-480")

    assert "Đồng hồ bên kia chạy sau máy này khoảng 8 phút" in official.get("/desk/links").html


def test_rules_are_shown_to_everybody_with_what_they_mean_now(linked):
    """An official who wonders why photographs do not move reads it."""
    from server.links.allowance import ClassRule, LinkRules, parse_bytes

    office, official, _ = linked
    rules = LinkRules(parse_bytes("128M"), files=ClassRule(daily=0))
    office.node.links.set_rules("parent", rules, by="test", at=datetime.now(UTC))

    html = official.get("/desk/links").html

    assert "0 KB trên 128,0 MB" in html
    assert "hết hạn mức của loại này, tiếp tục" in html
