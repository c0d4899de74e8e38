"""Chunks, manifests, certificates, CRLs and the registry at the door; and what quarantine keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.crl import Revocation
from replication.document import Attachment, Doc, DocId, Rev
from replication.errors import Forbidden
from server.dossier.documents import chunk_doc, crl_doc, manifest_doc
from server.dossier.manifest import build_manifest
from server.intake.guard import GuardedDatabase
from server.intake.quarantine import SOURCE_BYTES, Refusal
from server.intake.source import Source

FILES = "f-h41-12-03"
DATA = bytes(range(256)) * 200


def _with_bytes(doc, data, **changes):
    return replace(doc, attachments={"chunk": replace(doc.attachments["chunk"], data=data, **changes)})


def test_chunks_and_manifests_are_taken_in_any_order_and_only_where_they_belong(commune):
    """A manifest may come before its chunks; neither belongs among events."""
    manifest, chunks = build_manifest(DATA)

    assert commune.put(manifest_doc(manifest), FILES) == ""
    assert [commune.put(chunk_doc(chunk), FILES) for chunk in chunks] == [""] * 6
    assert commune.put(chunk_doc(chunks[0])).startswith("wrong_database")
    assert commune.put(manifest_doc(manifest), "registry").startswith("wrong_database")


@pytest.mark.parametrize(
    ("break_it", "word"),
    [
        (lambda doc: _with_bytes(doc, b"other bytes"), "bad_hash"),
        (lambda doc: _with_bytes(doc, None), "schema"),
        (lambda doc: _with_bytes(doc, DATA[:100], encoding="gzip"), "schema"),
        (lambda doc: _with_bytes(doc, DATA[:100], content_type="text/html"), "schema"),
        (lambda doc: _with_bytes(doc, b"x" * 32769), "too_large"),
        (lambda doc: replace(doc, attachments={}), "schema"),
        (lambda doc: replace(doc, attachments={**doc.attachments, "more": Attachment("a/b", data=b"x")}), "schema"),
        (lambda doc: replace(doc, body=b'{"note":"x"}'), "schema"),
        (lambda doc: replace(doc, rev=Rev("2-" + doc.path[0]), path=(doc.path[0], doc.path[0])), "not_immutable"),
    ],
)
def test_a_chunk_that_is_not_its_name_is_refused(commune, break_it, word):
    """Bytes, kind, size and shape: a chunk is its hash and nothing else."""
    reason = commune.put(break_it(chunk_doc(DATA[:100])), FILES)

    assert reason.startswith(word), reason


def test_a_manifest_under_another_name_is_refused(commune):
    """Its name is the hash of its canonical form."""
    manifest, _ = build_manifest(DATA)
    doc = manifest_doc(manifest)

    assert commune.put(replace(doc, id=DocId("file:sha256-" + "A" * 43)), FILES).startswith("bad_id")
    assert commune.put(replace(doc, body=doc.body.replace(b'"v":2', b'"v":3')), FILES).startswith("schema")


def test_a_revoked_signer_is_refused_from_then_on(commune, citizen, helpers):
    """After the CRL an event dated after the revocation does not enter; a CRL of a stranger counts for nothing."""
    now = commune.now[0]
    serial = citizen.certificate.serial_number

    def crl(authority, number):
        made = authority.issue_crl([Revocation(serial, now - timedelta(hours=1))], number=number, now=now)
        return crl_doc(made.public_bytes(Encoding.DER))

    forged = commune.authority.__class__("H41.12.03", commune.home.node_key(), commune.authority.chain)
    assert commune.put(crl(forged, 9)).startswith("bad_crl")
    assert commune.put(citizen.sign(helpers.submission(commune.home.unit, citizen))) == ""

    assert commune.put(crl(commune.authority, 1)) == ""

    assert commune.put(citizen.sign(helpers.submission(commune.home.unit, citizen))).startswith("revoked")


def test_the_registry_is_written_by_nodes_above_alone(make_homes, make_station, key_pool, helpers):
    """A person's certificate, or a node beside or below, publishes nothing; nothing of a dossier belongs there."""
    homes = make_homes()
    commune, district, province = (make_station(homes[unit]) for unit in ("H41.12.03", "H41.12", "H41"))
    body = {"code": "H41.12.03", "name": "Xã", "tier": "commune", "from": "2026-01-01T00:00:00Z"}

    def described(station, unit="H41.12.03"):
        return station.signer.sign(
            stream="unit." + unit.lower().replace(".", "-"),
            type="unit.described",
            at=station.now[0],
            unit=unit,
            body=body | {"code": unit},
        )

    for station in (district, province):
        for certificate in (station.signer.certificate, *station.authority.chain[::-1]):
            commune.put(helpers.certificate_doc(certificate.public_bytes(Encoding.DER)), "registry")
            district.put(helpers.certificate_doc(certificate.public_bytes(Encoding.DER)), "registry")
    for certificate in (*commune.authority.chain[::-1], commune.signer.certificate):
        district.put(helpers.certificate_doc(certificate.public_bytes(Encoding.DER)), "registry")

    assert commune.put(described(province), "registry") == ""
    assert commune.put(described(district), "registry") == ""
    assert district.put(described(commune), "registry").startswith("wrong_database")
    assert commune.put(described(district, "H41.13"), "registry").startswith("wrong_database")
    person = commune.enrol(key_pool)
    submission = person.sign(helpers.submission("H41.12.03", person))
    assert commune.put(submission, "registry").startswith("wrong_database")


