"""Whoever silences a check says which and why, on the same line."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["crypto", "replication", "server", "deploy", "bench", "tests"]
SILENCED = re.compile(r"#\s*(?:type:\s*ignore|noqa)")
WITH_REASON = re.compile(r"#\s*(?:type:\s*ignore\[[a-z, -]+\]|noqa:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)\s+[#-]\s*\S")


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, comment) of a module's text."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def unexplained(text: str) -> list[int]:
    """Return the lines of a module on which a check is silenced without its code, or without a reason."""
    if not SILENCED.search(text):  # most modules have none, and need not be taken apart
        return []
    return [line for line, comment in comments(text) if SILENCED.search(comment) and not WITH_REASON.search(comment)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_silenced_check_says_which_and_why(folder: str) -> None:
    """`# type: ignore[code]  # reason`, `# noqa: CODE  # reason`."""
    modules = sorted((ROOT / folder).rglob("*.py"))

    offences = [
        f"{path.relative_to(ROOT)}:{line}" for path in modules for line in unexplained(path.read_text(encoding="utf-8"))
    ]

    assert modules
    assert offences == []


@pytest.mark.parametrize(
    ("comment", "is_fine"),
    [
        ("# type: ignore[attr-defined]  # the stubs leave it out", True),
        ("# noqa: S608 - question marks", True),
        ("# noqa: S608, B023  # both are ours", True),
        ("# type: ignore[attr-defined]", False),
        ("# type: ignore  # everything", False),
        ("# noqa  # everything", False),
        ("# noqa: S608", False),
        ("# noqa: S608  #", False),
    ],
)
def test_the_reason_is_looked_for_behind_the_code(comment: str, is_fine: bool) -> None:
    """And neither a bare code nor a bare reason will do."""
    assert unexplained(f"value = 1  {comment}\n") == ([] if is_fine else [1])
