"""Attachments: bytes, stubs, which of them travel."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable

import pytest

from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import MissingStub, NotFound
from replication.store import Database, GetRequest
from replication.testing.base import Contract, build_attachment, build_doc, build_stub, edit, put

A = DocId("a")
PHOTO = bytes(range(256)) * 128  # 32 KiB


def md5_of(data: bytes) -> str:
    return "md5-" + base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def data_of(doc: object) -> dict[str, bytes | None]:
    assert isinstance(doc, Doc), doc
    return {name: att.data for name, att in doc.attachments.items()}


class AttachmentContract(Contract):
    def test_an_attachment_reads_back_with_its_digest(self, db: Database) -> None:
        """`md5-<base64>` over the bytes, `revpos` the generation that set it."""
        edit(db, build_doc("a", atts={"f": build_attachment(PHOTO, "image/x-test")}))
        att = db.attachment(A, "f")
        assert att == Attachment("image/x-test", md5_of(PHOTO), len(PHOTO), 1, PHOTO)

    def test_documents_come_with_stubs_unless_bytes_are_asked_for(self, db: Database) -> None:
        """All fields but the data are there; the order is kept."""
        edit(db, build_doc("a", atts={"z": build_attachment(PHOTO), "b": build_attachment(b"")}))
        stubs = db.get(A).attachments
        assert list(stubs) == ["z", "b"]
        assert stubs["z"] == Attachment("application/octet-stream", md5_of(PHOTO), len(PHOTO), 1, None)
        assert data_of(db.get(A, attachments=True)) == {"z": PHOTO, "b": b""}
        assert db.get(DocId("a")).body == b"{}"

    def test_a_stub_takes_the_parents_bytes(self, db: Database) -> None:
        """What is not named goes; what is named stays as it was, revpos and all."""
        first = edit(db, build_doc("a", atts={"f": build_attachment(PHOTO), "g": build_attachment(b"g")}))
        second = edit(db, build_doc("a", first, atts={"f": build_stub(), "h": build_attachment(b"h")}))
        atts = db.get(A).attachments
        assert {name: att.revpos for name, att in atts.items()} == {"f": 1, "h": 2}
        assert data_of(db.get(A, attachments=True)) == {"f": PHOTO, "h": b"h"}
        edit(db, build_doc("a", second, atts={"h": build_stub(revpos=2)}))
        assert data_of(db.get(A, attachments=True)) == {"h": b"h"}

    def test_a_replaced_attachment_is_of_the_new_generation(self, db: Database) -> None:
        """The old bytes stay with the old revision while that is here."""
        first = edit(db, build_doc("a", atts={"f": build_attachment(b"old")}))
        edit(db, build_doc("a", first, atts={"f": build_attachment(b"new")}))
        assert (db.attachment(A, "f").data, db.attachment(A, "f").revpos) == (b"new", 2)
        assert db.attachment(A, "f", first).data == b"old"

    def test_a_stub_of_something_unknown_is_refused(self, db: Database) -> None:
        """`MissingStub` in its result: no parent, no such name, another revpos."""
        first = edit(db, build_doc("a", atts={"f": build_attachment(PHOTO)}))
        for doc in (
            build_doc("new", atts={"f": build_stub()}),
            build_doc("a", first, atts={"g": build_stub()}),
            build_doc("a", first, atts={"f": build_stub(revpos=7)}),
        ):
            with pytest.raises(MissingStub):
                edit(db, doc)
        assert db.get(A).rev == first

    def test_a_replicated_stub_of_something_unknown_fails_alone(self, db: Database) -> None:
        """The others of the batch are stored."""
        stub = build_doc("a", "2-b", "a", atts={"f": build_stub(revpos=1)})
        results = db.bulk_docs([build_doc("x", "1-x"), stub, build_doc("y", "1-y")], new_edits=False)
        assert [type(result.error) for result in results] == [type(None), MissingStub, type(None)]
        assert {row.id for row in db.changes().rows} == {"x", "y"}

    def test_a_replicated_stub_takes_an_ancestors_bytes(self, db: Database) -> None:
        """The sender left out what it knew to be here."""
        put(db, build_doc("a", "1-a", atts={"f": build_attachment(PHOTO, revpos=1)}))
        put(db, build_doc("a", "3-c", "b", "a", atts={"f": build_stub(revpos=1)}))
        assert db.get(A).rev == "3-c"
        assert (db.attachment(A, "f").data, db.attachment(A, "f").revpos) == (PHOTO, 1)

    def test_a_replicated_attachment_keeps_its_revpos(self, db: Database) -> None:
        """It tells later which revisions lack it."""
        put(db, build_doc("a", "3-c", "b", "a", atts={"f": build_attachment(b"x", revpos=2)}))
        assert db.attachment(A, "f").revpos == 2

    def test_atts_since_sends_what_changed_after(self, db: Database) -> None:
        """Bytes for what the newest known revision lacks, stubs for the rest; unknown names mean all bytes."""
        first = edit(db, build_doc("a", atts={"old": build_attachment(b"old")}))
        second = edit(db, build_doc("a", first, atts={"old": build_stub(), "new": build_attachment(b"new")}))
        everything = {"old": b"old", "new": b"new"}
        expected = {
            (first,): {"old": None, "new": b"new"},
            (second,): {"old": None, "new": None},
            (first, second): {"old": None, "new": None},
            (Rev("1-foreign"),): everything,
            (): everything,
        }
        for since, data in expected.items():
            assert data_of(db.get(A, atts_since=since)) == data
            assert data_of(db.open_revs(A, [second], atts_since=since)[0]) == data
        for since in ((first,), (second,)):
            ((doc,),) = db.bulk_get([GetRequest(A, second, since)])
            assert data_of(doc) == expected[since]
        ((doc,),) = db.bulk_get([GetRequest(A)], attachments=True)
        assert data_of(doc) == everything
        assert data_of(db.open_revs(A, None, attachments=True)[0]) == everything

    def test_gzip_attachments_stay_as_they_were_sent(self, db: Database) -> None:
        """Encoded bytes, digest over them, and both lengths."""
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(PHOTO) + packer.flush()
        att = Attachment("text/plain", md5_of(packed), len(PHOTO), 1, packed, "gzip", len(packed))
        put(db, build_doc("a", "1-x", atts={"f": att}))
        assert db.attachment(A, "f") == att

    def test_equal_bytes_under_many_names_are_told_apart(self, db: Database) -> None:
        """Whatever a store shares below, deleting one does not touch the others."""
        for doc_id in "ab":
            edit(db, build_doc(doc_id, atts={"f": build_attachment(PHOTO), "g": build_attachment(PHOTO)}))
        rev = db.get(A).rev
        edit(db, build_doc("a", rev, deleted=True))
        db.compact()
        assert db.attachment(DocId("b"), "g").data == PHOTO
        assert db.attachment(DocId("b"), "f").data == PHOTO

    def test_an_attachment_that_is_not_there_is_not_found(self, db: Database) -> None:
        """By document, revision and name."""
        rev = edit(db, build_doc("a", atts={"f": build_attachment(b"x")}))
        gone = edit(db, build_doc("gone", atts={"f": build_attachment(b"x")}))
        edit(db, build_doc("gone", gone, deleted=True))
        calls: list[Callable[[], object]] = [
            lambda: db.attachment(DocId("never"), "f"),
            lambda: db.attachment(A, "f", Rev("1-no")),
            lambda: db.attachment(A, "g"),
            lambda: db.attachment(A, "g", rev),
            lambda: db.attachment(DocId("gone"), "f"),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                call()

    @pytest.mark.parametrize("name", ["a/b.jpg", "ảnh giấy khai sinh.jpg", "a b+c%20", "🙂"])
    def test_any_name_is_kept(self, db: Database, name: str) -> None:
        """Slashes, spaces and Vietnamese."""
        edit(db, build_doc("a", atts={name: build_attachment(b"x")}))
        assert list(db.get(A).attachments) == [name]
        assert db.attachment(A, name).data == b"x"
