"""Pages travel, and every tier proves from them since when an event has existed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from replication.document import Doc, DocId
from replication.store import AllDocsQuery
from server.dossier.documents import log_doc
from server.home import Home
from server.intake.source import Source
from server.log.pages import Cosigned, Page, build_cosigned, parse_log_document
from server.verify import verify_home
from tests.server.log.carrying import carry, cosign, event_id


def test_every_tier_proves_the_time_at_which_the_commune_took_an_event(tiers: Any, take: Any) -> None:
    """From pages alone, the same instant; before they come there is none."""
    commune, district, now = tiers
    docs = take(commune, 40)
    here = commune.proofs.earliest(commune.database, event_id(docs[7]))
    assert (here.at, here.by, here.origin) == (now[0], "log", "03.12.h41.tram.internal/log")

    carry(commune, district, commune.database)
    assert district.proofs.earliest(commune.database, event_id(docs[7])) is None
    commune.publisher.publish(everything=True)
    carry(commune, district, commune.database)

    assert {district.proofs.earliest(commune.database, event_id(doc)) for doc in docs} == {here}


def test_a_page_that_comes_before_its_events_waits_for_them(tiers: Any, take: Any) -> None:
    """And pages after it do not wait for it."""
    commune, district, _ = tiers
    first = take(commune, 3)
    commune.publisher.publish(everything=True)
    second = take(commune, 3)
    commune.publisher.publish(everything=True)
    late = {doc.id for doc in first}

    carry(commune, district, commune.database, keep=lambda each: each not in late)
    assert district.proofs.earliest(commune.database, event_id(second[0])) is not None
    assert district.proofs.earliest(commune.database, event_id(first[0])) is None
    carry(commune, district, commune.database)

    assert district.proofs.earliest(commune.database, event_id(first[0])) is not None


def test_a_page_waits_for_leaves_too_and_is_proven_when_they_are_there(tiers: Any, take: Any) -> None:
    """The feed was read between an event's being stored and its leaf, as another thread or a crash may have it: no
    further document comes, and the page is proven all the same."""
    commune, district, now = tiers
    docs = take(commune, 3)
    commune.publisher.publish(everything=True)
    ids = {doc.id for doc in docs}
    carry(commune, district, commune.database, keep=lambda each: each not in ids)
    district.store.open(commune.database).bulk_docs(docs, new_edits=False)
    district.proofs.catch_up(commune.database)
    assert district.proofs.earliest(commune.database, event_id(docs[0])) is None

    district.log.ensure(commune.database, [doc.id for doc in docs], now[0])
    district.proofs.catch_up(commune.database)

    assert district.proofs.earliest(commune.database, event_id(docs[0])) is not None


def test_a_cosignature_is_the_earlier_proof_when_the_nodes_clock_runs_ahead(tiers: Any, take: Any) -> None:
    """The commune says tomorrow, the district had it cosigned today."""
    commune, district, now = tiers
    today = now[0]
    now[0] += timedelta(days=1)
    docs = take(commune, 2)
    cosign(commune, district, today)
    commune.publisher.publish(everything=True)
    carry(commune, district, commune.database)
    carry(district, commune, commune.database)

    for node in (commune, district):
        found = node.proofs.earliest(commune.database, event_id(docs[0]))
        assert (found.at, found.by, found.claimed) == (today, "cosignature", now[0])


def date_back(commune: Any, district: Any, ahead: datetime, take: Any) -> Doc:
    """Cosign the commune's head at `ahead`; return an event that it took after that by a clock that has not moved, and
    that the district has with its page."""
    cosign(commune, district, ahead)
    [doc] = take(commune, 1)
    commune.publisher.publish(everything=True)
    carry(commune, district, commune.database)
    return doc


def test_a_leaf_cannot_be_older_than_a_cosigned_head_without_it(tiers: Any, take: Any) -> None:
    """A node that dates back gains nothing behind its last cosignature."""
    commune, district, now = tiers
    take(commune, 2)
    ahead = now[0] + timedelta(hours=5)
    dated_back = date_back(commune, district, ahead, take)

    found = district.proofs.earliest(commune.database, event_id(dated_back))
    assert (found.at, found.claimed) == (ahead, now[0])


def test_whose_time_a_cosignature_moves_is_told_on_every_tier(make_homes: Any, make_node: Any, take: Any) -> None:
    """It may come long after the page: what was computed from the log's word is computed anew, and nothing else."""
    homes, today = make_homes(), datetime.now(UTC).replace(microsecond=0)
    now = [today]
    commune = make_node(homes["H41.12.03"], now=lambda: now[0])
    district, province = make_node(homes["H41.12"]), make_node(homes["H41"])
    hour = timedelta(hours=1)
    take(commune, 5)
    cosign(commune, district, today + 2 * hour)
    now[0] = today + hour
    behind = take(commune, 2)
    now[0] = today + 5 * hour
    ahead = take(commune, 3)
    cosign(commune, district, today + 3 * hour)
    now[0] = today + 6 * hour
    take(commune, 5)
    commune.publisher.publish(everything=True)
    carry(commune, province, commune.database)

    for node in (commune, province):
        node.proofs.catch_up(commune.database)
        assert (times(node, behind), times(node, ahead)) == ({today + hour}, {today + 5 * hour})
        told: list[set[str]] = []
        node.proofs.listen(lambda _database, ids, _checkpoint, told=told: told.append(ids))
        carry(district, node, commune.database)
        assert {frozenset(ids) for ids in told} == {frozenset(map(event_id, behind)), frozenset(map(event_id, ahead))}
        assert (times(node, behind), times(node, ahead)) == ({today + 2 * hour}, {today + 3 * hour})


