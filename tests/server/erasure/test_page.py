"""The desk's page about the end of retention, over HTTP: what it lists, what it says of rules, when it is blocked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from server.dossier.documents import crl_doc
from server.home import Home
from server.intake.source import Source
from server.links.neighbours import Neighbour
from server.pki.authority import Authority

COMMUNE = "H41.12.03"
RULE = {"procedure": "*", "years": 1, "from": "2020-01-01", "source": "Bảng thời hạn thử nghiệm", "mark": "C"}


class Clock:
    """A node's clock that a test sets."""

    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def commune(make_homes, serve, helpers, key_pool):
    """A running commune whose clock can be set, with one refused dossier; (node, url, clock, stream)."""
    clock = Clock()
    node, url = serve(make_homes()[COMMUNE], now=clock)
    citizen = helpers.enrol(node, url, key_pool())
    official = helpers.enrol(node, url, key_pool(), "official")
    event = helpers.submission(node.unit, citizen.person)
    assert citizen.post("/api/events", citizen.person.envelope(event)).status_code == 201
    wanted = {"type": "dossier.refused", "fields": {"reason": "Không thuộc thẩm quyền"}}
    draft = official.post(f"/api/dossiers/{event['stream']}/drafts", wanted).json()["event"]
    assert official.post("/api/events", official.person.envelope(draft)).status_code == 201
    return node, url, clock, event["stream"]


def enrol(commune, helpers, key, role):
    """Somebody who is enrolled by the node's own clock."""
    node, url, clock, _ = commune
    person = helpers.issue_person(Authority.open(node.home), key, clock())
    node.copier.ensure_certificate(node.database, person.certificate)
    node.people.grant(person.urn, "Lường Văn Thành", role)
    node.model.follower.catch_up(node.database)
    return helpers.Client(url, node.signer.urn, person)


def renew(commune, person):
    """Give somebody whose certificate has ended the next one."""
    node, _, clock, _ = commune
    person.certificate = Authority.open(node.home).issue_person(
        person.key.public_key(), subject_id=person.subject_id, now=clock()
    )
    node.copier.ensure_certificate(node.database, person.certificate)


def look(commune, client, path="/desk/erasures"):
    """Return a page as the browser of a signed-in official gets it."""
    _, url, clock, _ = commune
    with requests.Session() as session:
        token = client.person.token(client.audience, at=clock())
        assert session.post(f"{url}/api/session", json={"token": token}, timeout=60).status_code == 200
        answer = session.get(url + path, timeout=60)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def ask(commune, client, type, **fields):
    _, url, clock, _ = commune
    headers = {"Authorization": f"Bearer {client.person.token(client.audience, at=clock())}"}
    body = {"type": type, "fields": fields}
    return requests.post(f"{url}/api/erasures/drafts", json=body, headers=headers, timeout=60)


def publish_lists(node, now):
    """Let every CA above publish a fresh revocation list, as the ones in office do each month."""
    for number, unit in enumerate(("h41", "h41-12", "h41-12-03"), 900_000_000):
        authority = Authority.open(Home.open(node.home.path.parent / unit))
        crl = authority.issue_crl([], number=number, now=now)
        doc = crl_doc(crl.public_bytes(Encoding.DER))
        [result] = node.intake.admit(node.database, [doc], source=Source("peer", "test"))
        assert result.error is None, result.error


def test_a_rule_says_whose_time_is_over_by_which_source_and_how_well_it_was_read(commune, helpers, key_pool):
    """Before the end of retention the dossier is listed as still kept; afterwards as over, with the rule, its source
    and its mark; a proposal takes rule and day from there, whatever the leader says."""
    node, _, clock, stream = commune
    official, leader = (enrol(commune, helpers, key_pool(), role) for role in ("official", "leader"))
    closed = clock().date()
    page = look(commune, leader, "/desk/erasures?of=unknown")
    assert "Không quy tắc nào" in page
    assert "Trạm này chưa có quy tắc nào về thời hạn lưu trữ" in page
    assert "Đề nghị tỉnh cho biết văn bản" in page
    assert stream in look(commune, leader, "/desk/erasures?of=unknown")

    (node.home.path / "retention.json").write_text(json.dumps({"rules": [RULE]}))
    page = look(commune, leader)
    assert "Không có hồ sơ nào hết thời hạn lưu trữ." in page
    assert "chưa có quy tắc nào" not in page
    kept = look(commune, leader, "/desk/erasures?of=kept")
    assert stream in kept
    assert f"01/01/{closed.year + 2}" in kept
    assert 'data-sign="erasure.proposed"' not in kept
    assert ask(commune, leader, "erasure.proposed", dossier=stream, basis="x", rule="y").status_code == 409

    clock.ahead = timedelta(days=366 * 2 + 5)
    publish_lists(node, clock())
    renew(commune, leader.person)
    page = look(commune, leader)
    assert "1 năm: Bảng thời hạn thử nghiệm" in page
    assert "lấy từ tài liệu của bên thứ ba" in page
    assert 'data-sign="erasure.proposed"' in page
    draft = ask(commune, leader, "erasure.proposed", dossier=stream, basis="Quyết định 12", rule="tùy ý")
    assert draft.status_code == 200, draft.text
    body = draft.json()["event"]["body"]
    assert body["rule"] == "1 năm [C] Bảng thời hạn thử nghiệm"
    assert body["ended"] == f"{closed.year + 2}-01-01T00:00:00Z"
    renew(commune, official.person)
    assert "Chỉ lãnh đạo đơn vị" in look(commune, official)


