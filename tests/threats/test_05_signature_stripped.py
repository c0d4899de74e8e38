"""Threat 5: an event without its signature. There is no such form."""

from __future__ import annotations

import copy

import orjson
import pytest

from crypto import base64url, jcs
from replication.document import Doc, Rev
from server.dossier.documents import event_doc

STRIPPED = {
    "no member": lambda e: e.pop("signatures"),
    "empty list": lambda e: e.update(signatures=[]),
    "null": lambda e: e.update(signatures=None),
    "two of them": lambda e: e.update(signatures=e["signatures"] * 2),
    "empty signature": lambda e: e["signatures"][0].update(signature=""),
    "zeros": lambda e: e["signatures"][0].update(signature=base64url.encode(bytes(64))),
    "alg none": lambda e: e["signatures"][0].update(protected=_header(e, alg="none"), signature=""),
    "no header": lambda e: e["signatures"][0].pop("protected"),
}


def _header(envelope, **changes):
    header = orjson.loads(base64url.decode(envelope["signatures"][0]["protected"]))
    return base64url.encode(jcs.canonical(header | changes))


@pytest.mark.parametrize("how", STRIPPED)
def test_an_event_without_a_signature_gets_in_by_no_road(office, helpers, how):
    """Over the API it is a 400 or 403 that says what is missing; from a peer it goes into quarantine; nothing shows."""
    person = office.citizen.person
    envelope = person.envelope(helpers.submission(office.node.unit, person))
    whole = event_doc(copy.deepcopy(envelope))
    STRIPPED[how](envelope)

    answer = office.citizen.post("/api/events", envelope)
    by_peer = Doc(id=whole.id, rev=Rev(str(whole.rev)), body=orjson.dumps(envelope))
    from server.intake.source import Source

    result = office.node.intake.admit(office.node.database, [by_peer], source=Source("peer", "test"))[0]

    assert answer.status_code in (400, 403), answer.text
    assert set(answer.json()) >= {"error", "reason"}
    assert result.error is not None
    assert office.node.quarantine.all()[0].doc_id == whole.id
    assert office.official.get(f"/api/dossiers/{envelope['event']['stream']}").status_code == 404
