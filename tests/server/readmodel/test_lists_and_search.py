"""The read model over a real store: what lists, counts and search say, and that it can always be computed anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.dossier.documents import chunk_doc, crl_doc, manifest_doc
from server.dossier.manifest import CHUNK_BYTES, build_manifest
from server.filestore import FileStore
from server.intake.source import Source
from server.readmodel.model import ReadModel
from server.readmodel.queries import DossierFilter, build_match
from server.readmodel.waiting import build_query

PEER = Source("peer", "x")
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300


@pytest.fixture
def model(commune):
    """A read model over the commune's store, not following by itself."""
    made = ReadModel(commune.home.path / "readmodel.db", commune.store, commune.admissions, FileStore(commune.store))
    yield made
    made.close()


def _file(commune, citizen, helpers, name="Nguyễn Thị Ánh", **changes):
    event = helpers.submission(commune.home.unit, citizen, **changes)
    event["body"]["applicant"]["name"] = name
    doc = citizen.sign(event)
    assert commune.put(doc) == ""
    return event["stream"], doc.id.partition(":")[2]


def _grant(commune, person, role="official"):
    doc = commune.signer.sign(
        stream="unit.h41-12-03",
        type="role.granted",
        at=commune.now[0] - timedelta(hours=1),
        body={"subject": person.urn, "name": "Cán bộ", "role": role, "from": "2020-01-01T00:00:00Z"},
    )
    assert commune.put(doc) == ""


def test_names_are_found_without_diacritics_and_by_their_beginnings(commune, citizen, model, helpers):
    """What people type on phones finds what was signed; operators typed in mean nothing."""
    stream, _ = _file(commune, citizen, helpers, "Đặng Thị Hoà")
    _file(commune, citizen, helpers, "Lò Văn Mẫu")
    model.follower.catch_up()

    def find(text):
        return [row.stream for row in model.queries.dossiers(DossierFilter(text=text)).rows]

    assert find("dang hoa") == find("ĐẶNG") == find("đăng thi") == [stream]
    assert find('dang" OR "lo') == []
    assert find("0912345678 dang") == [stream]
    assert find("***") == []
    assert build_match("NEAR(a b)") == '"near"* "a"* "b"*'


def test_lists_page_and_count(commune, citizen, model, helpers):
    """Totals, pages without gaps or repeats, counts by status."""
    for _ in range(7):
        _file(commune, citizen, helpers)
    model.follower.catch_up()

    pages = [model.queries.dossiers(DossierFilter(unit="H41.12"), limit=3, offset=at) for at in (0, 3, 6)]

    assert {page.total for page in pages} == {7}
    assert len({row.stream for page in pages for row in page.rows}) == 7
    assert model.queries.counts("H41.12.03") == {1: 7}
    assert model.queries.counts("H41.13") == {}


def test_a_grant_that_comes_late_lets_the_decision_count(commune, citizen, model, key_pool, helpers):
    """The order of arrival does not matter: the dossier is folded again when its official's role arrives."""
    from server.dossier.event import build_event

    official = commune.enrol(key_pool)
    stream, of = _file(commune, citizen, helpers)
    refusal = build_event(
        stream=stream,
        type="dossier.refused",
        unit=commune.home.unit,
        actor=official.urn,
        at=commune.now[0].strftime("%Y-%m-%dT%H:%M:%SZ"),
        nonce=b"0" * 16,
        prev=[of],
        body={"reason": "Thiếu giấy tờ"},
    )
    assert commune.put(official.sign(refusal)) == ""
    model.follower.catch_up()
    before = model.queries.dossier(stream).status

    _grant(commune, official)
    model.follower.catch_up()

    assert (before, model.queries.dossier(stream).status) == (1, 3)


