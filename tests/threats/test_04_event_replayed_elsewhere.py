"""Threat 4: a valid event under another dossier, unit or database."""

from __future__ import annotations

from dataclasses import replace

from replication.document import DocId
from server.dossier.documents import certificate_doc
from server.intake.source import Source


def test_an_event_under_another_dossiers_name_is_refused(commune, citizen, helpers):
    """The stream stands inside what was signed, so a document id that names another dossier does not fit."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))
    other = helpers.submission(commune.home.unit, citizen)["stream"]
    moved = replace(doc, id=DocId(other + ":" + doc.id.partition(":")[2]))

    assert commune.put(moved).startswith("bad_id")


def test_an_event_of_one_commune_has_no_place_in_anothers_database(make_homes, make_station, key_pool, helpers):
    """The unit stands inside as well; the district, which holds both databases, keeps them apart."""
    from cryptography.hazmat.primitives.serialization import Encoding

    homes = make_homes("H41", "H41.12", "H41.12.03", "H41.12.04")
    commune, district = make_station(homes["H41.12.03"]), make_station(homes["H41.12"])
    person = commune.enrol(key_pool)
    docs = [
        certificate_doc(each.public_bytes(Encoding.DER)) for each in (*homes["H41.12.03"].chain(), person.certificate)
    ]
    event = person.sign(helpers.submission("H41.12.03", person))
    for name in ("u-h41-12-03", "u-h41-12-04"):
        district.copier.ensure_database(name)
        district.intake.admit(name, docs, source=Source("peer", "test"))

    assert district.put(event, "u-h41-12-04").startswith("wrong_database")
    assert district.put(event, "u-h41-12").startswith("wrong_database")
    assert district.put(event, "registry").startswith("wrong_database")
    assert district.put(event, "u-h41-12-03") == ""


def test_a_decision_repeated_in_the_same_dossier_changes_nothing(office):
    """The same acceptance again is the same event. Signed once more by the official's own program, with another due
    date, it is kept and does not count; one that hides having seen the first is shown as what it is, a second decision
    beside it. The desk drafts neither."""
    stream = office.file()
    draft = {"type": "dossier.accepted", "fields": {"due": "2036-12-31T10:00:00Z"}}
    event = office.official.post(f"/api/dossiers/{stream}/drafts", draft).json()["event"]
    sign = office.official.person.envelope
    answers = [office.official.post("/api/events", sign(event)) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    first = answers[0].json()["id"].rpartition(":")[2]
    assert states(office, stream) == {first: "applied"}

    other = event | {"nonce": "A" * 22, "body": event["body"] | {"due": "2040-12-31T10:00:00Z"}}
    later = post(office, sign(other | {"prev": [first]}))
    assert states(office, stream) == {first: "applied", later: "not_applied"}
    assert office.node.model.story(stream).dossier.due == "2036-12-31T10:00:00Z"
    assert office.official.post(f"/api/dossiers/{stream}/drafts", draft).status_code == 409

    beside = post(office, sign(other))
    assert states(office, stream)[beside] == states(office, stream)[first] == "disputed"


def post(office, envelope):
    answer = office.official.post("/api/events", envelope)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"].rpartition(":")[2]


def states(office, stream):
    """What became of each acceptance of a dossier."""
    timeline = office.node.model.story(stream).dossier.timeline
    return {each.id: each.state for each in timeline if each.stored.event.type == "dossier.accepted"}
