"""Interactive edits: new revisions on leaves, conflicts, tombstones, ids that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replication.document import CONTENT_MEMBERS, DocId, Rev, parse_rev
from replication.errors import BadRequest, Conflict, DocValidation, IllegalDocId, NotFound
from replication.store import Database
from replication.testing.base import Contract, build_doc, edit, put, read_body, read_leaves

A = DocId("a")


class EditContract(Contract):
    def test_a_new_document_gets_a_first_revision(self, db: Database) -> None:
        """Generation 1, and it reads back as it was written."""
        rev = edit(db, build_doc("a", n=1))
        assert parse_rev(rev)[0] == 1
        doc = db.get(A)
        assert (doc.id, doc.rev, doc.path, doc.deleted) == ("a", rev, (parse_rev(rev)[1],), False)
        assert read_body(doc) == {"n": 1}

    def test_an_edit_of_the_leaf_makes_the_next_generation(self, db: Database) -> None:
        """The path names the parent."""
        first = edit(db, build_doc("a", n=1))
        second = edit(db, build_doc("a", first, n=2))
        assert parse_rev(second)[0] == 2
        assert db.get(A).path == (parse_rev(second)[1], parse_rev(first)[1])
        assert read_body(db.get(A)) == {"n": 2}

    def test_the_same_edit_gives_the_same_revision(self, db: Database) -> None:
        """Two nodes where the same thing is done to the same revision do not conflict."""
        revs = []
        for doc_id in ("a", "b"):
            first = edit(db, build_doc(doc_id, n=1))
            revs.append((first, edit(db, build_doc(doc_id, first, n=2))))
        assert revs[0] == revs[1]
        assert edit(db, build_doc("c", n=2)) != revs[0][0]

    def test_an_edit_without_the_leaf_is_a_conflict(self, db: Database) -> None:
        """No revision, an old one, a foreign one, and one for a document that is not there."""
        first = edit(db, build_doc("a", n=1))
        second = edit(db, build_doc("a", first, n=2))
        for rev in (None, first, "1-foreign", "3-foreign"):
            with pytest.raises(Conflict, match=r"^Document update conflict\.$"):
                edit(db, build_doc("a", rev, n=3))
        with pytest.raises(Conflict):
            edit(db, build_doc("never", "1-x"))
        assert db.get(A).rev == second

    def test_a_revision_that_is_none_is_a_bad_request(self, db: Database) -> None:
        """It fails in its own result, not as an exception of the batch."""
        edit(db, build_doc("a"))
        with pytest.raises(BadRequest):
            edit(db, build_doc("a", "nonsense"))

    def test_a_losing_leaf_can_be_edited(self, db: Database) -> None:
        """So conflicts are resolved: both branches go on on their own."""
        put(db, build_doc("a", "1-x"), build_doc("a", "1-y"))
        rev = edit(db, build_doc("a", "1-x", deleted=True))
        assert read_leaves(db, "a") == [("1-y", False), (rev, True)]
        assert db.get(A).rev == "1-y"

    def test_a_tombstone_hides_the_document(self, db: Database) -> None:
        """`NotFound("deleted")` for the winner; the tombstone is there under its revision, with its body."""
        first = edit(db, build_doc("a", n=1))
        second = edit(db, build_doc("a", first, deleted=True, why="x"))
        with pytest.raises(NotFound, match=r"^deleted$"):
            db.get(A)
        doc = db.get(A, second)
        assert doc.deleted
        assert read_body(doc) == {"why": "x"}
        assert read_leaves(db, "a") == [(second, True)]

    def test_a_document_that_was_never_there_is_missing(self, db: Database) -> None:
        """`NotFound("missing")`, also for a revision of a known document, and for the leaves."""
        edit(db, build_doc("a"))
        for call in (
            lambda: db.get(DocId("never")),
            lambda: db.get(DocId("never"), Rev("1-x")),
            lambda: db.get(A, Rev("1-x")),
            lambda: db.get(A, Rev("1-x"), latest=True),
            lambda: db.leaves(DocId("never")),
            lambda: db.revs_info(DocId("never")),
        ):
            with pytest.raises(NotFound, match=r"^missing$"):
                call()

    def test_a_deleted_document_is_begun_anew_on_its_tombstone(self, db: Database) -> None:
        """Without a revision, and the generations go on."""
        first = edit(db, build_doc("a", n=1))
        second = edit(db, build_doc("a", first, deleted=True))
        third = edit(db, build_doc("a", n=3))
        assert parse_rev(third)[0] == 3
        assert read_leaves(db, "a") == [(third, False)]
        assert db.get(A).path[1] == parse_rev(second)[1]

    def test_a_deleted_document_takes_no_edit_that_names_its_tombstone(self, db: Database) -> None:
        """CouchDB's rule, and it is not deleted twice either."""
        tombstone = edit(db, build_doc("a", edit(db, build_doc("a")), deleted=True))
        for doc in (
            build_doc("a", tombstone, n=1),
            build_doc("a", tombstone, deleted=True),
            build_doc("a", deleted=True),
        ):
            with pytest.raises(Conflict):
                edit(db, doc)

    def test_a_document_may_begin_as_a_tombstone(self, db: Database) -> None:
        """A batch may delete what this store never saw."""
        rev = edit(db, build_doc("a", deleted=True))
        assert read_leaves(db, "a") == [(rev, True)]

    def test_a_batch_is_answered_in_order_and_a_bad_document_fails_alone(self, db: Database) -> None:
        """One result per document; the others are stored. Of two edits of one document the first stands."""
        edit(db, build_doc("taken"))
        docs = [build_doc(doc_id, n=n) for n, doc_id in enumerate(["a", "_bad", "taken", "b", "b", ""])]
        results = db.bulk_docs(docs)
        assert [result.id for result in results] == ["a", "_bad", "taken", "b", "b", ""]
        kinds = [type(result.error) for result in results]
        assert kinds == [type(None), IllegalDocId, Conflict, type(None), Conflict, IllegalDocId]
        assert all((result.rev is None) == (result.error is not None) for result in results)
        assert db.info().doc_count == 3

    def test_an_empty_batch_does_nothing(self, db: Database) -> None:
        """No result and no seq."""
        before = db.info().update_seq
        assert db.bulk_docs([]) == []
        assert db.info().update_seq == before

    @pytest.mark.parametrize(
        ("doc_id", "reason"),
        [
            ("", "Document id must not be empty"),
            ("_bad", "Only reserved document ids may start with underscore."),
            ("_", "Only reserved document ids may start with underscore."),
            ("_design/", "Illegal document id `_design/`"),
        ],
    )
    def test_an_illegal_id_is_refused_in_couchdbs_words(self, db: Database, doc_id: str, reason: str) -> None:
        """Edited or replicated."""
        for results in (db.bulk_docs([build_doc(doc_id)]), db.bulk_docs([build_doc(doc_id, "1-x")], new_edits=False)):
            assert isinstance(results[0].error, IllegalDocId)
            assert results[0].error.reason == reason
        assert db.changes().rows == ()

    @pytest.mark.parametrize("doc_id", ["_design/x", "a/b", "a b", "ồ", "a+b", "é?#&%", "~", "𝒳", "tab\there", '"q"'])
    def test_any_other_text_is_an_id(self, db: Database, doc_id: str) -> None:
        """It comes back as it was, from every road."""
        rev = edit(db, build_doc(doc_id, n=1))
        assert db.get(DocId(doc_id)).id == doc_id
        assert [row.id for row in db.changes().rows] == [doc_id]
        assert list(db.revs_diff({DocId(doc_id): [Rev("9-x"), rev]})) == [doc_id]

    def test_what_replicators_write_into_their_documents_is_content(self, db: Database) -> None:
        """Edited or replicated, it comes back as it was."""
        members: dict[str, Any] = {name: f"about {name}" for name in CONTENT_MEMBERS}
        edit(db, build_doc("a", **members))
        put(db, build_doc("b", "1-x", n=1, **members))
        assert read_body(db.get(A)) == members
        assert read_body(db.get(DocId("b"))) == {"n": 1, **members}

    @pytest.mark.parametrize("body", [b'{"_id":"b"}', b'{"n":1,"_other":1}', b'{"\\u005frev":"1-x"}'])
    def test_other_members_with_an_underscore_are_no_content(self, db: Database, body: bytes) -> None:
        """They would speak for the document; it fails alone."""
        good, bad = build_doc("good", "1-x"), replace(build_doc("a", "1-x"), body=body)
        results = db.bulk_docs([good, bad], new_edits=False)
        assert results[0].error is None
        assert isinstance(results[1].error, DocValidation)
        with pytest.raises(NotFound):
            db.get(A)
