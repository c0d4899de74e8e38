"""The real server in a process of its own, to be killed, starved and measured."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import requests

ROOT = Path(__file__).parents[3]


class ServerProcess:
    """`python -m replication serve` over `directory` on a free port."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-m", "replication", "serve", "--dir", str(directory), "--port", "0"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        greeting = self._process.stdout.readline()
        assert greeting.startswith("CouchDB protocol at "), greeting
        self.url = greeting.split()[-1].rstrip("/")
        self.port = int(self.url.rpartition(":")[2])
        self.session = requests.Session()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._process.send_signal(signal.SIGKILL)
        self._end(-signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as a service manager ends it."""
        self._process.send_signal(signal.SIGTERM)
        self._end(0)

    def _end(self, status: int) -> None:
        assert self._process.stdout is not None
        assert self._process.wait(timeout=60) == status
        self._process.stdout.close()
        self.session.close()

    # Memory, as the kernel counts it (proc(5))

    def read_memory(self, field: str = "VmRSS") -> int:
        """Return bytes of resident memory; `VmHWM` for the most there has been."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field + ":"))
        return int(line.split()[1]) * 1024

    def forget_peak(self) -> None:
        """Let `VmHWM` begin again at what is resident now."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
