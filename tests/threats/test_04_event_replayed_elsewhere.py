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
    """`prev` ties it to what its author saw: the same acceptance again is the same event, and a copy under a new nonce
    comes too late to count."""
    stream = office.file()
    office.act(office.official, stream, "dossier.accepted", due="2036-12-31T10:00:00Z")
    timeline = office.node.model.story(stream).dossier.timeline
    accepted = next(each for each in timeline if each.stored.event.type == "dossier.accepted")

    draft = office.official.post(
        f"/api/dossiers/{stream}/drafts", {"type": "dossier.accepted", "fields": {"due": "2036-12-31T10:00:00Z"}}
    )

    assert accepted.state == "applied"
    assert draft.status_code == 409
