"""/db/mine over HTTP: the feed of one person, and nothing of anybody else."""

from __future__ import annotations

import orjson
import pytest

from replication.document import DocId, Seq
from replication.store import AllDocsQuery, GetRequest
from replication.wire import render_document


def _push(client, *docs):
    body = b'{"new_edits":false,"docs":[' + b",".join(render_document(doc, revs=True) for doc in docs) + b"]}"
    return client("POST", "/db/mine/_bulk_docs", data=body, headers={"Content-Type": "application/json"})


def _feed(client, since="0"):
    return client.get("/db/mine/_changes", params={"since": since, "include_docs": "true"}).json()


def _events(page):
    return [row["doc"]["event"] for row in page["results"] if "event" in row["doc"]]


def test_a_phone_replicates_its_event_up_and_the_answers_down(office, helpers):
    """What was pushed is in the feed, then the receipt, then what the office does, with the certificates needed."""
    person = office.citizen.person
    doc = person.sign(helpers.submission(office.node.unit, person))

    assert _push(office.citizen, doc).json() == []
    office.official.post(
        "/api/events",
        office.official.person.envelope(
            office.official.post(
                f"/api/dossiers/{doc.id.partition(':')[0]}/drafts",
                {"type": "dossier.commented", "fields": {"text": "Đã xem"}},
            ).json()["event"]
        ),
    )

    def types():
        return {event["type"] for event in _events(_feed(office.citizen))}

    helpers.wait_until(lambda: types() == {"dossier.submitted", "receipt.issued", "dossier.commented"})
    certificates = {row["id"] for row in _feed(office.citizen)["results"] if row["id"].startswith("cert:")}
    assert certificates == {
        f"cert:sha256-{fingerprint}"
        for fingerprint in (
            person.fingerprint,
            office.official.person.fingerprint,
            office.node.signer.fingerprint,
        )
    }
    again = office.citizen.post("/db/mine/_revs_diff", {doc.id: [doc.rev]})
    assert again.json() == {}


def test_a_feed_goes_on_where_it_stopped_and_a_strange_seq_starts_anew(office, helpers):
    """`since` continues; a seq of a node that was restored (another epoch) is answered from the beginning."""
    office.file()
    helpers.wait_until(lambda: "receipt.issued" in {e["type"] for e in _events(_feed(office.citizen))})
    first = _feed(office.citizen)
    assert _feed(office.citizen, first["last_seq"])["results"] == []

    office.file()
    later = _feed(office.citizen, first["last_seq"])
    other_epoch = _feed(office.citizen, "999-ffffffff")

    assert "dossier.submitted" in {event["type"] for event in _events(later)}
    assert len(other_epoch["results"]) > len(later["results"])
    assert office.citizen.get("/db/mine/_changes", params={"since": "x-y"}).status_code == 400


def test_nothing_of_others_is_visible_by_any_road(office, key_pool, helpers):
    """Every read of the protocol answers for the documents of others as if they were not there."""
    stream = office.file()
    helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["received"])
    other = office.enrol(key_pool())
    database = office.node.store.open(office.node.database)
    secrets = {row.id: row.rev for row in database.all_docs(AllDocsQuery()).rows}
    assert len(secrets) > 5

    assert _feed(other)["results"] == []
    assert other.get("/db/mine").json()["doc_count"] == 0
    assert other.get("/db/mine/_all_docs").json()["rows"] == []
    keyed = other.post("/db/mine/_all_docs", {"keys": list(secrets)}).json()["rows"]
    assert {row.get("error") for row in keyed} == {"not_found"}
    got = other.post("/db/mine/_bulk_get", {"docs": [{"id": i, "rev": r} for i, r in secrets.items()]}).json()
    assert all("error" in row for result in got["results"] for row in result["docs"])
    for doc_id, rev in secrets.items():
        assert other.get(f"/db/mine/{doc_id}").status_code == 404
        assert other.get(f"/db/mine/{doc_id}", params={"rev": rev}).status_code == 404
        for revs in ("all", f'["{rev}"]'):
            opened = other.get(f"/db/mine/{doc_id}", params={"open_revs": revs}, headers={"Accept": "application/json"})
            assert '"ok"' not in opened.text
    diff = other.post("/db/mine/_revs_diff", {i: [r] for i, r in secrets.items()}).json()
    assert diff.keys() == secrets.keys()  # whether it exists is not theirs to know
    for name in ("u-h41-12-03", "f-h41-12-03", "registry"):
        assert other.get(f"/db/{name}").status_code == 403
    assert other.get("/db/_all_dbs").json() == ["mine"]


