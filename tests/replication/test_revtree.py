"""Revision trees against a model that knows nothing but the paths it was given."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.document import Rev
from replication.errors import BadRequest
from replication.revtree import (
    EMPTY_TREE,
    BodyKey,
    Held,
    Node,
    RevTree,
    build_rev,
    build_single,
    parse_node,
    parse_tree,
)

Path = tuple[Node, ...]  # oldest first, one generation apart


class Model:
    """The definition: a set of paths. A node is a leaf if no path goes on behind it."""

    def __init__(self, paths: list[Path], dead: frozenset[Node]) -> None:
        self.paths = paths
        self.dead = dead

    def nodes(self) -> set[Node]:
        return {node for path in self.paths for node in path}

    def before(self, node: Node) -> Node | None:
        found = {a for path in self.paths for a, b in itertools.pairwise(path) if b == node}
        return max(found, default=None)

    def leaves(self) -> set[Node]:
        inner = {a for path in self.paths for a, _ in itertools.pairwise(path)}
        return self.nodes() - inner

    def root_path(self, node: Node) -> Path:
        path: Path = (node,)
        while (parent := self.before(path[0])) is not None:
            path = (parent, *path)
        return path

    def ranked(self) -> list[Node]:
        return sorted(self.leaves(), key=lambda node: (node not in self.dead, node[0], node[1].encode()), reverse=True)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Path], frozenset[Node]]:
    """Paths cut from one true history, each anywhere, as peers that stemmed differently would send them."""
    parents: dict[Node, Node | None] = {}
    for number in range(draw(st.integers(1, 14))):
        parent = draw(st.sampled_from([None, *parents]))
        start = draw(st.integers(1, 4)) if parent is None else parent[0] + 1
        parents[start, draw(st.sampled_from("aAzé0")) + str(number)] = parent
    paths = []
    for head in draw(st.lists(st.sampled_from(list(parents)), min_size=1, max_size=10)):
        path = [head]
        while len(path) < 20 and (below := parents[path[0]]) is not None:
            path.insert(0, below)
        paths.append(tuple(path[-draw(st.integers(1, 20)) :]))
    dead = draw(st.frozensets(st.sampled_from(list(parents))))
    return paths, dead


def grow(paths: list[Path], dead: frozenset[Node]) -> RevTree:
    tree = EMPTY_TREE
    for path in paths:
        head = path[-1]
        body = BodyKey(sum(head[1].encode()) * 100 + head[0])  # the same for the same node, whatever the order
        tree, _ = tree.merge([digest for _, digest in reversed(path)], head[0], Held(body, head in dead))
    return tree


def live_or_dead(model: Model, tree: RevTree) -> Model:
    """A tombstone is known as one only once it came itself, not by name."""
    return Model(model.paths, model.dead & set(tree.held))


@given(histories())
def test_leaves_winner_and_paths_are_the_models(history: tuple[list[Path], frozenset[Node]]) -> None:
    """Stemmed paths that overlap, touch or stand apart."""
    tree = grow(*history)
    model = live_or_dead(Model(*history), tree)
    assert [leaf.node for leaf in tree.leaves()] == model.ranked()
    assert tree.winner().node == model.ranked()[0]
    assert set(tree.parents) == model.nodes()
    for node in model.nodes():
        assert tree.path(node) == tuple(digest for _, digest in reversed(model.root_path(node)))


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_merges_leaves_no_trace(history: tuple[list[Path], frozenset[Node]], random: Random) -> None:
    """The same paths, shuffled and with repetitions, give an equal tree."""
    paths, dead = history
    shuffled = [*paths, *paths[:3]]
    random.shuffle(shuffled)
    assert grow(shuffled, dead) == grow(paths, dead)


@given(histories())
def test_merging_again_changes_nothing(history: tuple[list[Path], frozenset[Node]]) -> None:
    """And says that the revision was known."""
    paths, dead = history
    tree = grow(paths, dead)
    for path in paths:
        again, outcome = tree.merge([digest for _, digest in reversed(path)], path[-1][0], Held(BodyKey(9), False))
        assert (again, outcome) == (tree, "internal_node")


@given(histories())
def test_the_outcome_tells_what_happened_to_the_leaves(history: tuple[list[Path], frozenset[Node]]) -> None:
    """A new leaf continues one or begins the tree; a branch adds one; a known revision does neither."""
    paths, _ = history
    tree = EMPTY_TREE
    for path in paths:
        before = {leaf.node for leaf in tree.leaves()}
        known = path[-1] in tree
        tree, outcome = tree.merge([digest for _, digest in reversed(path)], path[-1][0], Held(BodyKey(1), False))
        after = {leaf.node for leaf in tree.leaves()}
        if known:
            assert outcome == "internal_node"
            assert after <= before
        elif not before or set(path) & before:
            assert outcome == "new_leaf"
            assert path[-1] in after
        else:
            assert outcome == "new_branch"
            assert after == before | {path[-1]}


@given(histories())
def test_the_stored_form_reads_back_equal(history: tuple[list[Path], frozenset[Node]]) -> None:
    """Whatever the hashes are."""
    tree = grow(*history)
    assert parse_tree(tree.dump()) == tree


@given(st.text(), st.text(), st.integers(1, 10**14))
def test_any_text_is_a_hash(first: str, second: str, generation: int) -> None:
    """Spaces, line breaks, percent signs, other alphabets and nothing at all survive storage."""
    tree, _ = EMPTY_TREE.merge([first, second], generation + 1, Held(BodyKey(7), True))
    assert parse_tree(tree.dump()) == tree
    assert tree.path((generation + 1, first)) == (first, second)


@given(histories(), st.integers(1, 6))
def test_stemming_keeps_the_newest_of_each_leafs_path(history: tuple[list[Path], frozenset[Node]], limit: int) -> None:
    """No more and no less: a node stays while some leaf is near enough, and what stays stays joined."""
    tree = grow(*history)
    model = Model(*history)
    stemmed = tree.stem(limit)
    kept = {node for leaf in model.leaves() for node in model.root_path(leaf)[-limit:]}
    assert set(stemmed.parents) == kept
    assert stemmed.leaves() == tree.leaves()
    for leaf in tree.leaves():
        whole = itertools.takewhile(kept.__contains__, reversed(model.root_path(leaf.node)))
        assert stemmed.path(leaf.node) == tuple(digest for _, digest in whole)
    assert set(stemmed.held) == set(tree.held) & set(stemmed.parents)


@given(histories(), st.data())
def test_removing_leaves_keeps_the_root_paths_of_the_others(
    history: tuple[list[Path], frozenset[Node]], data: st.DataObject
) -> None:
    """Inner nodes are not removed by name; removing all leaves removes all."""
    tree = grow(*history)
    model = Model(*history)
    gone = data.draw(st.sets(st.sampled_from(sorted(model.nodes()))))
    rest = tree.remove(gone)
    kept = model.leaves() - gone
    assert {leaf.node for leaf in rest.leaves()} == kept
    assert set(rest.parents) == {node for leaf in kept for node in model.root_path(leaf)}
    assert len(tree.remove(model.leaves())) == 0


@given(histories())
def test_latest_finds_the_leaves_below_a_node(history: tuple[list[Path], frozenset[Node]]) -> None:
    """Those whose root path goes through it, best first."""
    tree = grow(*history)
    model = live_or_dead(Model(*history), tree)
    for node in model.nodes():
        below = [leaf for leaf in model.ranked() if node in model.root_path(leaf)]
        assert [leaf.node for leaf in tree.latest(node)] == below


@given(histories())
def test_what_compaction_drops_is_held_and_no_leaf(history: tuple[list[Path], frozenset[Node]]) -> None:
    """Forgetting it leaves the names."""
    tree = grow(*history)
    old = tree.superseded()
    assert set(old) == set(tree.held) - Model(*history).leaves()
    compacted = tree.forget(old)
    assert compacted.parents == tree.parents
    assert compacted.leaves() == tree.leaves()
    assert compacted.superseded() == []


def test_a_forged_second_parent_is_kept_beside_the_first() -> None:
    """One revision, both histories known, the greater one followed: the same on every node, in either order."""
    one, two = ["c", "b", "a"], ["c", "x", "a"]
    held = Held(BodyKey(1), False)
    trees = [EMPTY_TREE.merge(p, 3, held)[0].merge(q, 3, held)[0] for p, q in ((one, two), (two, one))]
    assert trees[0] == trees[1] == parse_tree(trees[0].dump())
    assert [leaf.node for leaf in trees[0].leaves()] == [(3, "c")]
    assert trees[0].path((3, "c")) == ("c", "x", "a")
    assert (2, "b") in trees[0]
    assert trees[0].stem(3) == trees[0]
    assert len(trees[0].stem(2)) == 3
    assert len(trees[0].remove([(3, "c")])) == 0


def test_a_name_without_a_document_is_not_held() -> None:
    """It becomes so when the document comes, and the first to come stays."""
    tree, _ = EMPTY_TREE.merge(["b", "a"], 2, Held(BodyKey(1), False))
    assert (1, "a") not in tree.held
    tree, outcome = tree.merge(["a"], 1, Held(BodyKey(2), True))
    assert outcome == "internal_node"
    assert tree.held[1, "a"] == Held(BodyKey(2), True)
    assert tree.merge(["a"], 1, Held(BodyKey(3), False))[0] == tree
    assert tree.merge(["a"], 1, None)[0] == tree


def test_stemming_keeps_an_old_fork_that_a_short_branch_still_needs() -> None:
    """As in CouchDB: the limit counts from each leaf, and the longer branch stays joined to the fork."""
    held = Held(BodyKey(1), False)
    tree = EMPTY_TREE.merge(["s", "fork", "root"], 3, held)[0].merge(["l2", "l1", "fork"], 4, held)[0]
    stemmed = tree.stem(2)
    assert stemmed.path((4, "l2")) == ("l2", "l1", "fork")
    assert (1, "root") not in stemmed


def test_a_long_line_is_quick_to_read_and_write() -> None:
    """A thousand generations, CouchDB's default limit, survive storage and stemming."""
    hashes = [f"{n:032x}" for n in range(1500, 0, -1)]
    tree, _ = EMPTY_TREE.merge(hashes, 1500, Held(BodyKey(1), False))
    stemmed = tree.stem(1000)
    assert stemmed.path((1500, hashes[0])) == tuple(hashes[:1000])
    assert parse_tree(stemmed.dump()) == stemmed


@pytest.mark.parametrize(
    ("rev", "node"),
    [
        ("1-x", (1, "x")),
        ("12-A-b", (12, "A-b")),
        (f"3-{'AB' * 16}", (3, "ab" * 16)),
        (f"3-{'AG' * 16}", (3, "AG" * 16)),
    ],
)
def test_a_revision_is_parsed_to_its_node(rev: str, node: Node) -> None:
    """32 hex digits are a number to CouchDB, so their case is dropped; other hashes are text."""
    assert parse_node(rev) == node
    assert build_rev(node) == Rev(f"{node[0]}-{node[1]}")


def test_a_revision_that_is_none_is_refused() -> None:
    """`BadRequest`, in CouchDB's words."""
    with pytest.raises(BadRequest, match=r"^Invalid rev format$"):
        parse_node("x")


def test_bytes_that_are_no_tree_are_refused() -> None:
    """Damage is an error, not an empty history."""
    with pytest.raises(ValueError):
        parse_tree(b"not a tree\n\n")
    assert parse_tree(build_single((1, "x"), Held(BodyKey(1), True)).dump()).winner().deleted
