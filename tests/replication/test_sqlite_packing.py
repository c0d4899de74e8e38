"""Bodies at rest: what goes in comes out, old files open, and what cannot be read is named."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication import dictionaries
from replication.document import DocId
from replication.errors import StoreError, Unavailable
from replication.sqlite import SqliteStore, schema
from replication.sqlite.packing import NUMBERS, pack_body, unpack_body
from replication.testing.base import build_doc, put

EVENT = json.dumps(
    {
        "event": {"v": 1, "type": "dossier.submitted", "unit": "H41.12.03", "body": "khai sinh " * 30},
        "signatures": [{"protected": secrets.token_urlsafe(150), "signature": secrets.token_urlsafe(64)}],
    }
).encode()


@given(st.one_of(st.binary(max_size=3000), st.text(max_size=800).map(lambda text: json.dumps({"t": text}).encode())))
def test_every_body_comes_out_as_it_went_in(body: bytes) -> None:
    """Also one that gains nothing by packing, and one that is packed."""
    body = b"{" + body
    assert unpack_body(pack_body(body)) == body
    assert len(pack_body(body)) <= len(body)


def test_an_event_takes_half_its_room() -> None:
    """The dictionary knows what events have in common; random bytes are stored as they are."""
    assert len(pack_body(EVENT)) < len(EVENT) / 2 + 120
    noise = b'{"n":"' + secrets.token_bytes(500) + b'"}'
    assert pack_body(noise) == noise


def test_a_dictionary_number_means_one_dictionary_for_good() -> None:
    """Its SHA-256 is pinned here: files on disks of offices name it by number."""
    assert NUMBERS == {1: "ee3696cbaf0c46d7607cb1683b00da087690f4beb14271e4fcb92e3de9dc114b"}
    assert all(dictionaries.load(name).name == name for name in NUMBERS.values())


@pytest.mark.parametrize("stored", [b"", b"\x00{}", b"\x02abc", b"\x01", b"\x01{}", pack_body(EVENT)[:-5]])
def test_what_cannot_be_unpacked_is_an_error_with_a_remedy(stored: bytes) -> None:
    """Another program's packing, or harm done since."""
    with pytest.raises(StoreError, match=r"update the program|restore from a backup"):
        unpack_body(stored)


def test_threads_pack_and_unpack_side_by_side() -> None:
    """The library's objects are not to be shared; the pool sees to it."""
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        for number in range(300):
            body = EVENT[:-1] + b',"n":%d}' % (seed * 1000 + number)
            if unpack_body(pack_body(body)) != body:
                wrong.append(body)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_of_version_1_opens_and_becomes_version_2_with_the_first_write(tmp_path: Path) -> None:
    """Its plain bodies stay as they are; programs of before refuse it from then on instead of misreading it."""
    with closing(SqliteStore(tmp_path)) as store:
        put(store.create("a"), build_doc("old", "1-x", text="x" * 300))
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        body = json.dumps({"text": "x" * 300}, separators=(",", ":")).encode()
        conn.execute("UPDATE bodies SET json = ?", (body,))
        conn.execute("PRAGMA user_version = 1")

    with closing(SqliteStore(tmp_path)) as store:
        db = store.open("a")
        assert db.get(DocId("old")).body == body
        assert _version(path) == 1
        put(db, build_doc("new", "1-x", text="y" * 300))
        assert _version(path) == 2
        assert [db.get(DocId(name)).body[:10] for name in ("old", "new")] == [b'{"text":"x', b'{"text":"y']
        assert db.check() == []
    with closing(sqlite3.connect(path)) as conn:
        kept = [row[0][0] for row in conn.execute("SELECT json FROM bodies ORDER BY body")]
    assert kept == [ord("{"), 1]


def test_a_program_of_before_refuses_a_packed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By version, with what to do."""
    with closing(SqliteStore(tmp_path)) as store:
        store.create("a")
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 1)
    with closing(SqliteStore(tmp_path)) as store, pytest.raises(Unavailable, match="Open it with the version"):
        store.open("a").info()


def test_the_check_of_a_file_finds_a_harmed_body(tmp_path: Path) -> None:
    """SQLite's own check sees sound pages; what lies in them has to be unpacked."""
    with closing(SqliteStore(tmp_path)) as store:
        put(store.create("a"), build_doc("x", "1-x", text="x" * 300))
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as conn:
        conn.execute("UPDATE bodies SET json = substr(json, 1, 20)")
    with closing(SqliteStore(tmp_path)) as store:
        assert store.open("a").check() == ["1 stored documents cannot be read"]
        with pytest.raises(StoreError, match="damaged"):
            store.open("a").get(DocId("x"))


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        version: int = conn.execute("PRAGMA user_version").fetchone()[0]
    return version
