"""A dossier whose retention ended leaves every tier for good, and nothing else does."""

from __future__ import annotations

import pytest

from crypto.hashing import sha256_id
from replication.document import DocId
from replication.errors import NotFound
from replication.store import AllDocsQuery
from server.cli import main
from server.dossier.documents import FILE_PREFIX
from server.dossier.manifest import CHUNK_BYTES
from server.verify import verify_path

SHARED = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 150  # four chunks
OWN = b"\xff\xd8\xff\xe0" + bytes(range(255, -1, -1)) * 150
NAME = "Vàng Thị Mỷ Tuyệt Mật"
EVENTS, FILES = "u-h41-12-03", "f-h41-12-03"


def post(client, answer):
    assert answer.status_code == 200, answer.text
    posted = client.post("/api/events", client.person.envelope(answer.json()["event"]))
    assert posted.status_code == 201, posted.text


def file(client, helpers, unit, *papers, name="Nguyễn Thị Ánh"):
    """File a dossier with papers, as a phone does; return its envelope."""
    files = [client.put_file(data, f"giay-{number}.jpg") for number, data in enumerate(papers)]
    body = {
        "procedure": "1.001193",
        "channel": "online",
        "applicant": {"name": name},
        "form": {"ho_ten": name},
        "delivery": "counter",
    }
    envelope = client.person.envelope(helpers.submission(unit, client.person, files=files, body=body))
    assert client.post("/api/events", envelope).status_code == 201
    return envelope


def refuse(client, stream):
    post(
        client,
        client.post(
            f"/api/dossiers/{stream}/drafts",
            {"type": "dossier.refused", "fields": {"reason": "Không thuộc thẩm quyền"}},
        ),
    )


def propose(client, stream, **fields):
    wanted = {"dossier": stream, "basis": "Quyết định 12/QĐ-UBND ngày 02/01/2046", "rule": "Thử nghiệm: 1 năm"}
    wanted |= {"ended": "2026-01-01T00:00:00Z"} | fields
    return client.post("/api/erasures/drafts", {"type": "erasure.proposed", "fields": wanted})


def holds(node, database, doc_id):
    return bool(here(node, database, [doc_id]))


def here(node, database, ids):
    rows = node.store.open(database).all_docs(AllDocsQuery(keys=tuple(ids))).rows
    return {row.id for row in rows if row.rev is not None and not row.deleted}


def test_two_persons_erase_a_dossier_on_every_tier_and_the_shared_scan_stays(tiers, key_pool, helpers):
    """Tiers that were offline meanwhile follow; each node signs for it; nothing that comes back is stored; verify
    holds on every tier; no file of the commune holds the name any more."""
    nodes = [node for node, _ in tiers.values()]
    province, _, commune = nodes
    url = tiers["H41.12.03"][1]
    citizen, official = helpers.enrol(commune, url, key_pool()), helpers.enrol(commune, url, key_pool(), "official")
    leader = helpers.enrol(commune, url, key_pool(), "leader")
    going = file(citizen, helpers, commune.unit, SHARED, OWN, name=NAME)
    staying = file(citizen, helpers, commune.unit, SHARED)
    stream, kept = going["event"]["stream"], staying["event"]["stream"]
    assert propose(leader, stream).status_code == 409  # it is not closed
    refuse(official, stream)

    def whole(node, stream):
        row = node.model.queries.dossier(stream)
        return row is not None and row.received and row.files_here == row.files_total > 0

    helpers.wait_until(lambda: whole(province, stream) and whole(province, kept))
    helpers.wait_until(lambda: province.model.queries.dossier(stream).status == 3)
    named = sorted(row.id for row in province.store.open(EVENTS).changes().rows if row.id.startswith(stream))
    commune.links.set_paused("parent", True)
    helpers.wait_until(lambda: not commune.sync._running)

    assert propose(official, stream).status_code == 403
    assert propose(leader, stream, rule="").status_code == 400
    post(leader, propose(leader, stream))
    [erasure] = commune.erasures.all()
    again = leader.post("/api/erasures/drafts", {"type": "erasure.confirmed", "fields": {"of": erasure.id}})
    assert again.status_code == 409
    assert main(["erase", "confirm", str(commune.home.path), erasure.id]) == 0
    helpers.wait_until(lambda: commune.erasing.is_done(erasure.id))
    assert here(commune, EVENTS, named) == set()
    assert here(province, EVENTS, named) == set(named)

    commune.links.set_paused("parent", False)
    commune.sync.notice(set())
    urns = {node.signer.urn for node in nodes}
    for node in nodes:
        helpers.wait_until(lambda node=node: urns == {done.node for each in node.erasures.all() for done in each.done})
        assert here(node, EVENTS, named) == set()
        assert node.model.queries.dossier(stream) is None
        assert whole(node, kept)
        shared, own = (file["manifest"] for file in going["event"]["files"])
        assert holds(node, FILES, FILE_PREFIX + shared)
        assert not holds(node, FILES, FILE_PREFIX + own)
        assert not holds(node, FILES, sha256_id(OWN[:CHUNK_BYTES]))
        assert holds(node, FILES, sha256_id(SHARED[:CHUNK_BYTES]))
    assert citizen.get(f"/api/dossiers/{stream}").status_code == 404
    with pytest.raises(NotFound):
        commune.store.open(EVENTS).get(DocId(named[0]))

    back = citizen.post("/api/events", going)  # the citizen's phone offers it again
    assert back.status_code == 201
    assert here(commune, EVENTS, named) == set()
    for node in nodes:
        node.sync.stop()
    for node in nodes:
        report = verify_path(node.home.path)
        assert report.problems == []
        assert report.checked["erased events"] == len(named)
    for path in commune.home.path.rglob("*"):
        if path.is_file():
            assert NAME.encode() not in path.read_bytes(), path
