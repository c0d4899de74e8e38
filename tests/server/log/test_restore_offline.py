"""A node that may have forgotten what it signed says nothing until the unit above, or an operator, has spoken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crypto.hashing import parse_sha256_id
from server.api import create_app
from server.backup import Key, Seal, make_backup, restore
from server.cli import main
from server.errors import NotReady, Refused
from server.home import Home
from server.links.neighbours import Neighbour
from server.pki.authority import Authority
from server.verify import verify_home
from tests.server.log.carrying import event_id, meet_parent

FIRST, SECOND = "03.12.h41.tram.internal/log", "03.12.h41.tram.internal/log/2"


def silent(_: Any) -> None:
    """Progress nobody reads."""


@pytest.fixture
def put_back(cosigned: Any, take: Any, tmp_path: Path) -> Any:
    """A running district, and the home of a commune put back by `tram restore` to before events that the district has
    cosigned and a receipt that a citizen holds. Returns (district, home)."""
    district, _, commune = cosigned
    make_backup(commune.home, tmp_path / "backup", Seal(), silent)
    later = take(commune, 4)
    commune.receipt_desk.issue(event_id(later[-1]), "x")
    commune.sync.run_once("parent")
    commune.stop()
    restore(tmp_path / "backup", tmp_path / "again", Key(), silent)
    return district, Home.open(tmp_path / "again")


@pytest.fixture
def lost(cosigned: Any) -> Any:
    """As `put_back`, but `node.db` is gone and the rest of the home is as it was. Returns (district, its address,
    home)."""
    district, url, commune = cosigned
    commune.stop()
    for path in commune.home.path.glob("node.db*"):
        path.unlink()
    return district, url, commune.home


def test_out_of_reach_of_the_unit_above_nothing_is_said_under_the_old_name(
    put_back: Any, make_node: Any, take: Any
) -> None:
    """Events are taken; no leaf, no head, no receipt, also after another restart."""
    _, home = put_back
    node = make_node(home)
    before = node.log.head()
    [doc] = take(node, 1)
    stream = doc.id.partition(":")[0]
    node.model.follower.catch_up()

    assert node.receipts.consider(stream) == []
    with pytest.raises(NotReady, match="waits"):
        node.receipt_desk.issue(event_id(doc), "x")
    node.stop()
    again = make_node(home)

    assert again.log.head() == before
    assert (again.log.head().state, again.log.origin(), again.log.pending()) == ("waiting", FIRST, 1)
    assert again.proofs.earliest(again.database, event_id(doc)) is None


def test_it_is_said_on_the_desk_in_the_doctor_and_in_the_figures(
    put_back: Any, serve: Any, helpers: Any, key_pool: Any, capsys: Any
) -> None:
    """With what happened, what waits and what to do."""
    _, home = put_back
    node, url = serve(home)
    person = helpers.issue_person(Authority.open(home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    node.people.grant(person.urn, "Lò Văn Páo", "leader")
    node.model.follower.catch_up()
    client = helpers.Client(url, node.signer.urn, person)
    cookies = client.post("/api/session", {"token": person.token(node.signer.urn)}).cookies

    page = helpers.Client(url, node.signer.urn).get("/desk", cookies=cookies).text
    figures = client.get("/metrics").text
    status = main(["doctor", str(home.path)])

    assert "khôi phục từ bản sao lưu" in page
    assert 'tram_findings{code="log_waits",level="fault"} 1.0' in figures
    assert (status, "put back from a backup" in capsys.readouterr().out) == (1, True)


def test_the_unit_above_answers_and_the_log_goes_on_under_the_next_name(
    put_back: Any, make_node: Any, take: Any
) -> None:
    """What waited gets its leaf, with the time at which it came; no alarm; everything verifies."""
    district, home = put_back
    node = make_node(home)
    [doc] = take(node, 1)
    came = node.clock.now()

    meet_parent(node)
    node.proofs.catch_up()

    assert (node.log.origin(), node.log.head().state, node.log.pending()) == (SECOND, "open", 0)
    assert abs(node.proofs.earliest(node.database, event_id(doc)).claimed - came).total_seconds() <= 2
    assert node.receipt_desk.issue(event_id(doc), "x").receipt.origin == SECOND
    assert node.recovery.waiting() is None
    assert district.witness.evidence() == []
    assert verify_home(home.path).problems == []


def test_it_takes_a_new_name_though_the_unit_above_knows_no_more_than_the_backup(
    cosigned: Any, make_node: Any, take: Any, tmp_path: Path
) -> None:
    """A receipt that was given out after the last cosigned head must not meet another leaf at its place."""
    district, _, commune = cosigned
    make_backup(commune.home, tmp_path / "backup", Seal(), silent)
    [unseen] = take(commune, 1)
    issued = commune.receipt_desk.issue(event_id(unseen), "x").receipt
    commune.stop()
    restore(tmp_path / "backup", tmp_path / "again", Key(), silent)
    node = make_node(Home.open(tmp_path / "again"))
    take(node, 1)

    node.sync.run_once("parent")

    assert node.log.origin() == SECOND
    assert node.log.heads()[0].size < issued.size
    assert district.witness.evidence() == []


def test_an_operators_word_lets_it_go_on_without_the_unit_above(
    put_back: Any, make_node: Any, take: Any, capsys: Any
) -> None:
    """`tram doctor --accept-restore`: leaves and receipts at once, under the next name; the unit above takes it later,
    and tells of it. A second word changes nothing."""
    district, home = put_back
    node = make_node(home)
    [doc] = take(node, 1)
    node.stop()

    main(["doctor", str(home.path), "--accept-restore"])
    assert SECOND in capsys.readouterr().out
    again = make_node(home)
    assert again.receipt_desk.issue(event_id(doc), "x").receipt.origin == SECOND
    with pytest.raises(Refused, match="does not wait"):
        again.recovery.accept(again.clock.now())
    meet_parent(again)
    district.model.follower.catch_up()

    assert again.log.origin() == SECOND
    assert district.witness.known_size(SECOND) > 0
    assert district.model.queries.streams_of_type("log.reset")
    assert district.witness.evidence() == []


def test_a_node_that_lost_its_memory_asks_before_it_logs(lost: Any, make_node: Any, take: Any) -> None:
    """Everything that is stored waits, then gets a leaf under the next name; what the old log proved stays proven."""
    district, url, home = lost
    node = make_node(home)
    [doc] = take(node, 1)
    waited = node.recovery.waiting()
    assert waited is not None
    assert (waited.cause, node.log.head().size) == ("lost", 0)

    node.links.put(Neighbour("parent", url, "parent"))
    meet_parent(node)

    assert node.log.origin() == SECOND
    assert node.log.head().size >= 4
    assert node.log.place(parse_sha256_id(event_id(doc))) is not None
    assert district.witness.evidence() == []
    assert verify_home(home.path).problems == []


def test_a_new_home_whose_first_start_was_cut_short_does_not_wait(make_homes: Any, make_node: Any, take: Any) -> None:
    """Its key was made, its log was not; there is no event anybody could have seen."""
    home = make_homes()["H41.12.03"]
    make_node(home).stop()
    for path in home.path.glob("node.db*"):
        path.unlink()

    node = make_node(home)

    assert node.recovery.waiting() is None
    assert len(take(node, 2)) == 2
    assert node.log.head().size == 2


def test_a_unit_above_that_calls_tells_a_waiting_log_what_it_knows(put_back: Any, make_node: Any, take: Any) -> None:
    """A pull link: the commune never calls anybody, and still learns of its loss."""
    district, home = put_back
    node = make_node(home)
    take(node, 1)
    node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    url = node.start(create_app(node), sync=False).rstrip("/")
    district.links.put(Neighbour("commune", url, "child"))

    for _ in range(2):
        district.sync.run_once("commune")

    assert (node.log.origin(), node.log.head().state) == (SECOND, "open")
    assert district.witness.known_size(SECOND) > 0
    assert district.witness.evidence() == []