def test_while_trust_is_provisional_nothing_can_be_ordered_and_the_page_says_why(commune, helpers, key_pool):
    """With no fresh revocation lists there are no forms but the reason and what to do; the draft is refused alike."""
    _, _, clock, stream = commune
    clock.ahead = timedelta(days=45)
    leader = enrol(commune, helpers, key_pool(), "leader")

    page = look(commune, leader, "/desk/erasures?of=unknown")
    assert "Hiện chưa thể đề nghị hoặc xác nhận tiêu hủy" in page
    assert "danh sách thu hồi chứng thư" in page
    assert stream in page
    assert 'data-sign="erasure' not in page
    refused = ask(
        commune, leader, "erasure.proposed", dossier=stream, basis="x", rule="y", ended="2020-01-01T00:00:00Z"
    )
    assert refused.status_code == 503
    assert "không thể rút lại" in refused.json()["reason"]


def test_counts_and_pages_agree_and_leave_out_what_is_proposed(commune, helpers, key_pool, monkeypatch):
    """Of seven closed dossiers six come on two pages; one that is proposed stands above, not in the list."""
    monkeypatch.setattr("server.desk.erasures.PAGE_ROWS", 4)
    node, url, _, stream = commune
    official = helpers.enrol(node, url, key_pool(), "official")
    leader = enrol(commune, helpers, key_pool(), "leader")
    streams = {stream}
    for _ in range(6):
        event = helpers.submission(node.unit, official.person)
        [filed] = node.intake.admit(
            node.database, [official.person.sign(event)], source=Source("person", official.person.urn)
        )
        assert filed.error is None
        node.model.follower.catch_up()
        heads = node.model.story(event["stream"]).dossier.heads
        act = helpers.submission(
            node.unit,
            official.person,
            stream=event["stream"],
            type="dossier.refused",
            prev=list(heads),
            body={"reason": "Trùng"},
        )
        [refused] = node.intake.admit(
            node.database, [official.person.sign(act)], source=Source("person", official.person.urn)
        )
        assert refused.error is None
        streams.add(event["stream"])
    node.model.follower.catch_up()
    words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    node.people.say("erasure.proposed", node.erasures.proposal(stream, **words))

    pages = [look(commune, leader, f"/desk/erasures?of=unknown&offset={offset}") for offset in (0, 4)]
    listed = [{each for each in streams if f'value="{each}"' in page} for page in pages]
    assert [len(each) for each in listed] == [4, 2]
    assert listed[0] | listed[1] == streams - {stream}
    assert '<span class="count">6</span>' in pages[0]
    assert "offset=4" in pages[0]
    assert 'data-sign="erasure.confirmed"' in pages[0]


def test_the_nodes_that_have_not_confirmed_are_named(commune, helpers, key_pool):
    """One of three nodes has done it: the record names the other two, and says what an offline one means."""
    node, _, _, stream = commune
    node.links.put(Neighbour("parent", "http://127.0.0.1:9", "parent"))
    leader = enrol(commune, helpers, key_pool(), "leader")
    words = {"basis": "Quyết định 12", "rule": "Thử nghiệm", "ended": "2026-01-01T00:00:00Z"}
    node.people.say("erasure.proposed", node.erasures.proposal(stream, **words))
    [erasure] = node.erasures.all()
    draft = ask(commune, leader, "erasure.confirmed", of=erasure.id)
    assert draft.status_code == 200, draft.text
    assert leader.post("/api/events", leader.person.envelope(draft.json()["event"])).status_code == 201
    helpers.wait_until(lambda: node.erasing.is_done(erasure.id))

    page = look(commune, leader)
    assert "Đã xóa ở 1/3 trạm" in page
    assert "có thể đang tắt hoặc mất mạng" in page
    record = look(commune, leader, f"/desk/erasures/{erasure.id}")
    assert record.count("chưa xác nhận</td>") == 2
    for said in ("Quyết định 12", "Lường Văn Thành", stream, erasure.id):
        assert said in record


def test_an_erased_dossier_is_counted_no_more(commune, helpers, key_pool):
    """Also where it was not the one that changed last: counts come from the tables as they are."""
    node, _, clock, stream = commune
    leader = enrol(commune, helpers, key_pool(), "leader")
    keeping, today = node.erasures.keeping, clock().date()
    later = helpers.submission(node.unit, leader.person)
    assert leader.post("/api/events", leader.person.envelope(later)).status_code == 201
    node.model.follower.catch_up()
    assert keeping.counts(today, []) == {"over": 0, "unknown": 1, "kept": 0}
    assert keeping.counts(today, [stream])["unknown"] == 0
    assert [each.row.stream for each in keeping.page("unknown", today, [], limit=5, offset=0)] == [stream]
    assert keeping.page("unknown", today, [stream], limit=5, offset=0) == ()

    story = node.model.story(stream)
    node.model.forget(node.database, stream, [held.doc_id for held in story.events])
    assert keeping.counts(today, [stream])["unknown"] == 0
    assert keeping.counts(today, []) == {"over": 0, "unknown": 0, "kept": 0}
