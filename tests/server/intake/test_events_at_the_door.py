"""Events offered to the door of a commune."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from replication.document import DocId, Rev
from server.verify import verify_path


def test_an_authentic_event_is_stored_with_the_revision_of_its_content(commune, citizen, helpers):
    """A good event is acknowledged, and the store holds it byte for byte under its own name."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))

    assert commune.put(doc) == ""

    held = commune.store.open(commune.database).get(doc.id)
    assert held.rev == doc.rev
    assert orjson.loads(held.body) == orjson.loads(doc.body)
    assert commune.admissions.of(commune.database, doc.id).verdict.status == "valid"


def _changed(doc, **event):
    fields = orjson.loads(doc.body)
    fields["event"] |= event
    return replace(doc, body=orjson.dumps(fields))


def test_an_event_changed_after_signing_does_not_fit_its_name(commune, citizen, helpers):
    """A changed event under the old name is refused: the name is its hash."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))

    assert commune.put(_changed(doc, at="2026-01-01T00:00:00Z")).startswith("bad_id")


def test_a_changed_event_under_its_own_name_has_a_bad_signature(commune, citizen, helpers):
    """Giving the changed event its right name does not help: the signature is over other bytes."""
    signed = citizen.envelope(helpers.submission(commune.home.unit, citizen))
    from server.dossier.documents import event_doc

    doc = event_doc(signed | {"event": signed["event"] | {"at": "2026-01-01T00:00:00Z"}})

    assert commune.put(doc).startswith("bad_signature")


def test_an_event_signed_by_one_person_in_the_name_of_another_is_refused(commune, citizen, key_pool, helpers):
    """Actor and certificate must agree."""
    other = commune.enrol(key_pool)

    doc = citizen.sign(helpers.submission(commune.home.unit, other))

    assert commune.put(doc).startswith("actor_mismatch")


def test_an_event_of_another_unit_does_not_belong_here(commune, citizen, helpers):
    """The unit in the event names the database."""
    assert commune.put(citizen.sign(helpers.submission("H41.12.04", citizen))).startswith("wrong_database")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rev": Rev("9999-ffffffffffffffffffffffffffffffff"), "path": ()}, "not_immutable"),
        ({"rev": Rev("1-ffffffffffffffffffffffffffffffff"), "path": ()}, "bad_id"),
        ({"deleted": True}, "not_immutable"),
        ({"id": DocId("_design/x")}, "not_immutable"),
        ({"id": DocId("x" * 300)}, "bad_id"),
        ({"rev": None, "path": ()}, "bad_id"),
        ({"body": b'{"event":{},"event":{}}'}, "malformed"),
        ({"body": b"{" + b'"a":{' * 2000 + b"}" * 2000 + b"}"}, "malformed"),
        ({"body": b'{"event":"' + b"x" * 200_000 + b'"}'}, "too_large"),
    ],
)
def test_what_is_no_immutable_document_is_refused_by_name(commune, citizen, helpers, change, word):
    """Forged revisions, tombstones, design documents, doubled members, deep and large bodies: none passes."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))

    reason = commune.put(replace(doc, **change))

    assert reason.startswith(word), reason


