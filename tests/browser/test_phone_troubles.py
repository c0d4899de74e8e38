"""What happens to a phone: a full disk, two windows, a line that breaks while the application is loading, an update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import wait_for
from tests.browser.phones import Phone
from tests.browser.sample import approve_waiting
from tests.server.conftest import wait_until

NAME = "Lò Thị Phìn"
OUTCOME = "import('/state.js').then(({ state }) => state.link.outcome)"
KEYS = "import('/store/db.js').then(({ getAll }) => getAll('keys')).then((keys) => keys.length)"
IDENTITY = "import('/state.js').then(({ state }) => state.identity?.x5t ?? '')"


@pytest.fixture
def phone(chromium: Browser, office: Any) -> Iterator[Phone]:
    """A phone at its first visit."""
    office.stock()
    made = Phone(chromium, office.url)
    made.page.goto("/")
    made.page.locator("main h1").wait_for()
    yield made
    made.context.close()


def open_form(page: Page) -> str:
    """Begin a dossier and open the first page of its form; return the draft's path."""
    page.goto("/#/procedures/1.001193")
    page.get_by_text("Bắt đầu nhập hồ sơ").click()
    page.wait_for_url("**/#/drafts/*")
    draft = page.url.partition("#/")[2]
    page.locator(".tasks a").first.click()
    page.locator("form input").first.wait_for()
    return draft


def hold(page: Page, pattern: str) -> list[Route]:
    """Let a page's requests to these addresses wait; return the list in which they will stand."""
    held = list[Route]()
    page.route(pattern, lambda route: held.append(route))
    return held


def wait_for_any(page: Page, held: list[Route]) -> None:
    """Return once a request is held. Playwright tells of requests only while it is asked something."""
    wait_until(lambda: page.evaluate("true") and len(held) > 0)


@pytest.mark.browser
def test_a_first_visit_loads_no_more_than_the_first_screen_needs(phone: Phone) -> None:
    """What Chromium loaded for the page, as it came over the wire, once the catalogue is here: 60 KB at the most."""
    wait_for(phone.page, "import('/catalogue.js').then(({ catalogueReadMs }) => catalogueReadMs() > 0)")
    loaded = phone.page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize])"
    )
    files = [(path, size) for path, size in loaded if not path.startswith("/api/")]
    assert 20 < len(files) < 50
    assert all(size > 0 for _, size in files), files
    assert sum(size for _, size in files) <= 60 * 1024
    assert phone.faults == []


@pytest.mark.browser
def test_a_page_whose_program_does_not_come_says_so_and_comes_when_asked_again(phone: Phone) -> None:
    """The line breaks before a page was loaded: words to act on, and the page itself once the line is back."""
    page = phone.page
    page.route("**/views/procedures.js", lambda route: route.abort())
    page.goto("/#/procedures")
    expect(page.get_by_role("heading", name="Chưa tải được trang này")).to_be_visible()
    phone.look("not-loaded")
    page.unroute("**/views/procedures.js")
    page.get_by_role("button", name="Thử lại").click()
    expect(page.get_by_label("Tìm thủ tục")).to_be_visible()
    assert phone.faults == []


@pytest.mark.browser
def test_a_database_program_that_did_not_come_is_asked_for_again(phone: Phone, office: Any) -> None:
    """PouchDB is cut off while a phone registers; when the line is back the same page goes on, without a reload."""
    page, cut = phone.page, list[Route]()

    def cut_off(route: Route) -> None:
        cut.append(route)
        route.abort()

    page.context.route("**/vendor/pouchdb.min.js", cut_off)
    page.goto("/#/register")
    page.get_by_label("Họ, chữ đệm và tên").fill(NAME)
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    page.locator(".bigcode").wait_for()
    approve_waiting(office, NAME)
    phone.sync()
    assert cut
    assert page.evaluate(OUTCOME) == "offline"
    page.context.unroute_all()
    phone.sync()
    assert page.evaluate(OUTCOME) == "done"


ADD_DRAFT = """async () => {
  const { procedure } = await import("/catalogue.js");
  const { newDraft } = await import("/drafts.js");
  const { tellAll } = await import("/state.js");
  await newDraft(await procedure("1.001193"));
  tellAll("draft");
}"""


HOLD_THE_LINE = """() => new Promise((held) => {
  void navigator.locks.request("tram-outbox", () => new Promise(() => held()));
})"""


