"""The store and protocol surface beside CouchDB and PouchDB: writes, feeds, reads, attachments, memory, disk.

Every server gets the same bytes from the same client over one connection. Documents are the size and shape of signed
events: about 1.3 KB of which 300 bytes are random, generation 1, `new_edits=false`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

from bench.harness import Figure, Sink, bench, milliseconds, rate
from bench.peers import NAMED, HttpServer, named, ours, pouchdb_leveldb
from server.dossier.manifest import CHUNK_BYTES

EVENT_BYTES = 1300
EVENTS_PER_DOSSIER = 7
FEED_DOCS = 100_000
CURVE = (1_000, 10_000, 100_000, 1_000_000)
CURVE_PEER_S = 400.0  # a peer is taken along the curve as far as this lets it
WORDS = "khai sinh chứng thực xã bản huyện tỉnh hồ sơ giấy tờ ngày tháng họ tên mẹ cha dân tộc"

Make = Callable[[int, random.Random], list[dict[str, object]]]

_MADE = itertools.count()


def _stream(number: int) -> str:
    """Return the stream of the `number`th dossier: a UUIDv7, so that ids of one day lie together, as they really do."""
    ms = 0x01937C2E0000 + number
    tail = random.Random(number).randbytes(9).hex()
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"


def make_docs(count: int, dice: random.Random) -> list[dict[str, object]]:
    """Return `count` documents of an event's size and shape."""
    docs: list[dict[str, object]] = []
    words = WORDS.split()
    for _ in range(count):
        digest = secrets.token_hex(16)
        text = " ".join(dice.choices(words, k=120))
        event = {
            "v": 1,
            "type": "dossier.submitted",
            "unit": "H41.12.03",
            "body": text,
            "nonce": secrets.token_urlsafe(16),
        }
        signature = {"protected": secrets.token_urlsafe(150), "signature": secrets.token_urlsafe(64)}
        docs.append(
            {
                "_id": f"{_stream(next(_MADE) // EVENTS_PER_DOSSIER)}:sha256-{secrets.token_urlsafe(32)}",
                "_rev": f"1-{digest}",
                "_revisions": {"start": 1, "ids": [digest]},
                "event": event,
                "signatures": [signature],
            }
        )
    return docs


@contextlib.contextmanager
def servers(sink: Sink) -> Iterator[list[HttpServer]]:
    """Give our server and those peers that are here."""
    with ours() as tram:
        present = named()
        for name, variable in NAMED.items():
            if name not in (server.name for server in present):
                sink.note(f"{name} not measured: {variable} names none")
        yield [tram, *present]


@contextlib.contextmanager
def fresh(server: HttpServer) -> Iterator[str]:
    """Make a database on `server` for the block."""
    name = f"bench-{secrets.token_hex(6)}"
    server.call("PUT", f"/{name}")
    try:
        yield name
    finally:
        server.call("DELETE", f"/{name}")


def fill(server: HttpServer, name: str, count: int, dice: random.Random, make: Make = make_docs) -> list[str]:
    """Put `count` documents into a database and return their ids."""
    ids = []
    for start in range(0, count, 1000):
        docs = make(min(1000, count - start), dice)
        server.json("POST", f"/{name}/_bulk_docs", {"new_edits": False, "docs": docs})
        ids += [str(doc["_id"]) for doc in docs]
    return ids


def compare(sink: Sink, name: str, unit: str, n: int, measure: Callable[[HttpServer], float], **others: float) -> None:
    """Measure the same thing on every server and add the figure."""
    with servers(sink) as present:
        values = {server.name: measure(server) for server in present}
    mine = values.pop("tram")
    sink.add(Figure(name, mine, unit, n, {**values, **{key: value for key, value in others.items() if value}}))


