"""A receipt on a phone whose office loses its certificate: the unit above revokes it, and the phone learns of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, ViewportSize, expect

from crypto.crl import parse_crl
from server.cli.ca import revoke_by_name
from server.dossier.documents import crl_doc
from server.home import Home
from server.intake.source import Source
from server.links.neighbours import Neighbour
from server.pki.authority import Authority
from server.pki.directory import key_id
from tests.browser.phones import Phone
from tests.browser.test_omission import file_dossier, scan
from tests.server.api.test_crls import bring_lists
from tests.server.conftest import ca_keys, helpers, home_templates, key_pool, make_homes, make_node, office, serve
from tests.server.log.conftest import take

__all__ = ["ca_keys", "helpers", "home_templates", "key_pool", "make_homes", "make_node", "office", "scan", "serve"]
__all__ += ["take"]

_DUE = "2030-01-04T09:00:00Z"
_TABLET: ViewportSize = {"width": 1280, "height": 800}
_LISTS = """import('/store/db.js').then(({ setting }) => setting('crls', {})).then((kept) =>
  Object.fromEntries(Object.entries(kept).map(([key, { number }]) => [key, number])))"""


def carry_list(district: Any, node: Any) -> None:
    """Bring the district's newest list to the commune as a stick does: once revoked, its own link is shut."""
    crl = district.crls.newest(district.home.chain()[0])
    [result] = node.intake.admit(node.database, [crl_doc(crl.der)], source=Source("bundle", "usb"))
    assert result.error is None


def answering(body: bytes) -> Callable[[Route], None]:
    """A handler that gives this answer, whatever was asked."""
    return lambda route: route.fulfill(body=body)


def told_numbers(office: Any) -> dict[str, str]:
    """The numbers of the lists that the node tells phones."""
    found: dict[str, str] = json.loads(office.nobody.get("/api/node").text)["crls"]
    return found


@pytest.mark.browser
@pytest.mark.slow
def test_a_phone_learns_that_its_offices_certificate_was_revoked(
    chromium: Browser, office: Any, serve: Any, scan: Path
) -> None:
    """Valid and cosigned; the district reports the commune's machine stolen; the phone fetches the list, doubts the
    receipt and the log, says so on every page, and still does without a network. What is signed after that is false."""
    office.stock()
    node = office.node
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    node.links.put(Neighbour("parent", url, "parent"))
    node.crls.refresh()
    bring_lists(office, "h41-12", "h41")
    phone = Phone(chromium, office.url)
    page = phone.page
    try:
        phone.register(office, "Lò Thị Phìn")
        stream = file_dossier(phone, scan)
        for _ in range(2):  # the second time brings the witness's certificate, and with it the cosignature
            node.sync.run_once("parent")
        phone.go(f"dossiers/{stream}/receipt")
        page.get_by_role("button", name="Kiểm tra lại ngay").click()
        expect(page.get_by_text("đã ký xác nhận lúc")).to_be_visible()
        expect(page.get_by_text("Đã đối chiếu với danh sách thu hồi chứng thư")).to_be_visible()
        phone.look("receipt-unrevoked")
        assert page.evaluate(_LISTS) == told_numbers(office)

        _see_an_officials_step(phone, office, stream)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        district.crls.refresh()
        assert revoke_by_name(district, "H41.12.03", lost=True) == 1
        carry_list(district, node)
        page.get_by_role("button", name="Kiểm tra lại ngay").click()
        expect(page.get_by_role("heading", name="Chưa kết luận được về biên nhận")).to_be_visible()
        expect(page.get_by_text("Trước đây máy này thấy biên nhận hợp lệ")).to_be_visible()
        expect(page.get_by_text("đã bị thu hồi trước khi đơn vị cấp trên ký xác nhận")).to_be_visible()
        phone.look("receipt-revoked")
        fetched = [each for each in asked if "/api/crls/" in each]
        assert [each.rpartition("/")[2] for each in fetched] == [key_id(district.home.chain()[0])]  # one rose: one came

        phone.work_offline()
        for path, words in (
            (f"dossiers/{stream}/receipt", "Chưa kết luận được về biên nhận"),
            (f"dossiers/{stream}", "Chưa kết luận được về biên nhận"),
            ("", "Chữ ký trên biên nhận bị thu hồi"),
        ):
            phone.go(path)
            expect(page.get_by_text(words)).to_be_visible()
            phone.look(f"revoked-{path.count('/')}")
        assert page.get_by_role("heading", name="Xã đã nhận đủ hồ sơ").count() == 0

        _look_at_forgery(phone, node, stream)
        page.set_viewport_size(_TABLET)
        phone.go(f"dossiers/{stream}/receipt")
        phone.look("receipt-revoked-wide")
        assert phone.faults == []
    finally:
        phone.context.close()


