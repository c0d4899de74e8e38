"""The CouchDB engine keeps the promises of the contract, over a real CouchDB."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from replication.couch import CouchStore
from replication.testing import StoreContract

URL = os.environ.get("TRAM_COUCHDB_URL")

if URL is None:
    pytest.skip("TRAM_COUCHDB_URL names no CouchDB to test against", allow_module_level=True)

pytestmark = pytest.mark.couchdb


class TestCouchStore(StoreContract):
    """A database of more than one shard has no single order of changes. Compaction writes a new file and deletes the
    old one: the file system has the blocks back, nobody has overwritten them."""

    capabilities = StoreContract.capabilities - {"ordered_feed", "overwrite"}

    @pytest.fixture
    def store(self) -> Iterator[CouchStore]:
        assert URL is not None  # for mypy: the module is skipped then
        store = CouchStore(URL, prefix=f"t{secrets.token_hex(4)}-")
        yield store
        store.remove()
        store.close()
