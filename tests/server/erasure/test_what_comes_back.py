"""Sticks made before an erasure and backups older than it bring nothing back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from replication.document import DocId
from replication.errors import NotFound
from server.backup import Key, Seal, make_backup, restore
from server.dossier.documents import FILE_PREFIX
from server.dossier.manifest import CHUNK_BYTES
from server.home import Home
from server.intake.source import Source
from server.verify import verify_path
from tests.server.erasure.conftest import COMMUNE, COUCHDB, DISTRICT, here

EVENTS, FILES = "u-h41-12-03", "f-h41-12-03"
LARGE = 1_000_000

on_couchdb = pytest.param(
    "couchdb",
    marks=[
        pytest.mark.couchdb,
        pytest.mark.skipif(not COUCHDB, reason="TRAM_COUCHDB_URL names no CouchDB to test against"),
    ],
)
on_both_engines = pytest.mark.parametrize("engine", ["sqlite", on_couchdb], indirect=True)


@on_both_engines
def test_a_stick_made_before_the_erasure_brings_nothing_back_after_it(offices, monkeypatch):
    """Its events are taken for known and not stored; its files lie unnamed, reach nobody, and are swept in time."""
    commune, district, made = offices.commune, offices.district, offices.made
    made.meet(COMMUNE, DISTRICT)
    made.send(COMMUNE, DISTRICT, "before")
    erasure = offices.order()
    assert commune.erasing.settle() == 1
    assert commune.erasing.settle() == 0
    made.send(COMMUNE, DISTRICT, "after")

    made.take(DISTRICT, "after")
    district.model.follower.catch_up()
    assert district.erasing.settle() == 1
    taken = made.take(DISTRICT, "before")
    district.model.follower.catch_up()
    assert here(district, EVENTS, erasure.documents) == set()
    assert district.model.queries.dossier(offices.stream) is None
    assert district.quarantine.count() == 0
    assert taken is not None

    files = [FILE_PREFIX + each for each in erasure.files]
    assert district.erasing.sweep() == 0  # perhaps a new dossier's, whose event is still on its way
    monkeypatch.setattr("server.erasure.executor.GRACE", timedelta(0))
    district.erasing.sweep()
    assert here(district, FILES, files) == set()
    assert district.store.open(FILES).info().doc_count == 0
    assert verify_path(district.home.path).problems == []


def test_a_backup_older_than_the_erasure_is_erased_again_on_catching_up(offices, make_node, tmp_path):
    """The restored home holds the dossier until it hears of the erasure, and says again that it is done."""
    commune, district, made = offices.commune, offices.district, offices.made
    made.meet(COMMUNE, DISTRICT)
    made.send(COMMUNE, DISTRICT, "first")
    made.take(DISTRICT, "first")
    make_backup(commune.home, tmp_path / "backup", Seal(), lambda step: None)
    erasure = offices.order()
    commune.erasing.settle()
    made.send(COMMUNE, DISTRICT, "after")
    made.take(DISTRICT, "after")
    district.model.follower.catch_up()
    district.erasing.settle()
    commune.stop()

    restore(tmp_path / "backup", tmp_path / "restored", Key(), lambda step: None)
    back = make_node(Home.open(tmp_path / "restored"))
    back.model.follower.catch_up()
    assert here(back, EVENTS, erasure.documents) == set(erasure.documents)
    source = district.store.open(EVENTS)
    ids = [row.id for row in source.changes().rows]
    docs = [source.get(each) for each in ids]
    for result in back.intake.admit(EVENTS, docs, source=Source("peer", district.signer.urn)):
        assert result.error is None, result.error
    back.model.follower.catch_up()
    assert back.erasing.settle() == 1
    assert here(back, EVENTS, erasure.documents) == set()
    assert back.model.queries.dossier(offices.stream) is None


@pytest.mark.parametrize("engine", [on_couchdb], indirect=True)  # on SQLite: test_nothing_else_vanished
def test_an_event_that_no_erasure_names_is_still_missed(offices):
    """The log counts what is stored and what was erased; one event more gone is a problem that verify names."""
    commune = offices.commune
    other = offices.made.file(COMMUNE, 9_000, seed=1)
    offices.order()
    commune.erasing.settle()
    assert verify_path(commune.home.path).problems == []

    database = commune.store.open(EVENTS)
    [row] = [row for row in database.changes().rows if row.id.startswith(other)]
    database.purge({row.id: list(row.leaves)})
    [problem] = verify_path(commune.home.path).problems
    assert "1 events it took are not here any more" in problem


@on_both_engines
def test_an_unconfirmed_proposal_erases_nothing(offices):
    """Nor does one whose second voice is the console again."""
    commune = offices.commune
    erasure = offices.propose()
    commune.people.say("erasure.confirmed", {"of": erasure.id})
    assert commune.erasing.settle() == 0
    assert here(commune, EVENTS, erasure.documents) == set(erasure.documents)


@on_both_engines
def test_a_files_bytes_leave_the_store_and_the_disk_has_the_room_back(offices):
    """Manifest and chunks are purged, the attachments with them; compaction has run when the node says it is done."""
    commune = offices.commune
    stream = offices.made.file(COMMUNE, LARGE, seed=7)
    offices.refuse(stream)
    database = commune.store.open(FILES)
    before = {row.id for row in database.changes().rows}
    erasure = offices.order(stream)
    size = database.info().disk_size
    assert commune.erasing.settle() == 1

    [done] = commune.erasures.get(erasure.id).done
    gone = sorted(before - {row.id for row in database.changes().rows if not row.deleted})
    assert (done.files, done.chunks) == (1, -(-LARGE // CHUNK_BYTES))
    assert len(gone) == done.files + done.chunks
    for each in gone:
        with pytest.raises(NotFound):
            database.get(DocId(each))
        with pytest.raises(NotFound):
            database.attachment(DocId(each), "chunk")
    assert size - database.info().disk_size > LARGE * 9 // 10