def test_bytes_are_counted_whichever_comes_first(commune, citizen, model, helpers):
    """Event, manifest and chunks in any order: progress is the same in the end and never too much."""
    manifest, chunks = build_manifest(JPEG)
    stream, _ = _file(commune, citizen, helpers, files=[helpers.file_reference(JPEG)])
    model.follower.catch_up()
    seen = [model.queries.dossier(stream).bytes_here]
    for doc in (chunk_doc(chunks[-1]), manifest_doc(manifest), *map(chunk_doc, chunks[:-1])):
        assert commune.put(doc, "f-h41-12-03") == ""
        model.follower.catch_up()
        seen.append(model.queries.dossier(stream).bytes_here)
        assert model.queries.dossier(stream).bytes_total == len(JPEG)

    tail = len(chunks[-1])
    assert seen == [0, 0, *range(tail, len(JPEG) + 1, CHUNK_BYTES)]
    assert model.queries.dossier(stream).files_here == 1


def test_files_that_are_wanting_are_found_without_reading_those_that_are_here(commune, citizen, model, helpers):
    """A link asks for them before each stretch, in a home with the papers of many years; and a dossier that is folded
    anew wants none that it has."""
    stream, filing = _file(commune, citizen, helpers, files=[helpers.file_reference(JPEG)])
    model.follower.catch_up()
    manifest, chunks = build_manifest(JPEG)

    def wanting():
        return [file.manifest for file in model.waiting.files("f-h41-12-03", here=False)]

    assert wanting() == [manifest.id]
    arguments = {"database": "f-x", "previews_only": False, "limit": 1}
    plan = model._tables.rows(f"EXPLAIN QUERY PLAN {build_query(here=False)}", arguments)
    assert plan[0]["detail"] == "SEARCH r USING INDEX file_refs_missing (database=?)"

    for doc in (manifest_doc(manifest), *map(chunk_doc, chunks)):
        assert commune.put(doc, "f-h41-12-03") == ""
    model.follower.catch_up()
    assert wanting() == []
    model.learn_proofs(commune.database, [filing])

    assert wanting() == []
    assert [file.stream for file in model.waiting.files("f-h41-12-03", here=True)] == [stream]


def test_a_line_counts_no_files_of_events_that_were_erased(commune, citizen, model, helpers):
    """An event came after the order to erase was signed: the dossier's line is left, and names no paper any more."""
    stream, filing = _file(commune, citizen, helpers, files=[helpers.file_reference(JPEG)])
    later = citizen.sign(
        helpers.submission(
            commune.home.unit,
            citizen,
            stream=stream,
            type="dossier.withdrawn",
            prev=[filing],
            body={"reason": "Không cần nữa"},
        )
    )
    assert commune.put(later) == ""
    model.follower.catch_up()
    assert model.queries.dossier(stream).files_total == 1

    model.forget(commune.database, stream, [f"{stream}:{filing}"])

    line = model.queries.dossier(stream)
    assert (line.files_total, line.bytes_total) == (0, 0)


def test_a_database_made_anew_is_read_from_its_start(commune, citizen, model, helpers):
    """A store whose database was deleted and replicated again is followed from 0, and nothing old lingers."""
    old, _ = _file(commune, citizen, helpers)
    model.follower.catch_up()
    remembered = (model.queries.birth(), model.queries.dossier(old).updates)
    commune.store.delete(commune.database)
    commune.directory._leaves.clear()
    commune.copier.ensure_certificate(commune.database, commune.signer.certificate)
    commune.copier.ensure_certificate(commune.database, citizen.certificate)
    new, _ = _file(commune, citizen, helpers)

    model.follower.catch_up()

    assert model.queries.dossier(old) is None
    assert model.queries.dossier(new) is not None
    assert [row.stream for row in model.queries.dossiers(DossierFilter(text="nguyen")).rows] == [new]
    birth, seen = remembered
    since = seen if model.queries.birth() == birth else 0  # as everybody reads on who remembers a number of changes
    assert [stream for stream, _ in model.queries.updated_since(since)] == [new]


