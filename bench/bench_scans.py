"""How long four photographed papers take that somebody waits for, over a line that breaks."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from bench.cells import RTT_MS, far_databases
from bench.dossiers import Town
from bench.harness import Figure, Sink, bench
from bench.link import Link as WeakLink
from bench.link import Profile
from bench.peers import HttpServer, couchdb, ours
from replication.document import Doc
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, Link, Pair
from replication.sqlite import SqliteStore
from server.dossier.manifest import CHUNK_BYTES

RATE, UP_S, DOWN_S, SEED = 256_000, 30.0, 5.0, 1
SCANS, SCAN_BYTES, EVENTS = 4, 1_500_000, 100
CHUNKS_OF_ONE = SCAN_BYTES // CHUNK_BYTES


@bench("scans")
def scans(sink: Sink) -> None:
    """Four scans of 1.5 MB with 100 events at 256 kbit/s, cut 5 s every 30 s: time over the line's own time, which is
    their plain bytes ÷ rate, cuts included."""
    if os.environ.get("TRAM_LINKS") != "full":
        sink.note("scans take four minutes: TRAM_LINKS=full measures them")
        return
    with ours() as server:
        sink.add(Figure("links scans ours 256k/5s", _measure(server), "× own time", SCANS))
    with couchdb() as couch:
        if couch is not None:
            sink.add(Figure("links scans couchdb 256k/5s", _measure(couch), "× own time", SCANS))


def _measure(server: HttpServer) -> float:
    town = Town(seed=SEED, half=1)
    docs: dict[str, list[Doc]] = {"u": town.events(EVENTS), "f": list(town.chunks(SCANS * CHUNKS_OF_ONE))}
    plain = sum(len(doc.body) for doc in docs["u"])
    plain += sum(len(att.data or b"") for doc in docs["f"] for att in doc.attachments.values())
    own_s = plain / (RATE / 8) * (UP_S + DOWN_S) / UP_S
    profile = Profile(RATE, RATE, RTT_MS, UP_S, DOWN_S, seed=SEED)
    parts = urlsplit(server.url)
    with tempfile.TemporaryDirectory(prefix="scans-") as folder, far_databases(server, docs) as names:
        store = SqliteStore(Path(folder))
        server.hang_up()
        with WeakLink((parts.hostname or "", parts.port or 80), profile) as weak:
            endpoint = Endpoint(f"http://{parts.username}:{parts.password}@127.0.0.1:{weak.port}")
            pairs = []
            for kind, wanted in docs.items():
                database = store.create(kind)
                database.bulk_docs(wanted, new_edits=False)
                near = LocalPeer(database, store.uuid)
                pairs.append(
                    Pair(near, HttpPeer(endpoint, names[kind]), DatabaseState(database), 0 if kind == "u" else 2)
                )
            figures = Link(pairs).run(threading.Event())
        store.close()
        assert figures.docs_written >= EVENTS + SCANS * CHUNKS_OF_ONE
    return figures.seconds / own_s
