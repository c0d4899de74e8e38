"""The log: signed durable appends, what a page costs an event, how long verifying takes, how long proofs are."""

from __future__ import annotations

import base64
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import Figure, Sink, bench
from crypto import jws, keys, strictjson
from crypto.event import parse_signed_event
from replication.document import Doc, DocId
from replication.store import AllDocsQuery, GetRequest
from server.dossier import units
from server.dossier.documents import CERTIFICATE_PREFIX, event_doc
from server.dossier.event import build_event, build_stream_id
from server.engine import open_store
from server.home import Engine, Home, Settings
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority, found_root, new_subject_id
from server.verify.proofs import Proofs

UNIT = "H41"
ONE_BY_ONE, IN_BATCHES, BATCH = 400, 24_000, 100  # enough for verification to share out


@bench("trust")
def trust(sink: Sink) -> None:
    """One node, events of one signer: one at a time, then in batches; then its pages, then its verification."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home.create(Path(folder) / "home", Settings(UNIT, UNIT, Engine(), None, datetime.now(UTC).isoformat()))
        found_root(home, datetime.now(UTC), keys.generate_p256())
        node = Node(home)
        try:
            _measure_appends(sink, node)
            _measure_pages(sink, node)
        finally:
            node.close()
        measure_verification(sink, home.path)
        _measure_one_event(sink, home)


def measure_verification(sink: Sink, home: Path, name: str = "trust_verify_cold") -> None:
    """`tram verify` in a fresh process that knows no chain yet, sharing out to one process and to every core."""
    cores = len(os.sched_getaffinity(0))
    for processes in sorted({1, cores}):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "server.cli", "verify", str(home), "--processes", str(processes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took_s, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise RuntimeError(f"what was just written does not hold: {done.stdout[-500:]}{done.stderr[-500:]}")
        events = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("events: "))
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sink.add(Figure(f"{name}_{processes}", round(events / took_s), "events/s", n=events))
        sink.add(Figure(f"{name}_{processes}_cpu", round(cpu_s / events * 1000, 3), "ms/event", n=events))


def _measure_one_event(sink: Sink, home: Home) -> None:
    """From the stored bytes of an event to its proven signer: the first one, and once its chain is known."""
    with closing(open_store(home)) as store:
        database = store.open(units.database_name(home.unit))
        certificates = database.all_docs(AllDocsQuery(start=CERTIFICATE_PREFIX, end=CERTIFICATE_PREFIX + "~")).rows
        rows = [*certificates, *database.all_docs(AllDocsQuery(limit=1_000)).rows]
        docs = [found[0] for found in database.bulk_get([GetRequest(DocId(row.id)) for row in rows])]
    proofs, events = Proofs(home.anchors()), []
    for doc in docs:
        if not isinstance(doc, Doc):
            continue
        fields = strictjson.parse(doc.body, max_bytes=1 << 20, max_depth=20)
        if "certificate" in fields:
            proofs.take_certificate(base64.b64decode(fields["certificate"]))
        elif "event" in fields:
            events.append(doc.body)
    times = [_time_event(proofs, body) for body in events]
    sink.add(Figure("trust_event_cold", round(times[0] * 1000, 3), "ms", n=1))
    sink.add(Figure("trust_event_warm", round(statistics.median(times[1:]) * 1000, 3), "ms", n=len(times) - 1))


def _time_event(proofs: Proofs, body: bytes) -> float:
    begun = time.perf_counter()
    proofs.verify_event(parse_signed_event(strictjson.parse(body, max_bytes=1 << 20, max_depth=20)))
    return time.perf_counter() - begun


def _measure_appends(sink: Sink, node: Node) -> None:
    docs = sign_events(node, ONE_BY_ONE + IN_BATCHES)
    source = Source("peer", "bench")
    begun = time.perf_counter()
    for doc in docs[:ONE_BY_ONE]:
        node.intake.admit(node.database, [doc], source=source)
    middle = time.perf_counter()
    for start in range(ONE_BY_ONE, len(docs), BATCH):
        node.intake.admit(node.database, docs[start : start + BATCH], source=source)
    ended = time.perf_counter()
    if node.log.head().size < len(docs):
        raise RuntimeError("not every event got its leaf")
    sink.add(Figure("trust_append_single", round(ONE_BY_ONE / (middle - begun)), "events/s", n=ONE_BY_ONE))
    sink.add(Figure("trust_append_batches", round(IN_BATCHES / (ended - middle)), "events/s", n=IN_BATCHES))


def _measure_pages(sink: Sink, node: Node) -> None:
    node.publisher.publish()
    opened = node.store.open(node.database)
    ids = [row.id for row in opened.all_docs(AllDocsQuery(start="log:", end="log:~")).rows]
    # With its name and revision, which the feed carries besides.
    size = sum(len(zlib.compress(opened.get(DocId(each)).body, 6)) + len(each) + 34 for each in ids)
    head = node.log.head()
    sink.add(Figure("trust_page_bytes_per_event", round(size / (len(ids) * 256), 2), "B", n=len(ids) * 256))
    proof = node.log.tree(head.generation).inclusion_proof(0, head.size)
    sink.add(Figure("trust_inclusion_proof", 32 * len(proof), "B", n=head.size))


def sign_events(node: Node, count: int) -> list[Doc]:
    """Return `count` new filings by one person whom the node enrols."""
    key, subject, now = keys.generate_p256(), new_subject_id(), datetime.now(UTC)
    certificate = Authority.open(node.home).issue_person(key.public_key(), subject_id=subject, now=now)
    node.copier.ensure_certificate(node.database, certificate)
    body = {
        "procedure": "1.001193",
        "channel": "online",
        "applicant": {"name": "Nguyễn Thị Ánh", "phone": "0912345678"},
        "form": {"ho_ten": "Nguyễn Văn Bình"},
        "delivery": "counter",
    }
    docs = []
    for i in range(count):
        event = build_event(
            stream=build_stream_id(int(now.timestamp() * 1000) + i, secrets.token_bytes(10)),
            type="dossier.submitted",
            unit=node.unit,
            actor=units.SUBJECT_URN + subject,
            at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=secrets.token_bytes(16),
            body=body,
        )
        docs.append(event_doc(jws.sign_event(event, key=key, certificate=certificate, iat=int(now.timestamp()))))
    return docs