@pytest.mark.browser
def test_what_changes_while_a_page_is_made_is_on_it(chromium: Browser, office: Any) -> None:
    """The first page has read the drafts and waits for its last module; a draft that comes then is shown."""
    office.stock()
    phone, held = Phone(chromium, office.url, service_workers="block"), list[Route]()
    page = phone.page
    try:
        phone.register(office, NAME)
        other = phone.context.new_page()
        other.goto("/")
        other.evaluate(HOLD_THE_LINE)  # each exchange draws the first page anew, and would hide what is looked for
        page.route("**/views/signed.js", lambda route: held.append(route))
        page.goto("/")
        page.reload()
        wait_until(lambda: page.title() and held)
        page.evaluate(ADD_DRAFT)
        for route in held:
            route.continue_()
        expect(page.get_by_role("heading", name="Đang nhập")).to_be_visible()
    finally:
        phone.context.close()


@pytest.mark.browser
def test_two_windows_register_one_key(phone: Phone, office: Any) -> None:
    """The form is open twice; the second window's button does not put a new key over the one that was certified."""
    other = phone.context.new_page()
    for page in (phone.page, other):
        page.goto("/#/register")
        page.get_by_label("Họ, chữ đệm và tên").fill(NAME)
    phone.page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    phone.page.locator(".bigcode").wait_for()
    approve_waiting(office, NAME)
    phone.sync()
    certified = phone.page.evaluate(IDENTITY)
    assert certified
    other.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    expect(other.get_by_role("heading", name="Đã đăng ký xong")).to_be_visible()
    assert other.evaluate(IDENTITY) == certified


@pytest.mark.browser
def test_a_registration_given_up_by_a_slip_of_the_finger_is_brought_back(phone: Phone) -> None:
    """One tap gives the waiting key up, one brings it back: the same key, with the same six digits."""
    page = phone.page
    page.goto("/#/register")
    page.get_by_label("Họ, chữ đệm và tên").fill(NAME)
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    code = page.locator(".bigcode").inner_text()
    page.get_by_role("button", name="Hủy đăng ký này").click()
    expect(page.get_by_label("Họ, chữ đệm và tên")).to_have_value("")
    page.get_by_role("button", name="Hoàn tác").click()
    expect(page.locator(".bigcode")).to_have_text(code)


@pytest.mark.browser
@pytest.mark.parametrize("status", [200, 404], ids=["waits", "unknown"])
def test_an_answer_that_comes_after_the_key_was_given_up_changes_nothing(phone: Phone, status: int) -> None:
    """The line is slow, the finger quick: no key comes back by itself, and the undo is still there."""
    page, asked = phone.page, hold(phone.page, "**/api/enrolments/*")
    page.goto("/#/register")
    page.get_by_label("Họ, chữ đệm và tên").fill(NAME)
    page.get_by_role("button", name="Tạo khóa và gửi đăng ký").click()
    code = page.locator(".bigcode").inner_text()
    wait_for_any(page, asked)
    page.get_by_role("button", name="Hủy đăng ký này").click()
    expect(page.get_by_role("button", name="Hoàn tác")).to_be_visible()
    body = {"state": "pending"} if status == 200 else {"error": "not_found", "reason": "no such request"}
    asked.pop().fulfill(status=status, json=body)
    wait_for(page, "import('/state.js').then(({ state }) => !state.sending)")
    assert page.evaluate(KEYS) == 0
    page.unroute("**/api/enrolments/*")
    page.get_by_role("button", name="Hoàn tác").click()
    expect(page.locator(".bigcode")).to_have_text(code)
    assert phone.faults == []


@pytest.mark.browser
def test_what_is_typed_in_one_window_is_not_overwritten_by_another(phone: Phone) -> None:
    """The same form in two windows: each shows what the other saved, so the last letter typed takes nothing away."""
    open_form(phone.page)
    fields = "form input[type=text]"
    other = phone.context.new_page()
    other.goto(phone.page.url)
    other.locator(fields).first.wait_for()
    phone.page.locator(fields).nth(0).fill("Lò Văn Khoán")
    expect(other.locator(fields).nth(0)).to_have_value("Lò Văn Khoán")
    other.locator(fields).nth(1).fill("Bản Nậm Mười")
    expect(phone.page.locator(fields).nth(1)).to_have_value("Bản Nậm Mười")
    expect(phone.page.locator(fields).nth(0)).to_have_value("Lò Văn Khoán")


