"""The table of docs/conformance.md tells the truth about the tests there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(test_\w+)`")
WRITTEN = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)


def test_every_test_the_table_names_is_there() -> None:
    """A test that was renamed is renamed there as well."""
    places = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "replication" / "testing").glob("*.py")]
    written = {name for path in places for name in WRITTEN.findall(path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    named = set(NAMED.findall(page))

    assert len(named) > 50
    assert sorted(named - written) == []
