"""A home put back from a copy looks like fraud, and is none: the log goes on under its next name."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from crypto.errors import CryptoError
from crypto.logcert import log_origin
from server.errors import NotReady, Refused
from server.home import Home
from server.log.offers import Answer
from server.verify import verify_home
from tests.server.log.carrying import meet_parent

FIRST, SECOND = "03.12.h41.tram.internal/log", "03.12.h41.tram.internal/log/2"


def hear(commune: Any, district: Any) -> None:
    """What the district knows reaches the commune, without a link."""
    commune.recovery.hear(lambda n: district.witness.known(log_origin(commune.unit, n)), commune.clock.now())


@pytest.fixture
def restored(cosigned: Any, make_node: Any, take: Any) -> Any:
    """A district, and a commune whose home was put back to before events that the district has cosigned."""
    district, _, commune = cosigned
    home = commune.home
    commune.stop()
    backup = home.path.parent / "backup"
    shutil.copytree(home.path, backup)
    commune = make_node(home)
    take(commune, 4)
    commune.sync.run_once("parent")
    known = district.witness.known_size(FIRST)
    commune.stop()
    shutil.rmtree(home.path)
    shutil.copytree(backup, home.path)
    return district, make_node(Home.open(home.path)), known


def test_a_restored_node_learns_its_loss_and_goes_on_under_the_next_name(restored: Any, take: Any) -> None:
    """No alarm; the old log is frozen, the new one cosigned, the reset told as a signed event; nothing is unlogged."""
    district, commune, known = restored
    assert commune.log.head().size < known

    meet_parent(commune)

    assert commune.log.origin() == SECOND
    assert commune.log.heads()[0].state == "frozen"
    assert district.witness.known_size(SECOND) > 0
    assert district.witness.evidence() == []
    district.model.follower.catch_up()
    assert district.model.queries.streams_of_type("log.reset")
    assert verify_home(commune.home.path).problems == []


def test_there_are_no_receipts_until_the_next_log_is_cosigned(restored: Any, take: Any) -> None:
    """An event taken between the loss and the cosignature is logged and waits for its receipt."""
    district, commune, _ = restored
    hear(commune, district)
    event = take(commune, 1)[0].id.rpartition(":")[2]

    with pytest.raises(NotReady, match="cosigned"):
        commune.receipt_desk.issue(event, "x")
    meet_parent(commune)
    commune.proofs.catch_up()

    assert commune.receipt_desk.issue(event, "x").receipt.origin == SECOND


def test_nobody_can_make_a_log_stop_with_a_head_that_shows_no_loss(restored: Any) -> None:
    """Its own head of now is no loss, and a head of another log is nothing."""
    district, commune, _ = restored

    with pytest.raises(Refused):
        commune.log.check_loss(commune.log.head().note)
    with pytest.raises(CryptoError):
        commune.recovery.hear(lambda _: Answer("", size=99, known=district.log.head().note), commune.clock.now())
    assert commune.log.origin() == FIRST
