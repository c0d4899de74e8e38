"""A home verified by several processes: the same verdict, the same faults, and a process that dies is said."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from server.dossier import units
from server.errors import NotReady
from server.home import Engine
from server.intake.source import Source
from server.verify import Effort, verify_path
from server.verify.proofs import Known
from server.verify.workers import Task, check_in_processes

HERE, SHARED = Effort(), Effort(processes=2, from_documents=30)


@pytest.fixture
def stocked(make_homes, make_node, helpers, key_pool):
    """The path of a home with forty events under pages of its log, and the ids of the documents."""
    from server.pki.authority import Authority

    node = make_node(make_homes()["H41.12.03"])
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    docs = [person.sign(helpers.submission(node.unit, person)) for _ in range(40)]
    results = node.intake.admit(node.database, docs, source=Source("peer", "x"))
    assert [each.error for each in results] == [None] * 40
    node.publisher.publish(everything=True)
    return node.home.path, [doc.id for doc in docs]


def test_processes_find_what_one_finds(stocked):
    """Events, pages of the log and its leaves: counted alike, whoever read them; progress ends at the total."""
    path, _ = stocked
    told = []

    shared = verify_path(path, effort=Effort(2, 30, lambda *said: told.append(said)))
    alone = verify_path(path, effort=HERE)

    assert shared.holds, shared.problems
    assert shared.checked == alone.checked
    assert shared.checked["events"] >= 40
    assert shared.checked["log entries"] >= 40
    assert shared.notes == alone.notes
    [last] = [said for said in told if said[0] == "u-h41-12-03" and said[1] == said[2]]
    assert last[1] >= 40


def test_a_flipped_byte_is_named_by_whichever_process_read_it(stocked):
    """The report names the document, as it does when one process reads everything."""
    path, ids = stocked
    with closing(sqlite3.connect(path / "store" / "u-h41-12-03.sqlite")) as connection:
        sql = "UPDATE bodies SET json = replace(json, 'Nguy', 'Nguz') WHERE body = (SELECT body FROM docs WHERE id = ?)"
        connection.execute(sql, (ids[7],))
        connection.commit()

    shared, alone = verify_path(path, effort=SHARED), verify_path(path, effort=HERE)

    assert not shared.holds
    assert any(ids[7] in problem for problem in shared.problems)
    assert sorted(shared.problems) == sorted(alone.problems)


def test_another_root_proves_nothing_in_another_process_either(stocked, tmp_path):
    """The root that was named goes along to every process."""
    from datetime import UTC, datetime

    from server.home import Home, Settings
    from server.pki.authority import found_root

    path, _ = stocked
    stranger = found_root(Home.create(tmp_path / "s", Settings("H41", "x", Engine(), None, "")), datetime.now(UTC))

    report = verify_path(path, [stranger.certificate], effort=SHARED)

    assert not report.holds
    assert report.checked["events"] == 0


def test_a_process_that_dies_is_said_and_never_a_verdict(tmp_path):
    """Whoever verifies learns that it was not finished, and what to do."""
    task = Task(tmp_path / "gone", Engine(), units.database_name("H41"), Known((), (), ()))

    with pytest.raises(NotReady, match="--processes 1"):
        list(check_in_processes(task, [[]], 2))
