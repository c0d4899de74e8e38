"""`tram verify` of a home as large as a province's: every event's signature and chain, the log, its pages.

    make bench ONLY=verify                                                  50,000 events in a folder of its own
    TRAM_BENCH_EVENTS=1000000 TRAM_BENCH_HOME=DIR make bench ONLY=verify    in DIR, which is kept, and filled up to that

Filling takes longer than verifying. So it goes on where it stopped, and a home that is full is only verified.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.bench_trust import UNIT, measure_verification, sign_events
from bench.harness import Figure, Sink, bench
from crypto import keys
from server.home import Engine, Home, Settings
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import found_root

EVENTS = int(os.environ.get("TRAM_BENCH_EVENTS", "50000"))
KEPT = os.environ.get("TRAM_BENCH_HOME", "")
A_SIGNER = 2_000  # events each: a commune's people sign a few, its officials thousands
BATCH = 500


@bench("verify")
def verify(sink: Sink) -> None:
    """Fill a home, then verify it in a fresh process, by one process and by one a core."""
    if KEPT:
        _measure(sink, Path(KEPT))
        return
    with tempfile.TemporaryDirectory() as folder:
        _measure(sink, Path(folder) / "home")


def _measure(sink: Sink, path: Path) -> None:
    fill(sink, path)
    stored = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    sink.add(Figure("verify_home_bytes_per_event", round(stored / EVENTS), "B", n=EVENTS))
    measure_verification(sink, path, name="verify")


def fill(sink: Sink, path: Path) -> None:
    """See to it that the home at `path` holds `EVENTS` events, each with its leaf, and all pages that are due."""
    if not path.exists():
        home = Home.create(path, Settings(UNIT, UNIT, Engine(), None, datetime.now(UTC).isoformat()))
        found_root(home, datetime.now(UTC), keys.generate_p256())
    node = Node(Home.open(path))
    try:
        while (held := node.log.head().size) < EVENTS:
            docs = sign_events(node, min(A_SIGNER, EVENTS - held))
            for start in range(0, len(docs), BATCH):
                results = node.intake.admit(node.database, docs[start : start + BATCH], source=Source("peer", "bench"))
                if any(each.error is not None for each in results):
                    raise RuntimeError("an event that was just signed was refused")
            node.publisher.publish()
            if held // 50_000 != node.log.head().size // 50_000:
                sink.note(f"{node.log.head().size:,} events")
    finally:
        node.close()
