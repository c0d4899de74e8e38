"""Threat 14: the node's clock goes back (an empty CMOS battery, a restored snapshot). It vouches for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.errors import NotReady


def test_a_node_started_before_its_last_head_signs_no_receipts(make_homes: Any, make_node: Any, take: Any) -> None:
    """A week back, after a restart: the mark survived, leaves go on at the mark, receipts wait for a person."""
    home = make_homes()["H41.12.03"]
    now = [datetime.now(UTC).replace(microsecond=0)]
    node = make_node(home, now=lambda: now[0])
    event = take(node, 1)[0].id.rpartition(":")[2]
    before = node.log.place(node.log.tree(1).leaves(0, 1)[0].event).received
    assert node.receipt_desk.issue(event, "x").receipt.size == 1
    node.stop()
    now[0] -= timedelta(days=7)

    again = make_node(home, now=lambda: now[0])

    with pytest.raises(NotReady, match="clock"):
        again.receipt_desk.issue(event, "x")
    take(again, 1)
    assert again.log.tree(1).leaves(1, 2)[0].received >= before.timestamp()
    again.clock.accept_system()
    assert again.receipt_desk.issue(event, "x").receipt.issued == int(now[0].timestamp())
