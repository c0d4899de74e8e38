"""The line comes back: how soon a node notices, and what a district feels when a hundred communes do at once.

Real nodes on both sides, the district in a process of its own; the line is the emulator's. TRAM_LINKS=full measures.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
from cryptography import x509

from bench.harness import Figure, Sink, bench
from bench.link import Link as WeakLink
from bench.link import Mode
from crypto import jws, keys
from deploy.scenario.processes import TRAM, free_port, start, wait_until_answering
from replication.replicator import JobState
from server.dossier import units
from server.dossier.documents import chunk_doc, event_doc, manifest_doc
from server.dossier.event import FileRef, build_event, build_stream_id
from server.dossier.manifest import build_manifest
from server.dossier.times import format_time
from server.home import Engine, Home, Settings
from server.intake.source import Source
from server.links.neighbours import Neighbour
from server.node.assembly import Node
from server.pki.authority import Authority, found_root, install, new_subject_id

DISTRICT = "H41.12"
COMMUNES, DOSSIERS, PHOTO = 100, 2, 40_000
CUT_S = 60.0  # the waits have reached their longest
MODES = (Mode.RESET, Mode.PORTAL, Mode.STALL, Mode.HALF_OPEN, Mode.BLACKHOLE)
LIMIT_S = 600.0


@bench("back")
def back(sink: Sink) -> None:
    """Seconds from the line's return to the dossier at the district; then a hundred communes' return."""
    if os.environ.get("TRAM_LINKS") != "full":
        sink.note("the line's return takes ten minutes: TRAM_LINKS=full measures it")
        return
    with tempfile.TemporaryDirectory(prefix="back-") as folder, _district(Path(folder), COMMUNES) as district:
        _one(sink, district)
        _hundred(sink, district)


@dataclass(frozen=True)
class Commune:
    """A commune's node without a door of its own, and somebody who files there."""

    node: Node
    urn: str
    key: keys.PrivateKey
    certificate: x509.Certificate

    def file(self, seed: int) -> str:
        """File a dossier with a photograph; return its stream."""
        node, at = self.node, datetime.now(UTC)
        data = b"\xff\xd8\xff" + os.urandom(PHOTO)
        manifest, chunks = build_manifest(data)
        stream = build_stream_id(int(at.timestamp() * 1000), os.urandom(10))
        event = build_event(
            stream=stream,
            type="dossier.submitted",
            unit=node.unit,
            actor=self.urn,
            at=format_time(at),
            nonce=os.urandom(16),
            prev=(),
            body={
                "procedure": "1.001193",
                "channel": "online",
                "applicant": {"name": f"Nguyễn Thị Ánh {seed}"},
                "form": {"ho_ten": "Nguyễn Văn Bình"},
                "delivery": "counter",
            },
            files=[FileRef(manifest.sha256, manifest.id, manifest.size, "image/jpeg", "giay.jpg", "giay-chung-sinh")],
        )
        signed = event_doc(jws.sign_event(event, key=self.key, certificate=self.certificate, iat=int(at.timestamp())))
        source = Source("person", self.urn)
        for database, docs in (
            (node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)]),
            (node.database, [signed]),
        ):
            for result in node.intake.admit(database, docs, source=source):
                if result.error is not None:
                    raise result.error
        return stream


