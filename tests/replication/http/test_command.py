"""`python -m replication serve` as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the server and yield its process and the URL it printed."""
    command = [sys.executable, "-m", "replication", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_the_server_tells_its_url_keeps_its_data_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Exit status 0 although a feed is open; what was acknowledged is there again."""
    directory = tmp_path / "new" / "store"
    with serving("--dir", str(directory)) as (process, url):
        assert requests.put(url + "db", timeout=5).status_code == 201
        assert requests.put(url + "db/a", json={"n": 1}, timeout=5).status_code == 201
        with requests.get(url + "db/_changes?feed=continuous&heartbeat=30000", stream=True, timeout=5) as feed:
            assert b'"id":"a"' in next(feed.iter_lines())
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    with serving("--dir", str(directory)) as (process, url):
        assert requests.get(url + "db/a", timeout=5).json()["n"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("arguments", [[], ["serve"], ["nonsense"]])
def test_a_command_line_that_asks_nothing_is_told_how(arguments: list[str]) -> None:
    """Exit status 2 and the usage."""
    result = subprocess.run(
        [sys.executable, "-m", "replication", *arguments], capture_output=True, text=True, timeout=30, check=False
    )

    assert result.returncode == 2
    assert "usage:" in result.stderr
