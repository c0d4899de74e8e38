"""The disk fills up under a running server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import disks
from tests.replication.durability.process import ServerProcess

DATABASE = "f-h41-12-03"
SCAN = bytes(range(256)) * 128  # 32 KiB
NOISE = random.Random(1).randbytes(1_500_000).hex()  # what repeats itself would be packed to nothing


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own."""
    with disks.small_disk(tmp_path / "disk", "8m") as mount:
        yield mount


def test_a_full_disk_refuses_writes_by_name_and_goes_on_reading(small_disk: Path) -> None:
    """507 `insufficient_storage` as JSON for every kind of write, reads as before, and writes again with room."""
    ballast = small_disk / "ballast"
    server = ServerProcess(small_disk / "store")
    url, http = f"{server.url}/{DATABASE}", server.session
    http.put(url, timeout=20).raise_for_status()
    ballast.write_bytes(bytes(2_000_000))
    stored = fill(server, url)
    assert stored

    for answer in (
        http.post(f"{url}/_bulk_docs", json={"docs": [{"_id": "big", "text": NOISE}]}, timeout=20),
        http.put(f"{url}/big", json={"text": NOISE}, timeout=20),
        http.put(f"{url}/_local/checkpoint", json={"text": NOISE}, timeout=20),
        http.put(f"{server.url}/another", timeout=20),
    ):
        assert answer.status_code == 507, answer.text
        assert answer.json()["error"] == "insufficient_storage"
        assert "space" in answer.json()["reason"]

    check(server, url, stored)
    assert http.get(f"{server.url}/_all_dbs", timeout=20).json() == [DATABASE]

    ballast.unlink()
    later = http.put(f"{url}/later", json={}, timeout=20)
    assert later.status_code == 201, later.text
    server.kill()

    server = ServerProcess(small_disk / "store")
    check(server, f"{server.url}/{DATABASE}", [*stored, "later"])
    server.stop()


def fill(server: ServerProcess, url: str) -> list[str]:
    """Store scans until the disk is full; return the ids acknowledged."""
    stored: list[str] = []
    for number in range(1000):
        doc_id = f"scan-{number:03d}"
        data = number.to_bytes(4, "big") + SCAN
        answer = server.session.put(
            f"{url}/{doc_id}/scan", data=data, headers={"Content-Type": "image/jpeg"}, timeout=20
        )
        if answer.status_code == 507:
            assert answer.json()["error"] == "insufficient_storage"
            return stored
        assert answer.status_code == 201, answer.text
        stored.append(doc_id)
    raise AssertionError("the disk never filled up")


def check(server: ServerProcess, url: str, stored: list[str]) -> None:
    """What was acknowledged is there, byte for byte, and nothing else is."""
    rows = server.session.get(f"{url}/_changes", timeout=20).json()["results"]
    assert [row["id"] for row in rows] == stored
    assert server.session.get(url, timeout=20).json()["doc_count"] == len(stored)
    for number, doc_id in enumerate(stored):
        if doc_id.startswith("scan-"):
            got = server.session.get(f"{url}/{doc_id}/scan", timeout=20)
            assert got.content == number.to_bytes(4, "big") + SCAN
