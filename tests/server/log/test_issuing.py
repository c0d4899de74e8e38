"""Receipts and proofs are of one state of the log, which other threads go on writing."""

from __future__ import annotations

from typing import Any

import pytest

from server.export.logproofs import parse_proof
from tests.server.log.carrying import event_id


@pytest.fixture
def growing(tiers: Any, take: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A commune in whose log somebody files whenever its heads have been read."""
    commune, _, _ = tiers
    read = commune.log.heads

    def heads() -> Any:
        found = read()
        with monkeypatch.context() as calm:
            calm.setattr(commune.log, "heads", read)
            take(commune, 1)
        return found

    def begin() -> Any:
        monkeypatch.setattr(commune.log, "heads", heads)
        return commune

    return begin


def test_a_proof_is_whole_though_the_log_grows_while_it_is_made(growing: Any, tiers: Any, take: Any) -> None:
    """Its path and its head are of one size: whoever reads it can prove the leaf."""
    docs = take(tiers[0], 2)
    commune = growing()

    for doc in docs:
        proof = parse_proof(commune.receipt_desk.proof(event_id(doc)))
        assert proof.leaf.event
    assert commune.log.head().size > len(docs)


def test_a_receipt_is_under_a_head_that_holds_its_leaf(growing: Any, tiers: Any, take: Any) -> None:
    """The same for what is printed."""
    [doc] = take(tiers[0], 1)
    commune = growing()

    issued = commune.receipt_desk.issue(event_id(doc), "H41.12.03-261121-0001", host="a.example")

    assert issued.receipt.size > commune.log.place(issued.receipt.event).number
    assert issued.receipt.root == commune.log.tree(1).root(issued.receipt.size)
