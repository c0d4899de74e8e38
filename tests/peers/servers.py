"""The processes under test: our server, which may be killed and come back at its address, and a PouchDB in Node."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("pouch.mjs")


class OurServer:
    """`python -m replication serve`. `kill` and `start` keep directory and port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = find_port()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "replication", "serve", "--dir", str(self._directory)]
        command += ["--port", str(self._port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1].rstrip("/")

    def kill(self) -> None:
        """As a power cut would: nothing is said goodbye to."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the process do nothing during the block."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Pouch:
    """One PouchDB database in a directory. `ask` sends a command of pouch.mjs; `kill` ends it where it stands."""

    def __init__(self, directory: Path) -> None:
        require_pouchdb()
        self._directory = directory
        self.start()

    def start(self) -> None:
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, str(SCRIPT), str(self._directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, op: str, **arguments: Any) -> Any:
        """Return what the command answered."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"error": "Node has ended"}')
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def stop(self) -> None:
        """Close the database and end Node."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def find_port() -> int:
    """Return a free port below those the system gives away by itself.

    One of those could go to another socket while its server is down: even to a client that keeps knocking at it.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        if all(is_free(address, port) for address in ("127.0.0.1", "::1")):
            return port


def is_free(address: str, port: int) -> bool:
    """Return whether the server could listen there; an address this machine lacks is none it will try."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def require_pouchdb() -> None:
    """Skip where Node.js or the npm package is missing."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not here; PouchDB runs in it")
    if not (ROOT / "node_modules" / "pouchdb" / "package.json").exists():
        pytest.skip("node_modules has no pouchdb: `make setup-js` (npm ci) installs it")
