"""A stick beside a link: it begins where the link ended, and falls back where that is not so any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from replication.bundle.acknowledgement import Have
from replication.document import Seq
from server.bundles import Ledger, preview_export
from server.bundles.positions import choose_begin, is_reached, with_links
from server.links.neighbours import Neighbour
from tests.replication.cutline import Line
from tests.server.bundles.conftest import Carrier
from tests.simulation.lines import exchange
from tests.simulation.office import Office

C, D = "H41.12.03", "H41.12"
SHARED = ("u-h41-12-03", "f-h41-12-03")


@pytest.fixture
def linked(make_homes: Any, serve: Any, tmp_path: Any, helpers: Any, key_pool: Any) -> Carrier:
    """A running district, and a commune with a link to it that replicates only when asked."""
    homes = make_homes()
    district, url = serve(homes[D])
    commune, _ = serve(homes[C])
    commune.links.put(Neighbour("parent", url, "parent"))
    for errand in (*commune.errands, *district.errands):
        if errand.name != "readmodel":
            errand.stop()  # a receipt written in between would be one more document for the next stick
    return Carrier({C: commune, D: district}, tmp_path, helpers, key_pool)


def _replicate(linked: Carrier) -> None:
    """Let the link carry everything, and the cosigned head that follows it."""
    for _ in range(2):
        linked.nodes[C].sync.run_once("parent")


def _have(carrier: Carrier, unit: str, of: str) -> dict[str, Have]:
    """What a node says it has of another's present store."""
    node = carrier.nodes[unit]
    return Ledger(node.db, node.store.uuid).have(of).get(carrier.nodes[of].store.uuid, {})


def test_after_a_link_has_carried_all_there_is_nothing_for_a_stick(linked: Carrier) -> None:
    """Up and down: dossiers, files and what the district said went over the link; no bundle is written."""
    stream = linked.file(C, 100_000, 900)
    _replicate(linked)
    linked.nodes[D].model.follower.catch_up()
    linked.comment(D, stream, "Huyện đã xem")
    _replicate(linked)
    assert linked.held(C, *SHARED) == linked.held(D, *SHARED)

    assert linked.send(C, D, "up").parts == ()
    assert linked.send(D, C, "down").parts == ()


def test_a_stick_carries_what_the_link_has_not_and_goes_on_from_there(linked: Carrier) -> None:
    """The district counts a bundle that begins where the link ended; without the link the next one follows on it."""
    linked.file(C, 100_000)
    _replicate(linked)
    late = linked.file(C, 40_000, seed=1)

    preview = preview_export(linked.nodes[C], to=D)
    sent = linked.send(C, D)
    came = linked.take(D)

    assert (preview.outlook.dossiers, sent.dossiers) == (1, 1)
    assert preview.since != ""
    assert not preview.is_full
    assert sent.documents < 12  # the event, its receipt, a manifest, four chunks, certificates and pages of the log
    assert (came.problems, came.whole) == ([], [sent.bundle])
    linked.nodes[D].model.follower.catch_up()
    assert linked.nodes[D].model.queries.dossier(late).files_here == 1
    assert set(SHARED) <= _have(linked, D, C).keys()
    linked.send(D, C, "back")
    assert linked.take(C, "back").acknowledged == 1
    assert linked.send(C, D, "next").dossiers == 0


def test_a_full_bundle_does_not_ask_the_link(linked: Carrier) -> None:
    """Who asks for everything gets everything."""
    linked.file(C, 1000)
    _replicate(linked)

    full = linked.send(C, D, full=True)

    assert full.dossiers == 1
    assert linked.take(D).problems == []


def test_a_store_that_was_made_anew_is_not_believed_to_hold_what_the_old_one_did(linked: Carrier) -> None:
    """A restored district has another uuid: until the nodes have met again, everything goes onto the stick."""
    linked.file(C, 1000)
    _replicate(linked)
    linked.nodes[D].store.rebirth()
    linked.file(C, 1000, seed=1)

    assert not preview_export(linked.nodes[C], to=D).is_full  # nobody told the commune yet
    linked.send(C, D, "first")
    linked.take(D, "first")
    assert _have(linked, D, C) == {}  # a gap may lie before it, so it does not count
    linked.send(D, C, "back")
    linked.take(C, "back")
    assert preview_export(linked.nodes[C], to=D).is_full
    linked.send(C, D, "second")
    linked.take(D, "second")
    assert set(SHARED) <= _have(linked, D, C).keys()


