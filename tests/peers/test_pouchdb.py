"""PouchDB from npm, in Node, replicating with the real server; then leaf by leaf comparison."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bench.link import Link, Mode, Profile
from tests.peers.leaves import assert_equal, assert_taken, read_content, wait_for
from tests.peers.material import build_bytes, build_file, build_mixture, build_revision
from tests.peers.servers import OurServer, Pouch

pytestmark = pytest.mark.node
MANY = 5000


def graft(url: str, docs: list[dict[str, Any]]) -> None:
    """Write revisions as a replicator does."""
    body = {"docs": docs, "new_edits": False}
    assert assert_taken(requests.post(f"{url}/_bulk_docs", json=body, timeout=30)) == []


def test_what_pouchdb_pushes_arrives_whole(url: str, pouch: Pouch) -> None:
    """Edits, conflicts, tombstones, stemmed histories and binary attachments."""
    pouch.ask("put", docs=build_mixture("local"), new_edits=False)

    assert pouch.ask("push", url=url)["doc_write_failures"] == 0

    content = read_content(url)
    assert len(content["local-tree-0"]["leaves"]) == 3
    assert len(content["local-files-0"]["leaves"].popitem()[1]["files"]) == 3
    assert_equal(pouch.ask("dump"), read_content(url))


def test_what_pouchdb_pulls_arrives_whole(url: str, pouch: Pouch) -> None:
    """The same the other way."""
    graft(url, build_mixture("remote"))

    assert pouch.ask("pull", url=url)["doc_write_failures"] == 0

    content = pouch.ask("dump")
    assert len(content["remote-stemmed-0"]["leaves"]) == 2
    assert content["remote-gone-0"]["leaves"].popitem()[1]["deleted"]
    assert_equal(read_content(url), pouch.ask("dump"))


def test_replication_goes_on_from_its_checkpoint(url: str, pouch: Pouch) -> None:
    """A second run asks only about what is new, also after Node was started anew."""
    pouch.ask("put", docs=build_mixture("local"), new_edits=False)
    graft(url, build_mixture("remote"))
    for op in ("push", "pull", "push"):  # the last tells the server what it told us: it is asked about that only once
        pouch.ask(op, url=url)
    pouch.stop()
    pouch.start()
    graft(url, [build_revision("late-remote", "a")])
    pouch.ask("put", docs=[build_revision("late-local", "a")], new_edits=False)

    pulled = pouch.ask("pull", url=url)
    pushed = pouch.ask("push", url=url)

    assert (pulled["docs_read"], pushed["docs_read"]) == (1, 1)
    assert "0" not in pulled["since"]
    assert pushed["asked"] == 2, "it asked again about what its checkpoint said was there"
    assert_equal(read_content(url), pouch.ask("dump"))


def test_live_replication_carries_both_ways(url: str, pouch: Pouch) -> None:
    """Documents, edits, conflicts, deletions and attachments made on either side while both are connected."""
    pouch.ask("live", url=url)
    graft(url, build_mixture("remote"))
    pouch.ask("put", docs=build_mixture("local"), new_edits=False)
    wait_for(url, lambda: {"local-plain-19", "remote-plain-19"} <= pouch.ask("dump").keys() & read_content(url).keys())

    both = (
        build_revision("remote-plain-0", "here", "a", side="server"),
        build_revision("remote-plain-0", "there", "a", side="pouch"),
    )
    graft(url, [both[0], build_revision("local-plain-1", "b", "a", _deleted=True)])
    picture = {"ảnh": build_file(build_bytes("picture", 100_000), "image/png")}
    pouch.ask("put", docs=[both[1], build_revision("local-plain-2", "b", "a", _attachments=picture)], new_edits=False)
    wait_for(url, lambda: bool(read_content(url) == pouch.ask("dump")))
    pouch.ask("stop")

    content = read_content(url)
    assert content["remote-plain-0"]["leaves"].keys() == {doc["_rev"] for doc in both}
    assert content["local-plain-2"]["leaves"].popitem()[1]["files"]["ảnh"]["content_type"] == "image/png"
    assert content["local-plain-1"]["leaves"].popitem()[1]["deleted"]


def test_five_thousand_documents_survive_a_kill_of_the_server(server: OurServer, url: str, pouch: Pouch) -> None:
    """Killed while they are being pushed, started again at the same address: all arrive, none twice."""
    docs = [build_revision(f"doc-{n:05}", "b", "a", n=n) for n in range(MANY)]
    pouch.ask("put", docs=docs, new_edits=False)
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    with Link((host, port), Profile(cut_after_bytes=150_000, mode=Mode.STALL)) as line:
        pouch.ask("live", url=f"{line.url}/db")
        assert line.await_cut()

        server.kill()
        server.start()
        held = count(url)
        assert held < MANY, "the kill came too late to mean anything"
        line.restore()
        wait_for(url, lambda: count(url) == MANY)
        pouch.ask("stop")

    content = read_content(url)
    assert {doc_id: set(entry["leaves"]) for doc_id, entry in content.items()} == {
        doc["_id"]: {doc["_rev"]} for doc in docs
    }
    assert {entry["leaves"].popitem()[1]["body"]["n"] for entry in content.values()} == set(range(MANY))


def count(url: str) -> int:
    """Return how many documents a database holds."""
    return int(assert_taken(requests.get(url, timeout=20))["doc_count"])
