"""Purge, compaction, stemming, security, local documents."""

from __future__ import annotations

import secrets

import pytest

from replication.document import DocId, Rev, parse_rev
from replication.errors import BadRequest, NotFound
from replication.store import Database, MissingRev
from replication.testing.base import (
    Contract,
    build_attachment,
    build_doc,
    edit,
    put,
    read_body,
    read_feed,
    read_leaves,
)

A = DocId("a")


class UpkeepContract(Contract):
    def test_a_purged_document_leaves_no_trace(self, db: Database) -> None:
        """Not in the feed, not in the counts, and it may come again as if new."""
        self.need("purge")
        put(db, build_doc("a", "2-b", "a"), build_doc("b", "1-x"))
        result = db.purge({A: [Rev("2-b")]})
        assert result.purged == {"a": ("2-b",)}
        assert read_feed(db) == {"b": (("1-x",), False)}
        assert db.info().doc_count == 1
        with pytest.raises(NotFound, match=r"^missing$"):
            db.get(A)
        assert db.revs_diff({A: [Rev("2-b"), Rev("1-a")]})[A].missing == ("2-b", "1-a")
        put(db, build_doc("a", "2-b", "a", n=2))
        assert read_body(db.get(A)) == {"n": 2}

    def test_purging_one_leaf_lets_the_other_win(self, db: Database) -> None:
        """With the nodes that only it kept; the shared ones stay."""
        self.need("purge")
        put(db, build_doc("a", "3-c", "b", "a"), build_doc("a", "2-y", "a", n=2))
        before = db.info().update_seq
        db.purge({A: [Rev("3-c")]})
        assert read_leaves(db, "a") == [("2-y", False)]
        assert read_body(db.get(A)) == {"n": 2}
        assert db.revs_diff({A: [Rev("2-b"), Rev("1-a")]})[A].missing == ("2-b",)
        assert [row.id for row in db.changes(before).rows] == ["a"]

    def test_what_was_purged_is_not_on_the_disk_after_compaction(
        self, db: Database, request: pytest.FixtureRequest
    ) -> None:
        """Neither its body nor its attachment, byte for byte; what stays is untouched. An engine that only gives the
        space back declares it, and its disk has to be encrypted."""
        # One large one whose pages are freed, and small ones that leave a gap in a page others go on using.
        data = [secrets.token_bytes(60_000), *(secrets.token_bytes(200) for _ in range(60))]
        docs = [build_doc(f"d{i:02d}", "1-a", atts={"f": build_attachment(each)}) for i, each in enumerate(data)]
        put(db, *docs)
        going, staying = range(0, len(data), 2), range(1, len(data), 2)
        db.purge({docs[i].id: [Rev("1-a")] for i in going})
        db.compact()
        for i in going:
            with pytest.raises(NotFound):
                db.attachment(docs[i].id, "f")
        assert [db.attachment(docs[i].id, "f").data for i in staying] == [data[i] for i in staying]
        self.need("overwrite")
        raw: bytes = request.getfixturevalue("raw")  # the files are read here, not before
        assert all(data[i][60:124] in raw for i in staying)
        assert [i for i in going if data[i][60:124] in raw] == []

    def test_only_leaves_are_purged(self, db: Database) -> None:
        """Inner nodes, unknown revisions and unknown documents are named with nothing."""
        self.need("purge")
        put(db, build_doc("a", "2-b", "a"))
        result = db.purge({A: [Rev("1-a"), Rev("7-no")], DocId("never"): [Rev("1-x")]})
        assert {doc_id: tuple(revs) for doc_id, revs in result.purged.items()} == {"a": (), "never": ()}
        assert read_leaves(db, "a") == [("2-b", False)]

    def test_compaction_drops_what_is_no_leaf(self, db: Database) -> None:
        """Bodies and attachments of old revisions; names, leaves, seqs and counts stay."""
        self.need("compact")
        first = edit(db, build_doc("a", n=1, atts={"f": build_attachment(b"old")}))
        second = edit(db, build_doc("a", first, n=2, atts={"f": build_attachment(b"new")}))
        put(db, build_doc("a", "1-other", n=3), build_doc("b", "1-x"))
        before = (db.changes(), db.info().doc_count, db.leaves(A), db.get(A).path)
        db.compact()
        assert (db.changes(), db.info().doc_count, db.leaves(A), db.get(A).path) == before
        with pytest.raises(NotFound, match=r"^missing$"):
            db.get(A, first)
        assert isinstance(db.open_revs(A, [first])[0], MissingRev)
        assert [(info.rev, info.status) for info in db.revs_info(A)] == [(second, "available"), (first, "missing")]
        assert db.attachment(A, "f").data == b"new"
        assert db.revs_diff({A: [first]}) == {}
        assert parse_rev(edit(db, build_doc("a", second, n=4)))[0] == 3

    def test_the_revs_limit_is_1000_unless_set(self, db: Database) -> None:
        """And at least 1."""
        assert db.revs_limit() == 1000
        db.set_revs_limit(5)
        assert db.revs_limit() == 5
        with pytest.raises(BadRequest):
            db.set_revs_limit(0)
        assert db.revs_limit() == 5

    def test_paths_are_stemmed_to_the_limit(self, db: Database) -> None:
        """The oldest generations go, for edits and for what is replicated."""
        db.set_revs_limit(3)
        rev = edit(db, build_doc("a", n=0))
        revs = [rev]
        for n in range(5):
            rev = edit(db, build_doc("a", rev, n=n))
            revs.append(rev)
        assert db.get(A).path == tuple(parse_rev(each)[1] for each in reversed(revs[-3:]))
        put(db, build_doc("b", "5-e", "d", "c", "b", "a"))
        assert db.get(DocId("b")).path == ("e", "d", "c")
        assert db.revs_diff({DocId("b"): [Rev("2-b"), Rev("3-c")]})[DocId("b")].missing == ("2-b",)

    def test_stemming_may_split_a_tree(self, db: Database) -> None:
        """Two branches that lost their common ancestor are still two leaves of one document."""
        put(db, build_doc("a", "4-d", "c", "b", "a"), build_doc("a", "4-x", "w", "v", "a"))
        db.set_revs_limit(2)
        put(db, build_doc("a", "5-e", "d", "c", "b", "a"))
        assert read_leaves(db, "a") == [("5-e", False), ("4-x", False)]
        assert db.get(A).path == ("e", "d")
        assert db.get(A, Rev("4-x")).path == ("x", "w")

    def test_the_security_object_is_kept(self, db: Database) -> None:
        """As a whole."""
        wanted = {"admins": {"names": ["ủy ban"], "roles": []}, "members": {"names": [], "roles": ["r"]}}
        db.set_security(wanted)
        assert db.security() == wanted

    def test_the_security_object_is_empty_at_first(self, db: Database) -> None:
        """Nobody is named."""
        self.need("empty_security")
        assert db.security() == {}

    def test_a_local_document_is_written_read_and_removed(self, db: Database) -> None:
        """Its revision is "0-<n>" and changes with each write."""
        first = db.put_local("ckpt", b'{"n":1}')
        second = db.put_local("ckpt", b'{"n":2}')
        assert first.startswith("0-")
        assert second.startswith("0-")
        assert first != second
        found = db.get_local("ckpt")
        assert (found.id, found.rev, found.body) == ("ckpt", second, b'{"n":2}')
        db.delete_local("ckpt")
        for call in (lambda: db.get_local("ckpt"), lambda: db.delete_local("ckpt")):
            with pytest.raises(NotFound, match=r"^missing$"):
                call()

    def test_local_documents_are_no_documents(self, db: Database) -> None:
        """Not in the feed, moving no seq; listed by id."""
        before = db.info()
        for local_id in ("b", "a", "ü/+ x"):
            db.put_local(local_id, b"{}")
        assert [local.id for local in db.local_docs()] == ["a", "b", "ü/+ x"]
        after = db.info()
        assert (after.update_seq, after.doc_count) == (before.update_seq, before.doc_count)
        assert db.changes().rows == ()
