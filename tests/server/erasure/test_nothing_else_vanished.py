"""A home proves in one go that nothing is gone but what signed orders name."""

from __future__ import annotations

import pytest

from server.dossier.documents import event_doc
from server.verify import verify_path
from tests.server.erasure.conftest import COMMUNE

EVENTS = "u-h41-12-03"
IN_ALL, DOSSIERS = 1000, 10  # ten closed dossiers of two events each are erased


@pytest.fixture
def thousand(offices):
    """The commune with a thousand events in its log, twenty of them erased; (node, ids of living events)."""
    node, made = offices.commune, offices.made
    person = made.person(COMMUNE)
    going = [offices.stream]
    for _ in range(DOSSIERS - 1):
        event = made.helpers.submission(node.unit, person)
        made.admit(node, EVENTS, [person.sign(event)])
        node.model.follower.catch_up()
        offices.refuse(event["stream"])
        going.append(event["stream"])
    for stream in going:
        offices.order(stream)
    assert node.erasing.settle() == DOSSIERS
    left = IN_ALL - node.log.head().size
    docs = [event_doc(person.envelope(made.helpers.submission(node.unit, person))) for _ in range(left)]
    made.admit(node, EVENTS, docs)
    assert node.log.head().size == IN_ALL
    return node, [doc.id for doc in docs]


def test_one_event_deleted_behind_the_logs_back_is_found_among_a_thousand(thousand):
    """Twenty erased ones are accounted for by the orders; the one more that is gone is named, whatever the node's own
    list of erased events says."""
    node, living = thousand
    report = verify_path(node.home.path)
    assert report.problems == []
    assert report.checked["erased events"] == 2 * DOSSIERS
    assert report.checked["log leaves"] == IN_ALL

    database = node.store.open(EVENTS)
    victim = living[500]
    [row] = [row for row in database.changes().rows if row.id == victim]
    database.purge({row.id: list(row.leaves)})
    node.erased.note(EVENTS, [victim], "sha256-of-no-order")

    [problem] = verify_path(node.home.path).problems
    assert "1 events it took are not here any more" in problem
    assert victim.rpartition(":")[2] in problem
