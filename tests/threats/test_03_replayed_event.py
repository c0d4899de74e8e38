"""Threat 3: the same event again, by another road or dressed differently: one row, one receipt."""

from __future__ import annotations

import copy
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from crypto import base64url
from crypto.algorithms import der_from_raw, raw_from_der
from server.dossier.documents import event_doc
from server.intake.source import Source

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _malleated(envelope):
    """The second valid signature anybody can make from the first: (r, n-s)."""
    twin = copy.deepcopy(envelope)
    entry = twin["signatures"][0]
    r, s = decode_dss_signature(der_from_raw(base64url.decode(entry["signature"])))
    entry["signature"] = base64url.encode(raw_from_der(encode_dss_signature(r, P256_ORDER - s)))
    return twin


def _rows(office, stream):
    """The rows of what people said; the node's receipt may come at any moment."""
    office.node.model.follower.catch_up(office.node.database)
    events = office.node.model.events(stream, office.node.database)
    return [held.doc_id for held in events if held.stored.event.type != "receipt.issued"]


def test_the_same_event_three_times_and_by_three_roads_is_one(office, helpers):
    """From the phone, from a peer, from a stick, then with another valid signature: one document, acknowledged."""
    person = office.citizen.person
    envelope = person.envelope(helpers.submission(office.node.unit, person))
    stream = envelope["event"]["stream"]

    first = [office.citizen.post("/api/events", envelope) for _ in range(3)]
    assert {answer.status_code for answer in first} == {201}
    assert len({answer.json()["rev"] for answer in first}) == 1
    docs = [event_doc(envelope), event_doc(_malleated(envelope))]
    for source in (Source("peer", "urn:tram:node:h41-12"), Source("bundle", "b1")):
        results = office.node.intake.admit(office.node.database, docs, source=source)
        assert [result.error for result in results] == [None, None]

    assert len(_rows(office, stream)) == 1
    held = office.node.store.open(office.node.database).get(event_doc(envelope).id)
    assert held.rev == event_doc(envelope).rev == event_doc(_malleated(envelope)).rev


def test_padded_or_loose_base64_is_no_other_spelling(office, helpers):
    """ "=" at the end, or the bits nobody reads set: refused, so no second spelling of one signature exists."""
    person = office.citizen.person
    for spoil in (lambda s: s + "==", lambda s: s[:-1] + chr(ord(s[-1]) + 1), lambda s: s + "\n"):
        envelope = person.envelope(helpers.submission(office.node.unit, person))
        envelope["signatures"][0]["signature"] = spoil(envelope["signatures"][0]["signature"])

        answer = office.citizen.post("/api/events", envelope)

        assert answer.status_code in (400, 403), answer.text


def test_an_unprotected_header_cannot_carry_anything_in(office, helpers):
    """Only `etsiU` may stand there; a jku, a key or a second certificate is refused."""
    person = office.citizen.person
    members: list[dict[str, Any]] = [{"jku": "https://x"}, {"jwk": {}}, {"x5c": []}, {"kid": "1"}]
    for more in members:
        envelope = person.envelope(helpers.submission(office.node.unit, person))
        envelope["signatures"][0]["header"] |= more

        assert office.citizen.post("/api/events", envelope).status_code == 400
