"""The audit finds what the replicator cannot: documents lost below its checkpoint. It brings back exactly those."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from replication.audit import AuditReport, Stopped, audit
from replication.audit.digest import Digest, build_key, differing, pick
from replication.document import Attachment, Doc, DocId, Rev, Seq
from replication.errors import Forbidden, LinkCut, NotAPeer, NotFound
from replication.http import OpenAccess, create_app, digest
from replication.passing import PassingDatabase
from replication.peers import Endpoint, HttpPeer, LocalPeer, Peer
from replication.replicator import DatabaseState, Pair, replicate
from replication.serving import Server
from replication.sqlite import SqliteStore
from replication.store import ChangeRow, Database, WriteResult

COUCHDB = os.environ.get("TRAM_COUCHDB_URL", "").rstrip("/")
HEX = "0123456789abcdef" * 2


def event(number: int) -> Doc:
    """An immutable document, as Trạm's are."""
    digest_ = f"{number:032x}"
    return Doc(DocId(f"event-{number:06d}"), Rev(f"1-{digest_}"), (digest_,), body=b'{"n":%d}' % number)


def conflicting() -> list[Doc]:
    """A document with two live leaves and a deleted one, and a document with a file."""
    file = Attachment("image/jpeg", length=5, data=b"bytes")
    return [
        Doc(DocId("tree"), Rev(f"2-{HEX}"), (HEX, "a" * 32), body=b'{"side":1}'),
        Doc(DocId("tree"), Rev("2-" + "b" * 32), ("b" * 32, "a" * 32), body=b'{"side":2}'),
        Doc(DocId("tree"), Rev("2-" + "c" * 32), ("c" * 32, "a" * 32), deleted=True),
        Doc(DocId("file"), Rev("1-" + "d" * 32), ("d" * 32,), attachments={"ảnh.jpg": file}),
    ]


def fill(database: Database, docs: list[Doc]) -> None:
    """Store revisions as a replicator does."""
    assert all(result.error is None for result in database.bulk_docs(docs, new_edits=False))


def lose(database: Any, *doc_ids: str) -> None:
    """Take documents away as a fault of the disk would: no revision, no seq, nobody is told."""
    with sqlite3.connect(database.path) as conn:
        for doc_id in doc_ids:
            assert conn.execute("DELETE FROM docs WHERE id = ?", (doc_id,)).rowcount == 1


@pytest.fixture
def far(far_store: SqliteStore) -> Database:
    """The database behind the server, empty."""
    return far_store.create("far")


@pytest.fixture
def far_peer(our_server: str, far: Database) -> HttpPeer:
    """That database as a peer."""
    return HttpPeer(Endpoint(our_server), far.name)


def counted(report: AuditReport) -> tuple[int, int, int, int]:
    return len(report.missing), len(report.extra), len(report.repaired), len(report.refusals)


@pytest.mark.parametrize("count", [50, 3_000])
def test_a_document_lost_below_the_checkpoint_is_found_and_brought_back(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer, count: int
) -> None:
    """The replicator says all is done; the audit finds exactly the lost one and repairs it."""
    fill(near, [event(number) for number in range(count)] + conflicting())
    state = DatabaseState(near)
    assert replicate(Pair(near_peer, far_peer, state)).docs_written == count + 4
    assert audit(near_peer, far_peer).is_equal
    lose(far, "event-000007")

    assert replicate(Pair(near_peer, far_peer, state)).docs_written == 0
    report = audit(near_peer, far_peer)

    assert (report.method, report.missing, report.extra) == ("digest", ("event-000007",), ())
    assert (report.repaired, report.complete) == (("event-000007",), True)
    assert far.get(DocId("event-000007")).body == b'{"n":7}'
    assert audit(near_peer, far_peer).is_equal