def test_a_link_that_met_the_new_store_makes_sticks_small_again(linked: Carrier) -> None:
    """Once both have told which stores they keep, what the link carried into the new one counts."""
    linked.file(C, 1000)
    _replicate(linked)
    linked.nodes[D].store.rebirth()
    _replicate(linked)
    linked.nodes[C].sync.run_once("parent")

    assert linked.send(C, D).parts == ()


def test_a_disk_put_back_in_place_gets_again_what_the_link_had_brought(
    make_homes: Any, make_node: Any, helpers: Any, key_pool: Any, tmp_path: Any
) -> None:
    """Same uuid, older bytes, and the link is dead: one stick each way, and the district has what it lost."""
    homes = make_homes()
    office = Office(homes[D], lambda: datetime.now(UTC))
    carrier = Carrier({C: make_node(homes[C]), D: office.node}, tmp_path, helpers, key_pool)
    try:
        carrier.meet(C, D)
        for source, target in ((C, D), (D, C)):
            carrier.send(source, target, "words")
            carrier.take(target, "words")
        image = office.image()
        carrier.file(C, 50_000)
        exchange(carrier.nodes[C], carrier.nodes[D], Line(), office.app)
        assert preview_export(carrier.nodes[C], to=D).outlook.dossiers == 0

        office.restart(image)
        carrier.nodes[D] = office.node
        carrier.file(C, 1000, seed=1)
        assert carrier.send(C, D, "up").dossiers == 1
        carrier.take(D, "up")
        carrier.send(D, C, "down")
        carrier.take(C, "down")
        assert carrier.send(C, D, "again").dossiers == 2
        carrier.take(D, "again")

        assert carrier.held(C, *SHARED) <= carrier.held(D, *SHARED)
    finally:
        office.close()


def test_a_damaged_stretch_that_the_link_brought_is_not_asked_for_again(linked: Carrier) -> None:
    """A hole in a bundle closes when the link goes past it: the next word does not name it."""
    linked.nodes[C].sync.run_once("parent")  # keys, both ways
    linked.file(C, 3_000_000)
    linked.send(C, D, full=True)
    (part,) = linked.parts()
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)
    assert linked.take(D).damaged == 1

    linked.nodes[D].model.follower.catch_up()  # and then it lags behind what comes
    for errand in linked.nodes[D].errands:
        errand.stop()
    _replicate(linked)
    linked.nodes[C].sync.run_once("parent")

    assert linked.held(C, *SHARED) == linked.held(D, *SHARED)
    assert linked.send(C, D, "next").dossiers == 0
    assert linked.parts("next") == []


@pytest.mark.parametrize(
    ("seq", "reached", "expected"),
    [
        ("5-aa", ["5-aa"], True),
        ("5-aa", ["9-aa"], True),
        ("9-aa", ["5-aa"], False),
        ("5-aa", ["9-bb"], False),
        ("5-aa", ["9-bb", "6-aa"], True),
        ("5", ["9"], False),  # nothing tells whether it is the same history
        ("5", ["5"], True),
        ("0", [], False),
    ],
)
def test_a_position_is_reached_by_itself_or_by_a_later_one_of_its_epoch(
    seq: str, reached: list[str], expected: bool
) -> None:
    """Numbers of different epochs say nothing about each other."""
    assert is_reached(Seq(seq), [Seq(each) for each in reached]) is expected


def test_sticks_and_links_together_reach_the_later_position() -> None:
    """The newest of both, and holes only where no link has gone past."""
    hole, open_hole = (Seq("2-aa"), Seq("4-aa")), (Seq("11-aa"), Seq("12-aa"))
    have = {"u-h41": Have(Seq("14-aa"), (hole, open_hole)), "f-h41": Have(Seq("3-aa"))}
    reached = {"u-h41": (Seq("10-aa"),), "u-h42": (Seq("7-bb"), Seq("1-bb"))}

    joined = with_links(have, reached)

    assert joined["u-h41"] == Have(Seq("14-aa"), (open_hole,))
    assert joined["f-h41"] == Have(Seq("3-aa"))
    assert joined["u-h42"] == Have(Seq("7-bb"))
    assert choose_begin(Seq("3-aa"), Seq("5-aa"), same_store=True) == "5-aa"
    assert choose_begin(Seq("3-aa"), Seq("5-aa"), same_store=False) == "3-aa"
