"""Three stores live at random and replicate over lines that break; a model says what each must hold."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from replication.document import Attachment, Doc, DocId, Rev
from tests.replication.durability.workplace import open_workplace
from tests.replication.model.definition import (
    NOTHING,
    Content,
    Node,
    Replica,
    World,
    add,
    build_path,
    build_rev,
    known,
    parse_node,
    replicate,
)
from tests.replication.model.node import (
    Backup,
    StoreUnderTest,
    build_file,
    build_hash,
    build_stub,
    push,
    read_content,
    read_paths,
)

IDS = ("a", "b", "c", "d")
WHERE = st.integers(0, 2)
DOC = st.sampled_from(IDS)
NUMBER = st.integers(0, 4)
WHICH = st.integers(0, 3)
FILES = [b"", b"scan", bytes(range(256)) * 20]


class ThreeStores(RuleBasedStateMachine):
    """Histories without stemming or purge: each store is exactly what the model says, and all agree in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.workplace = open_workplace()
        self.root = self.workplace.__enter__()
        self.nodes = [StoreUnderTest(self.root / f"node-{n}") for n in range(3)]
        self.world = World()
        self.backups: list[tuple[int, Backup]] = []

    def teardown(self) -> None:
        for node in self.nodes:
            node.close()
        self.workplace.__exit__(None, None, None)

    # Writing

    @rule(where=WHERE, doc_id=DOC, number=NUMBER, which=WHICH, deleted=st.sampled_from([False, False, True]))
    def edit(self, where: int, doc_id: str, number: int, which: int, deleted: bool) -> None:
        """Change or delete any leaf, or begin the document."""
        self._edit(where, doc_id, which, number, deleted, {})

    @rule(where=WHERE, doc_id=DOC, number=NUMBER, which=WHICH, scan=st.integers(0, 2))
    def attach(self, where: int, doc_id: str, number: int, which: int, scan: int) -> None:
        """Edit with a new attachment, keeping the others by their stubs."""
        self._edit(where, doc_id, which, number, False, {f"file-{number}": build_file(FILES[scan])}, keep=True)

    @rule(where=WHERE, doc_id=DOC, number=NUMBER, which=WHICH)
    def keep_by_stub(self, where: int, doc_id: str, number: int, which: int) -> None:
        """Edit the text only; every attachment is named and not sent again."""
        self._edit(where, doc_id, which, number, False, {}, keep=True)

    @rule(where=WHERE, doc_id=DOC, number=NUMBER, which=WHICH, fresh=st.integers(1, 3), scan=st.integers(0, 2))
    def take_in(self, where: int, doc_id: str, number: int, which: int, fresh: int, scan: int) -> None:
        """A revision from a store nobody here knows: on top of something, beside it, or with roots of its own."""
        node, data = self.nodes[where], FILES[scan]
        inner = sorted(known(node.model.docs.get(doc_id, NOTHING)))
        under = inner[number % len(inner)] if inner and which else None
        below = self._path_under(node.model, doc_id, under) if under else ()
        start = under[0] if under else 0
        hashes = [build_hash(doc_id, number, data, under, back) for back in range(fresh)]
        rev = Rev(f"{start + fresh}-{hashes[0]}")
        path = (*hashes, *(digest for _, digest in below))
        files = {"foreign": build_file(data)} if data else {}
        deleted = number == 4
        doc = Doc(DocId(doc_id), rev, path, deleted, _body(number), files)
        assert node.write(doc, new_edits=False) == rev
        content = Content(doc.body, deleted, tuple((name, "image/jpeg", data) for name in files))
        self._note(where, doc_id, rev, path, content)

    # Replication and accidents

    @rule(origin=WHERE, goal=WHERE, cut_after=st.sampled_from([None, 0, 1, 2, 3, 5]))
    def replicate(self, origin: int, goal: int, cut_after: int | None) -> None:
        if origin == goal:
            return
        push(self.nodes[origin], self.nodes[goal], cut_after)
        wanted = self.nodes[goal].model.copy()
        replicate(self.nodes[origin].model, wanted)
        if cut_after is not None:
            wanted = self._arrived(goal, wanted)
        self.nodes[goal].model = wanted
        self._check(goal)

    @rule(where=WHERE)
    def crash(self, where: int) -> None:
        self.nodes[where].reopen()
        self._check(where)

    @rule(where=WHERE)
    def compact(self, where: int) -> None:
        self.nodes[where].db.compact()
        self._check(where)

    @precondition(lambda self: len(self.backups) < 3)
    @rule(where=WHERE)
    def back_up(self, where: int) -> None:
        self.backups.append((where, self.nodes[where].back_up(self.root / f"backup-{len(self.backups)}")))

    @precondition(lambda self: self.backups)
    @rule(which=WHICH)
    def restore(self, which: int) -> None:
        where, backup = self.backups[which % len(self.backups)]
        self.nodes[where].restore(backup)
        self._check(where)

    @rule()
    def settle(self) -> None:
        """Replicate until nothing moves; all three hold the same."""
        for _ in range(2):
            for source, target in ((0, 1), (1, 2), (2, 0), (0, 2), (2, 1), (1, 0)):
                push(self.nodes[source], self.nodes[target])
                replicate(self.nodes[source].model, self.nodes[target].model)
        for where in range(3):
            self._check(where)
        self._check_agreement()

    # Judging

    def _check(self, where: int) -> None:
        """A store holds exactly the model's paths, ranks them as the definition does, and every leaf says its words."""
        node = self.nodes[where]
        assert node.db.check() == []
        rows = {str(row.id): row for row in node.db.changes().rows}
        assert rows.keys() == node.model.docs.keys()
        for doc_id, paths in node.model.docs.items():
            leaves = node.read_leaves(doc_id)
            ranked = self.world.rank(doc_id, paths)
            assert [parse_node(str(doc.rev)) for doc in leaves] == ranked
            assert [parse_node(rev) for rev in rows[doc_id].leaves] == ranked
            assert read_paths(leaves) == paths
            for doc in leaves:
                assert read_content(doc) == self.world.contents[doc_id, parse_node(str(doc.rev))]

    def _check_agreement(self) -> None:
        first, *others = [{doc_id: node.read_leaves(doc_id) for doc_id in node.model.docs} for node in self.nodes]
        for other in others:
            assert {key: [(doc.rev, read_content(doc)) for doc in docs] for key, docs in other.items()} == {
                key: [(doc.rev, read_content(doc)) for doc in docs] for key, docs in first.items()
            }

    # Helpers

    def _edit(
        self,
        where: int,
        doc_id: str,
        which: int,
        number: int,
        deleted: bool,
        files: dict[str, Attachment],
        *,
        keep: bool = False,
    ) -> None:
        node = self.nodes[where]
        paths = node.model.docs.get(doc_id, NOTHING)
        parent = self._leaf_to_edit(doc_id, paths, which)
        gone = bool(paths) and self.world.is_deleted(doc_id, paths)
        if deleted and (parent is None or gone):
            return  # there is nothing to delete
        before = self.world.contents[doc_id, parent].files if parent and keep and not gone else ()
        stubs = {name: build_stub() for name, _, _ in before if name not in files}
        # A recreated document is begun without naming the tombstone it stands on.
        named = Rev(build_rev(parent)) if parent and not gone else None
        rev = node.write(Doc(DocId(doc_id), named, (), deleted, _body(number), {**stubs, **files}), new_edits=True)
        merged = {name: (name, kind, data) for name, kind, data in before}
        merged |= {name: (name, att.content_type, att.data or b"") for name, att in files.items()}
        below = self._path_under(node.model, doc_id, parent) if parent else ()
        path = (parse_node(rev)[1], *(digest for _, digest in below))
        self._note(where, doc_id, rev, path, Content(_body(number), deleted, tuple(merged[k] for k in sorted(merged))))

    def _leaf_to_edit(self, doc_id: str, paths: frozenset[tuple[Node, ...]], which: int) -> Node | None:
        """Return a live leaf, or the winning tombstone where there is no live one, or None."""
        if not paths:
            return None
        ranked = self.world.rank(doc_id, paths)
        live = [node for node in ranked if not self.world.contents[doc_id, node].deleted]
        return live[which % len(live)] if live else ranked[0]

    def _path_under(self, model: Replica, doc_id: str, node: Node) -> tuple[Node, ...]:
        path = next(path for path in model.docs[doc_id] if node in path)
        return path[path.index(node) :]

    def _note(self, where: int, doc_id: str, rev: str, hashes: tuple[str, ...], content: Content) -> None:
        """Enter in the model what was written, and compare."""
        self.world.tell(doc_id, parse_node(rev), content)
        self.nodes[where].model.merge(doc_id, build_path(rev, hashes))
        self._check(where)

    def _arrived(self, target: int, wanted: Replica) -> Replica:
        """Return the model of a target after a cut: any of the leaves on their way are there, whole."""
        arrived = self.nodes[target].model.copy()
        for doc_id, paths in wanted.docs.items():
            for path in paths:
                rev = Rev(build_rev(path[0]))
                there = DocId(doc_id) not in self.nodes[target].db.revs_diff({DocId(doc_id): [rev]})
                if there and arrived.lacks(doc_id, path[0]):
                    arrived.docs[doc_id] = add(arrived.docs.get(doc_id, NOTHING), path)
        return arrived


def _body(number: int) -> bytes:
    return json.dumps({"n": number, "name": "Nguyễn Thị Hồng"}).encode()
