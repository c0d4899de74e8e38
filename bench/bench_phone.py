"""A phone sends two photographs over a weak line to a commune's node: the PWA's own outbox, run by Node.

Beside it, in the same minutes, the same outbox with chunks of 32 KiB, and each photograph as one request that begins
again after a cut, as a web form does. The node is a real one in a process of its own; what takes whole photographs only
reads them.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.harness import Figure, Sink, bench
from bench.link import Link as WeakLink
from bench.link import Profile
from bench.peers import ROOT
from crypto import keys
from crypto.event import fingerprint_of
from crypto.names import node_urn
from deploy.scenario.processes import TRAM, free_port, start, wait_until_answering
from server.home import Engine, Home, Settings
from server.node.assembly import Node
from server.pki.authority import found_root, new_subject_id

UNIT = "H41"
PHOTOS = (207_000, 207_000)
RATES, SEEDS = (32_000, 64_000, 256_000), (1, 2, 3)
RTT_MS, UP_S, DOWN_S, JITTER = 600, 30.0, 3.0, 0.3
LIMIT_S = 600.0
AT_ONCE = 9
WAYS = ("outbox", "large", "whole")


@dataclass(frozen=True, slots=True)
class Registered:
    """A phone's key with its certificate at a node: `urn` is the node's, `x5t` the certificate's thumbprint, `key` PKCS
    #8 in base64."""

    port: int
    urn: str
    subject: str
    x5t: str
    key: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One try: seconds until all was there (`LIMIT_S` if it never was), bytes up the line per byte of file."""

    seconds: float
    bytes_up: float


@bench("phone")
def phone(sink: Sink) -> None:
    """Seconds until two photographs are there, and bytes sent per byte of them: the middle one of three seeds."""
    if os.environ.get("TRAM_LINKS") != "full":
        sink.note("phones take a quarter of an hour of waiting: TRAM_LINKS=full measures them")
        return
    if shutil.which("node") is None:
        sink.note("phones not measured: there is no node to run the outbox")
        return
    sink.note(f"seeds {SEEDS}, {RTT_MS} ms, up {UP_S:.0f} s ± {JITTER:.0%}, down {DOWN_S:.0f} s")
    with tempfile.TemporaryDirectory(prefix="phone-") as folder, commune(Path(folder)) as registered, reader() as port:
        tries = [(rate, how, seed) for rate in RATES for how in WAYS for seed in SEEDS]

        def one(each: tuple[int, str, int]) -> Sent:
            rate, how, seed = each
            line = Profile(rate, rate, RTT_MS, UP_S, DOWN_S, cut_jitter=JITTER, seed=seed)
            return send_whole(port, line) if how == "whole" else send(registered, line, how)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = dict(zip(tries, pool.map(one, tries), strict=True))
    for rate in RATES:
        for unit, pick in (("s", "seconds"), ("B/B", "bytes_up")):
            middle = {how: statistics.median(getattr(done[rate, how, seed], pick) for seed in SEEDS) for how in WAYS}
            peers = {"chunks of 32 KiB": middle["large"], "whole files": middle["whole"]}
            sink.add(Figure(f"phone {pick} {rate // 1000}k", middle["outbox"], unit, len(SEEDS), peers))


def send(registered: Registered, profile: Profile, how: str) -> Sent:
    """Send the photographs to the node by the outbox, `how` being "outbox" or "large", over a line of their own."""
    return _run(registered.port, profile, asdict(registered) | {"how": how})


def send_whole(port: int, profile: Profile) -> Sent:
    """Send each photograph in a request of its own to a `reader`, over a line of their own."""
    return _run(port, profile, {"how": "whole"})


def _run(port: int, profile: Profile, job: dict[str, object]) -> Sent:
    with WeakLink(("127.0.0.1", port), profile) as line:
        asked = {**job, "origin": line.url.rstrip("/"), "photos": PHOTOS, "limit_s": LIMIT_S}
        command = ["node", str(ROOT / "bench" / "phone-outbox.mjs")]
        done = subprocess.run(command, cwd=ROOT, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
        bytes_up = line.figures().up_bytes / sum(PHOTOS)
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return Sent(LIMIT_S if seconds is None else float(seconds), bytes_up)


@contextmanager
def commune(folder: Path) -> Iterator[Registered]:
    """Run a node, and give a phone that is registered there."""
    at = datetime.now(UTC)
    home = Home.create(folder / "home", Settings(UNIT, "Xã Mường Lống", Engine(), None, at.isoformat()))
    authority = found_root(home, at, keys.generate_p256())
    key, subject = keys.generate_p256(), new_subject_id()
    certificate = authority.issue_person(key.public_key(), subject_id=subject, now=at)
    node = Node(home)
    try:
        node.copier.ensure_certificate(node.database, certificate)
    finally:
        node.stop()
    port = free_port()
    child = start("commune", [*TRAM, "serve", str(home.path), "--port", str(port), "--no-sync"], folder / "commune.log")
    try:
        wait_until_answering(child, f"http://127.0.0.1:{port}/api/node")
        secret = b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
        yield Registered(port, node_urn(UNIT), f"urn:tram:subject:{subject}", fingerprint_of(certificate), secret)
    finally:
        child.stop()


class _Reads(BaseHTTPRequestHandler):
    """Takes whatever is sent, once it is there whole."""

    def handle(self) -> None:
        """As ever, but that a connection which is cut is what is measured, and no fault to be told."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left and (data := self.rfile.read(min(left, 65_536))):
            left -= len(data)
        if not left:
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever measures is told the figures alone."""


@contextmanager
def reader() -> Iterator[int]:
    """Give the port of a server that takes whole photographs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Reads) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
