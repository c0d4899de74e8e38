"""The disk fills up under a node."""

from __future__ import annotations

import shutil

import pytest

from crypto.hashing import sha256_id
from server.dossier.manifest import MAX_CHUNK_BYTES
from server.home import Home
from tests import disks


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MB of its own."""
    with disks.small_disk(tmp_path / "disk", "16m") as path:
        yield path


def test_a_full_disk_takes_nothing_says_so_and_loses_nothing(small_disk, make_homes, serve, key_pool, helpers, tram):
    """507 `insufficient_storage` whatever cannot be written, reading goes on, and with room the same dossiers go in."""
    homes = make_homes(helpers.PROVINCE, helpers.COMMUNE)
    shutil.copytree(homes[helpers.COMMUNE].path, small_disk / "home")
    node, url = serve(Home.open(small_disk / "home"))
    official = helpers.enrol(node, url, key_pool(), "official")
    envelopes = [official.person.envelope(helpers.submission(node.unit, official.person)) for _ in range(60)]
    ballast = small_disk / "ballast"
    chunk = bytes(MAX_CHUNK_BYTES)

    def file_all():
        answers = {each["event"]["stream"]: official.post("/api/events", each) for each in envelopes}
        refused = [each for each in answers.values() if each.status_code != 201]
        return {stream for stream, each in answers.items() if each.status_code == 201}, refused

    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    taken, refused = file_all()
    refused.append(official("PUT", f"/api/files/chunks/{sha256_id(chunk)}", data=chunk))

    assert len(refused) > 1
    assert {(each.status_code, each.json()["error"]) for each in refused} == {(507, "insufficient_storage")}
    assert all(official.get(f"/api/dossiers/{stream}").status_code == 200 for stream in taken)
    status, _, error = tram("user", "add", node.home.path, "--name", "Trần Văn Nam")
    assert (status, error.count("\n"), "No space left" in error) == (1, 1, True)

    ballast.unlink()
    again, refused = file_all()

    assert refused == []
    assert len(again) == len(envelopes)
    node.stop()
    status, said, _ = tram("verify", node.home.path)
    assert (status, said.splitlines()[-1]) == (0, "all of it holds")
