"""When the log's leaves are published as pages: soon, and few pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from replication.store import AllDocsQuery


@pytest.fixture
def tended(make_homes: Any, make_node: Any, take: Any) -> tuple[Any, list[datetime]]:
    """A commune's node whose clock is the list's only member, with nothing left to publish but what the test takes."""
    now = [datetime.now(UTC)]
    node = make_node(make_homes()["H41.12.03"], now=lambda: now[0])
    take(node, 1)
    node.publisher.publish(everything=True)
    return node, now


def test_an_hour_of_quiet_publishes_what_waits(tended: Any, take: Any) -> None:
    """While events come, the page waits for more; an hour after the last one it goes."""
    node, now = tended
    take(node, 2)
    now[0] += timedelta(minutes=50)
    take(node, 1)
    now[0] += timedelta(minutes=50)
    assert node.publisher.publish() == 0

    now[0] += timedelta(minutes=11)

    assert node.publisher.publish() == 3


def test_thirty_two_leaves_go_at_once(tended: Any, take: Any) -> None:
    """Up to a whole multiple of 32; the rest waits."""
    node, _ = tended
    size = node.log.head().size
    take(node, 70 - size)

    assert node.publisher.publish() == 64 - size
    assert node.publisher.publish() == 0


def test_events_that_trickle_in_wait_half_a_day_at_most(tended: Any, take: Any) -> None:
    """Never an hour of quiet and never 32 leaves: the oldest leaf still does not wait longer."""
    node, now = tended
    published = []
    for _ in range(15):
        take(node, 1)
        published.append(node.publisher.publish())
        now[0] += timedelta(minutes=55)

    assert published == [0] * 14 + [15]
    opened = node.store.open(node.database)
    assert len(opened.all_docs(AllDocsQuery(start="log:", end="log:~")).rows) == 2
