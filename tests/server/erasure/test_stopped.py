"""A proposal to erase that is withdrawn in one office and confirmed in another: what each node does and says."""

from __future__ import annotations

from html import unescape

import pytest

from server.api import create_app
from server.errors import Clash, Refused
from server.intake.source import Source
from server.verify import verify_path
from tests.server.erasure.conftest import COMMUNE, DISTRICT, here

EVENTS, STREAM = "u-h41-12-03", "unit.h41-12-03"
WHY = "Chọn nhầm hồ sơ"


def signed(offices, node, role, type, body):
    """Somebody of the commune signs an event of its unit, as their browser would at the node given."""
    person = offices.made.person(COMMUNE, role)
    heads = node.model.queries.heads(EVENTS, STREAM)
    return person.sign(
        offices.made.helpers.submission(COMMUNE, person, stream=STREAM, type=type, prev=list(heads), body=body)
    )


def bring(offices, node, role, type, body):
    """Bring it to a node's door oneself; return the word it is refused with, "" if it is taken."""
    person = offices.made.person(COMMUNE, role)
    doc = signed(offices, node, role, type, body)
    [result] = node.intake.admit(EVENTS, [doc], source=Source("person", person.urn))
    node.model.follower.catch_up()
    return result.error.reason if result.error is not None else ""


def hand_over(giver, taker):
    """Everything one node holds of the commune's events reaches the other."""
    source = giver.store.open(EVENTS)
    docs = [source.get(row.id) for row in source.changes().rows if not row.deleted]
    kinds = sorted(docs, key=lambda doc: ":" not in doc.id)
    for result in taker.intake.admit(EVENTS, kinds, source=Source("peer", giver.signer.urn)):
        assert result.error is None, result.error.reason
    taker.model.follower.catch_up()


def outcome(node, erasure):
    """What an erasure comes to at a node. Times are left out: until pages of the logs have been exchanged, too, each
    node shows the ones it can prove by itself."""
    found = node.erasures.get(erasure.id)
    return found.confirmed, found.is_ordered, found.is_executed, found.is_stopped, found.stop.id, found.stop.actor


@pytest.fixture
def pending(offices):
    """Both offices hold the dossier and the console's proposal to erase it; (offices, erasure)."""
    erasure = offices.propose()
    offices.made.meet(COMMUNE, DISTRICT)
    offices.made.send(COMMUNE, DISTRICT, "first")
    offices.made.take(DISTRICT, "first")
    offices.district.model.follower.catch_up()
    return offices, erasure


