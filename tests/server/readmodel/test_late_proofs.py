"""What is proven after it was read: by our own log a moment later, by pages of another unit's log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from server.dossier import states
from server.dossier.times import format_time
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority

PEER = Source("peer", "urn:tram:node:h41-12")


@pytest.fixture
def node(make_homes: Any, make_node: Any) -> Node:
    """A commune's node, not started: nothing happens behind the test's back."""
    return make_node(make_homes()["H41.12.03"])


def enrol(node: Node, helpers: Any, key: Any) -> Any:
    person = helpers.issue_person(Authority.open(node.home), key, node.clock.now() - timedelta(hours=3))
    node.copier.ensure_certificate(node.database, person.certificate)
    return person


def test_an_event_that_was_read_before_it_had_its_leaf_is_folded_again(
    node: Node, helpers: Any, key_pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's write has the feed read between an event's being stored and its leaf: the list says in the end
    what the dossier's page says, the proven time, though nothing comes to that dossier any more."""
    person = enrol(node, helpers, key_pool())
    event = helpers.submission(node.unit, person, at=format_time(node.clock.now() - timedelta(hours=2)))
    settle = node.log.settle

    def settle_late(*what: Any) -> None:
        node.model.follower.catch_up()
        assert node.model.queries.dossier(event["stream"]).submitted_at == event["at"]  # nothing proves another
        settle(*what)

    with monkeypatch.context() as patch:
        patch.setattr(node.log, "settle", settle_late)
        (result,) = node.intake.admit(node.database, [person.sign(event)], source=PEER)
    assert result.error is None

    node.model.follower.catch_up(node.database)

    line, story = node.model.queries.dossier(event["stream"]), node.model.story(event["stream"])
    assert line.submitted_at == story.dossier.submitted_at > event["at"]


class Log:
    """The log of another unit, which proves what it is told to."""

    def __init__(self) -> None:
        self.times: dict[str, datetime] = {}

    def earliest(self, database: str, event_id: str) -> Any:
        at = self.times.get(event_id)
        return None if at is None else type("Proven", (), {"at": at, "is_logged": True})()

    def seen_at(self, database: str, checkpoint: str) -> None:
        return None

    def reach(self, database: str) -> tuple[()]:
        return ()


def test_a_page_that_proves_when_a_role_ended_is_heard_in_the_lists(node: Node, helpers: Any, key_pool: Any) -> None:
    """A role's end was dated back. Once that is proven, what was done in between counts: in the lists as on the page,
    though nothing has come to the dossier itself."""
    log, now = Log(), node.clock.now()
    node.model.use_log(log)
    citizen, official = enrol(node, helpers, key_pool()), enrol(node, helpers, key_pool())
    event = helpers.submission(node.unit, citizen, at=format_time(now - timedelta(minutes=50)))
    filing = citizen.sign(event)
    act = helpers.submission(
        node.unit,
        official,
        stream=event["stream"],
        type="dossier.refused",
        prev=[filing.id.partition(":")[2]],
        at=format_time(now - timedelta(minutes=40)),
        body={"reason": "Thiếu giấy tờ"},
    )
    role = {"subject": official.urn, "role": "official"}
    grant, end = (
        node.signer.sign(stream="unit.h41-12-03", type=type, at=now - timedelta(hours=ago), body=role | more)
        for type, ago, more in (
            ("role.granted", 2, {"name": "Cán bộ", "from": "2020-01-01T00:00:00Z"}),
            ("role.revoked", 1, {"reason": "Chuyển công tác"}),
        )
    )
    for doc in (filing, grant, end, official.sign(act)):
        assert node.intake.admit(node.database, [doc], source=PEER)[0].error is None
    node.model.follower.catch_up()
    assert node.model.queries.dossier(event["stream"]).status == states.NEW

    proven = end.id.partition(":")[2]
    log.times[proven] = now
    node.model.learn_proofs(node.database, [proven])

    assert node.model.story(event["stream"]).dossier.status == states.REFUSED
    assert node.model.queries.dossier(event["stream"]).status == states.REFUSED


def test_what_a_few_events_of_a_units_stream_are_worth_costs_nothing_for_the_others(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream holds one event for everybody who was ever enrolled; a question about an order is about the order."""
    body = {
        "subject": f"urn:tram:subject:{'a' * 32}",
        "name": "Nguyễn Văn An",
        "thumbprint": "t" * 43,
        "kind": "citizen",
    }
    for letter in "abc":
        node.people.say("enrol.approved", body | {"thumbprint": letter * 42 + "A"})
    ids = node.model.queries.streams_of_type("enrol.approved")[node.database]
    asked: list[str] = []
    earliest = node.proofs.earliest
    monkeypatch.setattr(
        node.proofs, "earliest", lambda database, event: asked.append(event) or earliest(database, event)
    )

    events, _, proofs = node.model.unit_events(node.database, ids[:1])

    assert [stored.id for stored in events] == asked == [ids[0].partition(":")[2]]
    assert proofs.is_logged(asked[0])
