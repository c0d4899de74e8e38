"""The desk's page "USB": choose, look, write, take in, in a real browser and without one."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from server.bundles import export_bundle, introduction, media
from server.bundles.job import Jobs

C, D = "H41.12.03", "H41.12"
SHOTS = os.environ.get("TRAM_SHOTS")  # a folder to keep screenshots in, for looking at them


@pytest.fixture
def sticks(tmp_path, monkeypatch):
    """A media root with one stick in it."""
    root = tmp_path / "media"
    (root / "KINGSTON").mkdir(parents=True)
    monkeypatch.setenv(media.ROOTS_VARIABLE, str(root))
    return root


@pytest.fixture
def offices(make_homes, serve, sticks, helpers, key_pool):
    """A commune and a district that run without a link, each with an official who is signed in."""
    import requests

    from server.pki.authority import Authority

    made = {}
    for unit, home in make_homes().items():
        if unit == "H41":
            continue
        node, url = serve(home)
        person = helpers.issue_person(Authority.open(node.home), key_pool())
        node.copier.ensure_certificate(node.database, person.certificate)
        node.people.grant(person.urn, "Giàng A Páo", "official")
        node.model.follower.catch_up()
        session = requests.Session()
        token = person.token(node.signer.urn)
        assert session.post(f"{url}/api/session", json={"token": token}, timeout=60).status_code == 200
        made[unit] = (node, url, session, token, person)
    folder = media.open_folder(sticks / "KINGSTON")
    for unit in (C, D):
        introduction.write_introduction(made[unit][0], folder)
        other = D if unit == C else C
        introduction.take_introduction(made[other][0], folder / f"gioi-thieu-{unit.lower().replace('.', '-')}.json")
    return made


def _file(node, helpers, person, count=3):
    from server.intake.source import Source

    for _ in range(count):
        event = helpers.submission(C, person)
        (result,) = node.intake.admit(node.database, [person.sign(event)], source=Source("local", node.signer.urn))
        assert result.error is None
    node.model.follower.catch_up()


def test_the_page_offers_sticks_and_no_other_place(offices, sticks, tmp_path):
    """A form that names a folder of this machine that is not offered is refused; nobody signed out sees anything."""
    import requests

    _, url, session, _, _ = offices[C]
    origin = {"Origin": url}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    page = session.get(f"{url}/desk/usb", timeout=60)
    assert "KINGSTON" in page.text
    assert "Chuyển hồ sơ bằng USB" in page.text
    answer = session.post(f"{url}/desk/usb/export", data={"to": D, "stick": str(elsewhere)}, headers=origin, timeout=60)
    assert answer.status_code == 400
    assert list(elsewhere.iterdir()) == []
    foreign = session.post(
        f"{url}/desk/usb/import",
        data={"stick": str(sticks / "KINGSTON")},
        headers={"Origin": "http://evil"},
        timeout=60,
    )
    assert foreign.status_code == 403
    assert "/desk/login" in requests.get(f"{url}/desk/usb", timeout=60).url


def test_what_goes_is_shown_and_what_went_is_told(offices, sticks, helpers):
    """Without scripts too: look, write, and the page says that the stick may be pulled out and what was written."""
    node, url, session, _, person = offices[C]
    _file(node, helpers, person)
    stick = str(sticks / "KINGSTON")

    look = session.get(f"{url}/desk/usb", params={"to": D, "stick": stick}, timeout=60)
    assert "Ghi vào USB KINGSTON" in look.text
    posted = session.post(f"{url}/desk/usb/export", data={"to": D, "stick": stick}, headers={"Origin": url}, timeout=60)
    assert posted.status_code == 200

    def ended_page():
        page = session.get(f"{url}/desk/usb", timeout=60).text
        return page if "rút USB an toàn" in page else None

    ended = helpers.wait_until(ended_page)
    assert "3 hồ sơ" in ended
    assert "Các lần đã ghi" not in ended
    dismissed = session.post(f"{url}/desk/usb/dismiss", headers={"Origin": url}, timeout=60).text
    assert "chờ xác nhận" in dismissed
    fragment = session.get(f"{url}/desk/usb", headers={"HX-Request": "true"}, timeout=60).text
    assert fragment.lstrip().startswith('<div id="usb"')


def test_what_went_wrong_is_said_as_an_official_would(offices, sticks, helpers):
    """In Vietnamese and with what to do; the program's own words wait behind "Chi tiết"."""
    node, url, session, _, person = offices[C]
    _file(node, helpers, person)
    stick = sticks / "KINGSTON"

    def ended(**form):
        kind = "export" if "to" in form else "import"
        session.post(f"{url}/desk/usb/{kind}", data={"stick": str(stick), **form}, headers={"Origin": url}, timeout=60)

        def page():
            text = session.get(f"{url}/desk/usb", timeout=60).text
            return text if "Có thể rút USB" in text else None

        text = helpers.wait_until(page)
        assert session.post(f"{url}/desk/usb/dismiss", headers={"Origin": url}, timeout=60).ok
        return text.partition("<details")

    said, _, details = ended(to="H41")
    assert "Máy này chưa có khóa của" in said
    assert "no key of H41" not in said
    assert "no key of H41" in details
    (stick / "tram" / "rác.tram").write_bytes(b"no bundle")
    said, _, details = ended()
    assert "Có tệp trên USB không đọc được hết" in said
    assert "this is not a bundle" in details


