"""What revision trees, winners and replication mean, written from the definition and from nothing else.

A document is the set of its paths: one for each leaf, from the leaf back to its root, newest first. A path that
arrives is added; a path that is wholly inside another is no path of its own. The winner is the greatest leaf by (not
deleted, generation, hash). What a revision says never changes, so it is kept once for all stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

Node = tuple[int, str]  # generation and hash
Path = tuple[Node, ...]


class Content(NamedTuple):
    """What one revision says. `files` maps names to content type and bytes."""

    body: bytes
    deleted: bool
    files: tuple[tuple[str, str, bytes], ...]


Paths = frozenset[Path]
NOTHING: Paths = frozenset()


def parse_node(rev: str) -> Node:
    number, _, digest = rev.partition("-")
    return int(number), digest


def build_rev(node: Node) -> str:
    return f"{node[0]}-{node[1]}"


def build_path(rev: str, hashes: Iterable[str]) -> Path:
    """Return the path of `_revisions`: the hashes of `rev` and of its known ancestors."""
    number = parse_node(rev)[0]
    return tuple((number - back, digest) for back, digest in enumerate(hashes))


def add(paths: Paths, path: Path) -> Paths:
    """Return the paths with one more, each as long as all of them together know it."""
    edges = {child: parent for known in (*paths, path) for child, parent in pairwise(known)}
    nodes = {node for known in (*paths, path) for node in known}
    return frozenset(_walk(leaf, edges) for leaf in nodes - set(edges.values()))


def _walk(node: Node, edges: dict[Node, Node]) -> Path:
    path = [node]
    while path[-1] in edges:
        path.append(edges[path[-1]])
    return tuple(path)


def known(paths: Paths) -> set[Node]:
    return {node for path in paths for node in path}


@dataclass
class World:
    """Everything any store was ever told, by (document, revision)."""

    contents: dict[tuple[str, Node], Content] = field(default_factory=dict)

    def tell(self, doc_id: str, node: Node, content: Content) -> None:
        """Note what a revision says. The same name never says two things."""
        assert self.contents.setdefault((doc_id, node), content) == content, f"{doc_id} {build_rev(node)}"

    def rank(self, doc_id: str, paths: Paths) -> list[Node]:
        """Return the leaves, the winner first."""
        leaves = [path[0] for path in paths]
        return sorted(leaves, key=lambda node: (not self.contents[doc_id, node].deleted, node), reverse=True)

    def is_deleted(self, doc_id: str, paths: Paths) -> bool:
        """Return whether the winner is a tombstone."""
        return self.contents[doc_id, self.rank(doc_id, paths)[0]].deleted


@dataclass
class Replica:
    """One store: which paths it has of each document."""

    docs: dict[str, Paths] = field(default_factory=dict)

    def merge(self, doc_id: str, path: Path) -> None:
        self.docs[doc_id] = add(self.docs.get(doc_id, NOTHING), path)

    def copy(self) -> Replica:
        return Replica(dict(self.docs))

    def lacks(self, doc_id: str, node: Node) -> bool:
        return node not in known(self.docs.get(doc_id, NOTHING))


def replicate(source: Replica, target: Replica) -> None:
    """Bring every leaf of the source that the target has never heard of, with the path the source knows."""
    for doc_id, paths in source.docs.items():
        for path in paths:
            if target.lacks(doc_id, path[0]):
                target.merge(doc_id, path)
