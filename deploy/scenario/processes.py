"""Child processes of the scenario: started, waited for by what they answer, ended without leaving any behind."""

from __future__ import annotations

import io
import logging
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from server.cli import main

READY_LIMIT_S = 120.0  # a process that ended is noticed at once; one that is slow has a busy machine
STOP_LIMIT_S = 10.0
TRAM = (sys.executable, "-m", "server.cli")


class DidNotStart(Exception):
    """A child ended, or stayed silent, before it was ready. The message carries the end of its log."""


@dataclass(slots=True)
class Child:
    """One running program and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask_to_end(self) -> None:
        """Ask the program to end, without waiting until it has."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ask the program to end, and make it end if it does not."""
        if self.process.poll() is None:
            self.ask_to_end()
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the program as a power cut would: it gets no chance to tidy up."""
        self.process.kill()
        self.process.wait()


def start(name: str, command: Sequence[str], log: Path) -> Child:
    """Start `command` with its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    return Child(name, process, log)


def wait_until_answering(child: Child, url: str) -> None:
    """Return once `url` answers 200. Raises `DidNotStart` if the child ends first or `READY_LIMIT_S` pass."""
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline:
        if child.process.poll() is not None:
            break
        with suppress(requests.RequestException):
            if requests.get(url, timeout=20).status_code == requests.codes.ok:
                return
        time.sleep(0.05)  # nothing listens yet, or it is not ready; the deadline above bounds the asking
    tail = child.log.read_text(errors="replace")[-2000:]
    ended = child.process.poll()
    what = f"did not answer at {url} within {READY_LIMIT_S:.0f} s" if ended is None else f"ended with status {ended}"
    raise DidNotStart(f"{child.name} {what}; the end of its log:\n{tail}")


def run_tram(*arguments: str | Path) -> str:
    """Run one `tram` command to its end and return what it printed.

    In this process: a dozen of them make a province, and each would take most of its second to start. Raises
    `DidNotStart` with everything it said when it fails.
    """
    logging.basicConfig()  # before the command does it, onto what is caught here
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main([*map(str, arguments)])
    if status:
        said = f"{out.getvalue()}{err.getvalue()}".strip()
        raise DidNotStart(f"tram {' '.join(map(str, arguments))} ended with {status}:\n{said}")
    return out.getvalue()


def free_port(*beside: int) -> int:
    """Return a loopback port that is free at this moment, as are those that lie so many `beside` it.

    It lies below those the system gives away by itself: one of those could become somebody's connection while the
    server that is to have it is down.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        if all(is_free(port + offset) for offset in (0, *beside)):
            return port


def is_free(port: int) -> bool:
    """Say whether nobody listens on a loopback port; what is left of connections that ended keeps no server away."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