SIGN = """async ([id, change]) => {
  const { loadWork } = await import("/drafts.js");
  const { signDraft } = await import("/signing.js");
  const { saveDraft } = await import("/store/drafts.js");
  const shown = await loadWork(id);
  if (change) await saveDraft((await loadWork(id)).draft);
  const sign = () => signDraft(shown).then(() => "signed", (cause) => cause.constructor.name);
  const save = () => saveDraft(shown.draft).then(() => "saved", (cause) => cause.constructor.name);
  return [await sign(), await sign(), await save()];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("change", [False, True], ids=["signed-twice", "changed-elsewhere"])
def test_a_draft_is_signed_once_and_as_it_was_shown(phone: Phone, office: Any, change: bool) -> None:
    """A second window can neither sign again, nor sign what was changed since it was shown, nor revive the draft."""
    phone.register(office, NAME)
    draft = open_form(phone.page).removeprefix("drafts/")
    done = phone.page.evaluate(SIGN, [draft, change])
    assert done == (["DraftGone", "DraftGone", "saved"] if change else ["signed", "DraftGone", "DraftGone"])


# A browser refuses what no longer fits; headless Chromium keeps no quota for databases, so its answer is given here.
FULL = """(wanted) => {
  const put = IDBObjectStore.prototype.put;
  window.makeRoom = () => { IDBObjectStore.prototype.put = put; };
  IDBObjectStore.prototype.put = function (...what) {
    if (wanted.includes(this.name)) throw new DOMException("there is no room", "QuotaExceededError");
    return put.apply(this, what);
  };
}"""


@pytest.mark.browser
def test_a_full_phone_does_not_leave_a_page_whose_answers_it_could_not_keep(phone: Phone, office: Any) -> None:
    """Typing says that nothing was saved, "continue" stays where the answers are; with room again they are kept."""
    page = phone.page
    phone.register(office, NAME)
    open_form(page)
    page.evaluate(FULL, ["drafts"])
    name = page.locator("form input[type=text]").first
    name.fill("Lò Văn Khoán")
    expect(page.get_by_text("Bộ nhớ của máy đã đầy").first).to_be_visible()
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("alert")).to_contain_text("Bộ nhớ của máy đã đầy")
    phone.look("storage-full")
    expect(name).to_have_value("Lò Văn Khoán")
    page.evaluate("window.makeRoom()")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(name).to_be_hidden()
    page.go_back()
    expect(name).to_have_value("Lò Văn Khoán")
    assert phone.faults == []


EXCHANGE = """async () => {
  const { state } = await import("/state.js");
  const { syncNow } = await import("/sync.js");
  state.nodeReadMs = 0; // ask the office who it is, and write that down
  state.link.nextMs = 0; // what an earlier exchange had set
  const failed = await syncNow().then(() => "", (cause) => cause.constructor.name);
  return [failed, state.link.outcome === "offline", state.link.nextMs > Date.now(), state.link.failures];
}"""
WELL = "import('/state.js').then(({ state }) => state.link.outcome === 'done' && state.link.failures === 0)"


@pytest.mark.browser
def test_an_exchange_that_found_no_room_is_not_the_last_one(phone: Phone, office: Any) -> None:
    """The phone is full when news come: that is said, not that the office is away; the next try goes well."""
    page = phone.page
    phone.register(office, NAME)
    page.evaluate(FULL, ["settings"])
    assert page.evaluate(EXCHANGE) == ["StorageFull", False, True, 1]
    page.evaluate("window.makeRoom()")
    wait_for(page, WELL)


LEFT = """async () => {
  const { getAll } = await import("/store/db.js");
  const stores = ["keys", "drafts", "files", "chunks", "outbox", "receipts"];
  const kept = await Promise.all(stores.map((store) => getAll(store)));
  const personal = (await getAll("settings")).filter(({ name }) => ["me", "mine", "keeping"].includes(name));
  return [...kept.flat(), ...personal].map(({ id, name }) => id ?? name);
}"""


@pytest.mark.browser
@pytest.mark.parametrize("elsewhere", [False, True], ids=["this-window", "another-window"])
def test_nothing_comes_back_after_everything_was_deleted(phone: Phone, office: Any, elsewhere: bool) -> None:
    """An exchange that waits for its answer, here or in another window, writes nothing down once all was to go."""
    phone.register(office, NAME)
    open_form(phone.page)
    asking = phone.context.new_page() if elsewhere else phone.page
    asking.goto("/")
    asking.locator("main h1").wait_for()
    wait_for(asking, "import('/state.js').then(({ state }) => !state.sending)")
    asked = hold(asking, "**/api/me")
    asking.evaluate("import('/state.js').then(({ state }) => { state.me = null; })")
    asking.evaluate("import('/sync.js').then(({ syncNow }) => { void syncNow(); })")
    wait_for_any(asking, asked)
    phone.page.goto("/#/settings/wipe")
    phone.page.get_by_label("Tôi hiểu và muốn xóa hết").check()
    phone.page.get_by_role("button", name="Xóa hết").click()
    expect(phone.page.get_by_text("Đã xóa hết dữ liệu trên máy này.")).to_be_visible()
    with suppress(PlaywrightError):  # nobody waits for this answer any more
        asked.pop().fulfill(json={"roles": ["citizen"], "warnings": []})
    wait_for(asking, "import('/state.js').then(({ state }) => !state.sending)")

    assert phone.page.evaluate(LEFT) == []
    assert asking.evaluate("import('/state.js').then(({ state }) => state.record)") is None
    assert phone.faults == []
