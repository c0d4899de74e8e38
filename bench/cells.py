"""One cell of the table of links: who replicates what, which way, to whom, over which line, for how long.

    python -m bench.cells --rate 64000 --cut-for 3 --kind events --direction push --to ours --seconds 120 --seed 1

prints one line of JSON. Capacity is rate × time up. `share` is the part of it that carried acknowledged requests (or
answers, for a pull), heads and all; `json` the bytes of documents as stored (`_id` and `_rev` included) that are over
there now, per byte of capacity: a sender that packs better may carry more than the line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.dossiers import Town
from bench.link import Link as WeakLink
from bench.link import LinkFigures, Mode, Profile
from bench.peers import HttpServer, couchdb, ours
from replication.document import Doc
from replication.peers import Endpoint, HttpPeer, LocalPeer
from replication.replicator import DatabaseState, Link, Pair
from replication.sqlite import SqliteStore
from replication.wire import render_document
from server.dossier.manifest import CHUNK_BYTES

CUT_EVERY_S = 30.0
RTT_MS = 600
SETTLE_S = 2.0
EVENT_JSON_BYTES = 1025
# Documents enough that no line of the table ever runs dry, compressed four times over.
AMPLE = 4.5
KINDS = {"events": ("u",), "chunks": ("f",), "mixed": ("u", "f")}


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured. `rate` in bit/s each way; `cut_for_s` every 30 s up; `to` "ours" or "couchdb"; how it is cut,
    and what else is wrong with the line, as in `Profile`."""

    rate: int
    cut_for_s: float
    kind: str
    direction: str
    to: str
    seconds: float
    seed: int
    mode: Mode = Mode.RESET
    loss: float = 0.0
    corrupt_every: int = 0

    @property
    def profile(self) -> Profile:
        return Profile(
            self.rate,
            self.rate,
            RTT_MS,
            CUT_EVERY_S,
            self.cut_for_s,
            mode=self.mode,
            loss=self.loss,
            corrupt_every=self.corrupt_every,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; see the module. `resent` counts documents sent more than once, `cuts` those the run felt."""

    share: float
    json: float
    docs: int
    resent: int
    cuts: int
    requests: int
    up_bytes: int
    down_bytes: int
    up_time_s: float


def make_docs(cell: Cell, half: int = 1) -> dict[str, list[Doc]]:
    """Return what is to be replicated: by database, enough for the whole time."""
    capacity = cell.rate / 8 * cell.seconds
    town = Town(seed=cell.seed, half=half)
    docs: dict[str, list[Doc]] = {}
    for name in KINDS[cell.kind]:
        if name == "u":
            docs[name] = town.events(int(capacity * AMPLE / EVENT_JSON_BYTES) + 50)
        else:
            docs[name] = list(town.chunks(int(capacity / CHUNK_BYTES) + 8))
    return docs


def run(cell: Cell) -> Result:
    """Measure one cell with our replicator."""
    docs = make_docs(cell)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_server(cell.to))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cell-")))
        store = SqliteStore(folder)
        stack.callback(store.close)
        names = stack.enter_context(far_databases(server, docs))
        if cell.direction == "pull":
            fill(server, names, docs)
        to = urlsplit(server.url)
        weak = stack.enter_context(WeakLink((to.hostname or "", to.port or 80), cell.profile))
        link = _link(cell, store, server, names, docs, weak.port)
        figures = _run_for(link, weak, cell.seconds)
        server.hang_up()
        there = _arrived(cell, store, server, names, docs)
    carried = sum(p.bytes_out if cell.direction == "push" else p.bytes_in for p in link.progress())
    capacity = cell.rate / 8 * figures.up_time_s
    done = link.figures()
    return Result(
        share=round(carried / capacity, 4),
        json=round(sum(len(render_document(doc, data=True)) for doc in there) / capacity, 3),
        docs=len(there),
        resent=done.resent_docs,
        cuts=done.cuts,
        requests=done.requests,
        up_bytes=figures.up_bytes,
        down_bytes=figures.down_bytes,
        up_time_s=round(figures.up_time_s, 1),
    )


@contextlib.contextmanager
def _server(name: str) -> Iterator[HttpServer]:
    if name == "ours":
        with ours() as server:
            yield server
        return
    with couchdb() as couch:
        if couch is None:
            raise SystemExit("TRAM_COUCHDB_URL names no CouchDB to measure against")
        yield couch


@contextlib.contextmanager
def far_databases(server: HttpServer, kinds: dict[str, list[Doc]]) -> Iterator[dict[str, str]]:
    """Make a database for each kind and give their names; remove them at the end."""
    names = {kind: f"cell-{kind}-{secrets.token_hex(6)}" for kind in kinds}
    for name in names.values():
        server.call("PUT", f"/{name}")
    try:
        yield names
    finally:
        for name in names.values():
            server.call("DELETE", f"/{name}")


def fill(server: HttpServer, names: dict[str, str], docs: dict[str, list[Doc]]) -> None:
    """Put the documents into the server's databases."""
    for kind, wanted in docs.items():
        for begin in range(0, len(wanted), 200):
            rows = b",".join(render_document(doc, revs=True, data=True) for doc in wanted[begin : begin + 200])
            server.call("POST", f"/{names[kind]}/_bulk_docs", b'{"new_edits":false,"docs":[' + rows + b"]}")


def _link(
    cell: Cell, store: SqliteStore, server: HttpServer, names: dict[str, str], docs: dict[str, list[Doc]], port: int
) -> Link:
    parts = urlsplit(server.url)
    endpoint = Endpoint(f"http://{parts.username}:{parts.password}@127.0.0.1:{port}")
    pairs = []
    for kind, wanted in docs.items():
        database = store.create(kind)
        near, far = LocalPeer(database, store.uuid), HttpPeer(endpoint, names[kind])
        priority = 0 if kind == "u" else 2
        if cell.direction == "push":
            database.bulk_docs(wanted, new_edits=False)
            pairs.append(Pair(near, far, DatabaseState(database), priority))
        else:
            pairs.append(Pair(far, near, DatabaseState(database), priority))
    return Link(pairs)


def _run_for(link: Link, weak: WeakLink, seconds: float) -> LinkFigures:
    """Run until the time is up, and give the line's figures of that instant."""
    stop = threading.Event()
    thread = threading.Thread(target=link.run, args=(stop,), kwargs={"continuous": True})
    thread.start()
    stop.wait(seconds)
    figures = weak.figures()
    # What is half there counts as after any cut: a pull keeps the rows that came, a push loses its last batch.
    weak.cut()
    threading.Event().wait(SETTLE_S)
    stop.set()
    link.wake()
    thread.join()
    return figures


def _arrived(
    cell: Cell, store: SqliteStore, server: HttpServer, names: dict[str, str], docs: dict[str, list[Doc]]
) -> list[Doc]:
    """Return the documents that are at the target."""
    found: list[Doc] = []
    for kind, wanted in docs.items():
        if cell.direction == "pull":
            ids = {str(row.id) for row in store.open(kind).changes().rows}
        else:
            listing = server.json("GET", f"/{names[kind]}/_all_docs")
            assert isinstance(listing, dict)
            ids = {row["id"] for row in listing["rows"]}
        found += [doc for doc in wanted if doc.id in ids]
    return found


def main() -> None:
    """Measure the cell the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.cells")
    parser.add_argument("--rate", type=int, default=64_000)
    parser.add_argument("--cut-for", type=float, default=3.0)
    parser.add_argument("--kind", choices=list(KINDS), default="events")
    parser.add_argument("--direction", choices=("push", "pull"), default="push")
    parser.add_argument("--to", choices=("ours", "couchdb"), default="ours")
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.RESET)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--corrupt-every", type=int, default=0)
    args = parser.parse_args()
    line = (args.mode, args.loss, args.corrupt_every)
    cell = Cell(args.rate, args.cut_for, args.kind, args.direction, args.to, args.seconds, args.seed, *line)
    print(json.dumps({**asdict(cell), **asdict(run(cell))}), flush=True)


if __name__ == "__main__":
    main()
