"""The CouchDB that a run may be given, and names in it that nobody else uses."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest

from replication.couch import CouchStore

COUCHDB = os.environ.get("TRAM_COUCHDB_URL", "").rstrip("/")
needs_couchdb = pytest.mark.skipif(not COUCHDB, reason="TRAM_COUCHDB_URL names no CouchDB to test against")


@pytest.fixture
def prefix() -> Iterator[str]:
    """What this test's databases on CouchDB begin with; they are removed afterwards."""
    prefix = f"t{secrets.token_hex(4)}-"
    yield prefix
    remove_all(prefix)


def remove_all(prefix: str) -> None:
    """Remove what a store with this prefix keeps on CouchDB."""
    with closing(CouchStore(COUCHDB, prefix=prefix)) as store:
        store.remove()
