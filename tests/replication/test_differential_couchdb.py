"""The embedded engine against CouchDB itself: the same replicated revisions, the same trees.

CouchDB is the definition. Hypothesis draws batches of stemmed, branching, dying paths over a few documents; both
engines get the same batches and must then say the same about leaves, winners, paths, gaps and feed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replication.comparing import list_ancestors
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
UNLIMITED = 1000
# Few hashes a generation, so that paths meet, part and attach below and above each other. A hash belongs to one
# generation and one parent: what honest histories look like.
LINES = ("0", "1", "2")


def hash_of(line: str, generation: int) -> str:
    """Return the hash of a line's revision: lines share their trunk up to generation 2, two of them up to 3."""
    trunk = generation <= 2 or (generation == 3 and line != "0")
    return f"{generation:02}{'f' if trunk else line}".rjust(32, "0")


@st.composite
def documents(draw: st.DrawFn, *, stemmed: bool = True) -> Doc:
    """Draw one replicated revision: a stretch of one line, its lower end cut off where history was `stemmed`."""
    line = draw(st.sampled_from(LINES))
    generation = draw(st.integers(1, GENERATIONS))
    length = draw(st.integers(1, generation)) if stemmed else generation
    path = tuple(hash_of(line, generation - below) for below in range(length))
    deleted = hash_of(line, generation).endswith(("1", "5"))  # a revision is a tombstone everywhere or nowhere
    rev = Rev(f"{generation}-{path[0]}")
    return Doc(draw(st.sampled_from(IDS)), rev, path, deleted, json.dumps({"rev": rev}).encode())


batches = st.lists(st.lists(documents(), min_size=1, max_size=6), min_size=1, max_size=6)


@dataclass
class Engines:
    """The two stores, with one pair of databases for each limit: documents of different examples do not meet."""

    sqlite: Store
    couch: Store
    examples: int = 0
    pairs: dict[int, tuple[Database, Database]] = field(default_factory=dict)

    def pair(self, limit: int) -> tuple[Database, Database]:
        if limit not in self.pairs:
            self.pairs[limit] = (self.sqlite.create(f"limit-{limit}"), self.couch.create(f"limit-{limit}"))
            for db in self.pairs[limit]:
                db.set_revs_limit(limit)
        return self.pairs[limit]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    sqlite = SqliteStore(tmp_path_factory.mktemp("differential"))
    couch = CouchStore(str(URL), prefix=f"t{secrets.token_hex(4)}-")
    yield Engines(sqlite, couch)
    couch.remove()
    couch.close()
    sqlite.close()


def describe_documents(db: Database, ids: Sequence[DocId]) -> dict[str, object]:
    """Return what a reader sees: feed, winners, leaves with their content."""
    feed = {row.id: (row.leaves, row.deleted) for row in db.changes(doc_ids=ids).rows}
    return {
        "feed": feed,
        "leaves": {doc_id: db.leaves(doc_id) for doc_id in ids if doc_id in feed},
        "bodies": {doc_id: [read(entry)[::2] for entry in db.open_revs(doc_id, None)] for doc_id in ids},
        "counts": (db.info().doc_count, db.info().doc_del_count),
    }


def describe_trees(db: Database, ids: Sequence[DocId], probes: Sequence[Rev]) -> dict[str, object]:
    """Return what replication sees: paths, gaps, descendants."""
    return {
        "paths": {doc_id: [read(entry) for entry in db.open_revs(doc_id, None)] for doc_id in ids},
        "latest": {doc_id: [read(entry) for entry in db.open_revs(doc_id, probes, latest=True)] for doc_id in ids},
        "revs_diff": {
            doc_id: (diff.missing, frozenset(diff.possible_ancestors))
            for doc_id, diff in db.revs_diff(dict.fromkeys(ids, probes)).items()
        },
    }


def read(entry: Doc | MissingRev) -> tuple[object, ...]:
    """Return (rev, path, content, is tombstone), or what is missing."""
    if isinstance(entry, MissingRev):
        return (entry.rev,)
    return entry.rev, entry.path, json.loads(entry.body), entry.deleted


def store(
    engines: Engines, feeds: Sequence[Sequence[Doc]], limit: int
) -> tuple[tuple[Database, Database], list[DocId]]:
    """Give both engines the batches under ids of this example's own; return the databases and those ids."""
    engines.examples += 1
    names = {doc_id: DocId(f"{engines.examples}-{doc_id}") for doc_id in IDS}
    pair = engines.pair(limit)
    for feed in feeds:
        batch = [replace(doc, id=names[doc.id]) for doc in feed]
        for db in pair:
            assert [result.error for result in db.bulk_docs(batch, new_edits=False)] == [None] * len(batch)
    return pair, list(names.values())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(feeds=batches)
def test_the_same_paths_give_the_same_trees(engines: Engines, feeds: list[list[Doc]]) -> None:
    """Whatever the order, the batches and what was stemmed before."""
    pair, ids = store(engines, feeds, UNLIMITED)
    generations = range(1, GENERATIONS + 1)
    probes = [Rev(f"{at}-{each}") for at in generations for each in sorted({hash_of(line, at) for line in LINES})]
    sqlite, couch = (describe_documents(db, ids) | describe_trees(db, ids, probes) for db in pair)
    assert sqlite == couch


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(docs=st.lists(documents(stemmed=False), min_size=1, max_size=20), limit=st.integers(1, 4))
def test_stemming_leaves_the_same_leaves(engines: Engines, docs: list[Doc], limit: int) -> None:
    """With a small limit on both sides, whose trees fall into several roots.

    CouchDB may keep an ancestor as a leaf beside its descendant: where one path joins two roots, that hangs on the
    order in which they came (docs/decisions/0013). Older ones come first here, so nothing else may differ.
    """
    docs.sort(key=lambda doc: doc.generation)
    (sqlite, couch), ids = store(engines, [[doc] for doc in docs], limit)
    for doc_id, drawn_id in zip(ids, IDS, strict=True):
        drawn = [doc for doc in docs if doc.id == drawn_id]
        if drawn:
            ours, theirs = set(sqlite.leaves(doc_id)), set(couch.leaves(doc_id))
            ancestors = {rev for doc in drawn for rev in list_ancestors(doc)}
            assert ours <= theirs
            assert {rev for rev, _ in theirs - ours} <= ancestors
