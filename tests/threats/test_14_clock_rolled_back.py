"""Threat 14: the node's clock goes back (an empty CMOS battery, a restored snapshot). It vouches for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.cli import main
from server.clocks.jumps import Uptime
from server.errors import NotReady
from server.health.examining import examine
from server.home import Home


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


def test_a_node_whose_clock_was_set_forward_says_so_and_goes_on_signing(
    make_homes: Any, make_node: Any, take: Any, capsys: Any
) -> None:
    """Receipts carry the new time; in both languages it is said until the operator's word, also after a restart."""
    home = make_homes()["H41.12.03"]
    wall, clocks = [datetime.now(UTC).replace(microsecond=0)], {"uptime": lambda: Uptime("this boot", 100.0)}
    node = make_node(home, now=lambda: wall[0], **clocks)
    take(node, 1)
    wall[0] += timedelta(hours=2)
    [doc] = take(node, 1)
    assert node.receipt_desk.issue(doc.id.rpartition(":")[2], "x").receipt.issued == int(wall[0].timestamp())
    [finding] = [each for each in examine(node) if each.code == "clock_jumped"]
    assert "120 phút" in finding.what.vi
    assert "120 minutes" in finding.line()
    node.stop()

    again = make_node(Home.open(home.path), now=lambda: wall[0], **clocks)
    assert [each.line() for each in examine(again) if each.code == "clock_jumped"] == [finding.line()]
    again.stop()
    main(["doctor", str(home.path)])
    assert "jumped forward by 120 minutes" in capsys.readouterr().out
    main(["doctor", str(home.path), "--accept-clock"])
    assert "jumped forward" not in capsys.readouterr().out
