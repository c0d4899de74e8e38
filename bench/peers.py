"""The servers a benchmark talks to: ours, CouchDB and pouchdb-server where named, PouchDB on LevelDB where npm gave it.

All are driven over HTTP by the same client on one kept-alive connection, except PouchDB's LevelDB adapter, which has no
server of its own and runs the same work inside Node.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
NAMED = {"couchdb": "TRAM_COUCHDB_URL", "pouchdb_server": "TRAM_POUCHDB_SERVER_URL"}


@dataclass(slots=True)
class HttpServer:
    """A CouchDB-speaking server. `pids` are the processes whose memory counts, `folder` where its data lies."""

    name: str
    url: str
    pids: tuple[int, ...] = ()
    folder: Path | None = None
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def call(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> bytes:
        """Send one request and return the whole answer. Raises `RuntimeError` for an answer of 400 or more."""
        parts = urlsplit(self.url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        if parts.username:
            pair = f"{parts.username}:{parts.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {data[:300]!r}")
        return data

    def hang_up(self) -> None:
        """Forget the connection: after a long silence the server has ended it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def json(self, method: str, path: str, value: object = None) -> object:
        """Send a JSON body (if any) and return the parsed answer."""
        body = None if value is None else json.dumps(value).encode()
        return json.loads(self.call(method, path, body))

    def memory_bytes(self) -> int:
        """Return the resident memory of the server's processes, 0 where they are not known."""
        pages = 0
        for pid in self.pids:
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def disk_bytes(self, database: str) -> int:
        """Return the size the server gives for a database's file."""
        info = self.info(database)
        return int(info["sizes"]["file"] if "sizes" in info else info["disk_size"])

    def info(self, database: str) -> dict[str, Any]:
        """Return what `GET /db` tells."""
        info = self.json("GET", f"/{database}")
        assert isinstance(info, dict)
        return info


@contextlib.contextmanager
def ours() -> Iterator[HttpServer]:
    """Run `python -m replication serve` on a fresh folder for the block."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / ".bench" if (ROOT / ".bench").exists() else None) as d:
        command = [sys.executable, "-m", "replication", "serve", "--dir", d, "--port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            greeting = process.stdout.readline()  # told once it listens, on a port that was never anybody else's
            if not greeting:
                raise RuntimeError("the server ended before it listened; it says why above")
            port = urlsplit(greeting.split()[-1]).port
            yield HttpServer("tram", f"http://bench:bench@127.0.0.1:{port}", (process.pid,), Path(d))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()


def named() -> list[HttpServer]:
    """Return the servers that variables name, in the order of `NAMED`."""
    return [
        HttpServer(name, url.rstrip("/"), _listeners(urlsplit(url).port or 5984))
        for name, variable in NAMED.items()
        if (url := os.environ.get(variable))
    ]


@contextlib.contextmanager
def couchdb() -> Iterator[HttpServer | None]:
    """Give the CouchDB that TRAM_COUCHDB_URL names, None where it names none."""
    yield next((server for server in named() if server.name == "couchdb"), None)


def pouchdb_leveldb(work: str, *, n: int, size: int) -> float | None:
    """Run one work of `bench/pouchdb-leveldb.mjs`; return its rate per second, None without npm's PouchDB."""
    if not shutil.which("node") or not (ROOT / "node_modules" / "pouchdb").exists():
        return None
    with tempfile.TemporaryDirectory(prefix="bench-pouch-") as folder:
        command = ["node", str(ROOT / "bench" / "pouchdb-leveldb.mjs"), work, str(n), str(size), folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["rate"])


def _listeners(port: int) -> tuple[int, ...]:
    """Return the processes that listen on a loopback port, read from /proc: whose memory is the server's."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) in inodes:
                found.add(int(link.parts[2]))
    return tuple(sorted(found))
