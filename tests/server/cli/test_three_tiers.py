"""A commune, a district and a province replicate over HTTP, all through the door of each."""

from __future__ import annotations

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300


def test_a_dossier_reaches_the_province_whole_and_an_answer_comes_back(tiers, key_pool, helpers):
    """Event, receipt and files travel up; a comment from the district travels down and counts there too."""
    (province, _), (district, district_url), (commune, commune_url) = tiers.values()
    citizen = helpers.enrol(commune, commune_url, key_pool())
    official = helpers.enrol(district, district_url, key_pool(), "official")
    reference = citizen.put_file(JPEG)
    event = helpers.submission(commune.unit, citizen.person, files=[reference])
    assert citizen.post("/api/events", citizen.person.envelope(event)).status_code == 201
    stream = event["stream"]

    def whole(node):
        row = node.model.queries.dossier(stream)
        return row is not None and row.received and row.files_here == row.files_total == 1

    helpers.wait_until(lambda: whole(province))
    draft = official.post(
        f"/api/dossiers/{stream}/drafts", {"type": "dossier.commented", "fields": {"text": "Huyện đã xem"}}
    )
    assert draft.status_code == 200, draft.text
    posted = official.post("/api/events", official.person.envelope(draft.json()["event"]))
    assert posted.status_code == 201, posted.text

    def comments(node):
        if node.model.queries.dossier(stream) is None:
            return []
        return [note.text for note in node.model.story(stream).dossier.comments]

    for node in (commune, district, province):
        helpers.wait_until(lambda node=node: comments(node) == ["Huyện đã xem"])

    def held(node):
        return {row.id for row in node.store.open("u-h41-12-03").changes().rows}

    helpers.wait_until(lambda: held(commune) == held(district) == held(province))
    helpers.wait_until(lambda: not any(node.quarantine.count() for node in (commune, district, province)))


def test_the_registry_comes_down_and_not_up(tiers, helpers):
    """What the province publishes reaches the commune; the commune cannot write into the district's registry."""
    from server.node.publishing import publish_sample

    (province, _), (_, district_url), (commune, _) = tiers.values()
    count = publish_sample(province)
    assert count > 30
    assert publish_sample(province) == 0

    helpers.wait_until(lambda: len(commune.model.catalogue().bodies) == len(province.model.catalogue().bodies))

    assert commune.model.units().describe("H41.12.03", "2030-01-01T00:00:00Z").name
    doc = commune.signer.sign(
        stream="unit.h41-12-03",
        type="unit.described",
        at=commune.clock.now(),
        body={"code": "H41.12.03", "name": "x", "tier": "commune", "from": "2026-01-01T00:00:00Z"},
    )
    headers = {"Authorization": f"Bearer {commune.signer.token('urn:tram:node:h41-12', commune.clock.now())}"}
    from replication.wire import render_document

    answer = helpers.Client(district_url, "")(
        "POST",
        "/db/registry/_bulk_docs",
        data=b'{"new_edits":false,"docs":[' + render_document(doc, revs=True) + b"]}",
        headers=headers | {"Content-Type": "application/json"},
    )
    assert [row["error"] for row in answer.json()] == ["forbidden"]


def test_a_node_opens_its_own_branch_and_no_other(tiers, make_homes, helpers):
    """A sibling, proven to be of the tree, reads the registry and nothing of its neighbour."""
    _, (_, district_url), (commune, _) = tiers.values()
    headers = {"Authorization": f"Bearer {commune.signer.token('urn:tram:node:h41-12', commune.clock.now())}"}
    client = helpers.Client(district_url, "")
    helpers.wait_until(lambda: client.get("/db/u-h41-12-03", headers=headers).status_code == 200)

    statuses = {
        name: client.get(f"/db/{name}", headers=headers).status_code
        for name in ("registry", "u-h41-12-03", "u-h41-12", "u-h41-12-04", "mine")
    }

    assert statuses == {"registry": 200, "u-h41-12-03": 200, "u-h41-12": 403, "u-h41-12-04": 403, "mine": 403}
    assert client.get("/db/registry").status_code == 401
    assert client("DELETE", "/db/u-h41-12-03", headers=headers).status_code == 403
