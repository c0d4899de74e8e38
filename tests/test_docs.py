"""What the documentation points at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|#)([^)#\s]+)")
PATHS = re.compile(r"`((?:crypto|replication|server|pwa|deploy|bench|tests|docs)/[\w./-]*[\w/])`")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Relative links of a page name files that are here."""
    path = ROOT / page
    targets = LINK.findall(path.read_text(encoding="utf-8"))

    broken = [target for target in targets if not (path.parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_text_exist(page: str) -> None:
    """A path such as `server/intake/` in running text is a room that exists."""
    named = PATHS.findall((ROOT / page).read_text(encoding="utf-8"))

    gone = sorted({name for name in named if not (ROOT / name).exists()})

    assert gone == []


def test_tests_named_in_text_exist() -> None:
    """A page that says which test shows a thing names a file or a function that is here."""
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/**/*.mjs"), *ROOT.glob("replication/testing/**/*.py")]
    here = {path.name for path in sources}
    for path in sources:
        here |= set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))

    named = {
        (page, name)
        for page in PAGES
        for name in re.findall(r"`(?:[\w/]*/)?(test_\w+(?:\.py)?)`", (ROOT / page).read_text(encoding="utf-8"))
    }

    assert named
    assert {(page, name) for page, name in named if name not in here} == set()


def test_the_readme_names_commands_that_the_makefile_has() -> None:
    """Every `make x` in the README is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert named
    assert named <= targets


def test_the_index_of_the_documentation_lists_every_page() -> None:
    """`docs/README.md` leads to each page and each format."""
    docs = ROOT / "docs"
    listed = {(docs / target).resolve() for target in LINK.findall((docs / "README.md").read_text(encoding="utf-8"))}

    pages = {path.resolve() for path in (*docs.glob("*.md"), *docs.glob("formats/*.md")) if path.name != "README.md"}

    assert pages
    assert pages - listed == set()


DECISIONS = {path.name[:4]: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/decisions/*.md"))}
NUMBER = re.compile(r"0\d{3}")
CHANGES = re.compile(r"\b(?:Amend|Replace|Add)s (?:to )?(0\d{3}(?:(?:, | and )0\d{3})*)")
CHANGED = re.compile(r"^(?:Amended|Replaced) by .*$", re.MULTILINE)


def test_a_decision_that_was_changed_says_by_which() -> None:
    """Whoever amends a decision, or takes its place, is named under its title."""
    told = {number: NUMBER.findall("".join(CHANGED.findall(text))) for number, text in DECISIONS.items()}
    changes = [
        (older, number)
        for number, text in DECISIONS.items()
        for named in CHANGES.findall(text)
        for older in NUMBER.findall(named)
    ]

    assert changes
    assert [f"{older} by {number}" for older, number in changes if number not in told[older]] == []
    assert {number for numbers in told.values() for number in numbers} <= set(DECISIONS)


def test_the_index_of_the_documentation_places_every_decision() -> None:
    """The table of numbers in `docs/README.md` has each decision in one row, under its subject."""
    table = (ROOT / "docs" / "README.md").read_text(encoding="utf-8").partition("## Decisions")[2]
    rows = re.findall(r"^\| (0.*?) \|", table, re.MULTILINE)
    spans = [span for row in rows for span in re.findall(r"(0\d{3})(–?)(0\d{3})?", row)]

    def rows_of(number: str) -> int:
        return sum(first <= number <= (last or ("9999" if dash else first)) for first, dash, last in spans)

    assert {number: rows_of(number) for number in DECISIONS if rows_of(number) != 1} == {}