@bench("put")
def put(sink: Sink) -> None:
    """Durable single writes, one after the other on one connection."""
    dice = random.Random(1)

    def measure(server: HttpServer) -> float:
        with fresh(server) as name:

            def once() -> int:
                doc = make_docs(1, dice)[0]
                server.json("PUT", f"/{name}/{doc['_id']}", {k: v for k, v in doc.items() if k[0] != "_"})
                return 1

            return rate(once, seconds=3)

    compare(sink, "put", "docs/s", 1, measure, pouchdb_leveldb=pouchdb_leveldb("put", n=1, size=EVENT_BYTES) or 0)


@bench("bulk_docs")
def bulk_docs(sink: Sink) -> None:
    """Batches of 20, 100 and 1,000 as a replicator sends them."""
    for size in (20, 100, 1000):
        batches = [
            json.dumps({"new_edits": False, "docs": make_docs(size, random.Random(i))}).encode() for i in range(40)
        ]

        def measure(server: HttpServer, size: int = size, batches: list[bytes] = batches) -> float:
            with fresh(server) as name:
                done = iter(range(10**9))

                def once() -> int:
                    i = next(done)
                    # The same bytes with other ids: making documents must not count as storing them.
                    body = batches[i % len(batches)].replace(b"01937c2e", f"{i:08x}".encode())
                    server.call("POST", f"/{name}/_bulk_docs", body)
                    return size

                return rate(once, seconds=3)

        level = pouchdb_leveldb("bulk_docs", n=size, size=EVENT_BYTES) or 0
        compare(sink, f"bulk_docs_{size}", "docs/s", size, measure, pouchdb_leveldb=level)


@bench("changes")
def changes(sink: Sink) -> None:
    """The whole feed of 100,000 documents, read once from 0."""

    def measure(server: HttpServer) -> float:
        with fresh(server) as name:
            fill(server, name, FEED_DOCS, random.Random(2))
            took = milliseconds(lambda: server.call("GET", f"/{name}/_changes?style=all_docs"), rounds=3)
            return FEED_DOCS / (took / 1000)

    compare(sink, "changes", "rows/s", FEED_DOCS, measure)


@bench("reads")
def reads(sink: Sink) -> None:
    """`_bulk_get` of 100 and an `_all_docs` range of 100 with bodies, out of 20,000 documents; one GET."""
    n = 20_000

    def bulk_get(server: HttpServer, name: str, ids: list[str], dice: random.Random) -> int:
        server.json("POST", f"/{name}/_bulk_get?revs=true", {"docs": [{"id": i} for i in dice.sample(ids, 100)]})
        return 100

    def all_docs(server: HttpServer, name: str, ids: list[str], dice: random.Random) -> int:
        start = json.dumps(dice.choice(ids))
        server.call("GET", f"/{name}/_all_docs?include_docs=true&limit=100&startkey={start}".replace(" ", "%20"))
        return 100

    def get(server: HttpServer, name: str, ids: list[str], dice: random.Random) -> int:
        server.call("GET", f"/{name}/{dice.choice(ids)}")
        return 1

    for label, size, action in (("bulk_get", 100, bulk_get), ("all_docs_range", 100, all_docs), ("get", 1, get)):

        def measure(server: HttpServer, action: Callable[..., int] = action) -> float:
            dice = random.Random(3)
            with fresh(server) as name:
                ids = fill(server, name, n, dice)
                return rate(lambda: action(server, name, ids, dice), seconds=3)

        compare(sink, label, "docs/s", size, measure)


@bench("attachments")
def attachments(sink: Sink) -> None:
    """Chunks of files in by PUT and out by GET, one after the other."""
    chunk = random.Random(4).randbytes(CHUNK_BYTES)

    def measure_in(server: HttpServer) -> float:
        with fresh(server) as name:

            def once() -> int:
                server.call("PUT", f"/{name}/{secrets.token_hex(16)}/chunk", chunk, "application/octet-stream")
                return 1

            return rate(once, seconds=3)

    def measure_out(server: HttpServer) -> float:
        with fresh(server) as name:
            ids = [secrets.token_hex(16) for _ in range(200)]
            for doc_id in ids:
                server.call("PUT", f"/{name}/{doc_id}/chunk", chunk, "application/octet-stream")
            order = iter(ids * 10_000)

            def once() -> int:
                server.call("GET", f"/{name}/{next(order)}/chunk")
                return 1

            return rate(once, seconds=3)

    compare(sink, "attachment_in", "chunks/s", len(chunk), measure_in)
    compare(sink, "attachment_out", "chunks/s", len(chunk), measure_out)