def test_a_lost_branch_and_a_lost_file_come_back_whole(near: Any, far: Any, near_peer: Peer, far_peer: Peer) -> None:
    """Every leaf, tombstones too, and the bytes of attachments."""
    fill(near, conflicting())
    fill(far, conflicting()[:1])

    report = audit(near_peer, far_peer)

    assert report.missing == ("file", "tree")
    assert far.leaves(DocId("tree")) == near.leaves(DocId("tree"))
    assert far.attachment(DocId("file"), "ảnh.jpg").data == b"bytes"


def test_both_directions_are_told_apart_and_repaired_as_asked(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer
) -> None:
    """A pair is one way: what only the target has is said, and brought back where both ways are asked."""
    fill(near, [event(1), event(2)])
    fill(far, [event(2), event(3)])

    looked = audit(near_peer, far_peer, repair=False)
    one_way = audit(near_peer, far_peer)
    both_ways = audit(near_peer, far_peer, both_ways=True)

    assert counted(looked) == (1, 1, 0, 0)
    assert counted(one_way) == (1, 1, 1, 0)
    assert (both_ways.missing, both_ways.repaired) == ((), ("event-000003",))
    assert near.get(DocId("event-000003")).body == b'{"n":3}'
    assert audit(far_peer, near_peer).is_equal


def test_a_target_that_is_ahead_lacks_nothing(near: Any, far: Any, near_peer: Peer, far_peer: Peer) -> None:
    """A leaf that has become an inner revision over there is known there."""
    fill(near, [Doc(DocId("a"), Rev("1-" + "a" * 32), ("a" * 32,))])
    fill(far, [Doc(DocId("a"), Rev("2-" + "b" * 32), ("b" * 32, "a" * 32))])

    report = audit(near_peer, far_peer)

    assert (report.missing, report.extra, report.repaired) == ((), ("a",), ())


def test_equal_databases_cost_one_question_whose_answer_has_no_body(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer, our_server: str
) -> None:
    """The root is 43 characters there and nothing back: under 200 bytes beyond HTTP's headers, with them under 900."""
    for database in (near, far):
        fill(database, [event(number) for number in range(500)])

    first = audit(near_peer, far_peer)
    answer = requests.get(f"{our_server}/far/_tram/digest", timeout=60)
    again = requests.get(
        f"{our_server}/far/_tram/digest", headers={"If-None-Match": answer.headers["ETag"]}, timeout=60
    )

    assert first.is_equal
    assert (again.status_code, again.content) == (304, b"")
    assert len(answer.headers["ETag"]) == 45
    assert len(answer.content) < 200
    assert first.requests == 2, "the greeting and the question"
    assert first.bytes_out + first.bytes_in < 900


def test_what_a_target_refuses_is_named(near: Any, far_store: SqliteStore, far: Any, near_peer: Peer) -> None:
    """A refusal concerns its document; the others are brought over."""

    class Gate(PassingDatabase):
        def bulk_docs(self, docs: Any, *, new_edits: bool = True) -> list[WriteResult]:
            rest = iter(super().bulk_docs([doc for doc in docs if doc.id != "event-000001"], new_edits=new_edits))
            no = Forbidden("not this one")
            return [WriteResult(doc.id, doc.rev, no) if doc.id == "event-000001" else next(rest) for doc in docs]

    fill(near, [event(number) for number in range(3)])
    with Server(create_app(OpenAccess(far_store, lambda database, _: Gate(database)))) as server:
        report = audit(near_peer, HttpPeer(Endpoint(server.url), "far"))

    assert [(refusal.id, refusal.reason) for refusal in report.refusals] == [("event-000001", "not this one")]
    assert report.repaired == ("event-000000", "event-000002")


def test_more_than_the_limit_is_repaired_over_several_audits(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer
) -> None:
    """Each says that it was not complete, until nothing is left."""
    fill(near, [event(number) for number in range(4_000)])
    reports = [audit(near_peer, far_peer, limit=1_500)]
    while not reports[-1].complete:
        reports.append(audit(near_peer, far_peer, limit=1_500))

    assert len(reports) > 1
    assert sum(len(report.repaired) for report in reports) == 4_000
    assert audit(near_peer, far_peer).is_equal


