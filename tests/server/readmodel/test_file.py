"""The file of the read model, damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from replication.errors import StoreError
from server.readmodel.tables import Tables


def test_a_damaged_read_model_says_that_it_can_be_computed_anew(tmp_path: Path) -> None:
    """It is no loss, and no backup holds it."""
    path = tmp_path / "readmodel.db"
    tables = Tables(path)
    with tables.writing() as connection:
        connection.executemany("INSERT INTO followed VALUES (?, '1', '2')", [(f"u-{i}",) for i in range(5000)])
    tables.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xa5" * (len(data) - len(data) // 2)
    path.write_bytes(data)

    damaged = Tables(path)
    with pytest.raises(StoreError, match="tram rebuild"):
        damaged.rows("SELECT * FROM followed")
    damaged.close()
