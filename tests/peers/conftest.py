"""Our server beside its peers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.peers.servers import OurServer, Pouch


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OurServer]:
    """Our server over an empty directory."""
    server = OurServer(tmp_path / "store")
    yield server
    server.stop()


@pytest.fixture
def url(server: OurServer) -> str:
    """The address of an empty database of ours."""
    address = f"{server.url}/db"
    requests.put(address, timeout=20).raise_for_status()
    return address


@pytest.fixture
def pouch(tmp_path: Path) -> Iterator[Pouch]:
    """An empty PouchDB in Node."""
    pouch = Pouch(tmp_path / "pouch")
    yield pouch
    pouch.stop()
