"""Stretches of a feed that has no one order, that of a database in several shards, while documents arrive."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from replication.bundle import Stretch, read_again, read_stretches
from replication.bundle.records import unpack_documents
from replication.couch import CouchStore
from replication.document import Doc, Seq
from replication.sqlite import SqliteStore
from replication.store import ZERO, ChangeRow, ChangesPage, Database, DatabaseInfo, GetRequest, MissingRev
from tests.replication.bundle.conftest import make_doc

URL = os.environ.get("TRAM_COUCHDB_URL")


class TwoShards:
    """Two real databases that look like one of CouchDB: a seq is a place in each, its number their sum, and the feed
    brings all of the first before it brings any of the second."""

    name = "u-a"

    def __init__(self, *shards: Database) -> None:
        self.shards = shards

    def info(self) -> DatabaseInfo:
        infos = [shard.info() for shard in self.shards]
        return replace(infos[0], update_seq=_seq([info.update_seq for info in infos]))

    def bulk_docs(self, docs: Sequence[Doc], *, new_edits: bool = True) -> object:
        return [shard.bulk_docs(_share(docs, at), new_edits=new_edits) for at, shard in enumerate(self.shards)]

    def bulk_get(self, requests: Sequence[GetRequest], *, attachments: bool = False) -> list[list[Doc | MissingRev]]:
        shares = [shard.bulk_get(requests, attachments=attachments) for shard in self.shards]
        return [
            next((one for one in found if isinstance(one[0], Doc)), found[0]) for found in zip(*shares, strict=True)
        ]

    def changes(self, since: Seq, *, limit: int) -> ChangesPage:
        places = _places(since, len(self.shards))
        rows: list[ChangeRow] = []
        pending = 0
        for at, shard in enumerate(self.shards):
            page = shard.changes(places[at])
            for row in page.rows[: limit - len(rows)]:
                places[at] = row.seq
                rows.append(ChangeRow(_seq(places), row.id, row.leaves, row.deleted))
            pending += len(page.rows)
        return ChangesPage(tuple(rows), _seq(places), pending - len(rows))


def _share(docs: Sequence[Doc], at: int) -> list[Doc]:
    return [doc for doc in docs if int(doc.id[-1]) % 2 == at]


def _seq(places: Sequence[Seq]) -> Seq:
    number = sum(int(place.partition("-")[0]) for place in places)
    return Seq(f"{number}-g1{base64.urlsafe_b64encode(json.dumps(places).encode()).decode()}")


def _places(seq: Seq, count: int) -> list[Seq]:
    if seq == ZERO:
        return [ZERO] * count
    return [Seq(each) for each in json.loads(base64.urlsafe_b64decode(seq.partition("-g1")[2]))]


@pytest.fixture(params=["two-shards", "couchdb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database whose feed has no one order. CouchDB's default for a new one is two shards."""
    if request.param == "two-shards":
        store = SqliteStore(tmp_path / "store")
        yield cast(Database, TwoShards(store.create("u-a"), store.create("u-b")))  # as far as stretches read it
        store.close()
        return
    if URL is None:
        pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against")
    couch = CouchStore(URL, prefix=f"t{secrets.token_hex(4)}-")
    yield couch.create("u-a")
    couch.remove()
    couch.close()


def _ids(*stretches: Stretch) -> set[str]:
    records = [record for stretch in stretches for record in stretch.records]
    return {str(doc.id) for record in records for doc in unpack_documents(record, 0, 1)}


def _add(database: Database, first: int, count: int, step: int = 1) -> set[str]:
    docs = [make_doc(number) for number in range(first, first + count * step, step)]
    database.bulk_docs(docs, new_edits=False)
    return {str(doc.id) for doc in docs}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of seven rows and frames of some three documents."""
    monkeypatch.setattr("replication.bundle.feed.PAGE_ROWS", 7)
    monkeypatch.setattr("replication.bundle.feed.FRAME_BYTES", 1400)


def test_what_arrives_meanwhile_pushes_nothing_out(database: Database) -> None:
    """Two bundles, one beginning where the other ends, hold everything, whatever came while the first was written."""
    before = _add(database, 0, 30)
    end = database.info().update_seq
    meanwhile = _add(database, 100, 40, step=2)  # as many as fall on one shard

    first = list(read_stretches(database, ZERO, end))
    second = list(read_stretches(database, end, database.info().update_seq))

    assert before <= _ids(*first)
    assert meanwhile <= _ids(*second)
    assert not before & _ids(*second)
    assert [each.until for each in first[:-1]] == [each.since for each in first[1:]]
    assert first[-1].until == end


def test_a_stretch_that_was_damaged_is_read_again_as_it_was(database: Database) -> None:
    """Its two ends name the same documents later, when many more have come, and not the rest of the database."""
    _add(database, 0, 30)
    stretches = list(read_stretches(database, ZERO, database.info().update_seq))
    assert len(stretches) > 5
    _add(database, 100, 40, step=2)

    for stretch in stretches:
        again = list(read_again(database, stretch.since, stretch.until))
        assert _ids(*again) == _ids(stretch)
        assert (again[0].since, again[-1].until) == (stretch.since, stretch.until)
