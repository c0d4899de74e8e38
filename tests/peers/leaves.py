"""Everything a database holds, read through plain CouchDB requests, in a form that two databases can be compared in.

The same requests go to our server and to CouchDB, so that nothing of ours takes part in judging ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import requests

PAGE = 200
Content = dict[str, dict[str, Any]]  # id → {"winner": rev, "leaves": {rev: {"path", "deleted", "body", "files"}}}


def read_content(url: str) -> Content:
    """Return every leaf of every document, attachments by the SHA-256 of their decoded bytes."""
    with requests.Session() as session:
        feed = session.get(f"{url}/_changes", params={"style": "all_docs"}, timeout=60).json()["results"]
        found: Content = {}
        for begin in range(0, len(feed), PAGE):
            found |= _read_page(session, url, feed[begin : begin + PAGE])
    return found


def _read_page(session: requests.Session, url: str, rows: list[dict[str, Any]]) -> Content:
    asked = [{"id": row["id"], "rev": change["rev"]} for row in rows for change in row["changes"]]
    options = {"revs": "true", "attachments": "true"}
    answer = session.post(f"{url}/_bulk_get", params=options, json={"docs": asked}, timeout=60)
    assert answer.status_code == 200, answer.text
    found: Content = {row["id"]: {"winner": row["changes"][0]["rev"], "leaves": {}} for row in rows}
    for result in answer.json()["results"]:
        for entry in result["docs"]:
            doc = entry["ok"]
            found[doc["_id"]]["leaves"][doc["_rev"]] = _describe_leaf(doc)
    return found


def _describe_leaf(doc: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": doc["_revisions"]["ids"],
        "deleted": doc.get("_deleted", False),
        "body": {name: value for name, value in doc.items() if name[0] != "_"},
        "files": {name: _describe_file(file) for name, file in doc.get("_attachments", {}).items()},
    }


def _describe_file(file: dict[str, Any]) -> dict[str, str]:
    sha256 = hashlib.sha256(base64.b64decode(file["data"])).hexdigest()
    return {"content_type": file["content_type"], "sha256": sha256}


def assert_equal(one: Content, other: Content) -> None:
    """Assert that two databases hold the same, and name the first document they do not."""
    assert one.keys() == other.keys()
    for doc_id, entry in one.items():
        assert entry == other[doc_id], doc_id


def wait_for(url: str, done: Callable[[], bool], within_s: float = 120.0) -> None:
    """Return once `done` says so, asked again after every change of the database at `url` and every half second."""
    deadline, since = time.monotonic() + within_s, "0"
    while not done():
        assert time.monotonic() < deadline, f"nothing came of it in {within_s:.0f} s"
        wait = {"feed": "longpoll", "timeout": "500", "since": since}
        since = requests.get(f"{url}/_changes", params=wait, timeout=60).json()["last_seq"]


def assert_taken(response: requests.Response) -> Any:
    """Return the JSON of a request that succeeded."""
    assert response.status_code < 300, response.text
    return json.loads(response.text)
