"""The embedded engine keeps every promise of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.sqlite import SqliteDatabase, SqliteStore
from replication.store import Database
from replication.testing import StoreContract


class TestSqliteStore(StoreContract):
    """It declares nothing that it cannot do."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteStore]:
        store = SqliteStore(tmp_path / "store")
        yield store
        store.close()

    @pytest.fixture
    def raw(self, db: Database) -> bytes:
        """The file and what lies beside it."""
        assert isinstance(db, SqliteDatabase)
        return b"".join(path.read_bytes() for path in sorted(db.path.parent.glob(f"{db.path.name}*")))

    def check(self, db: Database) -> None:
        """The file is sound, and its counters agree with its rows."""
        assert isinstance(db, SqliteDatabase)
        assert db.check() == []
