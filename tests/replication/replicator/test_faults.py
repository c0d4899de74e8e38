"""One bad document, one busy moment, one missing database: nothing else is held up, and nothing loops."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
import pytest
from cheroot.wsgi import Server
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench.link import Link as WeakLink
from bench.link import Mode, Profile
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import StorageFull, Unavailable
from replication.http import OpenAccess, create_app
from replication.passing import PassingDatabase
from replication.peers import Endpoint, EndpointOptions, HttpPeer, LocalPeer, Refusal
from replication.replicator import DatabaseState, JobState, Link, MemoryState, Pair, Progress, replicate
from replication.serving import Server as OurServer
from replication.sqlite import SqliteStore
from replication.store import Database

FarPeer = Callable[..., HttpPeer]
Events = Callable[..., list[Doc]]


class PickyPeer:
    """A WSGI peer that greets, creates, and takes documents, but fails batches with `poison` whole, as CouchDB does
    with an illegal id; `busy` 503 answers come first, and `slow` 408."""

    def __init__(self, poison: set[str], busy: int = 0, full: int = 0, slow: int = 0, retry_after: str = "0") -> None:
        self.poison = poison
        self.busy = busy
        self.slow = slow
        self.full = full
        self.retry_after = retry_after
        self.stored: dict[str, int] = {}
        self.batches: list[int] = []

    def __call__(self, environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        status, value = self.answer(str(environ["REQUEST_METHOD"]), str(environ["PATH_INFO"]), environ)
        body = orjson.dumps(value)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Retry-After", self.retry_after),
        ]
        start(f"{status} x", headers)
        return [body]

    def answer(self, method: str, path: str, environ: dict[str, Any]) -> tuple[int, object]:
        if path == "/":
            return 200, {"couchdb": "Welcome", "uuid": "picky"}
        if path.endswith("_bulk_docs"):
            return self.take(orjson.loads(environ["wsgi.input"].read())["docs"])
        if "_local" in path and method == "GET":
            return 404, {"error": "not_found", "reason": "missing"}
        return (200, {"doc_count": 0, "update_seq": "0"}) if method == "GET" else (201, {"ok": True})

    def take(self, docs: list[dict[str, str]]) -> tuple[int, object]:
        self.batches.append(len(docs))
        if self.busy:
            self.busy -= 1
            return 503, {"error": "service_unavailable", "reason": "compacting"}
        if self.slow:
            self.slow -= 1
            return 408, {"error": "timeout", "reason": "the request body comes too slowly"}
        if self.full:
            self.full -= 1
            return 507, {"error": "insufficient_storage", "reason": "the disk is full"}
        if self.poison & {doc["_id"] for doc in docs}:
            return 400, {"error": "illegal_docid", "reason": "cannot be stored"}
        for doc in docs:
            self.stored[doc["_id"]] = self.stored.get(doc["_id"], 0) + 1
        return 201, []


@pytest.fixture
def serve() -> Iterator[Callable[[PickyPeer], HttpPeer]]:
    """A function that serves a picky peer and returns the client's side of it."""
    servers: list[tuple[Server, threading.Thread]] = []

    def start(peer: PickyPeer) -> HttpPeer:
        server = Server(("127.0.0.1", 0), peer, numthreads=2)
        server.prepare()
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        servers.append((server, thread))
        endpoint = Endpoint(f"http://127.0.0.1:{server.bind_addr[1]}")
        endpoint.gzip = False  # the picky peer reads plain JSON only
        return HttpPeer(endpoint, "db")

    yield start
    for server, thread in servers:
        server.stop()
        thread.join(timeout=60)