@dataclass(frozen=True)
class District:
    """The district's process, and the homes of the communes below it."""

    url: str
    pid: int
    homes: list[Home]
    authorities: list[Authority]

    def memory_mb(self) -> float:
        """Return what the process has resident at most until now."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def _district(folder: Path, communes: int) -> Iterator[District]:
    """Make a tree of one district and its communes, and run the district."""
    at = datetime.now(UTC)
    root = found_root(_home(folder, "H41", at), at, keys.generate_p256())
    above = _certified(_home(folder, DISTRICT, at), root, at)
    homes = [_home(folder, f"{DISTRICT}.{number:03}", at) for number in range(1, communes + 1)]
    authorities = [_certified(home, above, at) for home in homes]
    port = free_port()
    command = [*TRAM, "serve", str(folder / units.dashed(DISTRICT)), "--port", str(port), "--no-sync"]
    child = start("district", command, folder / "district.log")
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_answering(child, f"{url}/api/node")
        yield District(url, child.process.pid, homes, authorities)
    finally:
        child.stop()


def _home(folder: Path, unit: str, at: datetime) -> Home:
    settings = Settings(unit, f"Đơn vị {unit}", Engine(), None, at.isoformat())
    return Home.create(folder / units.dashed(unit), settings)


def _certified(home: Home, above: Authority, at: datetime) -> Authority:
    key = keys.generate_p256()
    home.write_ca_key(key)
    certificate = above.issue_unit(key.public_key(), unit=home.unit, now=at)
    return install(home, [certificate, *above.chain], at)


@contextmanager
def _open(home: Home, authority: Authority, url: str) -> Iterator[Commune]:
    node = Node(home)
    try:
        node.links.put(Neighbour("parent", url, "parent"))
        key, subject = keys.generate_p256(), new_subject_id()
        certificate = authority.issue_person(key.public_key(), subject_id=subject, now=datetime.now(UTC))
        node.copier.ensure_certificate(node.database, certificate)
        yield Commune(node, f"urn:tram:subject:{subject}", key, certificate)
    finally:
        node.stop()


def _is_through(commune: Commune) -> bool:
    """Say whether the link is at rest with nothing left to send."""
    (status,) = commune.node.sync.status()
    return (
        bool(status.progress)
        and all(each.state is JobState.IDLE for each in status.progress)
        and not any(each.queued_docs for each in status.kinds)
    )


def _wait(communes: list[Commune], began: float, *, look_s: float = 0.05) -> list[float]:
    """Return when each commune was through, in seconds since `began`, to `look_s`: looking costs the communes time."""
    done: dict[str, float] = {}
    while len(done) < len(communes) and time.monotonic() - began < LIMIT_S:
        for each in communes:
            if each.node.unit not in done and _is_through(each):
                done[each.node.unit] = time.monotonic() - began
        time.sleep(look_s)  # how finely the figure is measured
    if len(done) < len(communes):
        raise TimeoutError(f"{len(communes) - len(done)} communes are not through after {LIMIT_S:.0f} s")
    return sorted(done.values())


def _one(sink: Sink, district: District) -> None:
    """One commune, by the way in which its line was dead for a minute."""
    port = int(district.url.rpartition(":")[2])
    with (
        WeakLink(("127.0.0.1", port)) as line,
        _open(district.homes[0], district.authorities[0], line.url.rstrip("/")) as commune,
    ):
        commune.node.sync.start()
        _wait([commune], time.monotonic())
        for round_, mode in enumerate(MODES):
            line.cut(mode)
            commune.file(round_)
            time.sleep(CUT_S)  # the minute in which nothing gets through is what is measured
            line.restore()
            (seconds,) = _wait([commune], time.monotonic())
            sink.add(Figure(f"back {mode.value}", seconds, "s", 1))


def _hundred(sink: Sink, district: District) -> None:
    """All communes file while the line is dead, and get it back in the same moment."""
    stop, waits = threading.Event(), list[float]()
    port = int(district.url.rpartition(":")[2])
    with WeakLink(("127.0.0.1", port)) as line, ExitStack() as stack:
        line.cut(Mode.RESET)
        pairs = list(zip(district.homes, district.authorities, strict=True))[1:]
        communes = [stack.enter_context(_open(*pair, line.url.rstrip("/"))) for pair in pairs]
        for each in communes:
            for seed in range(DOSSIERS):
                each.file(seed)
            each.node.sync.start()
        time.sleep(CUT_S)  # so that all of them wait for their next try, each its own time
        asking = threading.Thread(target=_ask, args=(district.url, stop, waits))
        asking.start()
        line.restore()
        done = _wait(communes, time.monotonic(), look_s=1.0)
        stop.set()
        asking.join()
    waits.sort()
    n = len(communes)
    sink.add(Figure("back crowd first through", done[0], "s", n))
    sink.add(Figure("back crowd half through", statistics.median(done), "s", n))
    sink.add(Figure("back crowd all through", done[-1], "s", n))
    sink.add(Figure("back crowd page, median", waits[len(waits) // 2] * 1000, "ms", len(waits)))
    sink.add(Figure("back crowd page, p95", waits[len(waits) * 95 // 100] * 1000, "ms", len(waits)))
    sink.add(Figure("back crowd page, longest", waits[-1] * 1000, "ms", len(waits)))
    sink.add(Figure("back crowd district memory", district.memory_mb(), "MB", n))


def _ask(url: str, stop: threading.Event, waits: list[float]) -> None:
    """Open the desk's first page every quarter second, as officials do meanwhile."""
    with requests.Session() as session:
        while not stop.wait(0.25):
            began = time.monotonic()
            session.get(f"{url}/desk/login", timeout=60).raise_for_status()
            waits.append(time.monotonic() - began)