def test_withdrawn_at_the_console_it_is_ended_and_a_new_one_may_follow(offices):
    """The second voice is turned away at the door with the reason; the dossier is listed again and erased anew."""
    node, first = offices.commune, offices.propose()
    assert node.erasures.proposed() == [offices.stream]
    with pytest.raises(Clash):
        offices.propose()

    node.people.say("erasure.withdrawn", {"of": first.id, "reason": WHY})
    assert "đã được rút" in bring(offices, node, "leader", "erasure.confirmed", {"of": first.id})
    assert node.erasing.settle() == 0
    assert node.erasures.proposed() == []
    assert node.model.queries.dossier(offices.stream) is not None

    words = {"basis": "Quyết định 13", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    node.people.say("erasure.proposed", node.erasures.proposal(offices.stream, **words))
    [second] = [each for each in node.erasures.all() if not each.is_stopped]
    assert node.erasures.get(first.id).stop.reason == WHY
    offices.confirm(second)
    assert node.erasing.settle() == 1
    assert verify_path(node.home.path).problems == []


def test_refused_at_the_district_and_confirmed_at_the_commune_before_anything_went_it_is_kept(pending):
    """Two nodes that have heard neither of the other; once they have, none erases, and both say why."""
    offices, erasure = pending
    commune, district = offices.commune, offices.district
    offices.confirm(erasure)
    assert bring(offices, district, "leader", "erasure.refused", {"of": erasure.id, "reason": WHY}) == ""
    assert commune.erasures.get(erasure.id).is_ordered
    assert district.erasures.get(erasure.id).is_stopped

    hand_over(district, commune)
    hand_over(commune, district)
    for node in (commune, district):
        found = node.erasures.get(erasure.id)
        assert (found.is_stopped, bool(found.confirmed), found.stop.reason) == (True, True, WHY)
        assert node.erasing.settle() == 0
        assert here(node, EVENTS, erasure.documents) == set(erasure.documents)
        report = verify_path(node.home.path)
        assert report.problems == []
        assert any(WHY in note for note in report.notes)
    assert outcome(commune, erasure) == outcome(district, erasure)


def test_where_a_node_had_erased_first_the_erasure_goes_through_on_every_tier(pending):
    """The refusal came too late: it is shown, the tier that had heard it first erases as well, nothing is half gone."""
    offices, erasure = pending
    commune, district = offices.commune, offices.district
    offices.confirm(erasure)
    assert bring(offices, district, "leader", "erasure.refused", {"of": erasure.id, "reason": WHY}) == ""
    assert district.erasing.settle() == 0
    assert commune.erasing.settle() == 1

    hand_over(commune, district)
    hand_over(district, commune)
    assert district.erasing.settle() == 1
    hand_over(district, commune)
    for node in (commune, district):
        found = node.erasures.get(erasure.id)
        assert (found.is_executed, found.is_stopped, found.stop.reason) == (True, False, WHY)
        assert here(node, EVENTS, erasure.documents) == set()
        assert verify_path(node.home.path).problems == []
        assert node.erasing.settle() == 0


def test_what_has_begun_goes_to_its_end_and_a_stop_that_was_in_time_keeps_it_from_beginning(offices, monkeypatch):
    """A withdrawal that comes while chunks are going changes nothing any more; one that is there when the node looks a
    last time leaves no note behind, so nobody is told that it was late."""
    node, erasure = offices.commune, offices.order()
    real = node.erasing._erase_files

    def cut(erasure):
        real(erasure)
        raise OSError("power cut")

    monkeypatch.setattr(node.erasing, "_erase_files", cut)
    with pytest.raises(OSError, match="power cut"):
        node.erasing.settle()
    node.people.say("erasure.withdrawn", {"of": erasure.id, "reason": WHY})
    with pytest.raises(Clash, match="just beginning"):
        node.erasure_gate.check_in_time(erasure.id)
    monkeypatch.setattr(node.erasing, "_erase_files", real)
    assert node.erasing.settle() == 1
    assert node.erasures.get(erasure.id).is_executed
    assert verify_path(node.home.path).problems == []

    stream = offices.made.file(COMMUNE, 5_000, seed=3)
    offices.refuse(stream)
    other = offices.order(stream)
    seen = node.erasures.all()
    node.people.say("erasure.withdrawn", {"of": other.id, "reason": WHY})
    monkeypatch.setattr(node.erasures, "all", lambda: seen)  # as it stood a moment before
    assert node.erasing.settle() == 0
    assert not node.erasing.has_begun(other.id)
    assert node.model.queries.dossier(stream) is not None


def test_after_the_erasure_the_door_turns_a_withdrawal_away_and_says_so(offices):
    """Also one by the console; the reason says that it has been carried out."""
    node, erasure = offices.commune, offices.order()
    assert node.erasing.settle() == 1
    with pytest.raises(Refused, match="has been carried out"):
        node.erasure_gate.check_open(node.erasures.get(erasure.id))
    body = {"of": erasure.id, "reason": WHY}
    assert "has been carried out" in bring(offices, node, "leader", "erasure.refused", body)
    assert node.erasures.get(erasure.id).stop is None


def test_the_citizens_phone_hears_nothing_of_a_proposal_that_was_withdrawn(offices):
    """Its feed holds the dossier's own events and certificates, and not a word of erasure."""
    node, erasure = offices.commune, offices.propose()
    citizen = offices.made.person(COMMUNE)
    node.feed.catch_up()
    node.people.say("erasure.withdrawn", {"of": erasure.id, "reason": WHY})
    node.feed.catch_up()
    assert all(node.feed.sees(citizen.urn, each) for each in erasure.documents)
    for event in (erasure.id, node.erasures.get(erasure.id).stop.id):
        assert not node.feed.sees(citizen.urn, f"{STREAM}:{event}")


def test_a_stopped_proposal_accounts_for_nothing_that_is_gone(offices):
    """Who deletes a dossier by hand has no excuse in an order that was confirmed and then withdrawn."""
    node, erasure = offices.commune, offices.order()
    node.people.say("erasure.withdrawn", {"of": erasure.id, "reason": WHY})
    assert verify_path(node.home.path).problems == []
    database = node.store.open(EVENTS)
    [row] = [row for row in database.changes().rows if row.id == erasure.documents[0]]
    database.purge({row.id: list(row.leaves)})
    [problem] = verify_path(node.home.path).problems
    assert "1 events it took are not here any more" in problem


def speak(node, person, method, path, value=None):
    """Somebody speaks a node's API; return (status, JSON or text)."""
    headers = {"Authorization": f"Bearer {person.token(node.signer.urn)}"}
    answer = create_app(node).test_client().open(path, method=method, json=value, headers=headers)
    return answer.status_code, answer.get_json()


def look(node, person, path):
    """Return a desk page as somebody who has signed in gets it."""
    client = create_app(node).test_client()
    assert client.post("/api/session", json={"token": person.token(node.signer.urn)}).status_code == 200
    return unescape(client.get(path).get_data(as_text=True))


def test_a_leader_of_the_district_refuses_at_their_own_desk_and_the_commune_is_bound_by_it(pending):
    """Their grant travels with the refusal, so the commune judges alike; whoever only leads there cannot withdraw."""
    offices, erasure = pending
    commune, district = offices.commune, offices.district
    person = offices.made.person(DISTRICT, "leader")
    district.model.follower.catch_up()
    listed = look(district, person, "/desk/erasures")
    assert "việc xác nhận thực hiện ở đó" in listed
    assert 'data-sign="erasure.refused" data-stream="unit.h41-12-03"' in listed
    wanted = {"type": "erasure.withdrawn", "fields": {"of": erasure.id, "reason": WHY}}
    assert speak(district, person, "POST", "/api/erasures/drafts", wanted)[1]["error"] == "not_entitled"
    status, draft = speak(district, person, "POST", "/api/erasures/drafts", wanted | {"type": "erasure.refused"})
    assert (status, draft["event"]["unit"]) == (200, COMMUNE)
    assert speak(district, person, "POST", "/api/events", person.envelope(draft["event"]))[0] == 201
    assert "đã xóa hồ sơ trước khi nhận được tin này" in look(district, person, f"/desk/erasures/{erasure.id}")
    offices.confirm(erasure)

    hand_over(district, commune)
    assert commune.erasing.settle() == 0
    found = commune.erasures.get(erasure.id)
    assert (found.is_stopped, found.stop.actor) == (True, person.urn)
    hand_over(commune, district)
    assert outcome(district, erasure) == outcome(commune, erasure)