def test_two_stores_of_one_machine_are_compared_without_a_network(
    store: SqliteStore, near: Any, near_peer: Peer
) -> None:
    """Both feeds are read here."""
    other = store.create("other")
    fill(near, [event(1)])

    report = audit(near_peer, LocalPeer(other, store.uuid))

    assert (report.method, report.repaired, report.requests) == ("feed", ("event-000001",), 0)


def test_a_peer_that_is_away_is_said_to_be(near: Any, near_peer: Peer) -> None:
    """Never equality by silence."""
    stop = threading.Event()
    patience = threading.Timer(0.2, stop.set)
    patience.start()
    with socket.socket() as nobody:  # an address that refuses, and stays ours meanwhile
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises((LinkCut, Stopped)):
            audit(near_peer, HttpPeer(Endpoint(f"http://127.0.0.1:{nobody.getsockname()[1]}/"), "far"), stop=stop)
    patience.join()


def test_a_database_that_is_not_there_is_said_to_be(near: Any, near_peer: Peer, our_server: str) -> None:
    """An audit makes no databases."""
    with pytest.raises(NotFound):
        audit(near_peer, HttpPeer(Endpoint(our_server), "nothing"))


def test_a_long_reading_keeps_the_line_alive(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer, our_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer begins with line breaks while pages are read, and is the same answer."""
    monkeypatch.setattr(digest, "PAGE", 10)
    monkeypatch.setattr(digest, "BEAT_S", 0.0)
    for database in (near, far):
        fill(database, [event(number) for number in range(100)])
    lose(far, "event-000042")

    assert requests.get(f"{our_server}/far/_tram/digest", timeout=60).content.startswith(b"\n")
    assert audit(near_peer, far_peer).repaired == ("event-000042",)


def test_a_server_that_compares_another_database_is_asked_again(
    near: Any, far: Any, near_peer: Peer, far_peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is read at a time: of two communes that audit at once the second waits, and its audit goes through."""
    for database in (near, far):
        fill(database, [event(1)])
    monkeypatch.setattr(digest, "TURN_S", 0.0)
    scans = digest.Scans()
    scans.turn.acquire()
    monkeypatch.setattr(digest, "_SCANS", scans)

    class OtherEnds(threading.Event):
        """The other audit ends while this one waits."""

        def wait(self, timeout: float | None = None) -> bool:
            scans.turn.release()
            return False

    assert audit(near_peer, far_peer, stop=OtherEnds()).is_equal


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"marks": ["xyz"]}, "hexadecimal"),
        ({"marks": ["aabbcc"]}, "hexadecimal"),
        ({"marks": ["aabb"]}, "shorter"),
        ({"rows": [""] * 300}, "at most 256"),
        ({"rows": "aa"}, "array"),
        ({"marks": [7]}, "hexadecimal"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(far: Any, our_server: str, question: Any, reason: str) -> None:
    """400 with what is expected."""
    answer = requests.post(f"{our_server}/far/_tram/digest", json=question, timeout=60)

    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert reason in answer.json()["reason"]


def test_a_digest_that_is_none_is_no_peers(
    near: Any, near_peer: Peer, far_peer: HttpPeer, far: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks of another length are not compared."""
    fill(near, [event(number) for number in range(100)])
    original = Digest.marks
    monkeypatch.setattr(Digest, "marks", lambda self, prefix: original(self, prefix)[:-1])
    with pytest.raises(NotAPeer, match="256 marks"):
        audit(near_peer, far_peer)


def row(doc_id: str, *leaves: str) -> ChangeRow:
    return ChangeRow(Seq("1"), DocId(doc_id), tuple(Rev(leaf) for leaf in leaves), False)


def test_a_digest_is_the_same_in_any_order_and_for_nothing_else() -> None:
    """Order of documents and of leaves is no matter; an id, a leaf more or another leaf is."""
    rows = [row("a", "1-a"), row("b", "2-b", "2-c"), row("c", "1-c")]
    one, other = Digest(), Digest()
    one.add(rows)
    other.add([rows[2], row("b", "2-c", "2-b"), rows[0]])

    assert (one.root, one.docs) == (other.root, 3)
    for changed in (
        [*rows, row("d", "1-d")],
        rows[:2],
        [row("a", "1-b"), *rows[1:]],
        [row("a", "1-a", "1-b"), *rows[1:]],
    ):
        another = Digest()
        another.add(changed)
        assert another.root != one.root


def test_marks_lead_to_the_documents_that_differ() -> None:
    """The prefixes that differ at each depth begin the key of the one document that does."""
    one, other = Digest(), Digest()
    rows = [row(f"doc-{number}", "1-a") for number in range(2_000)]
    one.add(rows)
    other.add(rows[:-1])
    key = build_key(rows[-1].id)

    (first,) = differing(b"", one.marks(b""), other.marks(b""))
    (second,) = differing(first, one.marks(first), other.marks(first))

    assert (first, second) == (key[:1], key)
    assert rows[-1].id in pick(rows, frozenset([key]))
    assert pick(rows[:-1], frozenset([key])).keys() < pick(rows, frozenset([key])).keys()


def test_the_command_repairs_and_tells(tmp_path: Path) -> None:
    """`python -m replication audit`: 3 while something differs, 0 once it is repaired, one JSON line."""
    store = SqliteStore(tmp_path / "a")
    fill(store.create("x"), [event(1), event(2)])
    fill(store.create("y"), [event(1)])
    store.close()
    base = f"sqlite:{tmp_path / 'a'}"

    def call(*more: str) -> tuple[int, Any]:
        return run([f"{base}/x", f"{base}/y", *more])

    status, line = call("--look")
    assert (status, line["missing"], line["equal"]) == (3, ["event-000002"], False)
    status, line = call()
    assert (status, line["repaired"]) == (0, ["event-000002"])
    status, line = call()
    assert (status, line["equal"], line["docs_source"]) == (0, True, 2)


def run(arguments: list[str]) -> tuple[int, Any]:
    command = [sys.executable, "-m", "replication", "audit", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return result.returncode, json.loads(result.stdout)


@pytest.fixture
def couch_name() -> Iterator[str]:
    if not COUCHDB:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to compare with")
    name = "audit-" + secrets.token_hex(6)
    requests.put(f"{COUCHDB}/{name}", timeout=20).raise_for_status()
    yield name
    requests.delete(f"{COUCHDB}/{name}", timeout=20).raise_for_status()


@pytest.mark.couchdb
def test_a_plain_couchdb_is_compared_by_its_feed(near: Any, near_peer: Peer, couch_name: str) -> None:
    """No digest over there: its feed is read, and what is missing is found and repaired all the same."""
    fill(near, [event(number) for number in range(300)] + conflicting())
    peer = HttpPeer(Endpoint(COUCHDB), couch_name)
    replicate(Pair(near_peer, peer, DatabaseState(near)))
    assert audit(near_peer, peer).is_equal
    gone = requests.post(f"{COUCHDB}/{couch_name}/_purge", json={"event-000009": [event(9).rev]}, timeout=20)
    assert gone.status_code == 201

    report = audit(near_peer, peer)

    assert (report.method, report.missing, report.repaired) == ("feed", ("event-000009",), ("event-000009",))
    assert audit(peer, near_peer).is_equal


@pytest.mark.couchdb
def test_a_plain_couchdb_too_large_to_be_listed_is_skipped_with_a_reason(
    near: Any, near_peer: Peer, couch_name: str
) -> None:
    """Nothing is claimed about it."""
    fill(near, [event(number) for number in range(20)])
    peer = HttpPeer(Endpoint(COUCHDB), couch_name)
    replicate(Pair(near_peer, peer, DatabaseState(near)))

    report = audit(near_peer, peer, plain_limit=19)

    assert (report.method, report.is_equal) == ("skipped", False)
    assert report.reason is not None
    assert "20 documents" in report.reason
