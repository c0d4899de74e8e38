"""Three stores that cut their histories short and purge: less is certain then, and what is left must still hold."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import rule

from replication.document import DocId, Rev
from tests.replication.model.definition import NOTHING, Content, Node, Path, build_path, build_rev, parse_node
from tests.replication.model.machine import DOC, WHERE, WHICH, ThreeStores
from tests.replication.model.node import push, read_content, read_paths


class ForgetfulStores(ThreeStores):
    """With stemming, a store may take a revision for a new root that another knows as an old ancestor, and keep it as
    a leaf (CouchDB does too). So the model follows what a store says instead of foretelling it, and judges:

    - every leaf says what was written under its name, and its path is a stretch of the true history;
    - after settling, every revision that nobody has superseded is a leaf everywhere.

    A purged document is out of the second: where a checkpoint has passed it, nobody sends it again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[tuple[str, Node], Node] = {}
        self.purged: set[str] = set()

    @rule(where=WHERE, limit=st.sampled_from([1, 2, 3, 1000]))
    def limit_history(self, where: int, limit: int) -> None:
        self.nodes[where].db.set_revs_limit(limit)

    @rule(where=WHERE, doc_id=DOC, which=WHICH)
    def purge(self, where: int, doc_id: str, which: int) -> None:
        """Forget one leaf, and what only it kept."""
        paths = self.nodes[where].model.docs.get(doc_id, NOTHING)
        if not paths or which:  # seldom: each purge takes a document out of the judgement
            return
        leaf = self.world.rank(doc_id, paths)[0]
        done = self.nodes[where].db.purge({DocId(doc_id): [Rev(build_rev(leaf))]})
        assert done.purged == {doc_id: (build_rev(leaf),)}
        self.purged.add(doc_id)
        self._check(where)
        assert leaf not in {path[0] for path in self.nodes[where].model.docs.get(doc_id, NOTHING)}

    @rule(origin=WHERE, goal=WHERE, cut_after=st.sampled_from([None, 0, 1, 2, 3, 5]))
    def replicate(self, origin: int, goal: int, cut_after: int | None) -> None:
        if origin != goal:
            push(self.nodes[origin], self.nodes[goal], cut_after)
            self._check(goal)

    @rule()
    def settle(self) -> None:
        wanted = {doc_id: self._unsuperseded(doc_id) for node in self.nodes for doc_id in node.model.docs}
        for _ in range(2):
            for origin, goal in ((0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)):
                push(self.nodes[origin], self.nodes[goal])
        for where in range(3):
            self._check(where)
            docs = self.nodes[where].model.docs
            for doc_id in wanted.keys() - self.purged:
                assert wanted[doc_id] <= {path[0] for path in docs.get(doc_id, NOTHING)}

    def _unsuperseded(self, doc_id: str) -> set[Node]:
        """Return the leaves of all stores that are no ancestors of another one of them."""
        leaves = {path[0] for node in self.nodes for path in node.model.docs.get(doc_id, NOTHING)}
        ancestors = {ancestor for leaf in leaves for ancestor in self._history(doc_id, leaf)[1:]}
        return leaves - ancestors

    def _history(self, doc_id: str, node: Node) -> Path:
        path = [node]
        while (doc_id, path[-1]) in self.parents:
            path.append(self.parents[doc_id, path[-1]])
        return tuple(path)

    def _check(self, where: int) -> None:
        node = self.nodes[where]
        assert node.db.check() == []
        node.model.docs.clear()
        for row in node.db.changes().rows:
            leaves = node.read_leaves(row.id)
            paths = node.model.docs[row.id] = read_paths(leaves)
            assert [parse_node(str(doc.rev)) for doc in leaves] == self.world.rank(row.id, paths)
            assert [doc.rev for doc in leaves] == list(row.leaves)
            for doc in leaves:
                assert read_content(doc) == self.world.contents[row.id, parse_node(str(doc.rev))]
            for path in paths:
                assert path == self._history(row.id, path[0])[: len(path)]

    def _note(self, where: int, doc_id: str, rev: str, hashes: tuple[str, ...], content: Content) -> None:
        path = build_path(rev, hashes)
        self.world.tell(doc_id, path[0], content)
        for child, parent in pairwise(path):
            assert self.parents.setdefault((doc_id, child), parent) == parent
        known_before = path[0] in {
            node for known in self.nodes[where].model.docs.get(doc_id, NOTHING) for node in known
        }
        self._check(where)
        leaves = {known[0]: known for known in self.nodes[where].model.docs[doc_id]}
        assert path[0] in leaves or known_before
        if len(leaves) == 1 and not known_before:
            assert len(leaves[path[0]]) <= self.nodes[where].db.revs_limit()