def test_a_guarded_database_refuses_what_is_not_a_write_of_documents(commune, citizen, helpers):
    """Peers purge nothing and change no settings; their checkpoints are theirs."""
    guarded = GuardedDatabase(commune.store.open(commune.database), commune.intake, Source("peer", "x"))

    with pytest.raises(Forbidden):
        guarded.purge({})
    with pytest.raises(Forbidden):
        guarded.set_security({})
    with pytest.raises(Forbidden):
        guarded.set_revs_limit(1)
    assert guarded.put_local("a", b"{}") == "0-1"
    assert guarded.bulk_docs([Doc(DocId("note"), body=b'{"a":1}')])[0].error.error == "forbidden"
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))
    assert guarded.bulk_docs([doc], new_edits=False)[0].error is None
    assert guarded.get(doc.id).rev == doc.rev


def test_evidence_of_one_source_cannot_crowd_out_anothers(commune):
    """Each source fills its own share; beyond it the oldest goes. The same refusal again is counted, not kept twice."""
    quarantine = commune.quarantine

    def hold(source, n, size=60_000):
        doc = Doc(DocId(f"d{n}"), Rev("1-" + "a" * 32), ("a" * 32,), body=b'{"x":"' + b"y" * size + b'"}')
        quarantine.hold([Refusal(doc, "schema", "r")], database="u-x", source=source, at=commune.now[0])

    hold("peer:quiet", 0)
    for n in range(SOURCE_BYTES // 60_000 + 20):
        hold("peer:loud", n)
    hold("peer:loud", 10_000, 10)
    hold("peer:loud", 10_000, 10)

    held = quarantine.all(limit=1000)
    loud = [each for each in held if each.source == "peer:loud"]
    assert [each.source for each in held].count("peer:quiet") == 1
    assert sum(len(each.evidence) for each in loud) <= SOURCE_BYTES
    assert loud[0].times == 2
    assert "d0" not in {each.doc_id for each in loud}


def test_evidence_that_still_does_not_pass_is_not_lost(make_homes, make_station, key_pool, helpers):
    """A certificate arrives and the event under it is bad: the event stays in quarantine, under the new reason."""
    import orjson

    commune = make_station(make_homes()["H41.12.03"])
    stranger = helpers.issue_person(commune.authority, key_pool())
    doc = stranger.sign(helpers.submission("H41.12.03", stranger))
    fields = orjson.loads(doc.body)
    signature = fields["signatures"][0]["signature"]
    fields["signatures"][0]["signature"] = ("B" if signature[0] == "A" else "A") + signature[1:]
    bad = replace(doc, body=orjson.dumps(fields))
    assert commune.put(bad).startswith("unknown_certificate")

    assert commune.put(helpers.certificate_doc(stranger.certificate.public_bytes(Encoding.DER))) == ""

    assert [(held.code, held.doc_id) for held in commune.quarantine.all()] == [("bad_signature", doc.id)]


def test_a_ca_that_a_command_beside_the_node_took_in_is_known_to_the_node(make_homes, make_station, key_pool, helpers):
    """A stick is imported by a command while the node serves: what comes over the link below that CA is welcome, though
    the CA is not sent a second time, being here."""
    homes = make_homes()
    serving, command = make_station(homes["H41"]), make_station(homes["H41"])
    commune = make_station(homes["H41.12.03"])
    person, database = commune.enrol(key_pool), commune.database
    serving.copier.ensure_database(database)
    assert serving.directory.authorities(database) == {}  # what it will remember
    for each in reversed(homes["H41.12.03"].chain()):
        assert command.put(helpers.certificate_doc(each.public_bytes(Encoding.DER)), database) == ""

    leaf = helpers.certificate_doc(person.certificate.public_bytes(Encoding.DER))
    event = person.sign(helpers.submission("H41.12.03", person))

    assert [serving.put(each, database) for each in (leaf, event)] == ["", ""]


def test_a_renewed_ca_that_a_command_beside_the_node_took_in_counts_at_the_next_look(
    make_homes, make_station, key_pool, helpers
):
    """The new certificate is of the same key, so the old one is found under it and nothing seems to be wanting."""
    homes = make_homes()
    serving, command = make_station(homes["H41.12.03"]), make_station(homes["H41.12.03"])
    district = make_station(homes["H41.12"])
    person = serving.enrol(key_pool)
    der = person.certificate.public_bytes(Encoding.DER)
    before = serving.directory.path(serving.database, der)
    renewed = district.authority.issue_unit(
        serving.authority.certificate.public_key(), unit="H41.12.03", now=serving.now[0] + timedelta(days=1)
    )
    assert command.put(helpers.certificate_doc(renewed.public_bytes(Encoding.DER))) == ""

    serving.directory.look_again()

    after = serving.directory.path(serving.database, der)
    assert renewed.public_bytes(Encoding.DER) in after
    assert len(after) == len(before) + 1
