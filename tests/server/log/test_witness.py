"""The parent cosigns what only grew, and keeps for ever what contradicts itself. Real nodes, real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.note import COSIGNATURE_V1, NoteKey, parse_checkpoint, verify_note
from replication.store import AllDocsQuery
from server.errors import NotAllowed, Refused
from server.home import Home
from server.links.neighbours import Neighbour
from server.log.offers import Offer, offer_value, parse_answer, parse_offer
from server.log.sticks import export_notes, import_notes

ORIGIN = "03.12.h41.tram.internal/log"


class Direct:
    """A neighbour asked without a network: its witness, in the words of the wire."""

    def __init__(self, unit: str, parent: Any) -> None:
        self.unit, self.parent, self.asked = unit, parent, 0

    def ask(self, method: str, target: str, value: Any = None) -> Any:
        from server.log.offers import answer_value

        self.asked += 1
        assert (method, target) == ("POST", "/api/log/checkpoints")
        return answer_value(self.parent.witness.consider(self.unit, parse_offer(value)))


@pytest.fixture
def pair(make_homes: Any, make_node: Any) -> Any:
    """A commune and its district, which has the commune's certificates."""
    homes = make_homes()
    commune, district = make_node(homes["H41.12.03"]), make_node(homes["H41.12"])
    district.copier.ensure_database(commune.database)
    bring_certificates(commune, district)
    return commune, district


def bring_certificates(giver: Any, taker: Any, name: str = "") -> None:
    from replication.document import Doc, DocId
    from replication.store import GetRequest
    from server.intake.source import Source

    name = name or giver.database
    opened = giver.store.open(name)
    rows = opened.all_docs(AllDocsQuery(start="cert:", end="cert:~")).rows
    docs = [d for found in opened.bulk_get([GetRequest(DocId(row.id)) for row in rows]) for d in found]
    taker.intake.admit(name, [d for d in docs if isinstance(d, Doc)], source=Source("peer", "x"))


def cosigned(node: Any, name: str = "") -> int:
    """Return how many cosigned heads a node holds."""
    return len(node.store.open(name or node.database).all_docs(AllDocsQuery(start="log:", end="log:~")).rows)


def test_a_head_that_grew_is_cosigned_and_the_cosignature_comes_back(pair: Any, take: Any) -> None:
    """Persisted at the parent, stored on both sides once it can be checked, asked for only when it is new."""
    commune, district = pair
    caller = Direct("H41.12.03", district)
    take(commune, 3)
    commune.gossip.exchange("H41.12", caller)
    assert (cosigned(commune), commune.quarantine.count()) == (0, 0)  # the witness's certificate is still on its way
    bring_certificates(district, commune, commune.database)
    take(commune, 4)
    commune.gossip.exchange("H41.12", caller)

    assert district.witness.known_size(ORIGIN) == 7
    assert commune.gossip.cosigned_size("H41.12", ORIGIN) == 7
    assert (cosigned(commune), cosigned(district, commune.database)) == (1, 2)  # the first comes by replication
    assert commune.gossip.exchange("H41.12", caller) is False
    assert caller.asked == 2
    note = parse_answer({"key": "", "cosigned": district.witness.known_note(ORIGIN)}).cosigned
    assert parse_checkpoint(note.rpartition("\n\n")[0] + "\n").size == 7


def test_what_the_witness_knows_survives_its_restart(pair: Any, take: Any, make_node: Any) -> None:
    """The next head has to begin where it stood before."""
    commune, district = pair
    take(commune, 3)
    commune.gossip.exchange("H41.12", Direct("H41.12.03", district))
    home = district.home
    district.stop()

    again = make_node(Home.open(home.path))

    assert again.witness.known_size(ORIGIN) == 3
    take(commune, 2)
    with pytest.raises(Refused):
        parse_offer({"key": "x"})
    offer = commune.gossip.build_offer(0)
    assert again.witness.consider("H41.12.03", offer).size == 3  # nothing is cosigned without the proof from there
    assert again.witness.consider("H41.12.03", commune.gossip.build_offer(3)).cosigned


def test_a_witness_refuses_heads_that_are_not_below_it_or_not_signed(pair: Any, take: Any) -> None:
    """A sister's, its own, another unit's name on the request, a changed size."""
    commune, district = pair
    take(commune, 2)
    offer = commune.gossip.build_offer(0)

    with pytest.raises(NotAllowed):
        district.witness.consider("H41.12.04", offer)
    with pytest.raises(NotAllowed):
        commune.witness.consider("H41.12.03", offer)
    changed = Offer(offer.key, offer.note.replace("\n2\n", "\n3\n"), 0, ())
    with pytest.raises(Refused):
        district.witness.consider("H41.12.03", changed)
    assert district.witness.known_size(ORIGIN) == 0
    assert district.witness.evidence() == []


