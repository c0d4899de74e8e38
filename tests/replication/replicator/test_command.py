"""`python -m replication sync`, as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replication.document import Doc
from replication.sqlite import SqliteStore

ROOT = Path(__file__).parents[3]


def sync(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "replication", "sync", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_sync_moves_a_database_and_prints_one_line(
    tmp_path: Path, server: str, far_name: str, events: Callable[..., list[Doc]]
) -> None:
    """Out to a peer, back into another folder; the last line of each is one JSON object of figures."""
    store = SqliteStore(tmp_path / "a")
    store.create("db").bulk_docs(events(12), new_edits=False)
    store.close()

    out = sync(f"sqlite:{tmp_path}/a/db", f"{server}/{far_name}", "--once")
    back = sync(f"{server}/{far_name}", f"sqlite:{tmp_path}/b/db")

    assert (out.returncode, back.returncode) == (0, 0), out.stderr + back.stderr
    figures = json.loads(out.stdout)
    assert {"docs", "docs_written", "bytes_out", "bytes_in", "requests", "resent_docs", "cuts", "seconds"} <= set(
        figures
    )
    assert (figures["docs_written"], json.loads(back.stdout)["docs_written"]) == (12, 12)
    copy = SqliteStore(tmp_path / "b")
    assert copy.open("db").info().doc_count == 12
    copy.close()


@pytest.mark.parametrize(
    ("source", "words"),
    [("sqlite:/nowhere/db", "no folder"), ("ftp://x/db", "http(s)://user:password@host:port/db")],
)
def test_sync_says_what_is_wrong_with_an_address(tmp_path: Path, source: str, words: str) -> None:
    """Status 2 and a sentence, no traceback."""
    ended = sync(source, f"sqlite:{tmp_path}/t/db")

    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_sync_from_a_missing_database_fails_with_the_peers_words(tmp_path: Path, server: str) -> None:
    """Status 1, and the line of figures all the same."""
    ended = sync(f"{server}/never-was", f"sqlite:{tmp_path}/t/db")

    assert ended.returncode == 1
    assert "Database does not exist" in ended.stderr
    assert json.loads(ended.stdout)["docs"] == 0
