"""Reading revisions: by name, all leaves, many documents at once."""

from __future__ import annotations

import pytest

from replication.document import Doc, DocId, Rev
from replication.errors import BadRequest
from replication.store import Database, GetRequest, MissingRev
from replication.testing.base import Contract, build_doc, edit, put, read_body

A = DocId("a")


def revs_of(found: list[Doc | MissingRev]) -> list[tuple[str, str | None]]:
    return [("doc" if isinstance(each, Doc) else each.reason, each.rev) for each in found]


class ReadContract(Contract):
    def test_a_named_revision_is_read_while_its_body_is_here(self, db: Database) -> None:
        """Also one that was superseded."""
        first = edit(db, build_doc("a", n=1))
        edit(db, build_doc("a", first, n=2))
        assert read_body(db.get(A, first)) == {"n": 1}
        assert db.get(A, first).path == (first.partition("-")[2],)

    def test_latest_answers_with_a_leaf_below(self, db: Database) -> None:
        """For a leaf itself; for an ancestor, even one without a body, the leaf that descends from it."""
        put(db, build_doc("a", "3-c", "b", "a", n=3), build_doc("a", "2-y", "a", n=2), build_doc("a", "9-other"))
        assert db.get(A, Rev("2-b"), latest=True).rev == "3-c"
        assert db.get(A, Rev("2-y"), latest=True).rev == "2-y"
        assert db.get(A, Rev("1-a"), latest=True).rev in ("3-c", "2-y")

    def test_open_revs_gives_every_leaf(self, db: Database) -> None:
        """Tombstones too, each with its own path."""
        put(db, build_doc("a", "3-c", "b", "a", n=3), build_doc("a", "2-y", "a", deleted=True))
        found = db.open_revs(A, None)
        assert {(doc.rev, doc.path, doc.deleted) for doc in found if isinstance(doc, Doc)} == {
            ("3-c", ("c", "b", "a"), False),
            ("2-y", ("y", "a"), True),
        }
        assert len(found) == 2

    def test_open_revs_answers_in_the_order_asked(self, db: Database) -> None:
        """What is unknown or has no body is missing, under the name asked for."""
        put(db, build_doc("a", "2-b", "a"), build_doc("a", "2-c", "a"))
        asked = [Rev("2-b"), Rev("7-no"), Rev("2-c"), Rev("1-a")]
        assert revs_of(db.open_revs(A, asked)) == [
            ("doc", "2-b"),
            ("missing", "7-no"),
            ("doc", "2-c"),
            ("missing", "1-a"),
        ]
        assert db.open_revs(A, []) == []

    def test_open_revs_of_an_unknown_document_are_missing(self, db: Database) -> None:
        """And there are no leaves of it."""
        never = DocId("never")
        assert db.open_revs(never, None) == []
        assert revs_of(db.open_revs(never, [Rev("1-x"), Rev("2-y")])) == [("missing", "1-x"), ("missing", "2-y")]

    def test_open_revs_with_latest_follows_to_the_leaf(self, db: Database) -> None:
        """What a replicator asks for while somebody goes on editing."""
        put(db, build_doc("a", "4-d", "c", "b", "a"))
        assert revs_of(db.open_revs(A, [Rev("2-b")], latest=True)) == [("doc", "4-d")]
        assert revs_of(db.open_revs(A, [Rev("4-d")], latest=True)) == [("doc", "4-d")]
        assert revs_of(db.open_revs(A, [Rev("9-no")], latest=True)) == [("missing", "9-no")]

    def test_bulk_get_answers_each_request_in_its_place(self, db: Database) -> None:
        """The winner, a named revision, a revision twice, the unknown; peers zip by position."""
        put(db, build_doc("a", "2-b", "a", n=2), build_doc("a", "1-z", n=1), build_doc("b", "1-x"))
        requests = [
            GetRequest(DocId("b")),
            GetRequest(DocId("never")),
            GetRequest(A, Rev("1-z")),
            GetRequest(A),
            GetRequest(A, Rev("1-no")),
            GetRequest(A, Rev("1-z")),
            GetRequest(DocId("never"), Rev("1-x")),
        ]
        answers = db.bulk_get(requests)
        assert [revs_of(answer) for answer in answers] == [
            [("doc", "1-x")],
            [("missing", None)],
            [("doc", "1-z")],
            [("doc", "2-b")],
            [("missing", "1-no")],
            [("doc", "1-z")],
            [("missing", "1-x")],
        ]
        assert [each.id for answer in answers for each in answer] == [request.id for request in requests]
        assert db.bulk_get([]) == []

    def test_bulk_get_of_a_deleted_document_gives_its_tombstone(self, db: Database) -> None:
        """Unlike `get`."""
        put(db, build_doc("a", "2-t", "a", deleted=True, why=1))
        ((doc,),) = db.bulk_get([GetRequest(A)])
        assert isinstance(doc, Doc)
        assert (doc.rev, doc.deleted, read_body(doc)) == ("2-t", True, {"why": 1})

    def test_bulk_get_with_latest_follows_to_the_leaf(self, db: Database) -> None:
        """By document with a history and by one without."""
        put(db, build_doc("a", "3-c", "b", "a"), build_doc("b", "1-x"))
        answers = db.bulk_get([GetRequest(A, Rev("1-a")), GetRequest(DocId("b"), Rev("1-x"))], latest=True)
        assert [revs_of(answer) for answer in answers] == [[("doc", "3-c")], [("doc", "1-x")]]

    def test_a_large_bulk_get_is_complete(self, db: Database) -> None:
        """More rows than any statement or request holds at once."""
        docs = [build_doc(f"d{n:04}", "1-x", n=n) for n in range(1200)]
        put(db, *docs)
        answers = db.bulk_get([GetRequest(doc.id, doc.rev) for doc in reversed(docs)])
        assert [read_body(answer[0])["n"] for answer in answers] == list(range(1199, -1, -1))

    def test_revs_info_tells_what_is_still_here(self, db: Database) -> None:
        """Newest first; a tombstone is "deleted"; another branch is asked for by its leaf."""
        first = edit(db, build_doc("a", n=1))
        second = edit(db, build_doc("a", first, deleted=True))
        third = edit(db, build_doc("a", n=3))
        assert [(info.rev, info.status) for info in db.revs_info(A)] == [
            (third, "available"),
            (second, "deleted"),
            (first, "available"),
        ]
        put(db, build_doc("a", "1-other"))
        assert [info.rev for info in db.revs_info(A, Rev("1-other"))] == ["1-other"]

    @pytest.mark.parametrize("rev", ["x", "-1", "1", "a-b", "", "1.5-x"])
    def test_a_revision_that_is_none_is_refused(self, db: Database, rev: str) -> None:
        """`BadRequest`, wherever it is read from."""
        put(db, build_doc("a", "1-x"))
        for call in (
            lambda: db.get(A, Rev(rev)),
            lambda: db.open_revs(A, [Rev(rev)]),
            lambda: db.revs_diff({A: [Rev(rev)]}),
        ):
            with pytest.raises(BadRequest):
                call()