@bench("footprint")
def footprint(sink: Sink) -> None:
    """Memory idle and after 100,000 documents and a whole feed, bytes on disk per event after compaction."""
    with servers(sink) as present:
        idle = {server.name: server.memory_bytes() / 1e6 for server in present}
        loaded, disk = {}, {}
        for server in present:
            with fresh(server) as name:
                fill(server, name, FEED_DOCS, random.Random(5))
                server.call("GET", f"/{name}/_changes?style=all_docs")
                loaded[server.name] = server.memory_bytes() / 1e6
                server.call("POST", f"/{name}/_compact", b"")
                while server.info(name).get("compact_running"):
                    time.sleep(0.2)  # the protocol offers nothing to wait on
                disk[server.name] = server.disk_bytes(name) / FEED_DOCS
    for label, unit, values in (
        ("memory_idle", "MB", idle),
        ("memory_loaded", "MB", loaded),
        ("disk_per_event", "bytes", disk),
    ):
        mine = values.pop("tram")
        sink.add(Figure(label, mine, unit, 0 if label == "memory_idle" else FEED_DOCS, values))


def _post_next(server: HttpServer, path: str, bodies: Iterator[bytes]) -> bytes:
    return server.call("POST", path, next(bodies))


@bench("curve")
def curve(sink: Sink) -> None:
    """`_bulk_docs` of 100 and a `_changes` page of 100 at the end, as the database grows to a million documents."""
    for ids, make in (("", make_docs), ("_random_ids", make_scattered_docs)):
        with servers(sink) as present:
            measured = {server.name: _measure_curve(server, make) for server in present}
        ours_here = measured.pop("tram")
        for size, (wrote, read) in ours_here.items():
            peers = {name: points[size] for name, points in measured.items() if size in points}
            sink.add(
                Figure(
                    f"curve_bulk_docs_100{ids}", wrote, "docs/s", size, {name: each[0] for name, each in peers.items()}
                )
            )
            sink.add(
                Figure(f"curve_changes_tail{ids}", read, "ms", size, {name: each[1] for name, each in peers.items()})
            )


def make_scattered_docs(count: int, dice: random.Random) -> list[dict[str, object]]:
    """Return documents as `make_docs` does, under ids that begin with their hash, as chunks' do."""
    return [{**doc, "_id": f"sha256-{secrets.token_urlsafe(32)}"} for doc in make_docs(count, dice)]


def _measure_curve(server: HttpServer, make: Make) -> dict[int, tuple[float, float]]:
    """Return (docs/s written, ms for a page of changes) by size; a peer that needs too long stops earlier."""
    points: dict[int, tuple[float, float]] = {}
    began, held = time.monotonic(), 0
    with fresh(server) as name:
        for size in CURVE:
            if server.name != "tram" and points and (time.monotonic() - began) * size / held > CURVE_PEER_S:
                break
            dice = random.Random(size)
            fill(server, name, size - held, dice, make)
            bodies = iter([json.dumps({"new_edits": False, "docs": make(100, dice)}).encode() for _ in range(30)])
            wrote = milliseconds(partial(_post_next, server, f"/{name}/_bulk_docs", bodies), rounds=30)
            info = server.json("GET", f"/{name}/_changes?limit=100&descending=true")
            assert isinstance(info, dict)
            page = f"/{name}/_changes?since={quote(str(info['results'][-1]['seq']))}&limit=100"
            read = milliseconds(partial(server.call, "GET", page), rounds=30)
            held = size + 3000
            points[size] = (100 / (wrote / 1000), read)
    return points
