"""Real CouchDB replicating with the real server, as its source and as its target; then leaf by leaf comparison."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.peers.leaves import assert_equal, assert_taken, read_content, wait_for
from tests.peers.material import TEXT, build_file, build_mixture, build_revision

COUCHDB = os.environ.get("TRAM_COUCHDB_URL")

if COUCHDB is None:
    pytest.skip("TRAM_COUCHDB_URL names no CouchDB to replicate with", allow_module_level=True)

pytestmark = pytest.mark.couchdb
ROOT = COUCHDB.rstrip("/")
LIMIT = 10  # generations remembered where histories are to be stemmed


@pytest.fixture
def theirs() -> Iterator[str]:
    """The address of an empty database in CouchDB, with the credentials of TRAM_COUCHDB_URL in it."""
    address = f"{ROOT}/peer-{secrets.token_hex(6)}"
    requests.put(address, timeout=20).raise_for_status()
    yield address
    requests.delete(address, timeout=20).raise_for_status()


def fill(url: str, generations: int) -> None:
    """Put in every shape of document, also those that only edits can make."""
    graft(url, build_mixture("doc"))
    for n in range(3):
        rev = ""
        for generation in range(generations):
            body = {"n": generation, "_attachments": {"note": build_file(TEXT.encode(), "text/plain")}}
            answer = requests.put(f"{url}/edited-{n}", params={"rev": rev} if rev else {}, json=body, timeout=20)
            rev = assert_taken(answer)["rev"]
        if n == 2:
            assert_taken(requests.delete(f"{url}/edited-{n}", params={"rev": rev}, timeout=20))
    assert_taken(requests.put(f"{url}/_design/screens", json={"language": "query", "views": {}}, timeout=20))


def fill_stemmed(url: str) -> None:
    """The same with so many edits that their histories are cut."""
    assert_taken(requests.put(f"{url}/_revs_limit", data=str(LIMIT), timeout=20))
    fill(url, 2 * LIMIT)
    assert len(read_content(url)["edited-0"]["leaves"].popitem()[1]["path"]) == LIMIT


def graft(url: str, docs: list[dict[str, Any]]) -> None:
    """Write revisions as a replicator does."""
    body = {"docs": docs, "new_edits": False}
    assert assert_taken(requests.post(f"{url}/_bulk_docs", json=body, timeout=30)) == []


def replicate(source: str, target: str, **options: Any) -> dict[str, Any]:
    """Have CouchDB replicate, and return what it says of it."""
    job = {"source": _describe(source), "target": _describe(target), **options}
    answer: dict[str, Any] = assert_taken(requests.post(f"{ROOT}/_replicate", json=job, timeout=120))
    assert answer["ok"] is True
    return answer


def _describe(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    bare = parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl()
    if parts.username is None:
        return {"url": bare}
    return {"url": bare, "auth": {"basic": {"username": parts.username, "password": parts.password}}}


@pytest.mark.parametrize("is_source", [True, False], ids=["as source", "as target"])
def test_couchdb_replicates_once(url: str, theirs: str, is_source: bool) -> None:
    """Every leaf, winner and attachment; a second run finds nothing to do, a third carries only what is new."""
    source, target = (url, theirs) if is_source else (theirs, url)
    fill_stemmed(source)

    first = replicate(source, target)

    assert first["history"][0]["doc_write_failures"] == 0
    assert_equal(read_content(source), read_content(target))
    assert replicate(source, target).get("no_changes") is True
    graft(source, [build_revision("late", "a", text="muộn")])
    third = replicate(source, target)  # CouchDB counts on where it left off
    assert third["history"][0]["docs_written"] == first["history"][0]["docs_written"] + 1
    assert_equal(read_content(source), read_content(target))


@pytest.mark.parametrize("is_source", [True, False], ids=["as source", "as target"])
def test_couchdb_replicates_continuously(url: str, theirs: str, is_source: bool) -> None:
    """What is written while it runs arrives without another request; conflicts and deletions too.

    Nothing is stemmed meanwhile: a CouchDB job crashes, and waits, where a revision it read about was cut off since.
    """
    source, target = (url, theirs) if is_source else (theirs, url)
    graft(source, [build_revision("early", "a")])
    replicate(source, target, continuous=True)
    try:
        wait_for(target, lambda: "early" in read_content(target))
        fill(source, LIMIT)
        graft(source, [build_revision("early", "b", "a"), build_revision("early", "x", "a", _deleted=True)])
        wait_for(target, lambda: read_content(source) == read_content(target), 60)
    finally:
        replicate(source, target, continuous=True, cancel=True)

    assert len(read_content(target)["early"]["leaves"]) == 2


def test_two_couchdb_jobs_bring_two_databases_together(url: str, theirs: str) -> None:
    """Both edited the same documents apart: after both ways each has every branch, and the same winners."""
    fill_stemmed(url)
    fill_stemmed(theirs)
    graft(url, [build_revision("doc-plain-1", "ours", "a", side="ours")])
    graft(theirs, [build_revision("doc-plain-1", "theirs", "a", side="theirs")])

    replicate(url, theirs)
    replicate(theirs, url)

    content = read_content(url)
    assert len(content["doc-plain-1"]["leaves"]) == 2
    assert len(content["edited-0"]["leaves"]) == 2, "two engines name the same edit differently"
    assert_equal(content, read_content(theirs))
