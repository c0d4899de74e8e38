"""`python -m replication serve` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from replication.serving.loopback import has_ipv6


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
        assert requests.put(url + "db", timeout=60).status_code == 201
        assert requests.put(url + "db/a", json={"n": 1}, timeout=60).status_code == 201
        with requests.get(url + "db/_changes?feed=continuous&heartbeat=30000", stream=True, timeout=60) as feed:
            assert b'"id":"a"' in next(feed.iter_lines())
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    with serving("--dir", str(directory)) as (process, url):
        assert requests.get(url + "db/a", timeout=60).json()["n"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no address ::1")
def test_localhost_is_served_whichever_address_it_resolves_to(tmp_path: Path) -> None:
    """One port and one store on 127.0.0.1 and on ::1."""
    with serving("--dir", str(tmp_path)) as (_, url):
        other = url.replace("127.0.0.1", "[::1]")
        assert other != url
        assert requests.put(url + "db", timeout=60).status_code == 201
        assert requests.get(other + "db", timeout=60).json()["db_name"] == "db"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no address ::1")
def test_a_port_that_another_program_has_on_ipv6_is_refused(tmp_path: Path) -> None:
    """A client that says localhost would meet now this server and now the other: the command ends and says why."""
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        command = [sys.executable, "-m", "replication", "serve", "--dir", str(tmp_path)]
        port = str(other.getsockname()[1])
        result = subprocess.run([*command, "--port", port], capture_output=True, text=True, timeout=120, check=False)

    assert result.returncode == 1
    assert f"port {port}" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["serve"], ["nonsense"]])
def test_a_command_line_that_asks_nothing_is_told_how(arguments: list[str]) -> None:
    """Exit status 2 and the usage."""
    result = subprocess.run(
        [sys.executable, "-m", "replication", *arguments], capture_output=True, text=True, timeout=120, check=False
    )

    assert result.returncode == 2
    assert "usage:" in result.stderr
