"""Erased events in feeds: gone, whoever is at work in a feed meanwhile, and found without reading all of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority


@pytest.fixture
def node(make_homes: Any, make_node: Any) -> Node:
    """A commune's node, not started: nothing happens behind the test's back."""
    return make_node(make_homes()["H41.12.03"])


@pytest.fixture
def filing(node: Node, helpers: Any, key_pool: Any) -> Any:
    """A filing that is stored and read, and that nobody's feed shows yet."""
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    node.model.follower._listeners.remove(node.feed.notice)
    doc = person.sign(helpers.submission(node.unit, person))
    assert node.intake.admit(node.database, [doc], source=Source("peer", "x"))[0].error is None
    node.model.follower.catch_up()
    return doc


def test_what_is_erased_while_the_feed_is_brought_up_to_date_does_not_stay_in_it(
    node: Node, filing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dossier was read a moment before it was erased, and is entered a moment after."""
    erasing = threading.Thread(target=lambda: node.feed.forget(node.database, [filing.id]))
    add = node.feed._add

    def add_late(*what: Any) -> None:
        erasing.start()
        erasing.join(0.5)  # it is done now if nothing keeps it from that
        add(*what)

    monkeypatch.setattr(node.feed, "_add", add_late)
    node.feed.catch_up()
    erasing.join()

    assert node.db.rows("SELECT subject FROM mine WHERE doc_id = ?", (filing.id,)) == []


def test_erased_events_are_found_in_the_feeds_by_their_names(node: Node) -> None:
    """A home with 100,000 dossiers has a million entries, and an erasure holds node.db while it looks."""
    plan = node.db.rows("EXPLAIN QUERY PLAN DELETE FROM mine WHERE database = ? AND doc_id = ?", ("u-x", "d"))

    assert [row["detail"] for row in plan] == ["SEARCH mine USING INDEX mine_document (doc_id=?)"]