def times(node: Any, docs: list[Doc]) -> set[datetime]:
    """The proven times of some events of the commune."""
    return {node.proofs.proven_at("u-h41-12-03", event_id(doc)) for doc in docs}


def test_a_second_history_cannot_borrow_the_cosignature_of_the_first(
    tiers: Any, take: Any, make_node: Any, tmp_path: Path
) -> None:
    """A copy of the commune goes on by itself: what it takes a week later was not there when the head was cosigned."""
    commune, district, now = tiers
    take(commune, 2)
    shutil.copytree(commune.home.path, tmp_path / "copy")
    copy = make_node(Home.open(tmp_path / "copy"), now=lambda: now[0])
    take(commune, 3)
    commune.publisher.publish(everything=True)
    cosign(commune, district, now[0] + timedelta(minutes=1))
    carry(commune, district, commune.database)
    now[0] += timedelta(days=7)
    [late, *_] = take(copy, 3)
    copy.publisher.publish(everything=True)
    district.clock.accept_system()

    carry(copy, district, copy.database)

    assert district.proofs.earliest(copy.database, event_id(late)).at == now[0]


def test_a_commune_put_back_judges_what_its_log_lost_as_the_units_above_do(
    tiers: Any, take: Any, make_node: Any, tmp_path: Path
) -> None:
    """Its own tree ends before a head that was cosigned; the pages that come back lead there, and it counts."""
    commune, district, now = tiers
    take(commune, 1)
    shutil.copytree(commune.home.path, tmp_path / "copy")
    take(commune, 2)
    claimed, ahead = now[0], now[0] + timedelta(hours=5)
    dated_back = date_back(commune, district, ahead, take)
    now[0] += timedelta(days=1)
    back = make_node(Home.open(tmp_path / "copy"), now=lambda: now[0])
    back.log.begin_next()  # as it does when the unit above tells it of the loss

    carry(district, back, back.database)

    found = {node.proofs.earliest(back.database, event_id(dated_back)) for node in (district, back)}
    assert {(each.at, each.claimed, each.origin) for each in found} == {(ahead, claimed, "03.12.h41.tram.internal/log")}


def test_a_cosignature_that_covers_less_than_the_page_is_checked_inside_it(tiers: Any, take: Any) -> None:
    """Heads are cosigned at any size; the root in the middle of a page is computed."""
    commune, district, now = tiers
    first = take(commune, 5)
    now[0] += timedelta(hours=3)
    take(commune, 1)
    commune.log.head()
    middle = commune.log.checkpoint(1, 5)
    note = district.log.key.cosign(middle, now[0] - timedelta(hours=4))
    doc = build_cosigned(log=commune.log.key.fingerprint, witness=district.log.key.fingerprint, note=note)
    commune.publisher.publish(everything=True)
    district.copier.ensure_database(commune.database)
    district.copier.ensure_certificate(commune.database, district.log.key.certificate)
    carry(commune, district, commune.database)
    district.intake.admit(commune.database, [doc], source=Source("local", ""))
    district.proofs.catch_up(commune.database)

    found = district.proofs.earliest(commune.database, event_id(first[4]))
    assert found.by == "cosignature"