def test_a_forged_copy_of_a_stored_event_leaves_it_unchanged(commune, citizen, helpers):
    """Another body under a stored event's name is refused and the stored body stays."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))
    commune.put(doc)

    assert commune.put(_changed(doc, at="2026-01-01T00:00:00Z")).startswith("bad_id")
    assert orjson.loads(commune.store.open(commune.database).get(doc.id).body) == orjson.loads(doc.body)


def test_one_bad_document_does_not_stop_its_batch(commune, citizen, helpers):
    """The rest of a batch is stored; the bad one is named."""
    good, bad = (citizen.sign(helpers.submission(commune.home.unit, citizen)) for _ in range(2))
    from server.intake.source import Source

    results = commune.intake.admit(
        commune.database, [replace(bad, deleted=True), good], source=Source("peer", "urn:tram:node:h41-12")
    )

    assert results[0].error is not None
    assert results[0].error.error == "forbidden"
    assert results[1].error is None
    held = commune.quarantine.all()
    assert [(h.code, h.source, h.doc_id) for h in held] == [("not_immutable", "peer:urn:tram:node:h41-12", bad.id)]
    assert bad.rev.encode() in held[0].evidence


def test_an_event_waits_for_its_certificate_and_is_taken_when_it_comes(commune, key_pool, helpers):
    """The order of arrival does not decide: a quarantined event is offered again once its signer is known."""
    stranger = helpers.issue_person(commune.authority, key_pool())
    doc = stranger.sign(helpers.submission(commune.home.unit, stranger))
    assert commune.put(doc).startswith("unknown_certificate")

    from cryptography.hazmat.primitives.serialization import Encoding

    assert commune.put(helpers.certificate_doc(stranger.certificate.public_bytes(Encoding.DER))) == ""

    assert commune.store.open(commune.database).get(doc.id).rev == doc.rev
    assert commune.quarantine.count() == 0


def _waiting_event(commune, key_pool, helpers):
    """An event in quarantine, and the document of the certificate it waits for."""
    from cryptography.hazmat.primitives.serialization import Encoding

    stranger = helpers.issue_person(commune.authority, key_pool())
    doc = stranger.sign(helpers.submission(commune.home.unit, stranger))
    assert commune.put(doc).startswith("unknown_certificate")
    return doc, helpers.certificate_doc(stranger.certificate.public_bytes(Encoding.DER))


def test_what_waited_for_a_certificate_is_taken_although_the_node_died_when_that_was_stored(commune, key_pool, helpers):
    """The certificate is here and never comes as something new again: whoever looks later finds what waits for it."""
    doc, certificate = _waiting_event(commune, key_pool, helpers)
    other, _ = _waiting_event(commune, key_pool, helpers)
    commune.store.open(commune.database).bulk_docs([certificate], new_edits=False)  # and the power went
    assert commune.put(certificate) == ""

    commune.intake.offer_waiting()

    assert commune.store.open(commune.database).get(doc.id).rev == doc.rev
    assert [held.doc_id for held in commune.quarantine.all()] == [other.id]


def test_what_a_defect_keeps_out_when_it_is_offered_again_stays_in_quarantine(commune, key_pool, helpers, monkeypatch):
    """It was neither taken nor refused: its sender counts it as refused and sends it no more, so it is all there is."""
    from server.intake import door

    doc, certificate = _waiting_event(commune, key_pool, helpers)

    def fail(*_, **__):
        raise ValueError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(door, "check_event_document", fail)
        assert commune.put(certificate) == ""
    assert [held.doc_id for held in commune.quarantine.all()] == [doc.id]

    commune.intake.offer_waiting()

    assert commune.quarantine.count() == 0
    assert commune.store.open(commune.database).get(doc.id).rev == doc.rev


def test_a_chain_may_come_in_any_order_within_a_batch(make_homes, make_station, key_pool, helpers):
    """Leaf, commune CA, district CA, event: a batch in the worst order is stored whole by the province."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from server.intake.source import Source

    homes = make_homes()
    province, commune = make_station(homes["H41"]), make_station(homes["H41.12.03"])
    person = commune.enrol(key_pool)
    event = person.sign(helpers.submission("H41.12.03", person))
    chain = [
        helpers.certificate_doc(c.public_bytes(Encoding.DER)) for c in (person.certificate, *homes["H41.12.03"].chain())
    ]
    province.copier.ensure_database("u-h41-12-03")

    results = province.intake.admit("u-h41-12-03", [event, *chain], source=Source("peer", "urn:tram:node:h41-12"))

    assert [r.error for r in results] == [None] * 5


def test_a_certificate_of_another_root_is_refused(commune, tmp_path, key_pool, helpers):
    """A forged root with the same names opens nothing."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from server.home import Engine, Home, Settings
    from server.pki.authority import found_root

    forged = found_root(Home.create(tmp_path / "forged", Settings("H41", "x", Engine(), None, "")), datetime.now(UTC))
    person = helpers.issue_person(forged, key_pool())

    for certificate in (forged.certificate, person.certificate):
        reason = commune.put(helpers.certificate_doc(certificate.public_bytes(Encoding.DER)))
        assert reason.startswith(("untrusted_chain", "unknown_certificate")), reason
    reason = commune.put(person.sign(helpers.submission(commune.home.unit, person)))
    assert reason.startswith("unknown_certificate")


def test_an_event_that_arrives_after_its_certificate_expired_is_kept_as_indeterminate(commune, citizen, helpers):
    """Nobody can prove it was signed in time, and it must not be lost: it is stored with that verdict."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))
    commune.now[0] += timedelta(days=500)

    assert commune.put(doc) == ""
    verdict = commune.admissions.of(commune.database, doc.id).verdict
    assert (verdict.status, verdict.reason) == ("indeterminate", "expired")


@pytest.mark.parametrize("days", [0, 500], ids=["while it is good", "after its end"])
def test_an_event_dated_after_its_certificate_expired_is_refused(commune, citizen, helpers, days):
    """An author who says himself that the certificate had expired is believed, by the first node as by the last."""
    late = commune.now[0] + timedelta(days=450)
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen, at=late.strftime("%Y-%m-%dT%H:%M:%SZ")))
    commune.now[0] += timedelta(days=days)

    assert commune.put(doc).startswith("untrusted_chain")


@pytest.mark.parametrize("claimed", ["1970-01-01T00:00:07Z", "2025-06-01T00:00:00Z"])
def test_an_event_dated_before_its_certificate_is_taken_now_and_later_and_verifies(commune, citizen, helpers, claimed):
    """It names the certificate by its hash, so its author's clock stood in the past: a box without a battery."""
    early, late = (citizen.sign(helpers.submission(commune.home.unit, citizen, at=claimed)) for _ in range(2))

    assert commune.put(early) == ""
    commune.now[0] += timedelta(days=500)
    assert commune.put(late) == ""

    verdicts = [commune.admissions.of(commune.database, doc.id).verdict for doc in (early, late)]
    assert [(each.status, each.reason) for each in verdicts] == [("valid", ""), ("indeterminate", "expired")]
    commune.store.close()
    report = verify_path(commune.home.path)
    assert (report.problems, report.checked["events"]) == ([], 2)


def test_a_person_may_not_bring_another_persons_event(commune, citizen, key_pool, helpers):
    """Over /db/mine only one's own events are taken, however authentic others are."""
    from server.intake.source import Source

    other = commune.enrol(key_pool)
    doc = other.sign(helpers.submission(commune.home.unit, other))

    assert commune.put(doc, source=Source("person", citizen.urn)).startswith("actor_mismatch")
    assert commune.put(doc, source=Source("person", other.urn)) == ""