def test_a_second_stick_waits_for_the_first(offices, sticks, monkeypatch):
    """While one is written, another is refused with the reason; afterwards it may."""
    import threading

    from server.bundles import job as module
    from server.errors import Clash

    node = offices[C][0]
    jobs, hold = Jobs(node), threading.Event()
    true = export_bundle
    monkeypatch.setattr(module, "export_bundle", lambda *a, **k: hold.wait(90) and true(*a, **k))
    jobs.export(to=D, stick=sticks / "KINGSTON")
    with pytest.raises(Clash, match="wait until it is done"):
        jobs.take_in(stick=sticks / "KINGSTON")
    hold.set()
    jobs.wait()

    assert jobs.state().exported is not None
    jobs.take_in(stick=sticks / "KINGSTON")
    jobs.wait()
    assert jobs.state().error == ""
    jobs.export(to="H41", stick=sticks / "KINGSTON")
    jobs.wait()
    assert "no key of H41" in jobs.state().error
    jobs.dismiss()
    assert jobs.state() is None


def _note_error(errors, message):
    if message.type == "error":
        errors.append(message.text)


@pytest.mark.browser
@pytest.mark.slow
def test_an_official_writes_a_stick_and_another_takes_it_in(offices, sticks, helpers):
    """From the choice to "Có thể rút USB an toàn", and the same at the district; keyboard and both widths."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed; deploy/ensure-chromium installs it on Debian")
    _file(offices[C][0], helpers, offices[C][4])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            for unit in (C, D):
                _, url, _, token, _ = offices[unit]
                context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="vi-VN")
                page = context.new_page()
                page.set_default_timeout(60_000)
                errors: list[str] = []
                page.on("console", partial(_note_error, errors))
                assert context.request.post(f"{url}/api/session", data={"token": token}).ok
                page.goto(f"{url}/desk/usb")
                if unit == C:
                    _shoot(page, "usb-choose")
                    page.get_by_label("Đơn vị nhận", exact=True).select_option(D)
                    page.get_by_role("button", name="Xem những gì sẽ ghi").press("Enter")
                    page.get_by_text("Hồ sơ có thay đổi", exact=True).first.wait_for()
                    assert page.locator("dl.summary").inner_text().split("\n")[3] == "3"
                    _shoot(page, "usb-preview")
                    page.get_by_role("button", name="Ghi vào USB KINGSTON").press("Enter")
                else:
                    page.get_by_role("button", name="Nhận từ USB này").press("Enter")
                page.get_by_role("heading", name="Có thể rút USB an toàn").wait_for()
                _shoot(page, f"usb-safe-{unit}")
                page.get_by_role("button", name="Đã xem").press("Enter")
                page.get_by_role("heading", name="Các lần đã ghi").wait_for()
                _shoot(page, f"usb-after-{unit}")
                assert errors == []
                context.close()
        finally:
            browser.close()
    district = offices[D][0].model
    helpers.wait_until(lambda: sum(district.queries.counts(C).values()) == 3)  # read a moment after it was stored


def _shoot(page, name):
    if not SHOTS:
        return
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    for width, height in ((1280, 800), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True, caret="initial")
    page.set_viewport_size({"width": 1280, "height": 800})
