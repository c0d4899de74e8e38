"""Bundles between two real homes: how fast a stick is written and taken in, how large a dossier is on it, what memory.

Each dossier is one signed submission with two scans of 300 KB that do not compress; the stick is a folder of this disk.
"""

from __future__ import annotations

import resource
import secrets
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import Figure, Sink, bench
from crypto import jws, keys
from server.bundles import export_bundle, import_bundle, introduction, media
from server.dossier import units
from server.dossier.documents import chunk_doc, event_doc, manifest_doc
from server.dossier.event import FileRef, build_event, build_stream_id
from server.dossier.manifest import build_manifest
from server.home import Engine, Home, Settings
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority, found_root, install, new_subject_id

DOSSIERS = 400
SCANS = (300_000, 300_000)
COMMUNE, PROVINCE = "H41.03", "H41"


@bench("bundle")
def bundle(sink: Sink) -> None:
    """Fill a commune, write a stick for the province above it, take it in there."""
    with tempfile.TemporaryDirectory() as folder:
        commune, province = _nodes(Path(folder))
        try:
            _measure(sink, commune, province, Path(folder) / "stick")
        finally:
            commune.close()
            province.close()


def _measure(sink: Sink, commune: Node, province: Node, stick: Path) -> None:
    stick.mkdir()
    place = media.open_folder(stick)
    for node in (commune, province):
        introduction.write_introduction(node, place)
    for node in (commune, province):
        import_bundle(node, stick)
    _fill(commune)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    sent = export_bundle(commune, to=PROVINCE, path=stick)
    written = time.perf_counter()
    came = import_bundle(province, stick)
    ended = time.perf_counter()
    if not came.is_clean or came.whole != [sent.bundle]:
        raise RuntimeError(f"the stick was not taken in whole: {came.problems[:3]}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    size = sent.bytes / 1e6
    sink.add(Figure("bundle_export", round(size / (written - begun), 1), "MB/s", n=DOSSIERS))
    sink.add(Figure("bundle_import", round(size / (ended - written), 1), "MB/s", n=DOSSIERS))
    sink.add(Figure("bundle_bytes_per_dossier", round(sent.bytes / DOSSIERS), "B", n=DOSSIERS))
    sink.add(Figure("bundle_overhead_per_dossier", round(sent.bytes / DOSSIERS) - sum(SCANS), "B", n=DOSSIERS))
    sink.add(Figure("bundle_memory_growth", round(grown / 1024, 1), "MiB", n=round(size)))


def _nodes(folder: Path) -> tuple[Node, Node]:
    now = datetime.now(UTC)
    homes = [
        Home.create(folder / units.dashed(unit), Settings(unit, unit, Engine(), None, now.isoformat()))
        for unit in (COMMUNE, PROVINCE)
    ]
    root = found_root(homes[1], now, keys.generate_p256())
    key = keys.generate_p256()
    homes[0].write_ca_key(key)
    install(homes[0], [root.issue_unit(key.public_key(), unit=COMMUNE, now=now), *root.chain], now)
    return Node(homes[0]), Node(homes[1])


def _fill(node: Node) -> None:
    person, subject, now = keys.generate_p256(), new_subject_id(), datetime.now(UTC)
    certificate = Authority.open(node.home).issue_person(person.public_key(), subject_id=subject, now=now)
    node.copier.ensure_certificate(node.database, certificate)
    source = Source("local", node.signer.urn)
    for number in range(DOSSIERS):
        files = []
        for scan in SCANS:
            manifest, chunks = build_manifest(secrets.token_bytes(scan))
            node.intake.admit(node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)], source=source)
            files.append(
                FileRef(manifest.sha256, manifest.id, manifest.size, "image/jpeg", "giay.jpg", "giay-chung-sinh")
            )
        event = build_event(
            stream=build_stream_id(int(now.timestamp() * 1000) + number, secrets.token_bytes(10)),
            type="dossier.submitted",
            unit=node.unit,
            actor=f"urn:tram:subject:{subject}",
            at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=secrets.token_bytes(16),
            body={
                "procedure": "1.001193",
                "channel": "online",
                "applicant": {"name": "Nguyễn Thị Ánh", "phone": "0912345678"},
                "form": {"ho_ten": "Nguyễn Văn Bình"},
                "delivery": "counter",
            },
            files=files,
        )
        doc = event_doc(jws.sign_event(event, key=person, certificate=certificate, iat=int(now.timestamp())))
        node.intake.admit(node.database, [doc], source=source)
    node.model.follower.catch_up()
