"""The store itself: databases come, are found, and go."""

from __future__ import annotations

import re

import pytest

from replication.document import DocId
from replication.errors import DatabaseExists, IllegalDatabaseName, NotFound
from replication.store import Database, Store
from replication.testing.base import Contract, build_doc, edit, put


class NodeContract(Contract):
    def test_the_uuid_is_32_hex_digits_and_stays(self, store: Store) -> None:
        """Peers key their checkpoints on it."""
        assert re.fullmatch(r"[0-9a-f]{32}", store.uuid)
        assert store.uuid == store.uuid

    def test_a_database_that_was_created_is_listed_and_opened(self, store: Store, db: Database) -> None:
        """`names` is sorted; `open` gives the same object for the same name."""
        assert db.name in store.names()
        assert store.names() == sorted(store.names())
        assert store.open(db.name) is store.open(db.name)
        assert store.open(db.name).name == db.name

    def test_a_database_that_exists_is_not_created_again(self, store: Store, db: Database) -> None:
        """`DatabaseExists`, and what it holds stays."""
        put(db, build_doc("a", "1-x"))
        with pytest.raises(DatabaseExists):
            store.create(db.name)
        assert store.open(db.name).get(DocId("a")).rev == "1-x"

    @pytest.mark.parametrize("name", ["", "A", "Upper", "1a", "a b", "a.b", "_own", "a\n", "ä", "../a", "a?b", "a%2fb"])
    def test_an_illegal_database_name_is_refused(self, store: Store, name: str) -> None:
        """CouchDB's rule: a-z first, then a-z, 0-9 and _$()+-/."""
        with pytest.raises(IllegalDatabaseName):
            store.create(name)

    def test_all_legal_characters_may_stand_in_a_name(self, store: Store) -> None:
        """Names with "/" are databases like any other, and distinct ones stay distinct."""
        names = ["contract/a_b$c(d)e+f-g", "contract_a_b$c(d)e+f-g"]
        try:
            for name in names:
                put(store.create(name), build_doc(f"in {name}", "1-x"))
            assert set(names) <= set(store.names())
            for name in names:
                assert [row.id for row in store.open(name).changes().rows] == [f"in {name}"]
        finally:
            for name in set(names) & set(store.names()):
                store.delete(name)

    @pytest.mark.parametrize("name", ["contract-not-there", "Upper", "../etc"])
    def test_a_database_that_is_not_there_is_not_found(self, store: Store, name: str) -> None:
        """Opening and deleting say the same words."""
        with pytest.raises(NotFound, match=r"^Database does not exist\.$"):
            store.open(name)
        with pytest.raises(NotFound, match=r"^Database does not exist\.$"):
            store.delete(name)

    def test_a_deleted_database_is_gone_with_all_it_held(self, store: Store) -> None:
        """A new one of the same name begins empty, with another start time."""
        name = "contract-comes-and-goes"
        first = store.create(name)
        put(first, build_doc("a", "1-x"))
        first.put_local("c", b"{}")
        store.delete(name)
        assert name not in store.names()
        with pytest.raises(NotFound):
            store.open(name)
        second = store.create(name)
        try:
            assert second.changes().rows == ()
            assert second.info().doc_count == 0
            with pytest.raises(NotFound):
                second.get_local("c")
        finally:
            store.delete(name)

    def test_info_counts_documents_and_tombstones(self, db: Database) -> None:
        """`doc_count` has the live ones, `doc_del_count` the others; local documents are in neither."""
        empty = db.info()
        assert (empty.name, empty.doc_count, empty.doc_del_count) == (db.name, 0, 0)
        put(db, build_doc("a", "1-x"), build_doc("b", "1-x"), build_doc("c", "2-y", deleted=True))
        db.put_local("l", b"{}")
        edit(db, build_doc("b", "1-x", deleted=True))
        info = db.info()
        assert (info.doc_count, info.doc_del_count) == (1, 2)
        assert info.update_seq != empty.update_seq
        assert info.instance_start_time == empty.instance_start_time
        assert info.disk_size > 0
        assert info.data_size > 0
        assert info.instance_start_time.isdecimal()

    def test_info_counts_a_document_by_its_winner(self, db: Database) -> None:
        """A tombstone beside a live leaf does not delete; a conflict is one document."""
        put(db, build_doc("a", "1-x"), build_doc("a", "2-z", "q", deleted=True), build_doc("a", "1-y"))
        assert (db.info().doc_count, db.info().doc_del_count) == (1, 0)
        put(db, build_doc("a", "2-d", "x", deleted=True), build_doc("a", "2-e", "y", deleted=True))
        assert (db.info().doc_count, db.info().doc_del_count) == (0, 1)
