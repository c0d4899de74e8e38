"""The end of retention as people see it: two leaders at two desks, a citizen's phone, a tier that is off."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from deploy.scenario.scans import sample_scans
from server.home import Home
from server.links.neighbours import Neighbour
from tests.browser.conftest import PHONE, shoot
from tests.browser.sample import approve_waiting
from tests.browser.story import activate
from tests.browser.test_pages import AXE, DESK, Reader
from tests.server.conftest import wait_until

FIRST, SECOND, CITIZEN = "Lường Văn Thành", "Hà Thị Duyên", "Lò Thị Mẫu"
SECRET = "Bản Tuyệt Mật"  # stands in the form alone: whoever finds it has found the dossier

# A dossier with a photograph, made and signed by the phone's own modules, without walking through the form's pages.
FILE = """async ([procedure, secret, bytes]) => {
  const [{ addDraft, addFile, commitSigned }, { signDocument }, { uuid7 }, state, { syncNow }] = await Promise.all(
    ["/store/drafts.js", "/lib/identity.js", "/lib/uuid7.js", "/state.js", "/sync.js"].map((name) => import(name)));
  const { identity, node } = state.state;
  const stream = uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  const draft = await addDraft({ id: stream, stream, savedMs: 1 });
  const what = { part: "giay-chung-sinh", name: "giay.jpg", type: "image/jpeg" };
  const file = await addFile(draft, { ...what, bytes: new Uint8Array(bytes) });
  const files = [{ ...what, sha256: file.manifest.sha256, manifest: file.manifestId, size: file.size }];
  const form = { noi_sinh: secret };
  const body = { procedure, channel: "online", applicant: { name: secret }, form, delivery: "counter" };
  const event = { stream, type: "dossier.submitted", unit: node.unit, prev: [], body, files };
  const doc = await signDocument(event, identity, state.nodeNowMs());
  await commitSigned(draft, doc, [file]);
  state.tellAll("outbox");
  await syncNow();
  return stream;
}"""
# Everything the browser keeps for this page, as one text.
KEPT = """async () => {
  const found = [];
  const result = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
  const short = (_, value) => (value instanceof Uint8Array ? `bytes ${value.length}` : value);
  for (const { name } of await indexedDB.databases()) {
    const db = await result(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const rows = await result(db.transaction(store).objectStore(store).getAll());
      found.push([name, store, JSON.stringify(rows, short)]);
    }
    db.close();
  }
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push([name, "cache", request.url]);
  }
  return found;
}"""
OLD_IS_THERE = "indexedDB.databases().then((all) => all.some(({ name }) => name === '_pouch_mine'))"
# The old database is still there, as after a cut between the switch and its end; the next exchange finishes the work.
CUT_SHORT = """async (secret) => {
  const { saveSetting } = await import("/store/db.js");
  await (new PouchDB("mine")).put({ _id: "left", secret });
  await saveSetting("mine-left", "mine");
}"""
# An exchange that was under way already, as after a reload, may have looked before: then the next one finishes it.
LEFT = """async () => {
  const { syncNow } = await import("/sync.js");
  await syncNow();
  return (await indexedDB.databases()).map(({ name }) => name).filter((name) => name.startsWith("_pouch_mine"));
}"""


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci")
def test_two_leaders_erase_a_dossier_and_the_phone_drops_it(chromium: Browser, office: Any, serve: Any) -> None:
    """Proposed at one desk, confirmed at another, done at two of three nodes and said so; the phone keeps hashes."""
    office.stock()
    readers = [first, second, phone] = [Reader(chromium, office.url) for _ in range(3)]
    try:
        stream = _file_from_phone(phone, office)
        refused = office.act(office.official, stream, "dossier.refused", reason="Không thuộc thẩm quyền")
        assert refused.status_code == 201, refused.text
        _make_leaders(office, first.page, second.page)

        first.open("/desk/erasures", "erasures-nothing-over")
        expect(first.page.get_by_text("Không có hồ sơ nào hết thời hạn lưu trữ.")).to_be_visible()
        _propose(first, stream)
        first.look("erasures-proposed")
        _withdraw(first, office, stream)
        _propose(first, stream)
        _refuse(second, office, stream)
        phone.page.evaluate("import('/sync.js').then(({ syncNow }) => syncNow())")
        expect(phone.page.locator(".card").first).to_be_visible()
        expect(phone.page.get_by_text("tiêu hủy")).to_have_count(0)  # nothing has happened to the citizen's dossier
        _propose(first, stream)
        second.open("/desk/erasures?of=unknown", "erasures-to-confirm")
        _confirm(second)
        [erasure] = [each for each in office.node.erasures.all() if not each.is_stopped]
        wait_until(lambda: office.node.erasing.is_done(erasure.id))

        _watch_the_nodes(first, office, serve, erasure)
        _look_at_phone(phone, stream, erasure)
        assert [fault for reader in readers for fault in reader.faults] == []
    finally:
        for reader in readers:
            reader.context.close()


def _file_from_phone(phone: Reader, office: Any) -> str:
    page = phone.page
    page.set_viewport_size(PHONE)
    phone.expected = "status of 404"  # a replicator asks for its checkpoint before there is one
    page.goto("/#/register")
    page.get_by_label("Họ, chữ đệm và tên").fill(CITIZEN)
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    page.locator(".bigcode").wait_for()
    approve_waiting(office, CITIZEN)
    expect(page.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    stream = str(page.evaluate(FILE, ["1.001193", SECRET, list(sample_scans()[0].jpeg[:70_000])]))
    wait_until(lambda: (row := office.node.model.queries.dossier(stream)) and row.received)
    page.goto("/#/")
    page.evaluate("import('/sync.js').then(({ syncNow }) => syncNow())")
    expect(page.get_by_text("Xã đã nhận", exact=True)).to_be_visible()
    assert SECRET in json.dumps(page.evaluate(KEPT), ensure_ascii=False)
    return stream


def _make_leaders(office: Any, first: Page, second: Page) -> None:
    """The server names the first leader, and proposes the second, whom the first confirms in the browser."""
    people = office.node.people
    (one, code_one), (two, code_two) = (people.invite(name, "official") for name in (FIRST, SECOND))
    people.grant(two, SECOND, "official")
    people.grant(one, FIRST, "leader")
    people.grant(two, SECOND, "leader")
    for page, name, code in ((first, FIRST, code_one), (second, SECOND, code_two)):
        page.goto("/desk/login")
        activate(page, name, code)
        expect(page.get_by_role("heading", name="Hồ sơ", level=1)).to_be_visible()
    first.goto("/desk/roles")
    first.get_by_role("button", name="Xác nhận và ký").click()
    first.get_by_role("button", name="Ký", exact=True).click()
    expect(first.get_by_text("Không có đề nghị nào đang chờ.")).to_be_visible()


def _propose(desk: Reader, stream: str) -> None:
    page = desk.page
    page.goto("/desk/erasures")
    page.get_by_role("link", name="Chưa rõ thời hạn").click()
    row = page.locator("tr", has=page.locator(f'a[href="/desk/dossiers/{stream}"]'))
    row.get_by_text("Đề nghị tiêu hủy").click()
    row.get_by_label("Quy định về thời hạn lưu trữ").fill("Bảng thời hạn thử nghiệm, mục 3: 1 năm")
    row.get_by_label("Ngày hết thời hạn").fill("2026-01-01")
    row.get_by_label("Căn cứ tiêu hủy").fill("Quyết định số 12/QĐ-UBND ngày 02/01/2026")
    shoot(page, "erasures-propose")
    row.get_by_role("button", name="Xem và ký đề nghị").click()
    expect(page.locator("#sign-statement")).to_contain_text("không thể hoàn tác")
    expect(page.locator("#sign-statement")).to_contain_text(SECRET)  # whose dossier it is
    expect(page.locator("#sign-statement")).to_contain_text("01/01/2026")
    shoot(page, "erasures-sign")
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(page.get_by_text("Anh/chị đã đề nghị nên một người khác phải xác nhận.")).to_be_visible()


def _withdraw(desk: Reader, office: Any, stream: str) -> None:
    """By keyboard alone: unfold, say why, read, sign; then the list and the record tell it, and the form is gone."""
    page = desk.page
    page.locator("summary", has_text="Rút đề nghị này").focus()
    for key in ("Enter", "Tab"):
        page.keyboard.press(key)
    expect(page.get_by_label("Lý do")).to_be_focused()
    page.keyboard.type("Chọn nhầm hồ sơ: đây là bản đang có khiếu nại")
    desk.look("erasures-withdraw")
    page.get_by_label("Lý do").focus()
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#sign-statement")).to_contain_text("Tôi rút đề nghị tiêu hủy hồ sơ")
    expect(page.locator("#sign-statement")).to_contain_text("Chọn nhầm hồ sơ")
    shoot(page, "erasures-withdraw-sign")
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("Hồ sơ được giữ nguyên")
    expect(page.get_by_role("heading", name="Đề nghị đã rút hoặc bị từ chối")).to_be_visible()
    expect(page.get_by_text("Rút đề nghị này")).to_have_count(0)
    desk.look("erasures-withdrawn")
    assert office.node.model.queries.dossier(stream) is not None
    [erasure] = office.node.erasures.all()
    desk.open(f"/desk/erasures/{erasure.id}", "erasure-withdrawn-record")
    for said in (FIRST, "bản đang có khiếu nại", "Không có gì bị xóa theo đề nghị này"):
        expect(page.get_by_text(said).first).to_be_visible()
    page.emulate_media(media="print")
    shoot(page, "erasure-withdrawn-record-print")
    page.emulate_media(media="screen")


def _refuse(desk: Reader, office: Any, stream: str) -> None:
    """Who is asked to confirm says no, on the record of the proposal, which then shows that."""
    page = desk.page
    [erasure] = [each for each in office.node.erasures.all() if not each.is_stopped]
    desk.open(f"/desk/erasures/{erasure.id}", "erasure-pending-record")
    page.get_by_text("Từ chối xác nhận", exact=True).click()
    page.get_by_label("Lý do").fill("Chưa hết thời hạn lưu trữ")
    page.get_by_role("button", name="Xem và ký từ chối").click()
    expect(page.locator("#sign-statement")).to_contain_text("từ chối xác nhận tiêu hủy")
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(page.locator(".slip .tag")).to_have_text("Bị từ chối")
    expect(page.get_by_text("Xem và ký từ chối")).to_have_count(0)
    desk.look("erasure-refused-record")
    assert office.node.model.queries.dossier(stream) is not None


def _confirm(desk: Reader) -> None:
    page = desk.page
    page.get_by_role("button", name="Xác nhận tiêu hủy và ký").click()
    expect(page.locator("#sign-dialog")).to_be_hidden()  # the box has to be ticked first
    page.get_by_label("Tôi đã kiểm tra hồ sơ").check()
    page.get_by_role("button", name="Xác nhận tiêu hủy và ký").click()
    expect(page.locator("#sign-statement")).to_contain_text("tiêu hủy vĩnh viễn")
    page.get_by_role("button", name="Ký", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("Tôi xác nhận tiêu hủy vĩnh viễn")


def _watch_the_nodes(desk: Reader, office: Any, serve: Any, erasure: Any) -> None:
    """The commune has done it; then the district, once it is linked; the province stays off."""
    node = office.node
    desk.open("/desk/erasures", "erasures-one-of-three")
    expect(desk.page.get_by_text("Đã xóa ở 1/3 trạm")).to_be_visible()
    expect(desk.page.get_by_text("có thể đang tắt hoặc mất mạng")).to_be_visible()
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    node.links.put(Neighbour("parent", url, "parent"))
    node.sync.start()
    urns = {node.signer.urn, district.signer.urn}
    wait_until(lambda: {done.node for done in node.erasures.get(erasure.id).done} == urns)
    desk.open("/desk/erasures", "erasures-two-of-three")
    expect(desk.page.get_by_text("Đã xóa ở 2/3 trạm")).to_be_visible()
    desk.open(f"/desk/erasures/{erasure.id}", "erasure-record")
    for said in (FIRST, SECOND, "Quyết định số 12/QĐ-UBND"):
        expect(desk.page.get_by_text(said).first).to_be_visible()
    desk.page.emulate_media(media="print")
    expect(desk.page.locator(".menu")).to_be_hidden()
    expect(desk.page.get_by_role("button", name="In")).to_be_hidden()
    shoot(desk.page, "erasure-record-print")
    desk.page.emulate_media(media="screen")


def _look_at_phone(phone: Reader, stream: str, erasure: Any) -> None:
    page = phone.page
    page.evaluate("import('/sync.js').then(({ syncNow }) => syncNow())")
    card = page.locator(".card", has_text="Đã tiêu hủy")
    expect(card).to_be_visible()
    for said in (FIRST, SECOND, "Quyết định số 12/QĐ-UBND"):
        expect(card).to_contain_text(said)
    phone.look("phone-erased-list", sizes=(PHONE, DESK))
    wait_until(lambda: not page.evaluate(OLD_IS_THERE))  # the card comes first, then the old database goes
    kept = page.evaluate(KEPT)
    text = json.dumps(kept, ensure_ascii=False)
    assert SECRET not in text
    assert "1.001193" not in [row for name, store, row in kept if store == "outbox"]
    assert [row for name, store, row in kept if store in ("chunks", "files", "outbox", "drafts")] == ["[]"] * 4
    assert "/api/" not in "".join(row for _, store, row in kept if store == "cache")
    assert [name for name, *_ in kept if name == "_pouch_mine"] == []
    assert erasure.id in text
    page.set_viewport_size(PHONE)
    card.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Hồ sơ đã được tiêu hủy")).to_be_visible()
    expect(page.get_by_text("sha256-").first).to_be_visible()
    expect(page.get_by_text("không có", exact=True)).to_have_count(0)  # the receipt's hash is kept, too
    phone.look("phone-erased", sizes=(PHONE, DESK))
    page.reload()
    expect(page.get_by_role("heading", name="Hồ sơ đã được tiêu hủy")).to_be_visible()
    page.evaluate(CUT_SHORT, stream)
    wait_until(lambda: page.evaluate(LEFT) == ["_pouch_mine-2"])
