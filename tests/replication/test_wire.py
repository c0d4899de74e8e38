"""Documents between CouchDB's JSON and `Doc`."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.attached import build_digest, decode_attachment, inflate
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import BadRequest, DocValidation, IllegalDocId, TooLarge
from replication.jsontext import dump_json, is_deeper, parse_json
from replication.wire import followed_names, parse_document, render_document

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
NAMES = st.text(min_size=1).filter(lambda name: name[0] != "_")


@given(doc_id=NAMES, body=st.dictionaries(NAMES, VALUES, max_size=5), deleted=st.booleans())
def test_a_replicated_document_survives_the_way_there_and_back(
    doc_id: str, body: dict[str, Any], deleted: bool
) -> None:
    """What is rendered with its history parses to the same document."""
    doc = Doc(DocId(doc_id), Rev("2-ab"), ("ab", "cd"), deleted, dump_json(body))

    back = parse_document(parse_json(render_document(doc, revs=True)), new_edits=False)

    assert (back.id, back.rev, back.path, back.deleted) == (doc.id, doc.rev, doc.path, doc.deleted)
    assert json.loads(back.body) == body


@pytest.mark.parametrize("number", ["100000000000000000000", "-9223372036854775809", "18446744073709551616"])
def test_whole_numbers_beyond_64_bits_stay_exact(number: str) -> None:
    """A whole number of any size comes out as it went in."""
    doc = parse_document(parse_json(b'{"x":' + number.encode() + b"}"))

    assert doc.body == b'{"x":' + number.encode() + b"}"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1,]", b'{"a":NaN}', b'"\xff"', b"{'a':1}", b'{"a":1}x', b"1" * 19 + b"x"]
)
def test_a_text_that_is_no_json_is_refused_in_couchdbs_words(text: bytes) -> None:
    """Anything but one JSON text is 400 invalid UTF-8 JSON."""
    with pytest.raises(BadRequest, match="invalid UTF-8 JSON"):
        parse_json(text)


@pytest.mark.parametrize("depth", [20, 5000, 200_000])
def test_nesting_beyond_the_limit_is_refused(depth: int) -> None:
    """Depth is bounded, however deep the text is, without running out of stack."""
    with pytest.raises(BadRequest):
        parse_json(b"[" * depth + b"]" * depth, max_depth=19)
    with pytest.raises(BadRequest):
        parse_json(b"[" * depth + b"1" * 19 + b"]" * depth, max_depth=19)


def test_nesting_up_to_the_limit_is_taken() -> None:
    """Exactly the limit is no fault, nor are many flat values."""
    assert parse_json(b"[" * 19 + b"]" * 19, max_depth=19) is not None
    assert len(parse_json(b"[" + b",".join([b"{}"] * 1000) + b"]", max_depth=2)) == 1000
    assert is_deeper([[[]]], 2)
    assert not is_deeper([[[]]], 3)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"_foo": 1}, "Bad special document member: _foo"),
        ({"_attachments": 1}, "Bad special document member: _attachments"),
        ({"_deleted": "yes"}, "Bad special document member: _deleted"),
        ({"_revisions": {"start": "1", "ids": []}}, "_revisions.start isn't an integer."),
        ({"_revisions": {"start": 1, "ids": "x"}}, "_revisions.ids isn't a array."),
        ({"_revisions": {"start": 1, "ids": [1]}}, "RevId isn't a string"),
        ({"_revisions": {"start": 1, "ids": ["z" * 32]}}, "RevId isn't a valid hexadecimal"),
    ],
)
def test_a_malformed_special_member_is_named(member: dict[str, Any], reason: str) -> None:
    """doc_validation tells which member is wrong, as CouchDB."""
    with pytest.raises(DocValidation) as refusal:
        parse_document({"_id": "a", **member})

    assert refusal.value.reason == reason


@pytest.mark.parametrize("doc_id", ["", "_x", "_design/", "_local/", 7, None])
def test_an_illegal_id_is_refused(doc_id: object) -> None:
    """illegal_docid, whatever its type."""
    with pytest.raises(IllegalDocId):
        parse_document({"_id": doc_id})


@pytest.mark.parametrize("rev", ["x", "1", "-1", "1.5-a", 1, "1-" + "g" * 32])
def test_a_malformed_revision_is_refused(rev: object) -> None:
    """Invalid rev format, as CouchDB."""
    with pytest.raises(BadRequest, match="Invalid rev format"):
        parse_document({"_id": "a", "_rev": rev})


def test_hex_hashes_are_kept_in_lower_case() -> None:
    """Peers compare hashes as text, and CouchDB keeps 32 hex digits as a number."""
    doc = parse_document({"_id": "a", "_rev": "1-" + "AB" * 16}, new_edits=False)

    assert doc.rev == "1-" + "ab" * 16
    assert doc.path == ("ab" * 16,)


def test_members_couchdb_adds_to_answers_are_no_content() -> None:
    """A document that was read with its conflicts can be written back as it is."""
    doc = parse_document({"_id": "a", "_conflicts": ["1-x"], "_revs_info": [], "_local_seq": 3, "n": 1})

    assert doc.body == b'{"n":1}'


def test_a_write_without_history_is_refused_where_history_is_needed() -> None:
    """new_edits=false needs a revision."""
    with pytest.raises(BadRequest, match="needs `_rev` or `_revisions`"):
        parse_document({"_id": "a"}, new_edits=False)


def test_inline_attachments_come_as_bytes_and_stubs_without() -> None:
    """`data` is base64, a stub names what an ancestor holds."""
    doc = parse_document(
        {
            "_id": "a",
            "_attachments": {"x": {"data": "aGkh", "content_type": "text/plain"}, "y": {"stub": True, "revpos": 2}},
        }
    )

    assert doc.attachments["x"] == Attachment("text/plain", length=3, data=b"hi!")
    assert doc.attachments["y"].data is None
    assert doc.attachments["y"].revpos == 2


@pytest.mark.parametrize("entry", [{}, {"data": "!!"}, {"data": 1}, {"data": "aGk"}, {"data": "aGkh\u00e9"}])
def test_attachment_data_that_is_no_base64_is_refused(entry: dict[str, Any]) -> None:
    """400 names the attachment."""
    with pytest.raises(BadRequest, match="Invalid attachment data for x"):
        parse_document({"_id": "a", "_attachments": {"x": entry}})


def test_bytes_that_follow_are_checked_against_their_digest() -> None:
    """A multipart body whose bytes changed on the way is refused."""
    value = {"_id": "a", "_attachments": {"x": {"follows": True, "length": 2, "digest": build_digest(b"ab")}}}

    assert followed_names(value) == ["x"]
    assert parse_document(dict(value), followed={"x": b"ab"}).attachments["x"].data == b"ab"
    with pytest.raises(BadRequest, match="digest"):
        parse_document(dict(value), followed={"x": b"ac"})
    with pytest.raises(BadRequest, match="no part"):
        parse_document(dict(value), followed={})


def test_gzip_attachments_render_decoded_and_tell_their_encoding_when_asked() -> None:
    """Inline data is what the file says; encoding and encoded_length are extra."""
    stored = gzip.compress(b"text " * 50)
    entry = Attachment("text/plain", "md5-x", 250, 1, stored, "gzip", len(stored))
    doc = Doc(DocId("a"), Rev("1-x"), attachments={"t": entry})

    plain = parse_json(render_document(doc, data=True))["_attachments"]["t"]
    told = parse_json(render_document(doc, encoding_info=True))["_attachments"]["t"]

    assert base64.b64decode(plain["data"]) == b"text " * 50
    assert "encoding" not in plain
    assert (told["stub"], told["encoding"], told["encoded_length"]) == (True, "gzip", len(stored))
    assert decode_attachment(entry) == b"text " * 50


def test_a_gzip_text_that_unpacks_beyond_its_bound_is_refused() -> None:
    """A bomb costs its bound and no more."""
    bomb = gzip.compress(bytes(10_000_000))

    with pytest.raises(TooLarge):
        inflate(bomb, 1_000_000)
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), 10) == b"ab"
    for broken in (bomb[:-9], b"plain"):
        with pytest.raises(BadRequest):
            inflate(broken, 20_000_000)
