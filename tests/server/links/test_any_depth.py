"""Trees of other shapes than three tiers: a dossier reaches the top and a decision comes back, with real nodes."""

from __future__ import annotations

import random

import pytest

from server.links.neighbours import Neighbour

JPEG = b"\xff\xd8\xff\xe0" + random.Random(7).randbytes(40_000)


@pytest.fixture
def grow(make_homes, serve):
    """Nodes for units from the top down, each linked to the one before it, the links at work."""

    def make(*unit_codes):
        homes, running, above = make_homes(*unit_codes), [], None
        for unit in unit_codes:
            node, url = serve(homes[unit], sync=True)
            if above:
                node.links.put(Neighbour("parent", above, "parent"))
            running.append((node, url))
            above = url
        return running

    return make


@pytest.mark.parametrize(
    "unit_codes",
    [("H41", "H41.03"), ("H41", "H41.12.03"), ("H41", "H41.12", "H41.12.03", "H41.12.03.07")],
    ids=["commune under province", "a code with a gap", "four tiers"],
)
def test_a_dossier_reaches_the_top_and_a_decision_comes_back(grow, key_pool, helpers, unit_codes):
    """Nothing counts tiers: file, receipt and decision of the lowest unit go up, a word from the top comes down."""
    from server.pki.authority import Authority

    running = grow(*unit_codes)
    (top, top_url), (low, low_url) = running[0], running[-1]

    def enrol(node, url, role=""):
        person = helpers.issue_person(Authority.open(node.home), key_pool())
        node.copier.ensure_certificate(node.database, person.certificate)
        if role:
            node.people.grant(person.urn, "Cán bộ", role)
        return helpers.Client(url, node.signer.urn, person)

    def act(client, stream, type, **fields):
        draft = client.post(f"/api/dossiers/{stream}/drafts", {"type": type, "fields": fields})
        assert draft.status_code == 200, draft.text
        posted = client.post("/api/events", client.person.envelope(draft.json()["event"]))
        assert posted.status_code == 201, posted.text

    citizen, clerk = enrol(low, low_url), enrol(low, low_url, "official")
    overseer = enrol(top, top_url, "official")
    event = helpers.submission(low.unit, citizen.person, files=[citizen.put_file(JPEG)])
    assert citizen.post("/api/events", citizen.person.envelope(event)).status_code == 201
    stream = event["stream"]

    def whole():
        row = top.model.queries.dossier(stream)
        return row is not None and row.received and row.files_here == row.files_total == 1

    helpers.wait_until(whole)
    act(overseer, stream, "dossier.commented", text="Tỉnh đã xem")
    helpers.wait_until(lambda: [note.text for note in low.model.story(stream).dossier.comments] == ["Tỉnh đã xem"])
    act(clerk, stream, "dossier.refused", reason="Không thuộc thẩm quyền")
    refused = low.model.story(stream).dossier.status
    helpers.wait_until(lambda: top.model.queries.dossier(stream).status == refused)

    helpers.wait_until(lambda: not any(node.quarantine.count() for node, _ in running))
