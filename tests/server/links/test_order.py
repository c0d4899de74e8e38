"""What goes first on a link: previews before photographs, a dossier put to the front, the newest that waits."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from replication.document import Seq
from server.desk import view
from server.desk.translate import Translator
from server.errors import Refused
from server.home import Home
from server.links.allowance import ClassRule, Kind, LinkRules
from server.links.firsts import MOST, Firsts
from server.links.neighbours import Neighbour

ZERO = Seq("0")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _picture(seed: int, size: int) -> bytes:
    return b"\xff\xd8\xff\xe0" + random.Random(seed).randbytes(size - 4)


def _file(office, seed):
    """File a dossier with one photograph and its preview; return (stream, photograph, preview)."""
    photo = office.citizen.put_file(_picture(seed, 70_000))
    preview = office.citizen.put_file(_picture(seed + 1000, 9_000), "giay.xem-truoc.jpg")
    preview["preview_of"] = photo["sha256"]
    stream = office.file(files=[photo, preview])
    office.node.model.follower.catch_up()
    office.node.receipts.consider(stream)  # now: a receipt that comes later makes its dossier the newest
    office.node.model.follower.catch_up()
    return stream, photo, preview


def test_previews_go_before_photographs_and_the_newest_waiting_dossier_first(office):
    """Named in that order: all previews with their manifests, newest first, then whole photographs, newest first."""
    filed = [_file(office, seed) for seed in (1, 2, 3)]
    files = office.node.store.open(office.node.files_database)

    wanted = list(office.node.wanted.to_send(files, ZERO, previews_only=False))

    newest_first = list(reversed(filed))
    previews = [each for _, _, p in newest_first for each in (p["sha256"], f"file:{p['manifest']}")]
    assert wanted[:6] == previews
    manifests = [each for each in wanted[6:] if each.startswith("file:")]
    assert manifests == [f"file:{photo['manifest']}" for _, photo, _ in newest_first]
    assert len(wanted) == len(files.changes().rows)
    assert office.node.wanted.to_send(files, ZERO, previews_only=True) == previews


def test_a_dossier_put_to_the_front_goes_before_newer_ones_until_taken_back(office):
    """Its events by name, its preview and photograph before those of others; undone it stands where it stood."""
    node = office.node
    (oldest, photo, preview), *_ = [_file(office, seed) for seed in (1, 2, 3)]
    files, events = node.store.open(node.files_database), node.store.open(node.database)
    before = node.wanted.to_send(files, ZERO, previews_only=False)
    assert node.wanted.to_send(events, ZERO, previews_only=False) == []

    assert node.firsts.add(oldest, by="test", at=node.clock.now()) == 1
    wanted = list(node.wanted.to_send(files, ZERO, previews_only=False))
    assert wanted[0] == preview["sha256"]
    papers = [each for each in wanted[6:] if each.startswith("file:")]
    assert papers[0] == f"file:{photo['manifest']}"
    named = node.wanted.to_send(events, ZERO, previews_only=False)
    assert {each.partition(":")[0] for each in named} == {oldest}
    assert len(named) >= 1

    node.firsts.remove(oldest)
    assert node.wanted.to_send(files, ZERO, previews_only=False) == before


def test_what_is_over_there_is_not_named_again(office):
    """Behind the acknowledged place there is nothing to put in order."""
    _file(office, 1)
    files = office.node.store.open(office.node.files_database)

    assert office.node.wanted.to_send(files, files.info().update_seq, previews_only=False) == []


def test_places_in_the_line_are_kept_and_bounded(office):
    """Asked twice keeps its place; a hundredth favour is refused with what to do; after a week nobody is first."""
    firsts, now = Firsts(office.node.db), datetime(2026, 11, 21, tzinfo=UTC)
    assert [firsts.add(f"s{i}", by="x", at=now + timedelta(seconds=i)) for i in range(3)] == [1, 2, 3]
    assert firsts.add("s1", by="y", at=now + timedelta(minutes=1)) == 2
    for i in range(3, MOST):
        firsts.add(f"s{i}", by="x", at=now + timedelta(seconds=i))
    with pytest.raises(Refused, match="take one back"):
        firsts.add("one more", by="x", at=now + timedelta(hours=1))

    assert firsts.add("later", by="x", at=now + timedelta(days=8)) == 1


def test_previews_arrive_while_the_rules_keep_photographs_back(office, serve, helpers):
    """The district has the preview and not the photograph, which comes when the rule goes; bytes count apart."""
    node = office.node
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    node.links.put(Neighbour("parent", url, "parent"))
    closed = LinkRules(files=ClassRule(daily=0))
    node.links.set_rules("parent", closed, by="test", at=datetime.now(UTC))
    stream, photo, preview = _file(office, 1)
    node.sync.start()

    def here(reference):
        return district.files.presence(node.unit, reference["manifest"]).complete

    helpers.wait_until(lambda: here(preview))
    helpers.wait_until(lambda: district.model.queries.dossier(stream))
    row = district.model.queries.dossier(stream)
    assert (row.files_here, row.files_total) == (0, 1)
    assert not here(photo)

    def is_held():
        status = node.sync.status()[0]
        waiting = next(each for each in status.kinds if each.kind is Kind.FILES)
        return status.state == "held" and waiting.queued_docs >= 4

    helpers.wait_until(is_held)
    shown = view.build_dossier(district.model.story(stream).dossier, _known(district, stream), Translator("vi"), NOW)
    assert shown["files"][0]["preview"] == preview["sha256"]
    assert not shown["files"][0]["complete"]

    node.links.set_rules("parent", LinkRules(), by="test", at=datetime.now(UTC))
    helpers.wait_until(lambda: here(photo))

    def used(kind):  # counted a moment after it went
        return next(each.used_today for each in node.sync.status()[0].kinds if each.kind is kind)

    helpers.wait_until(lambda: used(Kind.PREVIEWS) > 9_000)
    helpers.wait_until(lambda: used(Kind.FILES) > 70_000)


def _known(node, stream):
    dossier = node.model.story(stream).dossier
    references = [ref for file in dossier.files for ref in (file.ref, file.preview)]
    present = {ref.sha256: node.files.presence(dossier.unit, ref.manifest).bytes for ref in references}
    return view.Known("", (), {}, {}, present, {}, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preview_of": "sha256-" + "A" * 43}, "a file of the same event"),
        ({"type": "image/png"}, "a JPEG"),
        ({"size": 12 * 1024 + 1}, "12288"),
    ],
)
def test_a_preview_that_is_none_is_refused(office, helpers, change, said):
    """It must be a small JPEG of a file of the same event; anything else would be signed without being shown."""
    photo = helpers.file_reference(_picture(1, 70_000))
    preview = helpers.file_reference(_picture(2, 9_000)) | {"preview_of": photo["sha256"]}
    helpers.submission(office.node.unit, office.citizen.person, files=[photo, preview])

    with pytest.raises(Refused, match=said):
        helpers.submission(office.node.unit, office.citizen.person, files=[photo, preview | change])
    again = helpers.file_reference(_picture(3, 900)) | {"preview_of": preview["sha256"]}
    with pytest.raises(Refused, match="same event"):  # a preview of a preview
        helpers.submission(office.node.unit, office.citizen.person, files=[photo, preview, again])


def test_what_is_missing_is_asked_of_the_node_below_and_not_of_the_one_above(office):
    """A photograph that has not come is with the commune that took it, never with the province."""
    from replication.peers import Endpoint
    from server.links.meeting import Acquaintance
    from server.links.pairing import Pairing

    node = office.node
    pairing = Pairing(
        unit="H41.12", store=node.store, intake=node.intake, ensure=node.copier.ensure_database, wanted=node.wanted
    )
    named = {}
    for unit in ("H41.12.03", "H41"):
        there = Acquaintance(unit, f"urn:tram:node:{unit}", "", ())
        (pair,) = pairing.build([("f-h41-12-03", "in")], there, Endpoint("http://127.0.0.1:9/db"))
        named[unit] = pair.express is not None

    assert named == {"H41.12.03": True, "H41": False}


def test_a_preview_sent_while_photographs_were_held_is_not_sent_again(office, serve, helpers):
    """When the rule goes, the photograph travels and the preview does not: the district is asked, not sent."""
    node = office.node
    district, url = serve(Home.open(node.home.path.parent / "h41-12"))
    came: list[str] = []
    admit = district.intake.admit

    def counted(database, docs, **options):
        came.extend(doc.id for doc in docs)
        return admit(database, docs, **options)

    district.intake.admit = counted
    node.links.put(Neighbour("parent", url, "parent"))
    node.links.set_rules("parent", LinkRules(files=ClassRule(daily=0)), by="test", at=datetime.now(UTC))
    _, photo, preview = _file(office, 1)
    node.sync.start()
    helpers.wait_until(lambda: district.files.presence(node.unit, preview["manifest"]).complete)

    node.links.set_rules("parent", LinkRules(), by="test", at=datetime.now(UTC))
    helpers.wait_until(lambda: district.files.presence(node.unit, photo["manifest"]).complete)
    assert came.count(preview["sha256"]) == 1
    assert came.count(f"file:{preview['manifest']}") == 1
