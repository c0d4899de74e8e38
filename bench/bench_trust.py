"""The log: signed durable appends, what a page costs an event, how long verifying takes, how long proofs are."""

from __future__ import annotations

import secrets
import tempfile
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import Figure, Sink, bench
from crypto import jws, keys
from replication.document import Doc, DocId
from replication.store import AllDocsQuery
from server.dossier import units
from server.dossier.documents import event_doc
from server.dossier.event import build_event, build_stream_id
from server.home import Engine, Home, Settings
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority, found_root, new_subject_id
from server.verify import verify_home

UNIT = "H41"
ONE_BY_ONE, IN_BATCHES, BATCH = 400, 4_096, 100


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
        begun = time.perf_counter()
        report = verify_home(home.path)
        took_s = time.perf_counter() - begun
        if not report.holds:
            raise RuntimeError(f"what was just written does not hold: {report.problems[:3]}")
        events = report.checked["events"]
        sink.add(Figure("trust_verify_home", round(events / took_s), "events/s", n=events))


def _measure_appends(sink: Sink, node: Node) -> None:
    docs = _sign(node, ONE_BY_ONE + IN_BATCHES)
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


def _sign(node: Node, count: int) -> list[Doc]:
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
