"""Heads of logs travel on sticks: up to be cosigned, back as documents."""

from __future__ import annotations

import pytest

from crypto.hashing import parse_sha256_id
from server.bundles import extras

C, D = "H41.12.03", "H41.12"


@pytest.fixture
def pair(carry):
    """A commune and its district that exchange sticks and nothing else."""
    carrier = carry()
    carrier.meet(C, D)
    return carrier


def _round(pair) -> int:
    """Carry a stick up and one back; return up to which size the commune then holds the district's cosignature."""
    for source, target in ((C, D), (D, C)):
        pair.send(source, target)
        assert pair.take(target).problems == []
    node = pair.nodes[C]
    node.proofs.catch_up(node.database)
    return node.proofs.cosigned_size(node.log.origin(), D)


def test_a_head_goes_up_by_stick_and_its_cosignature_comes_back(pair):
    """Without any link the commune's log is cosigned, again and again as it grows, and events are proven by it."""
    stream = pair.file(C, 1000)
    first = _round(pair)
    pair.file(C, 1000, seed=1)
    second = _round(pair)

    node = pair.nodes[C]
    assert 0 < first < second == pair.nodes[D].witness.known_size(node.log.origin())
    event = node.model.queries.heads(node.database, stream)[0]
    placed = node.log.place(parse_sha256_id(event))
    assert node.proofs.cosigned_note(node.log.origin(), placed.number)[0] == first
    assert pair.nodes[D].witness.evidence() == []


def test_a_head_that_is_cosigned_already_is_not_sent_again(pair):
    """Notes go only upwards, and only while the unit above lacks something."""
    pair.file(C, 1000)
    assert "log-head" in dict(extras.collect(pair.nodes[C], D))
    size = _round(pair)

    node = pair.nodes[C]
    sent = dict(extras.collect(node, D))
    assert ("log-head" in sent) == (node.log.head().size > size)
    assert "log-head" not in dict(extras.collect(pair.nodes[D], C))


def test_a_damaged_head_is_told_and_stops_nothing(pair):
    """A note that is none is complained of; the dossiers of the same stick are taken."""
    complaint = extras.deliver(pair.nodes[D], C, "log-head", b'{"v":1,"notes":[7]}')

    assert "was not taken" in complaint
    pair.file(C, 1000)
    assert _round(pair) > 0
