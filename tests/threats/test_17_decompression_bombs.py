"""Threat 17: a few kilobytes that unpack to hundreds of megabytes, at every door of a node that unpacks."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard

from crypto.hashing import sha256_id

MIB = 1024 * 1024
UNPACKED = 200 * MIB
ALLOWED_GROWTH = 64 * MIB


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """200 MB of zeros in each coding that is spoken here."""
    packer = zlib.compressobj(9, wbits=31)
    zipped = b"".join([*(packer.compress(bytes(MIB)) for _ in range(UNPACKED // MIB)), packer.flush()])
    zstd = zstandard.ZstdCompressor(level=3).compress(bytes(UNPACKED))
    assert max(len(zipped), len(zstd)) < MIB
    return {"gzip": zipped, "zstd": zstd, "dcz": zstd}


def peak_bytes() -> int:
    """Return the most memory this process has held since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("PUT", "/api/files/chunks/{chunk}", "application/octet-stream"),
        ("POST", "/api/files/missing", "application/json"),
        ("POST", "/api/events", "application/json"),
        ("POST", "/db/{database}/_bulk_docs", "application/json"),
        ("POST", "/db/{database}/_revs_diff", "application/json"),
    ],
)
def test_a_bomb_is_refused_before_it_goes_off(
    office: Any, bombs: dict[str, bytes], method: str, path: str, kind: str
) -> None:
    """A 4xx in JSON in every coding, memory flat, the node goes on."""
    node = office.node
    url = office.url + path.format(chunk=sha256_id(b"x"), database=node.database)
    token = office.citizen.person.token(node.signer.urn) if path.startswith("/api") else None
    headers = {
        "Authorization": f"Bearer {token or node.signer.token(node.signer.urn, node.clock.now())}",
        "Content-Type": kind,
    }
    for coding, bomb in bombs.items():
        forget_peak()
        before = peak_bytes()

        answer = requests.request(method, url, data=bomb, headers=headers | {"Content-Encoding": coding}, timeout=60)

        assert 400 <= answer.status_code < 500
        assert answer.json()["reason"]
        assert peak_bytes() - before < ALLOWED_GROWTH
    assert office.nobody.get("/api/node").status_code == 200
