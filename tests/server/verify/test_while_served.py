"""A home is verified while its node works: what comes meanwhile is no fault of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from replication.document import Seq
from replication.store import ZERO, ChangesPage, Database
from server.dossier.documents import chunk_doc, manifest_doc
from server.dossier.manifest import build_manifest
from server.intake.source import Source
from server.verify import Effort, verify_path
from server.verify.database import DatabaseCheck
from server.verify.report import Report

UNIT, SOURCE = "H41.12.03", Source("peer", "x")


@pytest.fixture
def counter(make_homes: Any, make_node: Any, helpers: Any, key_pool: Any) -> Any:
    """A commune's node, and somebody new who files a dossier with a paper there; its receipt and pages at once."""
    from server.pki.authority import Authority

    node = make_node(make_homes()[UNIT])

    def file(number: int) -> None:
        person = helpers.issue_person(Authority.open(node.home), key_pool())
        node.copier.ensure_certificate(node.database, person.certificate)
        data = b"\xff\xd8\xff\xe0" + b"%d" % number * 50_000
        manifest, chunks = build_manifest(data)
        admit(node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)])
        event = helpers.submission(UNIT, person, files=[helpers.file_reference(data)])
        admit(node.database, [person.sign(event)])
        node.model.follower.catch_up()
        node.receipts.consider(event["stream"])
        node.publisher.publish(everything=True)

    def admit(database: str, docs: list[Any]) -> None:
        assert [each.error for each in node.intake.admit(database, docs, source=SOURCE)] == [None] * len(docs)

    file(0)
    return node, file


def test_what_is_filed_while_it_looks_is_no_fault(counter: Any) -> None:
    """A dossier, its paper, receipt, page and certificate come after each database was gone through: all holds."""
    node, file = counter
    filed: list[str] = []

    def meanwhile(database: str, done: int, total: int) -> None:
        if database not in filed:
            filed.append(database)
            file(len(filed))

    report = verify_path(node.home.path, effort=Effort(on_progress=meanwhile))

    assert len(filed) >= 3
    assert report.problems == []
    assert report.holds
    assert report.checked["log leaves"] >= 2
    assert verify_path(node.home.path).problems == []


def test_whoever_is_new_between_two_looks_is_looked_at_next_time(counter: Any, monkeypatch: Any) -> None:
    """Somebody's certificate and first event come after certificates were read and before events are."""
    node, file = counter
    look, filed = DatabaseCheck._look, list[str]()

    def looked(check: DatabaseCheck) -> Any:
        found = look(check)
        filed.append("")
        file(len(filed))
        return found

    monkeypatch.setattr(DatabaseCheck, "_look", looked)
    report = verify_path(node.home.path)

    assert len(filed) >= 3
    assert report.problems == []
    assert report.checked["events"] >= 1


class _Shards:
    """A database whose feed is ordered by shard, as a cluster's: what is new may come before what is old."""

    def __init__(self, database: Database, newer: Callable[[], None]) -> None:
        self._database, self._newer, self._read = database, newer, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def changes(self, since: Seq, *, limit: int) -> ChangesPage:
        if since != ZERO:
            return self._database.changes(since, limit=limit)
        self._read += 1
        if self._read == 1:
            return self._database.changes(since, limit=limit)
        self._newer()
        page = self._database.changes(since, limit=limit)
        rows = [replace(row, seq=Seq(f"{i}-shards")) for i, row in enumerate(reversed(page.rows), 1)]
        return ChangesPage(tuple(rows), page.last_seq, page.pending)


def test_a_feed_in_another_order_hides_nothing_that_was_there(counter: Any) -> None:
    """The second look takes what was there at the first, wherever it stands now, and leaves what came since."""
    node, file = counter
    database = node.store.open(node.database)
    old = [row.id for row in database.changes().rows if row.id.startswith("0")]
    shards, report = _Shards(database, lambda: file(1)), Report()

    DatabaseCheck(shards, node.home.anchors(), report).run()  # type: ignore[arg-type]  # as far as a check reads it

    assert report.problems == []
    assert report.checked["events"] >= len(old)
    with_news = [row.id for row in database.changes().rows if row.id.startswith("0")]
    assert len(with_news) > len(old)


def test_what_the_log_held_before_is_missed_though_the_node_works(counter: Any) -> None:
    """An event that was there when the verifier began, and is gone from the store, is named all the same."""
    from replication.document import DocId

    node, file = counter
    file(1)
    events = node.store.open(node.database)
    gone = next(row for row in events.changes().rows if row.id.startswith("0") and ":sha256-" in row.id)
    events.purge({DocId(gone.id): list(gone.leaves)})
    filed: list[str] = []

    def meanwhile(database: str, done: int, total: int) -> None:
        if not filed:
            filed.append(database)
            file(2)

    report = verify_path(node.home.path, effort=Effort(on_progress=meanwhile))

    assert filed
    assert any("1 events it took are not here any more" in problem for problem in report.problems), report.problems