def test_a_revocation_leaves_what_was_here_and_doubts_what_came_after(commune, citizen, model, helpers):
    """What was seen before the revocation stays valid; what comes later is indeterminate, or refused by its date."""
    from crypto.crl import Revocation

    before, _ = _file(commune, citizen, helpers)
    late = citizen.sign(helpers.submission(commune.home.unit, citizen))
    revoked_at = commune.now[0] + timedelta(hours=1)
    commune.now[0] += timedelta(hours=2)
    crl = commune.authority.issue_crl(
        [Revocation(citizen.certificate.serial_number, revoked_at)], number=1, now=commune.now[0]
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    assert commune.put(crl_doc(crl.public_bytes(Encoding.DER))) == ""
    assert commune.put(late) == ""
    after = citizen.sign(
        helpers.submission(
            commune.home.unit, citizen, at=(commune.now[0] - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    )
    refusal = commune.put(after)
    model.follower.catch_up()

    assert refusal.startswith("revoked")
    assert model.queries.verdicts(before) == ()
    verdict = model.queries.verdicts(late.id.partition(":")[0])[0]
    assert (verdict.status, verdict.reason) == ("indeterminate", "revoked")
    assert model.queries.dossier(late.id.partition(":")[0]).doubtful == 1


def test_a_crl_that_comes_late_revises_the_verdicts(commune, citizen, model, helpers):
    """An event that came after a revocation this node had not heard of is doubted once the list arrives."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from crypto.crl import Revocation

    revoked_at = commune.now[0] - timedelta(minutes=30)
    stream, _ = _file(commune, citizen, helpers)
    model.follower.catch_up()
    before = model.queries.verdicts(stream)
    crl = commune.authority.issue_crl(
        [Revocation(citizen.certificate.serial_number, revoked_at)], number=1, now=commune.now[0]
    )

    assert commune.put(crl_doc(crl.public_bytes(Encoding.DER))) == ""
    model.follower.catch_up()

    assert before == ()
    assert [(v.status, v.reason) for v in model.queries.verdicts(stream)] == [("invalid", "revoked")]


def test_the_follower_wakes_when_something_is_stored(commune, citizen, model, helpers):
    """In its own thread it keeps up without being asked, and tells its listeners."""
    heard = []
    model.follower.listen(lambda streams: heard.extend(streams))
    commune.intake.on_stored = model.follower.notice
    model.follower.start()

    stream, _ = _file(commune, citizen, helpers)

    helpers.wait_until(lambda: model.queries.dossier(stream))
    helpers.wait_until(lambda: stream in heard)


def test_an_unreadable_document_stops_nobody_else(commune, citizen, model, helpers, caplog):
    """Damage on the disk costs the damaged document; the feed goes on."""
    stream, _ = _file(commune, citizen, helpers)
    doc = citizen.sign(helpers.submission(commune.home.unit, citizen))
    commune.store.open(commune.database).bulk_docs([replace(doc, body=b'{"event":1}')], new_edits=False)
    later, _ = _file(commune, citizen, helpers)

    model.follower.catch_up()

    assert {row.stream for row in model.queries.dossiers(DossierFilter()).rows} == {stream, later}
    assert doc.id in caplog.text


def test_signers_below_a_revoked_ca_end_with_it_whichever_came_first(commune, model, key_pool, helpers):
    """Certificate, then list, or list, then certificate: tiers meet them in different orders and must judge alike."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from crypto.crl import Revocation
    from server.home import Home
    from server.pki.authority import Authority

    revoked_at = commune.now[0].replace(microsecond=0) + timedelta(hours=1)
    early, late = (helpers.issue_person(commune.authority, key_pool(), commune.now[0]) for _ in range(2))
    claimed = (revoked_at - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    commune.now[0] += timedelta(hours=2)
    district = Authority.open(Home.open(commune.home.path.parent / "h41-12"))
    crl = district.issue_crl(
        [Revocation(commune.authority.certificate.serial_number, revoked_at)], number=1, now=commune.now[0]
    )

    assert commune.put(helpers.certificate_doc(early.certificate.public_bytes(Encoding.DER))) == ""
    model.follower.catch_up()
    assert commune.put(crl_doc(crl.public_bytes(Encoding.DER))) == ""
    model.follower.catch_up()
    assert commune.put(helpers.certificate_doc(late.certificate.public_bytes(Encoding.DER))) == ""
    events = [person.sign(helpers.submission(commune.home.unit, person, at=claimed)) for person in (early, late)]
    assert [commune.put(each) for each in events] == ["", ""]
    model.follower.catch_up()

    for each in events:
        stream, _, event = each.id.partition(":")
        assert model.proofs(stream, commune.database).ends_at(event) == revoked_at