def test_poison_documents_are_found_and_the_rest_is_stored_once(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """Two documents fail every batch they are in: the batch is halved until they stand alone and are named."""
    near.bulk_docs(events(40), new_edits=False)
    poison = {"event-00007", "event-00031"}
    picky = PickyPeer(poison)

    figures = replicate(Pair(near_peer, serve(picky), MemoryState()))

    assert {refusal.id for refusal in figures.refusals} == poison
    assert {refusal.error for refusal in figures.refusals} == {"illegal_docid"}
    assert figures.docs_written == 38
    assert set(picky.stored.values()) == {1}
    assert len(picky.stored) == 38
    assert len(picky.batches) < 40


def test_a_refused_document_is_not_offered_again(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """The checkpoint passes the bad document; a second run in the same process finds nothing to do."""
    near.bulk_docs(events(5), new_edits=False)
    picky = PickyPeer({"event-00002"})
    pair = Pair(near_peer, serve(picky), MemoryState())
    replicate(pair)
    before = len(picky.batches)

    stop, later = threading.Event(), events(1, first=5)

    def watch(_progress: list[Progress]) -> None:
        if link.figures().refused and later:  # another one, with which it could be offered again
            near.bulk_docs([later.pop()], new_edits=False)
        elif "event-00005" in picky.stored:
            stop.set()

    link = Link([pair], on_progress=watch)
    deadline = threading.Timer(60, stop.set)
    deadline.start()
    link.run(stop, continuous=True)
    deadline.cancel()
    deadline.join()

    assert "event-00005" in picky.stored

    # The picky peer forgets its logs, so the run begins from 0 and meets the bad one once more, and only once.
    assert len(picky.batches) - before <= 8
    assert link.figures().refused == 1


def test_a_busy_peer_is_given_time_and_gets_everything(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """503 puts the batch back; nothing is refused or split for it."""
    near.bulk_docs(events(10), new_edits=False)
    picky = PickyPeer(set(), busy=2)

    figures = replicate(Pair(near_peer, serve(picky), MemoryState()))

    assert (figures.docs_written, figures.refused, len(picky.stored)) == (10, 0, 10)


def test_a_line_too_slow_for_the_peers_patience_is_no_word_on_the_documents(
    near: Database,
    near_peer: LocalPeer,
    events: Events,
    serve: Callable[[PickyPeer], HttpPeer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """408 again and again, as over a line that stands: the document is sent until it goes through."""
    near.bulk_docs(events(1), new_edits=False)
    picky = PickyPeer(set(), slow=6)
    monkeypatch.setattr("replication.replicator.wire.FAULT_STEPS_S", (0.1,))

    figures = replicate(Pair(near_peer, serve(picky), MemoryState()))

    assert (figures.docs_written, figures.refused, len(picky.batches)) == (1, 0, 7)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_store_of_ours_that_does_not_answer_for_a_while_costs_no_document(
    near: Database, store: SqliteStore, events: Events, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    """A CouchDB cluster that loses a node answers "not now" to a few calls: that is no fault of the documents in them,
    which must be neither refused nor passed by."""
    near.bulk_docs(events(1), new_edits=False)
    far = store.create("far")
    database, call = (near, "bulk_get") if side == "source" else (far, "bulk_docs")
    whole, down = getattr(database, call), iter(range(4))

    def sometimes(*args: object, **options: object) -> object:
        if next(down, None) is not None:
            raise Unavailable("CouchDB cannot answer now")
        return whole(*args, **options)

    monkeypatch.setattr(database, call, sometimes)
    monkeypatch.setattr("replication.replicator.wire.FAULT_STEPS_S", (0.1,))

    figures = replicate(Pair(LocalPeer(near, "1" * 32), LocalPeer(far, "2" * 32), MemoryState()))

    assert (figures.docs_written, figures.refused, far.info().doc_count) == (1, 0, 1)


def test_one_pair_without_a_database_does_not_hold_up_the_other(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, store: SqliteStore, events: Events
) -> None:
    """The first pair's target must not be made; the second pair arrives whole all the same."""
    near.bulk_docs(events(30), new_edits=False)
    there = far_peer()
    assert there.endpoint is not None
    missing = HttpPeer(there.endpoint, "never-made")
    stop = threading.Event()

    def watch(progress: list[Progress]) -> None:
        if progress[0].last_error and progress[1].docs_written == 30:
            stop.set()
            link.wake()

    link = Link(
        [
            Pair(near_peer, missing, MemoryState(), priority=0, create_target=False),
            Pair(near_peer, there, DatabaseState(near), priority=1),
        ],
        on_progress=watch,
    )
    deadline = threading.Timer(60, lambda: (stop.set(), link.wake()))
    deadline.start()
    link.run(stop, continuous=True)
    deadline.cancel()
    deadline.join()

    first, second = link.progress()
    assert "Database does not exist" in (first.last_error or "")
    assert second.docs_written == 30


def test_a_note_that_cannot_be_written_holds_up_nothing(
    near: Database, near_peer: LocalPeer, our_server: str, far_store: SqliteStore, store: SqliteStore, events: Events
) -> None:
    """Our own disk is full: what goes out goes out, of every pair, the fault is told, and the next run asks again."""

    class FullDisk(PassingDatabase):
        def put_local(self, local_id: str, body: bytes) -> Rev:
            raise StorageFull("no space left on this disk")

    near.bulk_docs(events(200), new_edits=False)
    other = store.create("other")
    other.bulk_docs(events(5), new_edits=False)
    endpoint = Endpoint(our_server)
    noteless = Pair(near_peer, HttpPeer(endpoint, "far"), DatabaseState(FullDisk(near)))
    link = Link([noteless, Pair(LocalPeer(other, store.uuid), HttpPeer(endpoint, "other"), DatabaseState(other), 2)])
    link.run(threading.Event())

    assert (far_store.open("far").info().doc_count, far_store.open("other").info().doc_count) == (200, 5)
    assert [progress.last_error for progress in link.progress()] == [
        "this machine could not note how far the pair has got: no space left on this disk",
        None,
    ]
    again = replicate(Pair(near_peer, HttpPeer(Endpoint(our_server), "far"), DatabaseState(near)))
    assert again.docs_written == 0


def test_events_go_first_and_chunks_still_move(
    near: Database,
    near_peer: LocalPeer,
    store: SqliteStore,
    events: Events,
    serve: Callable[[PickyPeer], HttpPeer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a shared line the smaller priority has nearly all batches, the other each eighth."""
    near.bulk_docs(events(3000), new_edits=False)
    files = store.create("files")
    data = hashlib.shake_256(b"scan").digest(9000)
    files.bulk_docs(
        [
            Doc(
                DocId(f"chunk-{number:03d}"),
                Rev(f"1-{number:032x}"),
                (f"{number:032x}",),
                attachments={"chunk": Attachment("image/jpeg", data=data, revpos=1)},
            )
            for number in range(40)
        ],
        new_edits=False,
    )
    picky = PickyPeer(set())
    order: list[str] = []
    take = picky.take

    def note(docs: list[dict[str, str]]) -> tuple[int, object]:
        order.append(docs[0]["_id"].partition("-")[0])
        return take(docs)

    monkeypatch.setattr(picky, "take", note)
    there = serve(picky)
    assert there.endpoint is not None
    port = int(there.endpoint.label.rpartition(":")[2])
    with WeakLink(("127.0.0.1", port), Profile(up_bps=20_000_000, rtt_ms=10)) as weak:
        endpoint = Endpoint(weak.url)
        endpoint.gzip = False
        pairs = [
            Pair(LocalPeer(files, store.uuid), HttpPeer(endpoint, "files"), MemoryState(), priority=2),
            Pair(near_peer, HttpPeer(endpoint, "db"), MemoryState(), priority=0),
        ]
        Link(pairs).run(threading.Event())

    last_event = len(order) - 1 - order[::-1].index("event")
    during = order[: last_event + 1]
    assert "chunk" in during
    assert during.count("event") > 2 * during.count("chunk")


def test_documents_too_large_to_come_together_come_by_themselves(
    near: Database, store: SqliteStore, far_store: SqliteStore, our_server: str
) -> None:
    """A stretch of a feed beyond what we take of one answer is asked for in parts; one document beyond it is named."""
    sizes = {f"doc-{number:02d}": 200_000 if number == 5 else 40_000 for number in range(12)}
    far_store.create("far").bulk_docs([large(doc_id, size) for doc_id, size in sizes.items()], new_edits=False)
    endpoint = Endpoint(our_server, options=EndpointOptions(max_answer_bytes=150_000))
    stop = threading.Event()
    timer = threading.Timer(30, stop.set)  # so that asking again and again shows as missing documents
    timer.start()
    figures = Link([Pair(HttpPeer(endpoint, "far"), LocalPeer(near, store.uuid), DatabaseState(near))]).run(stop)
    timer.cancel()

    assert {row.id for row in near.changes().rows} == sizes.keys() - {"doc-05"}
    assert [(refusal.id, refusal.error) for refusal in figures.refusals] == [("doc-05", "too_large")]


def large(doc_id: str, size: int) -> Doc:
    """A document with bytes that cannot be packed."""
    data = hashlib.shake_256(doc_id.encode()).digest(size)
    digest = hashlib.sha256(data).hexdigest()[:32]
    file = Attachment("application/octet-stream", data=data, revpos=1)
    return Doc(DocId(doc_id), Rev(f"1-{digest}"), (digest,), attachments={"file": file})


def test_each_refusal_is_told_once_to_whoever_keeps_them(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """The hook hears document, revision, word and reason, with the pair it was to go through."""
    near.bulk_docs(events(12), new_edits=False)
    told: list[tuple[str, str | None, str, str]] = []
    pair = Pair(near_peer, serve(PickyPeer({"event-00003", "event-00008"})), DatabaseState(near))

    def keep(through: Pair, refusal: Refusal) -> None:
        assert through is pair
        told.append((refusal.id, refusal.rev, refusal.error, refusal.reason))

    figures = Link([pair], on_refusal=keep).run(threading.Event())

    revs = {row.id: row.leaves[0] for row in near.changes().rows}
    wanted = [(name, revs[DocId(name)], "illegal_docid", "cannot be stored") for name in ("event-00003", "event-00008")]
    assert sorted(told) == wanted
    assert figures.docs_written == 10


def test_a_full_peer_is_asked_again_and_refuses_no_document(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """507 says something about its disk, nothing about these documents: they go out when there is room."""
    near.bulk_docs(events(5), new_edits=False)
    picky = PickyPeer(set(), full=2)

    figures = replicate(Pair(near_peer, serve(picky), DatabaseState(near)))

    assert (figures.docs_written, figures.refused) == (5, 0)
    assert picky.batches == [5, 5, 5]


def test_retry_after_is_kept_to(
    near: Database, near_peer: LocalPeer, events: Events, serve: Callable[[PickyPeer], HttpPeer]
) -> None:
    """A peer that asks for two seconds gets two seconds, though a first retry would come after 0.3."""
    near.bulk_docs(events(5), new_edits=False)

    figures = replicate(Pair(near_peer, serve(PickyPeer(set(), busy=1, retry_after="2")), DatabaseState(near)))

    assert figures.docs_written == 5
    assert figures.seconds >= 2


@pytest.mark.parametrize("mode", [Mode.HALF_OPEN, Mode.REDIRECT])
def test_a_line_that_fails_in_its_own_way_costs_no_document(
    near: Database, near_peer: LocalPeer, far_peer: FarPeer, address: tuple[str, int], events: Events, mode: Mode
) -> None:
    """The server side reset and ours never told; a login page of the network instead of the peer."""
    near.bulk_docs(events(60), new_edits=False)
    with WeakLink(address, Profile(200_000, rtt_ms=20, cut_after_bytes=12_000, mode=mode)) as weak:
        pair = Pair(near_peer, far_peer(weak.port, stall_s=1.0), DatabaseState(near))
        seen: list[str] = []
        met = threading.Event()

        def watch(progress: list[Progress]) -> None:
            if progress[0].state is JobState.CUT:
                seen.append(progress[0].last_error or "")
                met.set()

        link = Link([pair], on_progress=watch)
        thread = threading.Thread(target=link.run, args=(threading.Event(),), daemon=True)
        thread.start()
        assert met.wait(60)
        weak.restore()
        thread.join(90)

    assert not thread.is_alive()
    assert seen
    assert (link.progress()[0].state, link.figures().refused) == (JobState.DONE, 0)


def test_over_tls_the_peer_must_be_who_it_says(
    near: Database, near_peer: LocalPeer, far_store: SqliteStore, tmp_path: Path, events: Events
) -> None:
    """With its certificate trusted everything arrives; with another's it is no peer, and nothing is sent."""
    near.bulk_docs(events(5), new_edits=False)
    certificate, key = write_certificate(tmp_path, "right")
    other, _key = write_certificate(tmp_path, "wrong")
    app = create_app(OpenAccess(far_store))
    with OurServer(app, host="127.0.0.1", port=0, certificate=certificate, key=key) as server:
        url = f"https://127.0.0.1:{server.url.rstrip('/').rpartition(':')[2]}"
        trusting = HttpPeer(Endpoint(url, tls=ssl.create_default_context(cafile=str(certificate))), "far")
        doubting = HttpPeer(Endpoint(url, tls=ssl.create_default_context(cafile=str(other))), "far")
        stop = threading.Event()

        def watch(progress: list[Progress]) -> None:
            if progress[0].last_error:
                stop.set()

        link = Link([Pair(near_peer, doubting, MemoryState())], on_progress=watch)
        refused = link.run(stop)
        taken = replicate(Pair(near_peer, trusting, DatabaseState(near)))

    assert "does not prove to be the peer" in (link.progress()[0].last_error or "")
    assert (refused.docs_written, taken.docs_written) == (0, 5)


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    cert_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_path, key_path
