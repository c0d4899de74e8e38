"""Files over HTTP."""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode

import pytest

from replication.http import Limits
from tests.replication.http.conftest import Client, Serve

DATA = bytes(range(256)) * 300


def test_a_file_comes_back_as_it_was_put(client: Client) -> None:
    """Bytes, type, length, and its MD5 as entity tag."""
    put = client.call("PUT", "a/x.bin", data=DATA, headers={"Content-Type": "image/x-test"})
    got = client.call("GET", "a/x.bin")

    assert put.status_code == 201
    assert (got.content, got.headers["Content-Type"]) == (DATA, "image/x-test")
    assert got.headers["ETag"] == f'"{b64encode(hashlib.md5(DATA).digest()).decode()}"'
    assert client.call("GET", "a/x.bin", headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    assert client.call("HEAD", "a/x.bin").headers["Content-Length"] == str(len(DATA))


def test_a_file_cannot_run_as_a_page_of_this_site(client: Client) -> None:
    """Somebody's HTML is sandboxed, and a type with a line break adds no header."""
    client.graft(
        {"_id": "a", "_rev": "1-a", "_attachments": {"x": {"data": "aGkh", "content_type": "text/html\r\nX-Evil: 1"}}}
    )

    got = client.call("GET", "a/x")

    assert got.headers["Content-Security-Policy"] == "sandbox"
    assert "X-Evil" not in got.headers


def test_a_file_without_a_type_is_octets(client: Client) -> None:
    """As CouchDB."""
    with client.raw(
        b"PUT /%b/a/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi" % client.name.encode()
    ) as sock:
        assert b"201" in sock.recv(100)

    assert client.call("GET", "a/x").headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-4", 0, 4),
        ("bytes=5-5", 5, 5),
        ("bytes=-5", 76795, 76799),
        ("bytes=76000-999999", 76000, 76799),
        ("bytes=7-", 7, 76799),
    ],
)
def test_a_range_is_served_alone(client: Client, asked: str, first: int, last: int) -> None:
    """206 with Content-Range: what lets a cut download go on."""
    client.call("PUT", "a/x", data=DATA)

    part = client.call("GET", "a/x", headers={"Range": asked})

    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert part.content == DATA[first : last + 1]


def test_ranges_outside_the_file_are_416_and_senseless_ones_are_the_whole(client: Client) -> None:
    """RFC 9110: a header that is not understood is ignored."""
    client.call("PUT", "a/x", data=DATA)

    assert client.call("GET", "a/x", headers={"Range": "bytes=76800-"}).status_code == 416
    for senseless in ("bytes=x", "lines=1-2", "bytes=", "bytes=0-", "bytes=" + ",".join(["1-2"] * 10)):
        whole = client.call("GET", "a/x", headers={"Range": senseless})
        assert (whole.status_code, whole.content) == (200, DATA)
    two = client.call("GET", "a/x", headers={"Range": "bytes=0-1,3-4"})
    assert two.status_code == 206
    assert two.headers["Content-Type"].startswith("multipart/byteranges")
    assert DATA[3:5] in two.content


@pytest.mark.parametrize("name", ["dir/sub.txt", "giấy tờ.jpg", "a b", "x?y"])
def test_names_may_hold_slashes_and_letters_of_any_kind(client: Client, name: str) -> None:
    """A slash of a name needs no escape."""
    from urllib.parse import quote

    client.json("PUT", f"a/{quote(name)}", status=201, data=b"hi")

    assert list(client.json("GET", "a")["_attachments"]) == [name]
    assert client.call("GET", f"a/{quote(name, safe='')}").content == b"hi"


def test_a_gzipped_file_is_sent_gzipped_to_who_takes_it_and_decoded_to_others(client: Client) -> None:
    """Content-Encoding of the upload is kept; no ranges of encoded files."""
    stored = gzip.compress(DATA)
    client.json("PUT", "a/x", status=201, data=stored, headers={"Content-Encoding": "gzip", "Content-Type": "x/y"})

    plain = client.call("GET", "a/x", headers={"Accept-Encoding": "identity", "Range": "bytes=0-1"})
    packed = client.call("GET", "a/x", headers={"Accept-Encoding": "gzip"}, stream=True)

    assert (plain.status_code, plain.content, plain.headers["Accept-Ranges"]) == (200, DATA, "none")
    assert packed.raw.read(decode_content=False) == stored
    entry = client.json("GET", "a?att_encoding_info=true")["_attachments"]["x"]
    assert (entry["encoding"], entry["encoded_length"], entry["length"]) == ("gzip", len(stored), len(DATA))
    assert (
        client.json("PUT", "b/x", status=415, data=b"x", headers={"Content-Encoding": "br"})["error"]
        == "bad_content_type"
    )


def test_writing_a_file_is_an_edit_of_its_document(client: Client) -> None:
    """It needs the revision; the other files and members stay."""
    rev = client.put("a", n=1)

    assert client.json("PUT", "a/x", status=409, data=b"1")["error"] == "conflict"
    rev = client.json("PUT", f"a/x?rev={rev}", status=201, data=b"1")["rev"]
    rev = client.json("PUT", "a/y", status=201, data=b"2", headers={"If-Match": rev})["rev"]
    assert client.json("PUT", "a/z?rev=1-zzz", status=409, data=b"3")["reason"] == "missing_rev"

    doc = client.json("GET", "a?attachments=true")
    assert (doc["n"], sorted(doc["_attachments"])) == (1, ["x", "y"])
    rev = client.json("DELETE", f"a/x?rev={rev}")["rev"]
    assert list(client.json("GET", "a")["_attachments"]) == ["y"]
    assert client.json("GET", "a/x", status=404)["reason"] == "Document is missing attachment"
    assert client.json("DELETE", f"a/x?rev={rev}", status=404)["reason"] == "Document is missing attachment"
    assert client.json("PUT", f"a/_x?rev={rev}", status=400, data=b"1")["error"] == "bad_request"


def test_only_files_newer_than_what_the_peer_has_are_sent(client: Client) -> None:
    """atts_since: what keeps a second replication small."""
    client.graft({"_id": "a", "_rev": "1-a", "_attachments": {"old": {"data": "aGkh"}}})
    client.json("PUT", "a/new?rev=1-a", status=201, data=b"new")

    found = client.json("GET", 'a?atts_since=["1-a"]')["_attachments"]

    assert found["old"]["stub"] is True
    assert found["new"]["data"] == "bmV3"


def test_a_file_beyond_the_limit_is_refused_by_name(serve: Serve) -> None:
    """413 before it is stored."""
    client = serve(Limits(max_attachment=1000))

    refused = client.json("PUT", "a/x.bin", status=413, data=bytes(1001))

    assert refused == {"error": "attachment_too_large", "reason": "x.bin"}
    assert client.json("PUT", "a/x.bin", status=201, data=bytes(1000))["ok"] is True
