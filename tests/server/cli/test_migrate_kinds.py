"""`tram migrate` with everything a home may hold today: pages of the log, time-stamps, erasures, receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from replication.couch import CouchStore
from replication.document import DocId
from replication.store import AllDocsQuery, GetRequest
from server.cli import main
from server.engine import open_engine
from server.home import Engine, Home
from server.readmodel.queries import DossierFilter
from server.timestamps.asking import Authority
from server.verify import verify_path
from tests.server.bundles.conftest import carry
from tests.server.couchdb import COUCHDB, needs_couchdb, prefix
from tests.server.timestamps.conftest import name_authorities, tsa

__all__ = ["carry", "name_authorities", "prefix", "tsa"]

PROVINCE, COMMUNE = "H41", "H41.12.03"
EVENTS, FILES = "u-h41-12-03", "f-h41-12-03"
pytestmark = [pytest.mark.couchdb, needs_couchdb]


@pytest.fixture
def offices(carry: Any, name_authorities: Any, tsa: Any) -> Any:
    """A province and a commune, open, whose trust policy names a time-stamp authority; the commune has its people."""
    made = carry(PROVINCE, COMMUNE)
    name_authorities(made.nodes[PROVINCE], made.nodes[COMMUNE], entries=[tsa.entry()])
    made.person(COMMUNE, "official")
    made.person(COMMUNE, "leader")  # last: from then on a role takes two voices
    return made


def stamp(node: Any, tsa: Any) -> int:
    with closing(Authority(tsa.url, node.policies.newest(datetime.now(UTC)).time_authorities)) as authority:
        stamped: int = node.stamper.run(node.database, authority).stamped
        return stamped


def erase(offices: Any, stream: str, *, waits: str = "") -> set[str]:
    """Close a dossier, have two voices order it erased, carry that out unless it waits; return what it names."""
    node, leader = offices.nodes[COMMUNE], offices.person(COMMUNE, "leader")
    say(offices, "official", stream, "dossier.refused", {"reason": "Không thuộc thẩm quyền"})
    words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    node.people.say("erasure.proposed", node.erasures.proposal(stream, **words))
    erasure = next(each for each in node.erasures.all() if each.dossier == stream)
    unit_stream = "unit.h41-12-03"
    node.copier.ensure_certificate(EVENTS, leader.certificate)
    heads = node.model.queries.heads(EVENTS, unit_stream)
    say(offices, "leader", unit_stream, "erasure.confirmed", {"of": erasure.id}, heads)
    erasure = node.erasures.get(erasure.id)
    assert node.erasures.doubt(erasure) == waits
    assert node.erasing.settle() == (0 if waits else 1)
    return set(erasure.documents)


def say(offices: Any, role: str, stream: str, type: str, body: dict[str, Any], prev: Any = None) -> None:
    node, person = offices.nodes[COMMUNE], offices.person(COMMUNE, role)
    heads = node.model.story(stream).dossier.heads if prev is None else prev
    event = offices.helpers.submission(node.unit, person, stream=stream, type=type, prev=list(heads), body=body)
    offices.admit(node, node.database, [person.sign(event)])
    node.model.follower.catch_up()


def tram(*arguments: object) -> int:
    return main([str(each) for each in arguments])


def read_content(path: Path, engine: Engine | None = None) -> dict[str, dict[str, Any]]:
    """Return every document of a home's store by database and id: revision, body and bytes."""
    home = Home.open(path)
    with closing(open_engine(home, engine or home.settings.engine)) as store:
        return {name: dict(_read_database(store.open(name))) for name in store.names()}


def _read_database(database: Any) -> Iterator[tuple[str, Any]]:
    import orjson

    ids = [row.id for row in database.all_docs(AllDocsQuery()).rows]
    for (doc,) in database.bulk_get([GetRequest(DocId(each)) for each in ids], attachments=True):
        files = {name: (entry.content_type, entry.data) for name, entry in doc.attachments.items()}
        yield doc.id, (doc.rev, doc.path, orjson.loads(doc.body), files)


def count_kinds(content: dict[str, dict[str, Any]]) -> Counter[str]:
    return Counter(each.partition(":")[0] for each in content[EVENTS] if each.startswith(("log:", "tst:", "cert:")))


def count_checked(report: Any) -> Counter[str]:
    """What was verified, without the files that only one engine has."""
    assert report.holds, report.problems
    return Counter({what: count for what, count in report.checked.items() if what != "database files"})


def test_every_kind_moves_both_ways_verifies_on_either_side_and_what_is_erased_stays_away(
    offices: Any, tsa: Any, prefix: str, make_node: Any
) -> None:
    """Pages, tokens and erasures are what they were; an erasure ordered after the move waits until the old store, in
    which the dossier still lies, is forgotten, and what is erased does not come back on the way home."""
    node = offices.nodes[COMMUNE]
    path = node.home.path
    kept, gone, later = (offices.file(COMMUNE, 40_000, seed=seed) for seed in range(3))
    offices.receipt(COMMUNE, kept)
    assert stamp(node, tsa) > 0
    erased = erase(offices, gone)
    assert node.publisher.publish(everything=True) > 0
    node.stop()
    before, verified = read_content(path), verify_path(path)
    kinds = count_kinds(before)
    assert verified.holds
    assert kinds.keys() == {"log", "tst", "cert"}
    assert not erased & before[EVENTS].keys()

    assert tram("migrate", path, "--to", "couchdb", COUCHDB, "--prefix", prefix) == 0
    assert read_content(path) == before
    assert count_checked(verify_path(path)) == count_checked(verified)

    node = offices.nodes[COMMUNE] = make_node(Home.open(path))
    assert stamp(node, tsa) == 0  # what was stamped is known to be
    ordered = erase(offices, later, waits="old_store")
    node.stop()
    assert ordered <= read_content(path)[EVENTS].keys()
    assert tram("migrate", path, "--forget-old") == 0

    node = offices.nodes[COMMUNE] = make_node(Home.open(path))
    assert node.erasing.settle() == 1
    erased |= ordered
    node.publisher.publish(everything=True)
    node.stop()
    on_couchdb, verified = read_content(path), verify_path(path)
    assert verified.holds
    assert not erased & on_couchdb[EVENTS].keys()

    assert tram("migrate", path, "--to", "sqlite") == 0
    assert read_content(path) == on_couchdb
    assert count_checked(verify_path(path)) == count_checked(verified)
    assert tram("migrate", path, "--forget-old") == 0
    with closing(CouchStore(COUCHDB, prefix=prefix)) as store:
        assert store.names() == []
    node = make_node(Home.open(path))
    assert {row.stream for row in node.model.queries.dossiers(DossierFilter()).rows} == {kept}
