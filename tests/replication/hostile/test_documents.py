"""Documents, histories, names and multipart bodies no honest peer would send."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import requests

from tests.replication.hostile.conftest import DATABASE, MIB, Target, assert_refused

LONG_HASH = "a" * 32


def bulk(target: Target, *docs: object) -> requests.Response:
    return requests.post(f"{target.url}/_bulk_docs", json={"new_edits": False, "docs": list(docs)}, timeout=60)


def assert_not_stored(target: Target) -> None:
    rows = requests.get(f"{target.url}/_changes", timeout=60).json()["results"]
    assert [row["id"] for row in rows] == ["steady"]


def assert_bulk_refused(target: Target, *docs: object) -> None:
    """Refused as a whole, or row by row; and nothing of it is there."""
    answer = bulk(target, *docs)
    if answer.status_code == 201:
        rows = answer.json()
        assert len(rows) == len(docs)
        assert all(row["error"] and row["reason"] for row in rows)
    else:
        assert_refused(answer.status_code, answer.content)
    assert_not_stored(target)


@pytest.mark.parametrize(
    ("rev", "start", "ids"),
    [
        ("1-ccc", 1, ["ccc", "bbb", "aaa"]),
        ("3-ccc", 3, []),
        ("3-ccc", 3, ["ccc", 7]),
        ("3-ccc", -3, ["ccc"]),
        ("3-ccc", "3", ["ccc"]),
        (f"{10**15}-ccc", 10**15, ["ccc"]),
        ("0-ccc", 0, ["ccc"]),
        ("-1-ccc", -1, ["ccc"]),
        ("1e3-ccc", 1000, ["ccc"]),
        ("٣-ccc", 3, ["ccc"]),
        ("3", 3, ["ccc"]),
        (["3-ccc"], 3, ["ccc"]),
    ],
    ids=str,
)
def test_a_forged_history_is_refused(target: Target, rev: object, start: object, ids: list[object]) -> None:
    """`_rev` and `_revisions` that contradict each other or the form of a revision."""
    with target.withstands():
        assert_bulk_refused(target, {"_id": "forged", "_rev": rev, "_revisions": {"start": start, "ids": ids}})


@pytest.mark.parametrize(
    ("start", "ids", "stored"), [(3, ["bbb", "aaa"], "3-bbb"), (2, ["ccc", "bbb"], "2-ccc")], ids=str
)
def test_a_history_that_contradicts_the_revision_names_it(
    target: Target, start: int, ids: list[str], stored: str
) -> None:
    """`_revisions` wins over `_rev`, as in CouchDB: what is stored is whole, under the name its own history gives."""
    with target.withstands():
        bulk(target, {"_id": "forged", "_rev": "3-ccc", "_revisions": {"start": start, "ids": ids}}).raise_for_status()
    got = requests.get(f"{target.url}/forged?revs=true", timeout=60).json()
    assert (got["_rev"], got["_revisions"]) == (stored, {"start": start, "ids": ids})
    missing = requests.get(f"{target.url}/forged?rev=3-ccc", timeout=60)
    assert missing.status_code == 404


@pytest.mark.parametrize("ids", [["c", "c", "c"], ["c", ""]], ids=str)
def test_an_odd_history_does_no_harm(target: Target, ids: list[str]) -> None:
    """Each generation has a node of its own, whatever its hash: odd and not wrong. It is read back the same."""
    with target.withstands():
        bulk(target, {"_id": "odd", "_rev": "3-c", "_revisions": {"start": 3, "ids": ids}})
        answer = requests.get(f"{target.url}/odd?revs=true", timeout=60)
        offered = requests.post(f"{target.url}/_revs_diff", json={"odd": ["3-c"]}, timeout=60)
    assert answer.json()["_revisions"] == {"start": 3, "ids": ids}
    assert offered.json() == {}


def test_a_million_ancestors_are_refused(target: Target) -> None:
    """A history a thousand times longer than any database keeps."""
    ids = ["a"] * 1_000_000
    with target.withstands():
        assert_bulk_refused(target, {"_id": "old", "_rev": "1000000-a", "_revisions": {"start": 1_000_000, "ids": ids}})


def test_the_same_revision_with_another_body_does_not_replace_it(target: Target) -> None:
    """A revision never changes, whoever says so; nor does a forged deletion of the same name delete it."""
    bulk(target, {"_id": "kept", "_rev": f"1-{LONG_HASH}", "text": "true"}).raise_for_status()
    with target.withstands():
        bulk(target, {"_id": "kept", "_rev": f"1-{LONG_HASH}", "text": "forged"})
        bulk(target, {"_id": "kept", "_rev": f"1-{LONG_HASH}", "_deleted": True})
    assert requests.get(f"{target.url}/kept", timeout=60).json()["text"] == "true"


@pytest.mark.parametrize(
    "doc_id", ["\x00", "a\x00b", "\x1b[2J", "a\r\nX-Evil: 1", "‮gpj", "../../etc/passwd", "CON", "a/b", "%00"]
)
def test_odd_ids_are_names_and_nothing_more(target: Target, doc_id: str) -> None:
    """Stored and read back as they are, or refused by name; never part of a header or a path."""
    with target.withstands():
        answer = bulk(target, {"_id": doc_id, "_rev": "1-a"})
        if answer.status_code != 201 or answer.json():
            return
        got = requests.get(f"{target.url}/{quote(doc_id, safe='')}", timeout=60)
        assert got.status_code == 200
        assert got.json()["_id"] == doc_id
        assert "X-Evil" not in got.headers
        for accept in ("multipart/mixed", "application/json"):
            listed = requests.post(
                f"{target.url}/_bulk_get", json={"docs": [{"id": doc_id}]}, headers={"Accept": accept}, timeout=60
            )
            assert listed.status_code == 200
            assert "X-Evil" not in listed.headers
            assert b"\r\nX-Evil" not in listed.content


@pytest.mark.parametrize(
    "doc_id", ["x" * 300_000, "_secret", "_local/", "", 7, None, ["a"], {"a": 1}, True], ids=lambda i: str(i)[:9]
)
def test_ids_that_are_none_are_refused(target: Target, doc_id: object) -> None:
    """Too long, reserved, or no text at all; by POST, and where it can be said in a URL by PUT."""
    with target.withstands():
        if doc_id is not None and doc_id != "":
            assert_bulk_refused(target, {"_id": doc_id, "_rev": "1-a"})
        if isinstance(doc_id, str) and doc_id not in ("", "_local/"):
            status, body = target.send_raw(
                f"PUT /{DATABASE}/{doc_id} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
            )
            assert_refused(status, body)
        assert_not_stored(target)


def test_a_design_document_stops_nobody_else(target: Target) -> None:
    """Stored as any document, as peers expect. Its code is text, or runs for a bounded time apart from the server."""
    code = {"validate_doc_update": "function(){while(1);}", "filters": {"all": "function(){while(1);}"}}
    with target.withstands():
        bulk(
            target,
            {"_id": "_design/evil", "_rev": "1-a", "language": "javascript", "views": {"v": {"map": "f"}}, **code},
        )
        written = requests.put(f"{target.url}/innocent", json={}, timeout=60)
        if written.status_code != 201:  # with the JavaScript extra: the function is given up, and the write with it
            assert written.json()["error"] == "os_process_error"
        for path in ("_design/evil/_view/v", "_design/evil/_update/x", "_design/evil/_show/x"):
            answer = requests.get(f"{target.url}/{path}", timeout=60)
            assert_refused(answer.status_code, answer.content, *range(400, 502))


# Attachments


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        "a\x00b",
        "a\r\nX-Evil: 1",
        "x" * 100_000,
        'a"; filename="b',
        "‮gpj.exe",
    ],
    ids=ascii,
)
def test_odd_attachment_names_are_names_and_nothing_more(target: Target, name: str) -> None:
    """Bytes are kept by their hash; a name is read back as it was, and stays out of headers."""
    with target.withstands():
        attachment = {"content_type": "text/plain", "data": "YQ=="}
        answer = bulk(target, {"_id": "named", "_rev": "1-a", "_attachments": {name: attachment}})
        if answer.status_code != 201 or answer.json():
            return
        document = requests.get(f"{target.url}/named", timeout=60).json()
        assert list(document["_attachments"]) == [name]
        related = requests.get(
            f"{target.url}/named?attachments=true", headers={"Accept": "multipart/related"}, timeout=60
        )
        assert related.status_code == 200
        assert "X-Evil" not in related.headers
        assert b"\r\nX-Evil" not in related.content


@pytest.mark.parametrize(
    "attachment",
    [
        {"content_type": "text/plain", "data": "!!!!"},
        {"content_type": "text/plain", "data": "YQ"},
        {"content_type": "text/plain", "data": "YQ==YQ=="},
        {"content_type": "text/plain", "data": "YQ==\n"},
        {"content_type": "text/plain", "data": 7},
        {"content_type": "text/plain"},
        {"content_type": 7, "data": "YQ=="},
        {"stub": True, "revpos": 1},
        {"stub": True, "revpos": -1},
        {"follows": True, "length": 5},
        {"content_type": "text/plain", "data": "YQ==", "encoding": "x-bomb"},
        {"content_type": "text/plain", "data": "YQ==", "revpos": 10**30},
        "text",
        None,
    ],
    ids=str,
)
def test_a_bad_attachment_is_refused_or_stored_harmlessly(target: Target, attachment: object) -> None:
    """Bytes that are no base64, stubs of nothing, parts that never come."""
    with target.withstands():
        answer = bulk(target, {"_id": "bad", "_rev": "1-a", "_attachments": {"a": attachment}})
        assert answer.status_code < 500, answer.text
        headers = {"Accept": "application/json"}
        got = requests.get(f"{target.url}/bad?attachments=true", headers=headers, timeout=60)
        if got.status_code == 200:
            assert got.json()["_attachments"]["a"]["data"] in ("YQ==", "YQ")
        else:
            assert_not_stored(target)


# Multipart

DOCUMENT = b'{"_id":"parts","_attachments":{"a":{"follows":true,"length":5,"content_type":"text/plain"}}}'
PART = b"\r\n--b\r\nContent-Type: application/json\r\n\r\n" + DOCUMENT


def put_parts(target: Target, body: bytes, content_type: str = 'multipart/related; boundary="b"') -> tuple[int, bytes]:
    try:
        answer = requests.put(f"{target.url}/parts", data=body, headers={"Content-Type": content_type}, timeout=60)
    except requests.ConnectionError:
        return 0, b""
    return answer.status_code, answer.content


@pytest.mark.parametrize(
    "content_type",
    ["multipart/related", 'multipart/related; boundary=""', f'multipart/related; boundary="{"b" * 5000}"'],
    ids=lambda text: text[:45],
)
def test_multipart_without_a_boundary_is_refused(target: Target, content_type: str) -> None:
    """A body whose parts cannot be told apart."""
    with target.withstands():
        assert_refused(*put_parts(target, PART + b"\r\n--b\r\n\r\nabcde\r\n--b--", content_type))
        assert_not_stored(target)


@pytest.mark.parametrize(
    "body",
    [
        PART + b"\r\n--b--",
        PART + b"\r\n--b\r\n\r\nabc\r\n--b--",
        PART + b"\r\n--b\r\n\r\nabcdefgh\r\n--b--",
        PART + b"\r\n--b\r\n\r\nabcde",
        PART,
        b"",
        b"--b--",
        b"\r\n--b\r\n\r\nno json\r\n--b--",
        PART + b"\r\n--b\r\nno colon\r\n\r\nabcde\r\n--b--",
    ],
    ids=["no part", "short part", "long part", "no end", "document only", "nothing", "end only", "no json", "no colon"],
)
def test_a_multipart_body_that_is_not_whole_is_refused(target: Target, body: bytes) -> None:
    """Parts that are missing, too short, too long or without an end."""
    with target.withstands():
        assert_refused(*put_parts(target, body))
        assert_not_stored(target)


def test_part_headers_without_end_are_refused(target: Target) -> None:
    """20 MB of headers of one part."""
    with target.withstands():
        headers = b"".join(b"X-%d: y\r\n" % number for number in range(20 * MIB // 10))
        assert_refused(*put_parts(target, PART + b"\r\n--b\r\n" + headers))
        assert_not_stored(target)


def test_parts_by_the_hundred_thousand_are_refused(target: Target) -> None:
    """Nobody asked for them; the first one too many ends it."""
    with target.withstands():
        assert_refused(*put_parts(target, PART + b"\r\n--b\r\n\r\nabcde" * 200_000 + b"\r\n--b--"))
        assert_not_stored(target)


def test_attachments_by_the_hundred_thousand_are_bounded(target: Target) -> None:
    """One document with a hundred thousand empty attachments: refused, or stored within the same memory."""
    attachments = {str(number): {"data": ""} for number in range(100_000)}
    with target.withstands():
        answer = bulk(target, {"_id": "many", "_rev": "1-a", "_attachments": attachments})
        assert answer.status_code < 500, answer.text[:300]
        assert json.loads(answer.content) is not None
