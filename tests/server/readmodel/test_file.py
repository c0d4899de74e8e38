"""The file of the read model: opened by several processes, of another version, damaged."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from replication.errors import StoreError
from server.readmodel import tables
from server.readmodel.tables import VERSION, Tables


def test_two_that_open_a_file_of_an_older_version_end_up_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command is called while the node starts after an update: both find the old file, none takes away the new one
    that the other is writing into."""
    path = tmp_path / "readmodel.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute(f"PRAGMA user_version = {VERSION - 1}")
    opened: list[Tables] = []
    beside = threading.Thread(target=lambda: opened.append(Tables(path)))
    drop = tables.drop

    def drop_later(which: Path) -> None:
        monkeypatch.setattr(tables, "drop", drop)
        beside.start()
        beside.join(0.5)  # it opens the file now if nothing keeps it from that
        drop(which)

    monkeypatch.setattr(tables, "drop", drop_later)
    opened.append(Tables(path))
    beside.join()

    with opened[0].writing() as connection:
        connection.execute("INSERT INTO followed VALUES ('u-x', '1', '2')")
    try:
        assert [tuple(row) for row in opened[1].rows("SELECT * FROM followed")] == [("u-x", "1", "2")]
    finally:
        for each in opened:
            each.close()


@pytest.mark.parametrize("first", [0, 1, 4096])
def test_a_file_that_cannot_be_opened_any_more_is_made_anew(tmp_path: Path, first: int) -> None:
    """Damaged from a byte on, so that no statement can be prepared: nothing is lost by it, and the node starts."""
    path = tmp_path / "readmodel.db"
    Tables(path).close()
    data = path.read_bytes()
    path.write_bytes(data[:first] + b"\xa5" * (len(data) - first))

    made = Tables(path)

    assert made.rows("SELECT * FROM followed") == []
    made.close()


def test_a_damaged_read_model_says_that_it_can_be_computed_anew(tmp_path: Path) -> None:
    """It is no loss, and no backup holds it."""
    path = tmp_path / "readmodel.db"
    made = Tables(path)
    with made.writing() as connection:
        connection.executemany("INSERT INTO followed VALUES (?, '1', '2')", [(f"u-{i}",) for i in range(5000)])
    made.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xa5" * (len(data) - len(data) // 2)
    path.write_bytes(data)

    damaged = Tables(path)
    with pytest.raises(StoreError, match="tram rebuild"):
        damaged.rows("SELECT * FROM followed")
    damaged.close()
