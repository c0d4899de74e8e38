"""MIME multipart, both ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.document import Attachment
from replication.errors import BadContentType, BadRequest, TooLarge
from replication.multipart import Part, build_boundary, build_related, parse_boundary, parse_multipart

FILES = st.dictionaries(st.text(min_size=1, max_size=20), st.binary(max_size=300), max_size=4)


def cut(text: bytes, size: int) -> Iterator[bytes]:
    """Yield `text` in pieces of `size`."""
    return (text[at : at + size] for at in range(0, len(text), size))


def parse(text: bytes, boundary: bytes, size: int = 64, max_part: int = 10_000) -> list[Part]:
    """Return the parts of a body that arrives in small pieces."""
    content_type = f'multipart/related; boundary="{boundary.decode()}"'
    return list(parse_multipart(content_type, cut(text, size), max_part=max_part))


@given(files=FILES, size=st.integers(1, 200))
def test_what_is_built_parses_to_the_same_parts_however_it_is_cut(files: dict[str, bytes], size: int) -> None:
    """Document first, then the attachments' bytes in their order."""
    boundary = build_boundary()
    attachments = {name: Attachment("image/png", data=data) for name, data in files.items()}
    text = b"".join(build_related(b'{"_id":"a"}', attachments, boundary))

    first, *rest = parse(text, boundary, size)

    assert first.data == b'{"_id":"a"}'
    assert [part.data for part in rest] == list(files.values())
    assert all(part.content_type == "image/png" for part in rest)


def test_a_name_with_quotes_and_line_breaks_cannot_end_its_header() -> None:
    """Such a name travels percent-encoded; an ordinary one as it is."""
    boundary = build_boundary()
    names = {'a"\r\nX-Evil: 1': Attachment("text/plain", data=b"1"), "giấy khai sinh.jpg": Attachment("x/y", data=b"2")}

    _, first, second = parse(b"".join(build_related(b"{}", names, boundary)), boundary)

    assert "x-evil" not in first.headers
    assert second.filename == "giấy khai sinh.jpg"


def test_preamble_and_epilogue_are_ignored() -> None:
    """RFC 2046: what stands before the first and behind the last boundary is no part."""
    parts = parse(b"hello\r\n--b\r\n\r\none\r\n--b\r\nA: 1\r\n\r\ntwo\r\n--b--\r\nbye", b"b")

    assert [(dict(part.headers), part.data) for part in parts] == [({}, b"one"), ({"a": "1"}, b"two")]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b\r\n\r\nhalf",
        b"--b\r\nA: 1\r\n",
        b"--b\r\nno colon\r\n\r\nx\r\n--b--",
        b"--bx\r\n\r\n",
    ],
)
def test_a_body_that_ends_early_or_is_malformed_is_refused(text: bytes) -> None:
    """A cut connection never looks like a shorter file."""
    with pytest.raises(BadRequest):
        parse(text, b"b")


def test_a_part_beyond_its_bound_is_refused_before_it_is_held() -> None:
    """The bound counts the part's bytes; headers have one of their own."""
    with pytest.raises(TooLarge):
        parse(b"--b\r\n\r\n" + b"x" * 101 + b"\r\n--b--", b"b", max_part=100)
    with pytest.raises(TooLarge):
        parse(b"--b\r\nA: " + b"x" * 100_000, b"b")
    assert len(parse(b"--b\r\n\r\n" + b"x" * 100 + b"\r\n--b--", b"b", max_part=100)[0].data) == 100


@pytest.mark.parametrize(
    "header", ["multipart/related", "multipart/related; boundary=", f"multipart/x; boundary={'b' * 71}"]
)
def test_a_content_type_without_a_usable_boundary_is_415(header: str) -> None:
    """A boundary has 1 to 70 characters."""
    with pytest.raises(BadContentType):
        parse_boundary(header)


def test_a_boundary_may_stand_with_or_without_quotes() -> None:
    """CouchDB quotes it, others do not."""
    assert parse_boundary('multipart/related; boundary="a b"') == b"a b"
    assert parse_boundary("multipart/related; x=1; boundary=ab") == b"ab"