def test_filing_into_somebodys_stream_shows_nothing_of_it(office, key_pool, helpers):
    """Knowing a stream id and filing under it makes a conflict for officials, and no window for the intruder."""
    stream = office.file()
    intruder = office.enrol(key_pool())
    person = intruder.person
    doc = person.sign(helpers.submission(office.node.unit, person, stream=stream))

    assert _push(intruder, doc).json() == []

    seen = _events(_feed(intruder))
    assert {event["actor"] for event in seen} <= {person.urn}
    mine = _events(_feed(office.citizen))
    assert stream in {event["stream"] for event in mine}


@pytest.mark.parametrize("kind", ["other_actor", "certificate", "tampered"])
def test_only_own_authentic_events_are_taken(office, helpers, kind):
    """Another person's event, a certificate, a tampered event: each is refused by name, as replicators expect."""
    person, official = office.citizen.person, office.official.person
    doc = (official if kind == "other_actor" else person).sign(
        helpers.submission(office.node.unit, official if kind == "other_actor" else person)
    )
    if kind == "certificate":
        from cryptography.hazmat.primitives.serialization import Encoding

        doc = helpers.certificate_doc(official.certificate.public_bytes(Encoding.DER))
    if kind == "tampered":
        from dataclasses import replace

        fields = orjson.loads(doc.body)
        fields["event"]["at"] = "2026-01-01T00:00:00Z"
        doc = replace(doc, body=orjson.dumps(fields))

    rows = _push(office.citizen, doc).json()

    assert [row["error"] for row in rows] == ["forbidden"]
    assert rows[0]["reason"].partition(":")[0] in ("actor_mismatch", "wrong_database", "bad_id")


def test_checkpoints_are_each_persons_own(office):
    """_local documents are kept per person and count their revisions."""
    written = office.citizen("PUT", "/db/mine/_local/abc", json={"last_seq": "1"})
    office.citizen("PUT", "/db/mine/_local/abc", json={"last_seq": "2"})

    assert written.status_code == 201
    assert office.citizen.get("/db/mine/_local/abc").json()["last_seq"] == "2"
    assert office.official.get("/db/mine/_local/abc").status_code == 404


def test_a_waiting_phone_is_woken_by_what_becomes_visible(office, helpers):
    """A longpoll ends as soon as the office acts, not when it times out."""
    import threading
    import time

    stream = office.file()
    helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["received"])
    since = _feed(office.citizen)["last_seq"]
    answers = []

    def wait():
        started = time.monotonic()
        page = office.citizen.get("/db/mine/_changes", params={"feed": "longpoll", "since": since, "timeout": "50000"})
        answers.append((time.monotonic() - started, page.json()["results"]))

    waiter = threading.Thread(target=wait)
    waiter.start()
    office.act(office.official, stream, "dossier.refused", reason="Thiếu giấy tờ")
    waiter.join(60)

    assert answers[0][1]
    assert answers[0][0] < 45


def test_the_feed_survives_the_loss_of_the_read_model(make_homes, make_node, key_pool, helpers):
    """Computed anew, the feed neither repeats nor moves what a phone has seen."""
    from server.home import Home
    from server.intake.source import Source
    from server.mine import MineDatabase
    from server.pki.authority import Authority
    from server.readmodel.tables import drop

    home = make_homes()["H41.12.03"]
    person = helpers.issue_person(Authority.open(home), key_pool())

    def open_and_read():
        node = make_node(Home.open(home.path))
        node.copier.ensure_certificate(node.database, person.certificate)
        node.model.follower.catch_up()
        node.feed.catch_up()
        mine = MineDatabase(person.urn, node.feed, node.db, node.store, node.intake, node.model)
        page = mine.changes()
        return node, mine, [(row.seq, row.id) for row in page.rows], page.last_seq

    node, mine, _, _ = open_and_read()
    mine.bulk_docs([person.sign(helpers.submission("H41.12.03", person)) for _ in range(3)], new_edits=False)
    before = [(row.seq, row.id) for row in mine.changes().rows]
    node.close()
    drop(home.path / "readmodel.db")
    node, mine, after, last = open_and_read()

    assert len(before) == 4
    assert after == before
    assert mine.changes(last).rows == ()
    assert mine.changes(Seq("0"), limit=2).pending == 2
    assert [len(docs) for docs in mine.bulk_get([GetRequest(DocId("x")), GetRequest(after[0][1])])] == [1, 1]
    assert Source("person", person.urn)
