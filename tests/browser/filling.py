"""Fill in whatever form is on the phone's screen, as somebody would who answers all that must be answered."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

ANSWERS = {"date": "2026-11-17", "tel": "0900000001"}
OPTIONAL = "không bắt buộc"


def fill_draft(page: Page, papers: dict[str, Path]) -> None:
    """Attach `papers` (label of the paper → its scan), then work through the task list until nothing is missing."""
    tasks = page.locator(".tasks li")
    home = page.url
    for label, scan in papers.items():
        page.get_by_role("link", name=label, exact=True).click()
        page.locator("input[type=file]").last.set_input_files(scan)
        page.locator(".photo").first.wait_for()
        page.goto(home)
        tasks.first.wait_for()
    for _ in range(40):
        waiting = [tasks.nth(i) for i in range(tasks.count()) if _is_open(tasks.nth(i))]
        if not waiting:
            return
        waiting[0].locator("a").click()
        wait_to_leave(page, home)
        answer_page(page)
        page.goto(home)
        tasks.first.wait_for()
    raise AssertionError(f"the task list never ends: {tasks.all_inner_texts()}")


def answer_page(page: Page) -> None:
    """Answer one page of questions and go on."""
    page.locator("main form .field").first.wait_for()
    here = page.url
    for field in page.locator("main .field").all():
        if OPTIONAL not in field.inner_text().lower():
            _answer(field)
    page.locator("main form button[type=submit]").click()
    wait_to_leave(page, here)


def wait_to_leave(page: Page, address: str) -> None:
    """Return once the page's address is another one; only its fragment changes, so nothing is ever loaded."""
    expect(page).not_to_have_url(address)


def _is_open(task: Locator) -> bool:
    state = task.locator(".tag").inner_text()
    return state in ("Chưa làm", "Còn thiếu") and "Kiểm tra" not in task.inner_text()


def _answer(field: Locator) -> None:
    choices = field.locator("input[type=radio]")
    if choices.count():
        choices.first.check()
        return
    if field.locator("select").count():
        field.locator("select").select_option(index=1)
        return
    inputs = field.locator("input, textarea")
    for i in range(inputs.count()):
        one = inputs.nth(i)
        if one.input_value():
            continue
        parts = {"2": ("17", "11"), "4": ("2026",)}
        size = (one.get_attribute("class") or "").rpartition("input--")[2].split(" ")[0]
        if inputs.count() == 3 and size in parts:  # a date asked for as day, month, year
            one.fill(parts[size][min(i, len(parts[size]) - 1)])
        else:
            one.fill(ANSWERS.get(one.get_attribute("type") or "", "Lò Thị Ban Mai"))
