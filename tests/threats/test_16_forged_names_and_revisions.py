"""Threat 16: ids and revisions that are not the content's, tombstones, design documents, over the protocol."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from replication.document import DocId, Rev
from server.dossier.documents import event_doc
from server.intake.source import Source

ATTACKS = {
    "the same id with another body": lambda doc, other: replace(doc, body=other.body),
    "a revision that would win": lambda doc, other: replace(doc, rev=Rev("9999-" + "f" * 32), path=("f" * 32,)),
    "another revision of generation 1": lambda doc, other: replace(doc, rev=Rev("1-" + "f" * 32), path=("f" * 32,)),
    "a tombstone": lambda doc, other: replace(doc, deleted=True),
    "a tombstone over it": lambda doc, other: replace(doc, rev=Rev("2-" + "a" * 32), path=("a" * 32,), deleted=True),
    "a history put on by hand": lambda doc, other: replace(doc, path=(str(doc.rev)[2:], "b" * 32)),
    "a design document": lambda doc, other: replace(doc, id=DocId("_design/x")),
    "a local document": lambda doc, other: replace(doc, id=DocId("_local/x")),
    "another event's id": lambda doc, other: replace(doc, id=other.id),
}


@pytest.mark.parametrize("how", ATTACKS)
def test_a_forged_name_leaves_what_is_stored_as_it_is(commune, citizen, helpers, how):
    """new_edits=false lets a peer say anything about revisions; ids and revisions are computed again here."""
    doc, other = (citizen.sign(helpers.submission(commune.home.unit, citizen)) for _ in range(2))
    assert commune.put(doc) == ""
    before = commune.store.open(commune.database).get(doc.id)
    count = commune.store.open(commune.database).info().doc_count

    refusal = commune.put(ATTACKS[how](doc, other))

    assert refusal.partition(":")[0] in {"bad_id", "not_immutable"}, refusal
    after = commune.store.open(commune.database).get(doc.id)
    assert (after.rev, after.body, after.deleted) == (before.rev, before.body, False)
    assert commune.store.open(commune.database).info().doc_count == count
    assert commune.quarantine.count() == 1


def test_a_peer_that_overwrites_over_http_is_refused_document_by_document(serve, make_homes, helpers, key_pool):
    """_bulk_docs with new_edits=false by a proven child: each forgery is refused in its own row, the good one
    stored."""
    import requests

    from server.pki.authority import Authority
    from server.pki.documents import to_base64
    from server.signing import NodeSigner

    homes = make_homes()
    district, url = serve(homes["H41.12"])
    commune = homes["H41.12.03"]
    signer = NodeSigner.of(commune)
    chain = [to_base64(each) for each in (signer.certificate, *commune.chain())]
    assert requests.post(f"{url}/api/introductions", json={"chain": chain}, timeout=60).status_code == 200
    headers = {"Authorization": f"Bearer {signer.token(district.signer.urn, district.clock.now())}"}
    requests.put(f"{url}/db/u-h41-12-03", headers=headers, timeout=60)
    person = helpers.issue_person(Authority.open(commune), key_pool())
    good = event_doc(person.envelope(helpers.submission("H41.12.03", person)))
    certificates = [
        {"_id": doc.id, "_rev": doc.rev, **orjson.loads(doc.body)}
        for doc in map(
            helpers.certificate_doc, (each.public_bytes(_der()) for each in (*commune.chain(), person.certificate))
        )
    ]
    forged = {"_id": good.id, "_rev": "7-" + "e" * 32, **orjson.loads(good.body)}
    gone = {"_id": good.id, "_rev": "2-" + "d" * 32, "_deleted": True}
    docs = [*certificates, {"_id": good.id, "_rev": good.rev, **orjson.loads(good.body)}, forged, gone]

    answer = requests.post(
        f"{url}/db/u-h41-12-03/_bulk_docs", json={"docs": docs, "new_edits": False}, headers=headers, timeout=60
    )

    assert answer.status_code == 201, answer.text
    refused = [row for row in answer.json() if "error" in row]
    assert [row["error"] for row in refused] == ["forbidden", "forbidden"]
    held = requests.get(f"{url}/db/u-h41-12-03/{good.id}?conflicts=true", headers=headers, timeout=60).json()
    assert held["_rev"] == good.rev
    assert "_conflicts" not in held


def _der():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def test_a_source_is_part_of_the_evidence(commune, citizen, helpers):
    """Who sent the forgery stands beside it in quarantine."""
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))

    commune.put(replace(doc, deleted=True), source=Source("peer", "urn:tram:node:h41-12-99"))

    (held,) = commune.quarantine.all()
    assert held.source == "peer:urn:tram:node:h41-12-99"
    assert held.whole
