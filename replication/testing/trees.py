"""Replicated revisions: how paths merge, who wins, what a store lacks."""

from __future__ import annotations

import itertools

import pytest

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest, NotFound
from replication.store import Database, RevsDiff
from replication.testing.base import Contract, build_doc, put, read_body, read_feed, read_leaves

A = DocId("a")


class TreeContract(Contract):
    def test_a_replicated_document_keeps_its_revision_and_path(self, db: Database) -> None:
        """Ancestors are known by name; their bodies are not here."""
        put(db, build_doc("a", "3-c", "b", "a", n=3))
        assert db.get(A).path == ("c", "b", "a")
        assert [(info.rev, info.status) for info in db.revs_info(A)] == [
            ("3-c", "available"),
            ("2-b", "missing"),
            ("1-a", "missing"),
        ]
        with pytest.raises(NotFound, match=r"^missing$"):
            db.get(A, Rev("2-b"))

    def test_the_same_revision_again_moves_no_seq(self, db: Database) -> None:
        """Also in a batch with others, also twice in one batch, also one with a history."""
        put(db, build_doc("a", "1-x"), build_doc("b", "3-c", "b", "a"), build_doc("b", "3-c", "b", "a"))
        before = db.info()
        put(db, build_doc("a", "1-x", n="other"), build_doc("b", "3-c", "b", "a"), build_doc("b", "3-c"))
        after = db.info()
        assert (after.update_seq, after.doc_count) == (before.update_seq, 2)
        assert read_body(db.get(A)) == {}

    @pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
    def test_paths_merge_in_any_order(self, db: Database, order: tuple[int, ...]) -> None:
        """A chain, a branch beside it and an unrelated root give the same leaves and winner."""
        docs = [
            build_doc("a", "2-b", "a", n=2),
            build_doc("a", "4-d", "c", "b", "a", n=4),
            build_doc("a", "3-x", "b", "a", n=3),
            build_doc("a", "2-z", n=0),
        ]
        put(db, *(docs[at] for at in order))
        assert read_leaves(db, "a") == [("4-d", False), ("3-x", False), ("2-z", False)]
        assert db.get(A).path == ("d", "c", "b", "a")

    def test_stemmed_paths_join_when_the_link_between_them_arrives(self, db: Database) -> None:
        """Two roots that looked unrelated are one line once a longer path names both."""
        put(db, build_doc("a", "3-c"), build_doc("a", "5-e"))
        assert read_leaves(db, "a") == [("5-e", False), ("3-c", False)]
        put(db, build_doc("a", "6-f", "e", "d", "c"))
        assert read_leaves(db, "a") == [("6-f", False)]
        assert db.get(A).path == ("f", "e", "d", "c")

    def test_a_path_attaches_above_a_stemmed_root(self, db: Database) -> None:
        """Ancestors that a later sender still knew are added to a revision that is here."""
        put(db, build_doc("a", "3-c", "b"), build_doc("a", "4-d", "c", "b", "a"))
        assert db.get(A).path == ("d", "c", "b", "a")
        assert read_leaves(db, "a") == [("4-d", False)]

    def test_a_known_revision_with_more_ancestors_extends_its_path(self, db: Database) -> None:
        """What a peer still knows of the history is kept."""
        put(db, build_doc("a", "3-c", "b"), build_doc("a", "3-c", "b", "a"))
        assert db.get(A).path == ("c", "b", "a")

    def test_an_ancestor_that_comes_late_changes_no_leaf(self, db: Database) -> None:
        """Revisions may arrive in any order; the body is kept."""
        put(db, build_doc("a", "3-c", "b", "a"), build_doc("a", "1-a", n=1))
        assert read_leaves(db, "a") == [("3-c", False)]
        assert db.get(A).rev == "3-c"
        assert read_body(db.get(A, Rev("1-a"))) == {"n": 1}

    @pytest.mark.parametrize(
        ("docs", "winner"),
        [
            ([("1-a", False), ("1-b", False)], "1-b"),
            ([("2-a", False), ("1-b", False)], "2-a"),
            ([("10-a", False), ("9-b", False)], "10-a"),
            ([("9-a", True), ("1-b", False)], "1-b"),
            ([("1-a", True), ("2-b", True)], "2-b"),
            ([(f"1-{'0' * 31}f", False), (f"1-{'0' * 30}10", False)], f"1-{'0' * 30}10"),
        ],
    )
    def test_the_winner_is_live_then_long_then_greater(
        self, db: Database, docs: list[tuple[str, bool]], winner: str
    ) -> None:
        """(not deleted, generation as a number, hash bytewise), whichever came first."""
        for doc_id, order in (("a", docs), ("b", docs[::-1])):
            put(db, *(build_doc(doc_id, rev, deleted=deleted) for rev, deleted in order))
            assert read_leaves(db, doc_id)[0][0] == winner
            leaves, deleted = read_feed(db)[doc_id]
            assert leaves == tuple(rev for rev, _ in read_leaves(db, doc_id))
            assert deleted == all(dead for _, dead in docs)

    def test_a_revision_may_have_an_empty_hash(self, db: Database) -> None:
        """PouchDB writes "1-" and CouchDB keeps it."""
        put(db, build_doc("a", "1-"), build_doc("b", "2-x", ""), build_doc("b", "1-y"))
        assert read_leaves(db, "a") == [("1-", False)]
        assert db.get(DocId("b")).path == ("x", "")
        assert db.get(A, Rev("1-")).rev == "1-"

    def test_a_tombstone_ends_a_branch_and_the_other_leaf_wins(self, db: Database) -> None:
        """How a peer's resolution of a conflict arrives."""
        put(db, build_doc("a", "1-x", n=1), build_doc("a", "1-y", n=2))
        put(db, build_doc("a", "2-t", "y", deleted=True))
        assert read_leaves(db, "a") == [("1-x", False), ("2-t", True)]
        assert read_body(db.get(A)) == {"n": 1}

    @pytest.mark.parametrize(
        "doc",
        [
            Doc(A, Rev("2-b"), ("x", "a")),
            Doc(A, Rev("2-b"), ()),
            Doc(A, Rev("2-b"), ("b", "a", "0")),
            Doc(A, Rev("nonsense"), ("nonsense",)),
            Doc(A, Rev("0-b"), ("b",)),
            Doc(A, None, ()),
        ],
    )
    def test_a_path_that_does_not_fit_its_revision_is_refused(self, db: Database, doc: Doc) -> None:
        """`BadRequest` in its result; the rest of the batch is stored."""
        bad, good = db.bulk_docs([doc, build_doc("b", "1-x")], new_edits=False)
        assert isinstance(bad.error, BadRequest)
        assert good.error is None
        assert [row.id for row in db.changes().rows] == ["b"]

    def test_revs_diff_names_what_is_missing_in_the_order_asked(self, db: Database) -> None:
        """Known ids are left out; a name inside a tree is known, with or without its body."""
        put(db, build_doc("a", "3-c", "b", "a"), build_doc("b", "1-x"), build_doc("d", "2-t", "s", deleted=True))
        wanted = {
            DocId("new"): [Rev("2-z"), Rev("1-y")],
            DocId("a"): [Rev("3-c"), Rev("2-b"), Rev("1-a")],
            DocId("b"): [Rev("1-x"), Rev("1-w"), Rev("2-v")],
            DocId("d"): [Rev("2-t")],
        }
        diff = db.revs_diff(wanted)
        assert list(diff) == ["new", "b"]
        assert diff[DocId("new")] == RevsDiff((Rev("2-z"), Rev("1-y")))
        assert diff[DocId("b")] == RevsDiff((Rev("1-w"), Rev("2-v")), (Rev("1-x"),))
        assert db.revs_diff({}) == {}

    def test_possible_ancestors_are_leaves_of_a_lower_generation(self, db: Database) -> None:
        """Lower than the highest missing revision; inner nodes are none."""
        put(db, build_doc("a", "3-c", "b", "a"), build_doc("a", "2-y", "a"), build_doc("a", "4-e"))
        diff = db.revs_diff({A: [Rev("4-new"), Rev("1-old")]})
        assert diff[A].missing == ("4-new", "1-old")
        assert set(diff[A].possible_ancestors) == {"3-c", "2-y"}
        assert db.revs_diff({A: [Rev("1-old")]})[A].possible_ancestors == ()

    def test_two_stores_that_got_the_same_paths_agree(self, db: Database) -> None:
        """Leaves, winner and paths, whatever the order and the batches."""
        docs = [
            build_doc("%", f"{length}-{branch}{length}", *(f"{branch}{n}" for n in range(length - 1, 1, -1)), "root")
            for branch in "xyz"
            for length in (2, 3, 5)
        ]
        for doc_id, order in (("a", docs), ("b", docs[::-1])):
            renamed = [Doc(DocId(doc_id), doc.rev, doc.path) for doc in order]
            put(db, *renamed[:4])
            put(db, *renamed[4:])
        assert read_leaves(db, "a") == read_leaves(db, "b") == [("5-z5", False), ("5-y5", False), ("5-x5", False)]
        assert db.get(A).path == db.get(DocId("b")).path
