"""What an author had seen bounds the time of an event from below, alike on every tier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.desk.translate import Translator
from server.desk.view import Known, build_dossier
from server.dossier.dossier import Entry
from server.dossier.times import format_time
from server.home import Home
from server.intake.source import Source
from server.pki.authority import Authority
from tests.server.log.carrying import carry

HOUR = timedelta(hours=1)


@pytest.fixture
def official(tiers: Any, helpers: Any, key_pool: Any) -> Any:
    """An official of the commune; the commune's log has one page already."""
    commune, _, _ = tiers
    person = helpers.issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, person.certificate)
    commune.people.grant(person.urn, "Lò Văn Páo", "official")
    commune.publisher.publish(everything=True)
    commune.proofs.catch_up(commune.database)
    return person


def write(node: Any, person: Any, helpers: Any, type: str, stream: str = "", **members: Any) -> str:
    """An event of a person, taken by a node; the nodes' clock says when unless `at` does. Returns its stream."""
    members |= {"type": type, "at": format_time(members.get("at", node.clock.now()))}
    if stream:
        node.model.follower.catch_up(node.database)
        members |= {"stream": stream, "prev": node.model.story(stream).dossier.heads}
    event = helpers.submission(node.unit, person, **members)
    [result] = node.intake.admit(node.database, [person.sign(event)], source=Source("peer", "test"))
    assert result.error is None, result.error
    node.model.follower.catch_up(node.database)
    return str(event["stream"])


def entry(node: Any, stream: str, type: str) -> Entry:
    """What a node's own table knows of the newest event of a type."""
    node.model.follower.catch_up()
    found = [each for each in node.model.story(stream).dossier.timeline if each.stored.event.type == type]
    return found[-1]


def words(node: Any, stream: str, type: str) -> str:
    """What the desk says beside the time of that event, in Vietnamese."""
    shown = build_dossier(
        node.model.story(stream).dossier, Known("", (), {}, {}, {}, {}, {}), Translator("vi"), node.clock.now()
    )
    place = next(i for i, e in enumerate(node.model.story(stream).dossier.timeline) if e.stored.event.type == type)
    return str(shown["timeline"][place]["times"])


def test_an_act_dated_before_the_head_its_author_had_seen_is_flagged_before_the_log_has_spoken(
    tiers: Any, official: Any, helpers: Any
) -> None:
    """The district knows the head from its page and the act from the feed; the page that holds the act is to come."""
    commune, district, now = tiers
    seen = commune.proofs.heads.newest(commune.unit, now[0])
    head_at = now[0]
    now[0] += HOUR
    stream = write(commune, official, helpers, "dossier.submitted", after=seen)
    body = {"text": "Đã xem"}
    write(commune, official, helpers, "dossier.commented", stream, after=seen, body=body, at=now[0] - timedelta(days=7))

    carry(commune, district, commune.database)
    time = entry(district, stream, "dossier.commented").time

    assert time is not None
    assert (time.not_before, time.proven, time.differs, time.provisional) == (format_time(head_at), "", True, True)
    assert time.shown == time.not_before
    assert "Giờ sớm nhất có thể" in words(district, stream, "dossier.commented")


def test_an_act_whose_head_is_not_known_yet_is_looked_at_again_when_the_page_comes(
    tiers: Any, official: Any, helpers: Any
) -> None:
    """The event took a quicker road than the page; nobody asks for the dossier, and the list's line is right."""
    commune, district, now = tiers
    seen = commune.proofs.heads.newest(commune.unit, now[0])
    now[0] += HOUR
    at = now[0] - timedelta(days=7)
    stream = write(commune, official, helpers, "dossier.submitted", after=seen, at=at)

    carry(commune, district, commune.database, keep=lambda each: not each.startswith("log:"))
    district.model.follower.catch_up()
    before = district.model.queries.dossier(stream).submitted_at
    carry(commune, district, commune.database)

    assert before == format_time(at)
    assert district.model.queries.dossier(stream).submitted_at == format_time(now[0] - HOUR)
    assert entry(district, stream, "dossier.submitted").time.differs


def test_drafts_and_phones_are_given_the_newest_head_that_every_tier_can_know(
    tiers: Any, take: Any, helpers: Any
) -> None:
    """The end of the newest page; not a head that was made while the clock ran ahead, and none where there is none."""
    commune, district, now = tiers
    assert commune.proofs.heads.newest(commune.unit, now[0]) == ""
    take(commune, 2)
    commune.publisher.publish(everything=True)
    commune.proofs.catch_up(commune.database)
    first = commune.proofs.heads.newest(commune.unit, now[0])
    now[0] += timedelta(days=1)
    take(commune, 2)
    commune.publisher.publish(everything=True)
    commune.proofs.catch_up(commune.database)
    second = commune.proofs.heads.newest(commune.unit, now[0])

    assert commune.proofs.heads.newest(commune.unit, now[0] - HOUR) == first != second
    assert commune.proofs.seen_at(commune.database, second) == now[0]
    carry(commune, district, commune.database)
    assert district.proofs.heads.newest(commune.unit, now[0]) == second
    assert district.proofs.seen_at(commune.database, second) == now[0]
    assert district.proofs.seen_at(district.database, second) is None
    assert district.proofs.heads.newest(district.unit, now[0]) == ""


def test_a_home_older_than_heads_reads_its_pages_again(tiers: Any, take: Any, make_node: Any) -> None:
    """Nothing new has come, and yet what authors had seen is known after the update."""
    commune, _, now = tiers
    take(commune, 2)
    commune.publisher.publish(everything=True)
    commune.proofs.catch_up()
    seen = commune.proofs.heads.newest(commune.unit, now[0])
    with commune.db.transaction() as connection:
        connection.execute("DROP TABLE log_heads")
    commune.stop()

    again = make_node(Home.open(commune.home.path), now=lambda: now[0])
    again.proofs.catch_up()

    assert again.proofs.heads.newest(again.unit, now[0]) == seen != ""


def test_above_the_owner_nothing_is_called_wrong_before_the_owners_page_has_come(
    tiers: Any, official: Any, helpers: Any
) -> None:
    """Hours later a receipt builds on an honest decision. Above, that is all that proves it: said as such, until the
    commune's page comes; then both tiers tell the same."""
    commune, district, now = tiers
    stream = write(commune, official, helpers, "dossier.submitted")
    body = {"text": "Đã gọi điện"}
    write(commune, official, helpers, "dossier.commented", stream, body=body)
    made = now[0]
    now[0] += 3 * HOUR
    commune.receipts.consider(stream)

    carry(commune, district, commune.database, keep=lambda each: not each.startswith("log:"))
    early = entry(district, stream, "dossier.commented").time
    said = words(district, stream, "dossier.commented")
    commune.publisher.publish(everything=True)
    carry(commune, district, commune.database)
    late = entry(district, stream, "dossier.commented").time

    assert early is not None
    assert late is not None
    assert (early.shown, early.provisional, early.differs) == (format_time(now[0]), True, False)
    assert "Chậm nhất vào lúc này" in said
    assert (late.shown, late.provisional, late.differs) == (format_time(made), False, False)
    assert late == entry(commune, stream, "dossier.commented").time
    assert words(district, stream, "dossier.commented") == ""
