"""Sticks made before an erasure and backups older than it bring nothing back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from replication.store import AllDocsQuery
from server.backup import Key, Seal, make_backup, restore
from server.dossier.documents import FILE_PREFIX
from server.home import Home
from server.intake.source import Source
from server.verify import verify_path
from tests.server.bundles.conftest import carry

__all__ = ["carry"]

COMMUNE, DISTRICT = "H41.12.03", "H41.12"
EVENTS, FILES = "u-h41-12-03", "f-h41-12-03"


@pytest.fixture
def offices(carry):
    """A commune and its district without a link, who know one another's keys; a closed dossier at the commune."""
    made = carry("H41", DISTRICT, COMMUNE)
    made.meet(COMMUNE, DISTRICT)
    made.stream = made.file(COMMUNE, 40_000)
    act(made, "official", made.stream, "dossier.refused", {"reason": "Không thuộc thẩm quyền"})
    made.person(COMMUNE, "leader")
    return made


def act(offices, role, stream, type, body, prev=None):
    """Somebody at the commune signs an event."""
    node, person = offices.nodes[COMMUNE], offices.person(COMMUNE, role)
    heads = node.model.story(stream).dossier.heads if prev is None else prev
    event = offices.helpers.submission(node.unit, person, stream=stream, type=type, prev=list(heads), body=body)
    offices.admit(node, node.database, [person.sign(event)])
    node.model.follower.catch_up()


def order(offices):
    """Two voices order the dossier erased: the node's and the leader's."""
    node = offices.nodes[COMMUNE]
    words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    node.people.say("erasure.proposed", node.erasures.proposal(offices.stream, **words))
    [erasure] = node.erasures.all()
    stream = "unit.h41-12-03"
    heads = node.model.queries.heads(node.database, stream)
    act(offices, "leader", stream, "erasure.confirmed", {"of": erasure.id}, heads)
    return erasure


def here(node, database, ids):
    rows = node.store.open(database).all_docs(AllDocsQuery(keys=tuple(ids))).rows
    return {row.id for row in rows if row.rev is not None and not row.deleted}


def test_a_stick_made_before_the_erasure_brings_nothing_back_after_it(offices, monkeypatch):
    """Its events are taken for known and not stored; its files lie unnamed, reach nobody, and are swept in time."""
    commune, district = offices.nodes[COMMUNE], offices.nodes[DISTRICT]
    offices.send(COMMUNE, DISTRICT, "before")
    erasure = order(offices)
    assert commune.erasing.settle() == 1
    assert commune.erasing.settle() == 0
    offices.send(COMMUNE, DISTRICT, "after")

    offices.take(DISTRICT, "after")
    district.model.follower.catch_up()
    assert district.erasing.settle() == 1
    taken = offices.take(DISTRICT, "before")
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
    commune, district = offices.nodes[COMMUNE], offices.nodes[DISTRICT]
    offices.send(COMMUNE, DISTRICT, "first")
    offices.take(DISTRICT, "first")
    make_backup(commune.home, tmp_path / "backup", Seal(), lambda step: None)
    erasure = order(offices)
    commune.erasing.settle()
    offices.send(COMMUNE, DISTRICT, "after")
    offices.take(DISTRICT, "after")
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


def test_an_event_that_no_erasure_names_is_still_missed(offices):
    """The log counts what is stored and what was erased; one event more gone is a problem that verify names."""
    commune = offices.nodes[COMMUNE]
    other = offices.file(COMMUNE, 9_000, seed=1)
    order(offices)
    commune.erasing.settle()
    assert verify_path(commune.home.path).problems == []

    database = commune.store.open(EVENTS)
    [row] = [row for row in database.changes().rows if row.id.startswith(other)]
    database.purge({row.id: list(row.leaves)})
    [problem] = verify_path(commune.home.path).problems
    assert "1 events it took are not here any more" in problem


def test_an_unconfirmed_proposal_erases_nothing(offices):
    """Nor does one whose second voice is the console again."""
    commune = offices.nodes[COMMUNE]
    words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    commune.people.say("erasure.proposed", commune.erasures.proposal(offices.stream, **words))
    [erasure] = commune.erasures.all()
    commune.people.say("erasure.confirmed", {"of": erasure.id})
    assert commune.erasing.settle() == 0
    assert here(commune, EVENTS, erasure.documents) == set(erasure.documents)
