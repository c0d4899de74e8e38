"""Threat 9: a node shows its parent one history and others another. Two signed heads end up side by side."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from server.home import Home
from server.links.neighbours import Neighbour
from server.verify import verify_home


@pytest.fixture
def forked(make_homes: Any, make_node: Any, serve: Any, take: Any) -> Any:
    """A district that has cosigned three leaves of a commune, and two continuations of that commune's log."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune = make_node(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    take(commune, 3)
    commune.sync.run_once("parent")
    commune.stop()
    twin = homes["H41.12.03"].path.parent / "twin"
    shutil.copytree(homes["H41.12.03"].path, twin)
    nodes = make_node(homes["H41.12.03"]), make_node(Home.open(twin))
    for node in nodes:
        take(node, 2)
    return district, *nodes


def test_two_forks_shown_to_one_parent_raise_an_alarm_that_reaches_the_province(
    forked: Any, make_homes: Any, make_node: Any, helpers: Any
) -> None:
    """Both signed notes are kept for ever, nothing of that log is cosigned any more, and the event travels up."""
    district, one, other = forked
    one.sync.run_once("parent")
    other.sync.run_once("parent")

    [evidence] = district.witness.evidence()
    assert evidence.known != evidence.shown
    assert district.witness.known_size("03.12.h41.tram.internal/log") >= 5
    before = one.gossip.cosigned_size("H41.12", one.log.origin())
    one.sync.run_once("parent")
    assert one.gossip.cosigned_size("H41.12", one.log.origin()) == before
    district.model.follower.catch_up()
    [(unit, origin, reason)] = district.alarms.all()
    assert (unit, origin) == ("H41.12", "03.12.h41.tram.internal/log")
    assert "was rewritten" in reason or "two different heads" in reason
    province = make_node(Home.open(district.home.path.parent / "h41"))
    opened = district.store.open(district.database)
    from replication.store import AllDocsQuery, GetRequest
    from server.intake.source import Source

    ids = [row.id for row in opened.all_docs(AllDocsQuery()).rows]
    docs = [found for [found] in opened.bulk_get([GetRequest(each) for each in ids])]
    province.copier.ensure_database(district.database)
    assert not [r.error for r in province.intake.admit(district.database, docs, source=Source("peer", "x")) if r.error]
    province.model.follower.catch_up()
    assert province.alarms.all() == district.alarms.all()
    assert any("H41.12" in each for each in verify_home(province.home.path).notes)


def test_pages_of_one_fork_against_the_cosignature_of_the_other_raise_the_alarm_too(forked: Any) -> None:
    """The parent cosigned one history and got the pages of the other, by stick: nobody had to show it a head."""
    from replication.document import Doc
    from replication.store import AllDocsQuery, GetRequest
    from server.intake.source import Source

    district, one, other = forked
    one.sync.run_once("parent")
    other.publisher.publish(everything=True)
    opened = other.store.open(other.database)
    ids = [row.id for row in opened.all_docs(AllDocsQuery()).rows]
    docs = [found for [found] in opened.bulk_get([GetRequest(each) for each in ids]) if isinstance(found, Doc)]
    district.intake.admit(other.database, docs, source=Source("bundle", "usb"))
    district.proofs.catch_up()

    [evidence] = district.witness.evidence()
    assert "its pages show another history" in evidence.reason
