"""The embedded engine against CouchDB itself: the same replicated revisions, the same trees.

CouchDB is the definition. Hypothesis draws batches of stemmed, branching, dying paths over a few documents; both
engines get the same batches and must then say the same about leaves, winners, paths, gaps and feed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication.couch import CouchStore
from replication.document import Doc, DocId, Rev
from replication.sqlite import SqliteStore
from replication.store import Database, MissingRev, Store

URL = os.environ.get("TRAM_COUCHDB_URL")
if URL is None:
    pytest.skip("TRAM_COUCHDB_URL names no CouchDB to compare with", allow_module_level=True)

pytestmark = pytest.mark.couchdb

IDS = [DocId(name) for name in ("a", "b", "ồ")]
GENERATIONS = 6
# Few hashes a generation, so that paths meet, part and attach below and above each other. A hash belongs to one
# generation and one parent: what honest histories look like.
LINES = ("0", "1", "2")


def hash_of(line: str, generation: int) -> str:
    """Return the hash of a line's revision: lines share their trunk up to generation 2, two of them up to 3."""
    trunk = generation <= 2 or (generation == 3 and line != "0")
    return f"{generation:02}{'f' if trunk else line}".rjust(32, "0")


@st.composite
def documents(draw: st.DrawFn) -> Doc:
    """Draw one replicated revision: a stretch of one line, its lower end cut off where history was stemmed."""
    line = draw(st.sampled_from(LINES))
    generation = draw(st.integers(1, GENERATIONS))
    length = draw(st.integers(1, generation))
    path = tuple(hash_of(line, generation - below) for below in range(length))
    deleted = hash_of(line, generation).endswith(("1", "5"))  # a revision is a tombstone everywhere or nowhere
    rev = Rev(f"{generation}-{path[0]}")
    return Doc(draw(st.sampled_from(IDS)), rev, path, deleted, json.dumps({"rev": rev}).encode())


batches = st.lists(st.lists(documents(), min_size=1, max_size=6), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, CouchStore]]:
    sqlite = SqliteStore(tmp_path_factory.mktemp("differential"))
    couch = CouchStore(str(URL), prefix=f"t{secrets.token_hex(4)}-")
    yield sqlite, couch
    couch.remove()
    couch.close()
    sqlite.close()


def describe(db: Database, probes: Sequence[Rev]) -> dict[str, object]:
    """Return everything the two engines must agree on."""
    feed = {row.id: (row.leaves, row.deleted) for row in db.changes().rows}
    known = [doc_id for doc_id in IDS if doc_id in feed]
    return {
        "feed": feed,
        "leaves": {doc_id: db.leaves(doc_id) for doc_id in known},
        "open_revs": {doc_id: [read(entry) for entry in db.open_revs(doc_id, None)] for doc_id in IDS},
        "latest": {doc_id: [read(entry) for entry in db.open_revs(doc_id, probes, latest=True)] for doc_id in IDS},
        "revs_diff": {
            doc_id: (diff.missing, frozenset(diff.possible_ancestors))
            for doc_id, diff in db.revs_diff(dict.fromkeys(IDS, probes)).items()
        },
        "counts": (db.info().doc_count, db.info().doc_del_count),
    }


def read(entry: Doc | MissingRev) -> object:
    if isinstance(entry, MissingRev):
        return entry.rev
    return entry.rev, entry.path, entry.deleted, json.loads(entry.body)


def compare(sqlite: Store, couch: Store, feeds: Sequence[Sequence[Doc]], limit: int | None) -> None:
    name = f"db-{secrets.token_hex(6)}"
    pair = (sqlite.create(name), couch.create(name))
    generations = range(1, GENERATIONS + 1)
    probes = [Rev(f"{at}-{each}") for at in generations for each in sorted({hash_of(line, at) for line in LINES})]
    try:
        for db in pair:
            if limit is not None:
                db.set_revs_limit(limit)
            for batch in feeds:
                assert [result.error for result in db.bulk_docs(batch, new_edits=False)] == [None] * len(batch)
        assert describe(pair[0], probes) == describe(pair[1], probes)
    finally:
        sqlite.delete(name)
        couch.delete(name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(feeds=batches)
def test_the_same_paths_give_the_same_trees(engines: tuple[SqliteStore, CouchStore], feeds: list[list[Doc]]) -> None:
    """Whatever the order, the batches and what was stemmed before."""
    compare(*engines, feeds, None)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(feeds=batches, limit=st.integers(1, 4))
def test_stemming_cuts_the_same_ancestors(
    engines: tuple[SqliteStore, CouchStore], feeds: list[list[Doc]], limit: int
) -> None:
    """With a small limit on both sides, trees fall into several roots in the same way.

    One document a batch: how far a batch is merged before it is stemmed is each engine's own affair.
    """
    compare(*engines, [[doc] for batch in feeds for doc in batch], limit)
