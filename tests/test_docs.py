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
