"""The revision tree of one document, as a value.

A revision is a node (generation, hash). A document that arrives by replication names a path: its own revision and
as many ancestors as its sender still knew, newest first. The tree is the union of all paths seen, so the order in
which they came leaves no trace:

    path (3, [c, b, a])          1-a ── 2-b ── 3-c
    path (2, [x, a])               └─── 2-x
    path (7, [g, f])             6-f ── 7-g              an unrelated root: its history was stemmed away

Leaves are nodes that are nobody's parent. The winner is the greatest leaf by (not deleted, generation, hash bytewise);
every peer picks the same one. This is CouchDB's `couch_key_tree` seen as a set, with one difference: where two paths
give the same revision different parents (a forged or broken history) CouchDB keeps the revision twice, this tree keeps
it once with both parents and follows the greater.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, NewType
from urllib.parse import quote, unquote

from replication.document import Rev, parse_rev

Node = tuple[int, str]
BodyKey = NewType("BodyKey", int)
Outcome = Literal["new_leaf", "internal_node", "new_branch"]


class Held(NamedTuple):
    """What is stored for a node whose document arrived: where its body is, and whether it is a tombstone."""

    body: BodyKey
    deleted: bool


class Leaf(NamedTuple):
    node: Node
    deleted: bool

    @property
    def rev(self) -> Rev:
        return build_rev(self.node)


def build_rev(node: Node) -> Rev:
    """Return "<generation>-<hash>"."""
    return Rev(f"{node[0]}-{node[1]}")


def parse_node(rev: str) -> Node:
    """Return the node of a revision. Hashes of 32 hex digits are numbers to CouchDB, so their case is dropped.

    Raises `BadRequest`.
    """
    generation, digest = parse_rev(rev)
    if len(digest) == 32 and not digest.islower() and set(digest) <= _HEX:
        digest = digest.lower()
    return generation, digest


_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class RevTree:
    """All known revisions of one document.

    `parents` has every node and the hashes of its parents, one generation below: none for a root, more than one only
    for forged histories. `held` has the nodes whose documents are stored; the others are known by name alone.
    """

    parents: Mapping[Node, tuple[str, ...]]
    held: Mapping[Node, Held]

    def __contains__(self, node: object) -> bool:
        return node in self.parents

    def __len__(self) -> int:
        return len(self.parents)

    def merge(self, path: Sequence[str], generation: int, held: Held | None) -> tuple[RevTree, Outcome]:
        """Return the tree with the path of one document added, and what that did.

        `path` lists hashes newest first, the first at `generation`; `held` is what is stored for that first one, and
        is kept out where something is already. The outcome is "internal_node" when the revision
        was known (the path may still add ancestors), "new_leaf" when it extends a leaf or begins the tree, and
        "new_branch" when it stands beside what was there.
        """
        head = (generation, path[0])
        if head in self.parents:
            outcome: Outcome = "internal_node"
        elif not self.parents or any(node in self._leaf_nodes() for node in walk(path, generation)):
            outcome = "new_leaf"
        else:
            outcome = "new_branch"
        parents = dict(self.parents)
        add_path(parents, path, generation)
        if held is None or head in self.held:
            return RevTree(parents, self.held), outcome
        return RevTree(parents, {**self.held, head: held}), outcome

    def leaves(self) -> tuple[Leaf, ...]:
        """Return all leaves, the winner first, then falling by (not deleted, generation, hash)."""
        return self._sorted(self._leaf_nodes())

    def winner(self) -> Leaf:
        """Return the leaf that every peer shows. The tree must not be empty."""
        return self.leaves()[0]

    def path(self, node: Node) -> tuple[str, ...]:
        """Return the hashes from `node` back to its root, newest first."""
        hashes = []
        while True:
            hashes.append(node[1])
            parents = self.parents[node]
            if not parents:
                return tuple(hashes)
            node = (node[0] - 1, parents[-1])

    def latest(self, node: Node) -> tuple[Leaf, ...]:
        """Return the leaves that descend from `node` (itself, when it is one), best first."""
        reached = {node}
        for child in sorted(self.parents):  # by generation, so a child comes after its parents
            if any((child[0] - 1, digest) in reached for digest in self.parents[child]):
                reached.add(child)
        return self._sorted(reached & self._leaf_nodes())

    def stem(self, limit: int) -> RevTree:
        """Return the tree without the nodes that are `limit` or more generations below every leaf that descends
        from them. It may fall into several roots."""
        if len(self.parents) <= limit or all(len(self.path(node)) <= limit for node in self._leaf_nodes()):
            return self
        # The lowest leaf that descends from a node decides whether the node stays.
        lowest: dict[Node, int] = {}
        for node in sorted(self.parents, reverse=True):
            reach = lowest.setdefault(node, node[0])
            for parent in self._parent_nodes(node):
                lowest[parent] = min(lowest.get(parent, reach), reach)
        return self._restricted({node for node, leaf in lowest.items() if leaf - node[0] < limit})

    def remove(self, leaves: Iterable[Node]) -> RevTree:
        """Return the tree without these leaves and without the nodes that only they kept. It may be empty."""
        kept: set[Node] = set()
        frontier = list(self._leaf_nodes() - set(leaves))
        while frontier:
            node = frontier.pop()
            if node not in kept:
                kept.add(node)
                frontier.extend(self._parent_nodes(node))
        return self._restricted(kept)

    def forget(self, nodes: Iterable[Node]) -> RevTree:
        """Return the tree in which the documents of `nodes` are no longer held, only their names."""
        gone = set(nodes)
        return RevTree(self.parents, {node: held for node, held in self.held.items() if node not in gone})

    def superseded(self) -> list[Node]:
        """Return the nodes whose documents are held though they are no leaves: what compaction drops."""
        leaves = self._leaf_nodes()
        return [node for node in self.held if node not in leaves]

    def dump(self) -> bytes:
        """Return the compact stored form, which `parse_tree` reads.

        UTF-8 text: the paths that cover the tree, one a line, as "<generation> <hash> <hash> …" newest first; an
        empty line; then for each held node "<generation> <hash> <body key> <0|1 for a tombstone>". Hashes are
        escaped as in URLs, so that any text of a foreign peer survives.
        """
        paths = (" ".join([str(generation), *map(_escape, hashes)]) for generation, hashes in self._cover())
        held = (f"{node[0]} {_escape(node[1])} {at.body} {at.deleted:d}" for node, at in self.held.items())
        return "\n".join([*paths, "", *held]).encode()

    def _leaf_nodes(self) -> set[Node]:
        inner = {(node[0] - 1, digest) for node, parents in self.parents.items() for digest in parents}
        return set(self.parents) - inner

    def _parent_nodes(self, node: Node) -> list[Node]:
        return [(node[0] - 1, digest) for digest in self.parents[node]]

    def _sorted(self, leaves: Iterable[Node]) -> tuple[Leaf, ...]:
        found = (Leaf(node, node in self.held and self.held[node].deleted) for node in leaves)
        return tuple(sorted(found, key=_rank, reverse=True))

    def _restricted(self, kept: set[Node]) -> RevTree:
        parents = {
            node: tuple(digest for digest in parents if (node[0] - 1, digest) in kept)
            for node, parents in self.parents.items()
            if node in kept
        }
        return RevTree(parents, {node: held for node, held in self.held.items() if node in kept})

    def _cover(self) -> Iterator[tuple[int, list[str]]]:
        """Yield paths whose union is the tree; each ends at a root or at a node that another one holds."""
        covered: set[Node] = set()
        starts: list[tuple[Node, str | None]] = [(node, None) for node in self._leaf_nodes()]
        while starts:
            node, parent = starts.pop()
            generation, hashes = node[0], [node[1]]
            while parent is not None or node not in covered:
                if parent is None:
                    covered.add(node)
                    *others, parent = self.parents[node] or (None,)
                    starts.extend((node, other) for other in others)
                    if parent is None:
                        break
                node, parent = (node[0] - 1, parent), None
                hashes.append(node[1])
            yield generation, hashes


EMPTY_TREE = RevTree({}, {})


def build_single(node: Node, held: Held) -> RevTree:
    """Return the tree of one revision without known ancestors."""
    return RevTree({node: ()}, {node: held})


def parse_tree(stored: bytes) -> RevTree:
    """Return the tree that `RevTree.dump` wrote. Raises `ValueError` for bytes that are none."""
    paths, _, rest = stored.decode().partition("\n\n")
    parents: dict[Node, tuple[str, ...]] = {}
    for line in paths.split("\n"):
        generation, *hashes = line.split(" ")
        add_path(parents, [_unescape(digest) for digest in hashes], int(generation))
    held = {}
    for line in rest.split("\n") if rest else ():
        number, digest, body, dead = line.split(" ")
        held[int(number), _unescape(digest)] = Held(BodyKey(int(body)), dead == "1")
    return RevTree(parents, held)


def walk(path: Sequence[str], generation: int) -> Iterator[Node]:
    """Yield the nodes of a path, newest first."""
    for offset, digest in enumerate(path):
        yield generation - offset, digest


def add_path(parents: dict[Node, tuple[str, ...]], path: Sequence[str], generation: int) -> None:
    """Add the nodes and edges of a path, newest first, to the map of parents."""
    child: Node | None = None
    for node in walk(path, generation):
        parents.setdefault(node, ())
        if child is not None and node[1] not in parents[child]:
            parents[child] = tuple(sorted((*parents[child], node[1])))
        child = node


def _rank(leaf: Leaf) -> tuple[bool, Node]:
    return not leaf.deleted, leaf.node  # text sorts by code point, as its UTF-8 bytes do


def _escape(digest: str) -> str:
    return digest if digest.isalnum() else quote(digest, safe="")


def _unescape(text: str) -> str:
    return unquote(text) if "%" in text else text