def test_notes_travel_on_a_stick(pair: Any, take: Any) -> None:
    """Exported, imported twice, damaged: one cosignature, and nothing breaks."""
    commune, district = pair
    take(commune, 2)
    data = export_notes(commune.gossip, "H41.12")

    assert import_notes(district.witness, data) == 1
    assert import_notes(district.witness, data) == 1  # the same head again: cosigned again, known as before
    assert district.witness.known_size(ORIGIN) == 2
    with pytest.raises(Refused):
        import_notes(district.witness, data[:-9])
    with pytest.raises(Refused):
        import_notes(district.witness, b'{"v":1,"notes":[7]}')
    assert import_notes(commune.witness, export_notes(district.gossip, "H41")) == 0


def test_heads_are_cosigned_over_a_real_link(make_homes: Any, serve: Any, make_node: Any, take: Any) -> None:
    """The child pushes to its parent, its head with it; the cosignature is proof of time on the child's own side."""
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune = make_node(homes["H41.12.03"])
    commune.links.put(Neighbour("parent", url, "parent"))
    docs = take(commune, 5)

    commune.sync.run_once("parent")
    commune.sync.run_once("parent")

    assert district.witness.known_size(ORIGIN) == commune.log.head().size >= 5
    commune.proofs.catch_up()
    found = commune.proofs.earliest(commune.database, docs[0].id.rpartition(":")[2])
    assert found is not None
    row = commune.db.row("SELECT note, witness, state FROM log_cosigned")
    assert (row["witness"], row["state"]) == ("H41.12", "holds")
    key = NoteKey("12.h41.tram.internal/log", district.log.key.public_key, COSIGNATURE_V1)
    assert verify_note(row["note"], [key]).signers


def look(errand: Any, helpers: Any) -> None:
    """Let an errand look, from beginning to end: one look may be under way."""
    for _ in range(2):
        runs = errand.status().runs
        errand.hurry()
        helpers.wait_until(lambda before=runs: errand.status().runs > before, 30)


def test_over_a_paused_link_no_head_is_offered(
    make_homes: Any, serve: Any, take: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who pays for the line by the byte paused it: nothing is asked of the neighbour any more."""
    for name in ("SETTLE_S", "EXCHANGE_EVERY_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(f"server.log.gossip.{name}", 0.02)
    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune, _ = serve(homes["H41.12.03"], sync=True)
    commune.links.put(Neighbour("parent", url, "parent"))
    take(commune, 2)
    helpers.wait_until(lambda: district.witness.known_size(ORIGIN) >= 2, 30)

    commune.links.set_paused("parent", True)
    helpers.wait_until(lambda: "parent" not in commune.sync._running, 30)
    look(commune.gossip.errand, helpers)  # what was on its way has arrived
    known = district.witness.known_size(ORIGIN)
    take(commune, 1)
    look(commune.gossip.errand, helpers)
    assert district.witness.known_size(ORIGIN) == known < commune.log.head().size

    commune.links.set_paused("parent", False)
    helpers.wait_until(lambda: district.witness.known_size(ORIGIN) > known, 30)


def test_a_parent_that_calls_asks_for_the_head(make_homes: Any, serve: Any, take: Any) -> None:
    """A pull link: the child never calls anybody."""
    homes = make_homes()
    commune, url = serve(homes["H41.12.03"])
    district, _ = serve(homes["H41.12"])
    district.links.put(Neighbour("commune", url, "child"))
    take(commune, 4)

    district.sync.run_once("commune")

    first = district.witness.known_size(ORIGIN)
    assert first >= 4  # and the receipts issued meanwhile
    take(commune, 1)
    district.sync.run_once("commune")
    assert district.witness.known_size(ORIGIN) > first


def test_what_came_while_the_head_was_asked_for_is_asked_about_again(pair: Any, take: Any) -> None:
    """On a line of seconds a dossier arrives behind the question: its head is fetched too, though the commune is quiet
    from then on. Our own cosignature alone is no reason to ask."""
    commune, district = pair
    more = [1, 0]

    class Slow:
        asked = 0

        def ask(self, method: str, target: str, value: Any = None) -> Any:
            assert (method, target.partition("?")[0]) == ("GET", "/api/log/checkpoint")
            self.asked += 1
            query = dict(part.split("=") for part in target.partition("?")[2].split("&"))
            offer = commune.gossip.build_offer(int(query["old"]))
            carry(commune, district, take(commune, more.pop(0)))
            return offer_value(offer) if offer is not None else {}

    carry(commune, district, take(commune, 2))
    caller = Slow()
    assert district.gossip.exchange("H41.12.03", caller)
    assert district.witness.known_size(ORIGIN) == 2

    assert district.gossip.exchange("H41.12.03", caller)
    assert district.witness.known_size(ORIGIN) == 3
    assert district.gossip.exchange("H41.12.03", caller) is False
    assert caller.asked == 2


def carry(giver: Any, taker: Any, docs: Any) -> None:
    from server.intake.source import Source

    bring_certificates(giver, taker)
    assert not any(each.error for each in taker.intake.admit(giver.database, docs, source=Source("peer", "x")))
