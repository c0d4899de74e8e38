"""Files of others that we ship are exactly what their README says they are."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHELVES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("**/vendor/README.md") if "node_modules" not in path.parts
)


@pytest.mark.parametrize("shelf", SHELVES)
def test_vendored_files_have_the_hash_their_readme_names(shelf: str) -> None:
    """Every file in a vendor folder is listed with its SHA-256, and matches it."""
    readme = ROOT / shelf
    text = readme.read_text(encoding="utf-8")
    files = [path for path in sorted(readme.parent.iterdir()) if path.name != "README.md"]

    unlisted = [path.name for path in files if path.name not in text]
    changed = [
        path.name
        for path in files
        if hashlib.sha256(path.read_bytes()).hexdigest() not in re.findall(r"\b[0-9a-f]{64}\b", text)
    ]

    assert files
    assert unlisted == []
    assert changed == []


def test_there_is_something_vendored_to_check() -> None:
    """The list of shelves is found by looking; an empty one would mean the look went wrong."""
    assert "server/desk/static/vendor/README.md" in SHELVES
