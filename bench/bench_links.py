"""Weak links: our replicator to our own server and to plain CouchDB, beside CouchDB's own replicator and PouchDB.

A cell takes its time whatever the machine, so cells run beside each other, each in a process of its own. The short
table is one line of 64 kbit/s; `TRAM_LINKS=full` measures 32, 64 and 256 kbit/s with cuts of 3 and 5 seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from bench.cells import Cell, far_databases, fill, make_docs
from bench.harness import Figure, Sink, bench
from bench.link import Link as WeakLink
from bench.link import Mode
from bench.peers import ROOT, HttpServer, couchdb
from replication.wire import render_document

SEED = 1
SECONDS = 100.0
# What else a line does than be cut with a reset: (how it is cut, share of segments lost, bytes between flipped bits).
WEATHER = (
    (Mode.STALL, 0.0, 0),
    (Mode.BLACKHOLE, 0.0, 0),
    (Mode.HALF_OPEN, 0.0, 0),
    (Mode.PORTAL, 0.0, 0),
    (Mode.REDIRECT, 0.0, 0),
    (Mode.RESET, 0.02, 0),
    (Mode.RESET, 0.0, 100_000),
)
AT_ONCE = 4  # more would measure this machine instead of the line


def cells(full: bool, targets: Sequence[str]) -> list[Cell]:
    """Return the cells of the table."""
    weather = [Cell(64_000, 3.0, "mixed", "push", "ours", SECONDS, SEED, *line) for line in WEATHER]
    rates = (32_000, 64_000, 256_000) if full else (64_000,)
    table = [
        Cell(rate, cut_for_s, kind, direction, to, SECONDS, SEED)
        for rate in rates
        for cut_for_s in ((3.0, 5.0) if full else (3.0,))
        for kind in ("events", "chunks", "mixed")
        for direction in ("push", "pull")
        for to in targets
    ]
    return table + (weather if full else [])


@bench("links")
def links(sink: Sink) -> None:
    """Share of the line that carried acknowledged data, and bytes of JSON carried per byte of line."""
    sink.note(f"seed {SEED}")
    with couchdb() as couch:
        targets = ("ours", "couchdb") if couch else ("ours",)
        if couch is None:
            sink.note("CouchDB not measured: TRAM_COUCHDB_URL names none")
        table = cells(os.environ.get("TRAM_LINKS") == "full", targets)
        # Peers wait for a line as we do, so they are measured beside us and not one after the other.
        with ThreadPoolExecutor(int(os.environ.get("TRAM_LINKS_AT_ONCE", AT_ONCE))) as pool:
            peers = {cell: _ask_others(pool, cell, couch) for cell in table}
            for cell, result in zip(table, pool.map(_measure, table), strict=True):
                name = _name(cell)
                sink.add(Figure(f"links share {name}", result["share"], "of wire", cell.rate))
                sink.add(Figure(f"links json {name}", result["json"], "B/B", cell.rate, _collect(peers[cell])))
                sink.note(f"{name} {json.dumps(result)}")


def _name(cell: Cell) -> str:
    line = f"{cell.rate // 1000}k/{cell.cut_for_s:.0f}s"
    if (cell.mode, cell.loss, cell.corrupt_every) in WEATHER:
        line += f" {cell.mode} loss {cell.loss} bit flips 1/{cell.corrupt_every or '∞'} B"
    return f"{cell.kind} {cell.direction} {cell.to} {line}"


def _measure(cell: Cell) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.cells", "--rate", str(cell.rate), "--cut-for", str(cell.cut_for_s)]
    command += ["--kind", cell.kind, "--direction", cell.direction, "--to", cell.to, "--seconds", str(cell.seconds)]
    command += ["--seed", str(cell.seed)]
    command += ["--mode", cell.mode, "--loss", str(cell.loss), "--corrupt-every", str(cell.corrupt_every)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _ask_others(pool: ThreadPoolExecutor, cell: Cell, couch: HttpServer | None) -> dict[str, Future[float]]:
    """Begin to measure what CouchDB's replicator and PouchDB carry where ours pushes events to CouchDB."""
    if couch is None or (cell.kind, cell.direction, cell.to) != ("events", "push", "couchdb"):
        return {}
    asked = {"couchdb": pool.submit(by_couchdb, cell, HttpServer("couchdb", couch.url))}
    if shutil.which("node") and (ROOT / "node_modules" / "pouchdb").exists():
        asked["pouchdb"] = pool.submit(by_pouchdb, cell, HttpServer("couchdb", couch.url))
    return asked


def _collect(asked: dict[str, Future[float]]) -> dict[str, float]:
    return {name: future.result() for name, future in asked.items()}


def by_couchdb(cell: Cell, couch: HttpServer) -> float:
    """Return the bytes of JSON per byte of line that CouchDB's own replicator brings to the same CouchDB."""
    docs = make_docs(cell)
    parts = urlsplit(couch.url)
    with far_databases(couch, docs) as sources, far_databases(couch, docs) as targets:
        fill(couch, sources, docs)
        with WeakLink(("127.0.0.1", parts.port or 80), cell.profile) as weak:
            account = f"{parts.username}:{parts.password}"
            job = {
                "source": f"http://{account}@127.0.0.1:{parts.port}/{sources['u']}",
                "target": f"http://{account}@127.0.0.1:{weak.port}/{targets['u']}",
                "continuous": True,
            }
            couch.json("POST", "/_replicate", job)
            threading.Event().wait(cell.seconds)
            capacity = cell.rate / 8 * weak.figures().up_time_s
            couch.hang_up()
            with contextlib.suppress(RuntimeError):  # 404: the scheduler has given the job up by itself
                couch.json("POST", "/_replicate", {**job, "cancel": True})
        return _carried(couch, targets["u"]) / capacity


def by_pouchdb(cell: Cell, couch: HttpServer) -> float:
    """Return the same of PouchDB in Node."""
    docs = make_docs(cell)
    parts = urlsplit(couch.url)
    with far_databases(couch, docs) as targets, tempfile.TemporaryDirectory(prefix="pouch-") as folder:
        source = Path(folder) / "docs.json"
        source.write_bytes(b"[" + b",".join(render_document(doc, revs=True) for doc in docs["u"]) + b"]")
        with WeakLink(("127.0.0.1", parts.port or 80), cell.profile) as weak:
            target = f"http://{parts.username}:{parts.password}@127.0.0.1:{weak.port}/{targets['u']}"
            command = ["node", str(ROOT / "bench" / "pouchdb-replicate.mjs"), str(source), target, folder]
            with subprocess.Popen([*command, str(cell.seconds)], cwd=ROOT, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()  # its own database is filled
                begun, before = time.monotonic(), weak.figures().up_time_s
                process.wait(cell.seconds + 60)
            capacity = cell.rate / 8 * (weak.figures().up_time_s - before)
            assert time.monotonic() - begun >= cell.seconds - 1
        couch.hang_up()
        return _carried(couch, targets["u"]) / capacity


def _carried(couch: HttpServer, name: str) -> float:
    rows = couch.json("GET", f"/{name}/_all_docs?include_docs=true")
    assert isinstance(rows, dict)
    return float(sum(len(json.dumps(row["doc"], ensure_ascii=False).encode()) for row in rows["rows"]))
