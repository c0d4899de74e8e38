"""Random histories on the embedded store against a model of revision trees in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from replication.document import Doc, DocId, Rev
from replication.errors import Conflict
from replication.revtree import EMPTY_TREE, BodyKey, Held, RevTree, build_rev, parse_node
from replication.sqlite import SqliteStore
from replication.store import AllDocsQuery, MissingRev

IDS = st.sampled_from(["a", "b"])
BRANCHES = st.sampled_from(["x", "y"])


def build_line(doc_id: str, branch: str, length: int, known: int, deleted: bool) -> Doc:
    """A replicated revision: branches share their first generation, and a peer knows `known` ancestors."""
    hashes = tuple(
        f"{branch if n > 1 else 'root'}{n}{'d' if deleted and n == length else ''}" for n in range(length, 0, -1)
    )
    body = f'{{"n":"{hashes[0]}"}}'.encode()
    return Doc(DocId(doc_id), Rev(f"{length}-{hashes[0]}"), hashes[: known + 1], deleted, body)


LINES = st.builds(
    build_line, IDS, BRANCHES, st.integers(1, 5), st.sampled_from([0, 1, 2, 9]), st.sampled_from([False, False, True])
)


class StoreMachine(RuleBasedStateMachine):
    """Batches merged and edited in any grouping; after each step store and model say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = SqliteStore(Path(self.directory.name))
        self.db = self.store.create("m")
        self.trees: dict[str, RevTree] = {}
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.limit = 1000

    @rule(batch=st.lists(LINES, min_size=1, max_size=5))
    def replicate(self, batch: list[Doc]) -> None:
        before = dict(self.trees)
        seq = self.db.info().update_seq
        for result, doc in zip(self.db.bulk_docs(batch, new_edits=False), batch, strict=True):
            assert (result.error, result.rev) == (None, doc.rev)
            self._merge(doc)
        assert (self.trees == before) == (self.db.info().update_seq == seq)

    @rule(doc_id=IDS, deleted=st.booleans(), number=st.integers(0, 3), which=st.integers(0, 3))
    def edit(self, doc_id: str, deleted: bool, number: int, which: int) -> None:
        tree = self.trees.get(doc_id, EMPTY_TREE)
        leaves = tree.leaves()
        gone = bool(leaves) and leaves[0].deleted
        parent = leaves[which % len(leaves)] if leaves and not gone else None
        doc = Doc(DocId(doc_id), parent.rev if parent else None, (), deleted, f'{{"n":{number}}}'.encode())
        (result,) = self.db.bulk_docs([doc])
        if gone and deleted:
            assert isinstance(result.error, Conflict)
            return
        assert result.rev is not None, result.error
        node = parse_node(result.rev)
        under = parent or (leaves[0] if gone else None)
        path = (node[1], under.node[1]) if under else (node[1],)
        self._merge(Doc(doc.id, result.rev, path, deleted, doc.body))

    @rule(doc_id=IDS)
    def edit_without_the_leaf(self, doc_id: str) -> None:
        (result,) = self.db.bulk_docs([Doc(DocId(doc_id), Rev("1-nobodys"))])
        assert isinstance(result.error, Conflict)

    @rule(doc_id=IDS, which=st.integers(0, 3))
    def purge(self, doc_id: str, which: int) -> None:
        if doc_id in self.trees:
            leaves = self.trees[doc_id].leaves()
            leaf = leaves[which % len(leaves)]
            assert self.db.purge({DocId(doc_id): [leaf.rev]}).purged == {doc_id: (leaf.rev,)}
            self.trees[doc_id] = self.trees[doc_id].remove([leaf.node])
            if not len(self.trees[doc_id]):
                del self.trees[doc_id]

    @rule()
    def compact(self) -> None:
        self.db.compact()
        self.trees = {doc_id: tree.forget(tree.superseded()) for doc_id, tree in self.trees.items()}

    @rule(limit=st.sampled_from([2, 3, 1000]))
    def set_revs_limit(self, limit: int) -> None:
        self.db.set_revs_limit(limit)
        self.limit = limit

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(Path(self.directory.name))
        self.db = self.store.open("m")

    @invariant()
    def trees_agree(self) -> None:
        for doc_id in ("a", "b"):
            tree = self.trees.get(doc_id)
            found = self.db.open_revs(DocId(doc_id), None)
            assert [doc.rev for doc in found] == [leaf.rev for leaf in tree.leaves()] if tree else found == []
            for node in tree.parents if tree else ():
                (doc,) = self.db.open_revs(DocId(doc_id), [build_rev(node)])
                if tree and node in tree.held:
                    assert isinstance(doc, Doc)
                    assert (doc.path, doc.deleted) == (tree.path(node), tree.held[node].deleted)
                    assert doc.body == self.bodies[doc_id, doc.rev or ""]
                else:
                    assert isinstance(doc, MissingRev)

    @invariant()
    def feed_and_ids_agree(self) -> None:
        leaves = {doc_id: tree.leaves() for doc_id, tree in self.trees.items()}
        page = self.db.changes()
        assert {row.id: (row.leaves, row.deleted) for row in page.rows} == {
            doc_id: (tuple(leaf.rev for leaf in found), found[0].deleted) for doc_id, found in leaves.items()
        }
        assert len(page.rows) == len(leaves)
        assert self.db.changes(limit=1).pending == max(len(leaves) - 1, 0)
        live = sorted(doc_id for doc_id, found in leaves.items() if not found[0].deleted)
        assert [row.id for row in self.db.all_docs(AllDocsQuery()).rows] == live
        info = self.db.info()
        assert (info.doc_count, info.doc_del_count) == (len(live), len(leaves) - len(live))

    @invariant()
    def file_is_sound(self) -> None:
        assert self.db.check() == []

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    def _merge(self, doc: Doc) -> None:
        assert doc.rev is not None
        tree = self.trees.get(doc.id, EMPTY_TREE)
        held = Held(BodyKey(0), doc.deleted)
        if parse_node(doc.rev) not in tree.held:
            self.bodies[doc.id, doc.rev] = doc.body
        self.trees[doc.id] = tree.merge(doc.path, doc.generation, held)[0].stem(self.limit)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=40, stateful_step_count=20)
