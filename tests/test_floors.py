"""The tree is the architecture: a floor imports only itself and the floors below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["crypto", "replication", "server"]  # ground floor first
OUTSIDE = {
    # who may import this package, and why nobody else does
    "couchdb": ("replication/couch/",),  # the CouchDB engine
    "flask": ("replication/http/", "server/"),
    "cheroot": ("replication/serving.py", "replication/serving/"),
}
PURE = {
    # no I/O, no clock, no randomness of its own: these modules must not even import the means
    "crypto": {"socket", "requests", "sqlite3", "time", "random", "secrets", "os", "pathlib", "subprocess"},
    "server/dossier": {"socket", "requests", "sqlite3", "time", "random", "secrets", "os", "subprocess", "flask"},
}


def names_imported_by(path: Path) -> Iterator[str]:
    """Yield the top-level package of every import in `path`, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_itself_and_the_floors_below(floor: str) -> None:
    """`crypto` ← `replication` ← `server`, imports inside functions included."""
    above = set(FLOORS[FLOORS.index(floor) + 1 :])
    modules = sorted((ROOT / floor).rglob("*.py"))

    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules
        for name in names_imported_by(path)
        if name in above | {"tests", "bench", "deploy"}
    ]

    assert modules
    assert offences == []


@pytest.mark.parametrize("package", OUTSIDE)
def test_a_library_stays_behind_its_seam(package: str) -> None:
    """An engine's or server's library is imported in the one room that hides it."""
    offences = [
        str(relative)
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
        if package in names_imported_by(path)
        and not str(relative := path.relative_to(ROOT)).startswith(OUTSIDE[package])
    ]

    assert offences == []


@pytest.mark.parametrize("room", PURE)
def test_calculation_imports_no_clock_and_no_traffic(room: str) -> None:
    """Time, keys and nonces are arguments in the pure rooms."""
    offences = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for name in names_imported_by(path)
        if name in PURE[room]
    ]

    assert offences == []