def _see_an_officials_step(phone: Phone, office: Any, stream: str) -> None:
    """An official decides the dossier, then loses the key: the phone says of step and result what it can still say."""
    page = phone.page
    assert office.act(office.official, stream, "dossier.accepted", due=_DUE).status_code == 201
    decided = office.act(office.official, stream, "dossier.resolved", outcome="granted", summary="Đã cấp bản sao")
    assert decided.status_code == 201, decided.text
    phone.go(f"dossiers/{stream}")
    phone.sync()
    step = page.locator(".timeline li", has_text="H41.12.03-")
    expect(step).to_contain_text("Đã kiểm chữ ký")
    assert revoke_by_name(office.node, office.official.person.urn, lost=True) == 1
    phone.go(f"dossiers/{stream}/receipt")
    with page.expect_response("**/api/crls/*"):
        page.get_by_role("button", name="Kiểm tra lại ngay").click()
    expect(page.get_by_role("button", name="Kiểm tra lại ngay")).to_be_enabled()
    expect(
        page.get_by_text("Đã đối chiếu với danh sách thu hồi chứng thư")
    ).to_be_visible()  # the receipt is the node's
    phone.go(f"dossiers/{stream}")
    expect(step).to_contain_text("chứng thư của người ký đã bị thu hồi")
    expect(page.locator(".panel", has_text="Đã cấp bản sao")).to_contain_text("Trước khi dùng kết quả này, hãy hỏi lại")
    phone.look("step-revoked")
    phone.go(f"dossiers/{stream}/receipt")


def _look_at_forgery(phone: Phone, node: Any, stream: str) -> None:
    """A receipt that the stolen machine signs now, scanned by a phone without a network."""
    [filing] = [each for each in node.model.story(stream).events if each.stored.event.type == "dossier.submitted"]
    issued = node.receipt_desk.issue(filing.stored.id, "H41.12.03-261121-00042", host="h")
    phone.page.goto(f"/r#{issued.url.partition('#')[2]}")
    expect(phone.page.locator(".notice--bad")).to_contain_text("Biên nhận không có giá trị")
    phone.look("scanned-revoked")
    phone.page.goto("/")


def test_a_list_with_a_lower_number_or_anothers_signature_changes_nothing(
    chromium: Browser, office: Any, serve: Any, take: Any
) -> None:
    """The node hands out an older list and one of a stranger under higher numbers: the phone keeps what it has. Forty
    days without a network later it says that it could not check."""
    node = office.node
    office.stock()
    node.crls.refresh()
    bring_lists(office, "h41-12", "h41")
    key, old = key_id(node.home.chain()[0]), node.crls.newest(node.home.chain()[0])
    node.crls.issue(Authority.open(node.home))
    phone = Phone(chromium, office.url)
    try:
        phone.register(office, "Vàng A Sử")
        phone.page.wait_for_function(f"async () => Object.keys(await {_LISTS}).length === 3")
        kept = phone.page.evaluate(_LISTS)
        foreign = serve(Home.open(node.home.path.parent / "h41-12"))[0]
        for _ in range(4):  # its number is higher than what the phone has
            foreign.crls.issue(Authority.open(foreign.home))
        for body in (old.der, foreign.crls.newest(foreign.home.chain()[0]).der, b"\x30\x03\x02\x01\x01"):
            told = str(parse_crl(old.der).number + 5)
            phone.page.route("**/api/crls/*", answering(body))
            phone.page.evaluate(
                "async ([key, told]) => { const { state } = await import('/state.js');"
                " const { nodeApi } = await import('/speaking.js');"
                " state.node = { ...state.node, crls: { [key]: told } };"
                " const { refreshLists } = await import('/revocations.js'); await refreshLists(nodeApi()); }",
                [key, told],
            )
            phone.page.unroute("**/api/crls/*")
            phone.page.reload()
            assert phone.page.evaluate(_LISTS) == kept
        _look_at_a_lapsed_list(phone, node, take(node, 1)[0])
        assert phone.faults == []
    finally:
        phone.context.close()


def _look_at_a_lapsed_list(phone: Phone, node: Any, doc: Any) -> None:
    """Somebody's receipt, scanned now and forty days later."""
    page = phone.page
    issued = node.receipt_desk.issue(doc.id.rpartition(":")[2], "H41.12.03-261121-00042", host="h")
    phone.work_offline()
    page.goto(f"/r#{issued.url.partition('#')[2]}")
    expect(page.locator(".notice--good")).to_contain_text("Biên nhận thật")
    expect(page.get_by_text("Đã đối chiếu với danh sách thu hồi chứng thư")).to_be_visible()
    page.evaluate(
        "import('/store/db.js').then(async ({ setting, saveSetting }) => {"
        " const node = await setting('node');"
        " await saveSetting('node', { ...node, offsetMs: node.offsetMs + 40 * 24 * 3600e3 }); })"
    )
    page.reload()
    expect(page.locator(".notice--wait").get_by_role("heading", name="Chưa kiểm tra được thu hồi")).to_be_visible()
    phone.look("scanned-stale")
    page.set_viewport_size(_TABLET)
    phone.look("scanned-stale-wide")