def test_pages_cost_less_than_twelve_bytes_an_event(tiers: Any, take: Any) -> None:
    """What a full page adds, compressed as a link compresses it, for each of its events."""
    import zlib

    commune, _, now = tiers
    for _ in range(16):
        take(commune, 16)
        now[0] += timedelta(minutes=7)
    assert commune.publisher.publish() == 256
    opened = commune.store.open(commune.database)
    [page] = [row.id for row in opened.all_docs(AllDocsQuery(start="log:", end="log:~")).rows]

    cost = len(zlib.compress(opened.get(page).body, 6)) + len(page) + 34  # and its name and revision on the feed

    print(f"{cost / 256:.2f} bytes an event")
    assert cost / 256 < 12


def forged(page: dict[str, Any], **changes: Any) -> Doc:
    return log_doc({"page": page | changes})


def test_the_door_refuses_log_documents_that_do_not_hold(tiers: Any, take: Any) -> None:
    """Another's signature, another's database, a changed member, a name that is not the content's."""
    from crypto import strictjson

    commune, district, _ = tiers
    take(commune, 3)
    commune.publisher.publish(everything=True)
    opened = commune.store.open(commune.database)
    [page_id] = [row.id for row in opened.all_docs(AllDocsQuery(start="log:", end="log:~")).rows]
    body = strictjson.parse(opened.get(page_id).body, max_bytes=10**6)["page"]
    carry(commune, district, commune.database, keep=lambda each: not each.startswith("log:"))
    district.copier.ensure_certificate(commune.database, district.log.key.certificate)

    def refusal(doc: Doc, database: str = commune.database) -> str:
        [result] = district.intake.admit(database, [doc], source=Source("peer", "x"))
        return result.error.reason.partition(":")[0] if result.error else ""

    assert refusal(forged(body, keys=[district.log.key.fingerprint])) == "bad_signature"
    assert refusal(forged(body, note=body["note"].replace("\n3\n", "\n4\n"))) == "schema"
    assert refusal(forged(body, keys=["A" * 43])) == "unknown_certificate"
    assert refusal(forged(body, note=body["note"].replace("\n3\n", "\n3\nmore\n"))) == "malformed"
    assert refusal(forged(body, extra=1)) == "schema"
    assert refusal(forged(body), district.database) == "wrong_database"
    assert refusal(forged(body), "registry") == "wrong_database"
    renamed = forged(body)
    object.__setattr__(renamed, "id", DocId("log:sha256-" + "A" * 43))
    assert refusal(renamed) == "bad_id"
    assert refusal(forged(body)) == ""


def test_a_witness_is_a_unit_above(tiers: Any, take: Any) -> None:
    """The commune cannot cosign its own head, however good its key is."""
    commune, _, now = tiers
    take(commune, 1)
    commune.publisher.publish(everything=True)
    note = commune.log.key.cosign(commune.log.head().note, now[0])
    own = commune.log.key.fingerprint
    [result] = commune.intake.admit(
        commune.database, [build_cosigned(log=own, witness=own, note=note)], source=Source("local", "")
    )

    assert result.error is not None
    assert "not above" in result.error.reason


def test_verify_recomputes_logs_in_every_tier(tiers: Any, take: Any) -> None:
    """Own log, pages and cosignatures, in the commune's home and in the district's."""
    commune, district, now = tiers
    take(commune, 5)
    cosign(commune, district, now[0])
    commune.publisher.publish(everything=True)
    carry(commune, district, commune.database)
    carry(district, commune, commune.database)

    own, above = verify_home(commune.home.path), verify_home(district.home.path)

    assert own.problems == above.problems == []
    assert own.checked["log leaves"] == 5
    assert above.checked["log entries"] == own.checked["log entries"] == 5
    assert above.checked["cosigned checkpoints"] == own.checked["cosigned checkpoints"] == 1


def test_log_documents_are_read_as_they_were_built(tiers: Any, take: Any) -> None:
    """A page and a cosigned checkpoint, parsed."""
    commune, district, now = tiers
    take(commune, 2)
    doc = cosign(commune, district, now[0])
    found = parse_log_document(doc.body)

    assert isinstance(found, Cosigned)
    assert (found.unit, found.generation, found.checkpoint.size) == ("H41.12.03", 1, 2)
    assert not isinstance(found, Page)
