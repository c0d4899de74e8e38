"""A phone files, the desk decides, over the HTTP interface of a running commune node."""

from __future__ import annotations

import base64
import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from crypto import jcs, jws, keys
from crypto.hashing import sha256_id
from server.dossier.codes import parse_dossier_code
from server.dossier.manifest import Manifest, build_manifest

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300  # eight chunks


@pytest.fixture
def published(office):
    """The office with one procedure in its registry."""
    office.stock("1.001193")
    return office


def test_a_filed_dossier_is_receipted_when_its_last_chunk_is_there(office, helpers):
    """The event may come before its files; the receipt comes when every byte has, and not before."""
    stream = office.file(files=[helpers.file_reference(JPEG)])
    assert office.node.receipts.consider(stream) == []
    before = office.citizen.get(f"/api/dossiers/{stream}").json()
    assert (before["received"], before["progress"]["bytes_here"]) == (False, 0)

    office.citizen.put_file(JPEG)

    after = helpers.wait_until(lambda: (d := office.citizen.get(f"/api/dossiers/{stream}").json())["received"] and d)
    assert after["receipts"][0]["bytes"] == len(JPEG)
    assert after["receipts"][0]["node"] == "urn:tram:node:h41-12-03"
    assert after["progress"]["bytes_here"] == len(JPEG)
    assert office.citizen.get(f"/api/files/{after['files'][0]['sha256']}").content == JPEG


def test_a_filing_cut_by_an_older_phone_is_receipted_as_any(office, helpers):
    """What was signed with chunks of 32 KiB, and waited on a phone for a week, names that manifest."""
    data = JPEG + random.Random(231).randbytes(50_000)
    chunks = [data[at : at + 32_768] for at in range(0, len(data), 32_768)]
    manifest = Manifest(sha256_id(data), len(data), tuple(map(sha256_id, chunks)), 32_768)
    assert manifest.id != build_manifest(data)[0].id
    stream = office.file(files=[helpers.file_reference(data) | {"manifest": manifest.id}])

    for name, chunk in zip(manifest.chunks, chunks, strict=True):
        assert office.citizen("PUT", f"/api/files/chunks/{name}", data=chunk).status_code == 201
    sent = office.citizen("PUT", f"/api/files/manifests/{manifest.id}", json={"manifest": manifest.value()})

    assert sent.status_code == 201
    helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["received"])
    assert office.official.get(f"/api/files/{manifest.sha256}").content == data


def test_one_filing_gets_one_receipt_however_often_it_is_considered(office, helpers):
    """Receipts are idempotent: the stream itself says that one was issued."""
    reference = office.citizen.put_file(JPEG)
    stream = office.file(files=[reference])
    helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["received"])

    assert office.node.receipts.consider(stream) == []
    assert office.node.receipts._issue(stream) == []
    assert len(office.citizen.get(f"/api/dossiers/{stream}").json()["receipts"]) == 1


def test_chunks_that_do_not_make_the_file_get_no_receipt(office, helpers):
    """A manifest whose chunks are all here and hash to something else than the event says earns nothing."""
    from dataclasses import replace

    from server.dossier.documents import chunk_doc, manifest_doc
    from server.intake.source import Source

    manifest, chunks = build_manifest(JPEG)
    wrong = replace(manifest, sha256=helpers.file_reference(JPEG[:-1])["sha256"])
    docs = [*map(chunk_doc, chunks), manifest_doc(wrong)]
    office.node.intake.admit(office.node.files_database, docs, source=Source("peer", "x"))
    reference = helpers.file_reference(JPEG) | {"sha256": wrong.sha256, "manifest": wrong.id}

    stream = office.file(files=[reference])
    office.node.model.follower.catch_up(office.node.files_database)

    dossier = office.citizen.get(f"/api/dossiers/{stream}").json()
    assert dossier["progress"]["files_here"] == 1
    assert office.node.receipts.consider(stream) == []
    assert not dossier["received"]


def test_the_desk_takes_a_dossier_from_acceptance_to_the_result(published, helpers):
    """Accepted with an official code and a due time, resolved, handed over: each step drafted, signed, counted."""
    office = published
    stream = office.file()

    draft = office.official.post(f"/api/dossiers/{stream}/drafts", {"type": "dossier.accepted", "fields": {}}).json()
    parts = parse_dossier_code(draft["event"]["body"]["code"])
    assert (parts.agency, parts.number) == ("H41.12.03", 1)
    assert draft["event"]["body"]["code"] in draft["statement"]["vi"]
    assert "Nguyễn Thị Ánh" in draft["statement"]["vi"]
    again = office.official.post(f"/api/dossiers/{stream}/drafts", {"type": "dossier.accepted", "fields": {}}).json()
    assert again["event"]["body"]["code"] == draft["event"]["body"]["code"]

    answer = office.official.post("/api/events", office.official.person.envelope(draft["event"]))
    assert answer.status_code == 201, answer.text
    for type, fields in (
        ("dossier.resolved", {"outcome": "granted", "summary": "Đã cấp giấy khai sinh"}),
        ("dossier.returned", {"method": "counter", "receiver": "Nguyễn Thị Ánh"}),
    ):
        assert office.act(office.official, stream, type, **fields).status_code == 201

    dossier = office.citizen.get(f"/api/dossiers/{stream}").json()
    assert dossier["status"]["business"] == 10
    assert dossier["code"] == draft["event"]["body"]["code"]
    assert [entry["state"] for entry in dossier["timeline"]] == ["applied"] * len(dossier["timeline"])


def test_two_dossiers_of_one_day_get_two_numbers(published):
    """Codes count up within a day."""
    codes = []
    for _ in range(2):
        stream = published.file()
        draft = published.official.post(
            f"/api/dossiers/{stream}/drafts", {"type": "dossier.accepted", "fields": {}}
        ).json()
        codes.append(parse_dossier_code(draft["event"]["body"]["code"]).number)

    assert codes == [1, 2]


def test_a_step_that_could_not_count_is_not_drafted(office):
    """The desk is told why before anything is signed, in the fold's own words."""
    stream = office.file()

    answer = office.official.post(
        f"/api/dossiers/{stream}/drafts",
        {"type": "dossier.returned", "fields": {"method": "counter", "receiver": "Ai đó"}},
    )

    assert answer.status_code == 409
    assert "Mới đăng ký" in answer.json()["reason"]


def test_nobody_sees_another_persons_dossier_or_files(office, key_pool, helpers):
    """A dossier and its files are for whoever filed it and for the office; others learn not even that they exist."""
    reference = office.citizen.put_file(JPEG)
    stream = office.file(files=[reference])
    other = office.enrol(key_pool())

    for path in (f"/api/dossiers/{stream}", f"/api/files/{reference['sha256']}"):
        assert office.citizen.get(path).status_code == 200
        assert office.official.get(path).status_code == 200
        assert other.get(path).status_code == 404
        assert office.nobody.get(path).status_code == 401
    missing = other.get("/api/dossiers/01937c2e-1111-7111-8111-111111111111").json()
    assert other.get(f"/api/dossiers/{stream}").json() == missing
    assert other.get("/api/dossiers").status_code == 403
    denied = other.post(f"/api/dossiers/{stream}/drafts", {"type": "dossier.commented", "fields": {"text": "x"}})
    assert denied.status_code == 404


def test_files_are_handed_out_in_a_sandbox_under_their_own_name(office):
    """Images open in the page under a policy that runs nothing; what only claims to be one is a download."""
    stream_of_jpeg = office.citizen.put_file(JPEG, name="giấy chứng sinh.jpg")
    fake = b"<html><script>alert(1)</script>" * 10
    stream_of_html = office.citizen.put_file(fake, name="anh.jpg")
    office.file(files=[stream_of_jpeg, stream_of_html])

    good = office.citizen.get(f"/api/files/{stream_of_jpeg['sha256']}")
    bad = office.citizen.get(f"/api/files/{stream_of_html['sha256']}")
    assert (good.headers["Cache-Control"], bad.headers["Cache-Control"]) == ("no-store", "no-store")

    assert good.headers["Content-Type"] == "image/jpeg"
    assert good.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''gi%E1%BA%A5y")
    assert "sandbox" in good.headers["Content-Security-Policy"]
    assert bad.headers["Content-Type"] == "application/octet-stream"
    assert bad.headers["Content-Disposition"].startswith("attachment")
    assert {good.headers["X-Content-Type-Options"], bad.headers["X-Content-Type-Options"]} == {"nosniff"}


def test_a_manifest_before_its_chunks_says_which_are_missing(office, helpers):
    """The phone is told what to send."""

    manifest, _ = build_manifest(JPEG)

    answer = office.citizen("PUT", f"/api/files/manifests/{manifest.id}", json={"manifest": manifest.value()})

    assert (answer.status_code, answer.json()["error"]) == (409, "chunks_missing")
    assert answer.json()["missing"] == list(dict.fromkeys(manifest.chunks))


def test_a_chunk_under_a_wrong_name_or_too_large_is_refused(office):
    """The name is the hash; a chunk has at most 32 KiB, also once it is unpacked."""
    import gzip

    wrong = office.citizen("PUT", "/api/files/chunks/sha256-" + "A" * 43, data=b"abc")
    large = office.citizen("PUT", "/api/files/chunks/sha256-" + "A" * 43, data=b"x" * 40_000)
    bomb = office.citizen(
        "PUT",
        "/api/files/chunks/sha256-" + "A" * 43,
        data=gzip.compress(b"\0" * 20_000_000),
        headers={"Content-Encoding": "gzip"},
    )

    assert (wrong.status_code, wrong.json()["error"]) == (400, "bad_hash")
    assert (large.status_code, large.json()["error"]) == (413, "too_large")
    assert (bomb.status_code, bomb.json()["error"]) == (413, "too_large")


def test_an_event_is_posted_by_its_author_alone(office, helpers):
    """An authentic event of somebody else is not the poster's to bring."""
    event = helpers.submission(office.node.unit, office.citizen.person)

    answer = office.official.post("/api/events", office.citizen.person.envelope(event))

    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"aud": "urn:tram:node:h41"}, "this node is urn:tram:node:h41-12-03"),
        ({"iss": "urn:tram:subject:" + "0" * 32}, "its signer"),
        ({"life_s": 700}, "at most 600 seconds"),
        ({"life_s": 0}, "at most 600 seconds"),
        ({"off": timedelta(minutes=-15), "life_s": 500}, "from ours; this node's clock says"),
        ({"off": timedelta(minutes=15)}, "from ours; this node's clock says"),
        ({"off": timedelta(minutes=-6), "life_s": 60}, "expired"),
    ],
)
def test_a_token_for_another_node_time_or_person_is_refused(office, change, words):
    """Audience, issuer, life and clock are checked; a wrong clock is told the right time."""
    options = {name: value for name, value in change.items() if name not in ("aud", "off")}
    if "off" in change:  # counted from now, not from when the tests were collected
        options["at"] = datetime.now(UTC) + change["off"]
    token = office.citizen.person.token(change.get("aud", office.node.signer.urn), **options)

    answer = office.nobody.get("/api/dossiers", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
    assert words in answer.json()["reason"]


def test_a_token_signed_by_another_key_is_refused(office, key_pool):
    """Naming somebody's certificate without holding the key opens nothing."""
    forger = keys.generate_p256()
    header = {"typ": "tram-token+jwt", "x5t#S256": office.official.person.fingerprint}
    now = int(time.time())
    claims = {"iss": office.official.person.urn, "aud": office.node.signer.urn, "iat": now, "exp": now + 60}
    token = jws.sign_compact(jcs.canonical(claims), key=forger, header=header)

    assert office.nobody.get("/api/dossiers", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def _request(key, **changes):
    claims = {"name": "Lò Thị Mai", "kind": "citizen", "nonce": secrets.token_urlsafe(16), "iat": int(time.time())}
    header = {"typ": "tram-enrolment+jwt", "jwk": keys.public_to_jwk(key.public_key())}
    return jws.sign_compact(jcs.canonical(claims | changes), key=key, header=header)


def test_a_phone_is_enrolled_when_an_official_signs_for_it(office):
    """Pending with six digits, seen by the official, approved by a signed event, issued for the approved subject."""
    key = keys.generate_p256()
    asked = office.nobody.post("/api/enrolments", {"request": _request(key, phone="0912345678")})
    assert (asked.status_code, asked.json()["state"]) == (202, "pending")
    waiting = office.official.get("/api/enrolments").json()["pending"]
    assert [(w["name"], w["code"], w["phone"]) for w in waiting] == [("Lò Thị Mai", asked.json()["code"], "0912345678")]
    thumbprint = asked.json()["thumbprint"]

    draft = office.official.post(f"/api/enrolments/{thumbprint}/drafts", {}).json()
    posted = office.official.post("/api/events", office.official.person.envelope(draft["event"]))
    assert posted.status_code == 201, posted.text

    issued = office.nobody.get(f"/api/enrolments/{thumbprint}").json()
    certificate = x509.load_der_x509_certificate(base64.b64decode(issued["certificate"]))
    assert issued["state"] == "issued"
    assert issued["subject"] == draft["event"]["body"]["subject"]
    assert certificate.public_key() == key.public_key()
    assert "Mai" not in certificate.subject.rfc4514_string()
    assert len(issued["chain"]) == 3


def test_an_approval_by_somebody_without_a_role_issues_nothing(office, key_pool):
    """A citizen's `enrol.approved` is authentic, is stored, and has no effect."""
    key = keys.generate_p256()
    asked = office.nobody.post("/api/enrolments", {"request": _request(key)}).json()
    draft = office.official.post(f"/api/enrolments/{asked['thumbprint']}/drafts", {}).json()["event"]
    forged = draft | {"actor": office.citizen.person.urn}

    assert office.citizen.post("/api/events", office.citizen.person.envelope(forged)).status_code == 201

    assert office.nobody.get(f"/api/enrolments/{asked['thumbprint']}").json()["state"] == "pending"


def test_an_activation_code_enrols_once_and_only_its_own_key(office):
    """The code stands for one look at one person; a second key does not get in with it, the first may come again."""
    subject, code = office.node.people.invite("Trần Văn Nam", "official")
    first, second = keys.generate_p256(), keys.generate_p256()

    issued = office.nobody.post(
        "/api/enrolments", {"request": _request(first, kind="official", activation=code.lower().replace("-", " "))}
    )
    again = office.nobody.post("/api/enrolments", {"request": _request(first, kind="official", activation=code)})
    other = office.nobody.post("/api/enrolments", {"request": _request(second, kind="official", activation=code)})

    assert (issued.status_code, issued.json()["subject"]) == (201, subject)
    assert again.json()["certificate"] == issued.json()["certificate"]
    assert (other.status_code, other.json()["error"]) == (403, "bad_activation")
    assert office.node.model.queries.name_of(subject) == "Trần Văn Nam"


def test_the_desk_session_opens_pages_and_resists_other_sites(office):
    """A cookie reads; with it alone another site can change nothing, and no session is given to a citizen."""
    token = office.official.person.token(office.node.signer.urn)
    begun = office.nobody.post("/api/session", {"token": token})
    cookie = begun.cookies["tram_session"]
    stream = office.file()
    path, body = f"/api/dossiers/{stream}/drafts", {"type": "dossier.refused", "fields": {"reason": "Thiếu giấy tờ"}}

    def post(**headers):
        return office.nobody.post(path, body, headers={"Cookie": f"tram_session={cookie}", **headers})

    assert begun.json()["roles"] == ["official"]
    assert "HttpOnly" in begun.headers["Set-Cookie"]
    assert office.nobody.get("/api/dossiers", headers={"Cookie": f"tram_session={cookie}"}).json()["total"] == 1
    assert post().status_code == 403
    assert post(Origin="https://evil.example").status_code == 403
    assert post(Origin=office.url).status_code == 200
    refused = office.nobody.post("/api/session", {"token": office.citizen.person.token(office.node.signer.urn)})
    assert refused.status_code == 403
    office.nobody("DELETE", "/api/session", headers={"Cookie": f"tram_session={cookie}"})
    assert office.nobody.get("/api/dossiers", headers={"Cookie": f"tram_session={cookie}"}).status_code == 401


@pytest.mark.parametrize("host", ["ubnd_xa:8801", "xn--x-4fa.vn", "[fd00::5]:8801", "may-chu.local"])
def test_the_desk_works_under_every_name_a_browser_can_reach_it_by(office, host):
    """Windows names with an underscore, internationalised ones, IPv6: a form is taken, and codes lead back there."""
    token = office.official.person.token(office.official.audience)
    cookie = office.official.post("/api/session", {"token": token}).cookies["tram_session"]
    sent = {"Host": host, "Origin": f"http://{host}", "Cookie": f"tram_session={cookie}"}
    form = office.nobody("POST", "/desk/usb/dismiss", headers=sent, allow_redirects=False)
    assert (form.status_code, form.headers.get("Location")) == (302, "/desk/usb")
    filing = office.node.model.story(office.file()).dossier.submission
    receipt = office.citizen.get(f"/api/receipts/{filing}", headers={"Host": host}).json()
    assert receipt["url"].startswith(f"https://{host}/")


def test_every_page_and_answer_carries_the_policies(office):
    """The strict content policy is on everything, refusals included, and errors have one shape."""
    for path in ("/", "/precache.js", "/api/node", "/api/nothing", "/nothing"):
        answer = office.nobody.get(path)
        assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if answer.status_code >= 400:
            assert answer.json().keys() == {"error", "reason"}


def test_static_files_are_revalidated_for_nothing(office):
    """The second visit costs a 304; the list for the worker names what is served."""
    first = office.nobody.get("/")
    again = office.nobody.get("/", headers={"If-None-Match": first.headers["ETag"]})
    listed = office.nobody.get("/precache.js").text

    assert first.headers["Content-Encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")
    assert '"/app.js"' in listed
    assert '"/sw.js"' not in listed
    assert office.nobody.get("/../setup.cfg").status_code == 404


def test_every_api_refusal_has_one_shape(office):
    """Whatever is wrong with a request, the answer is {"error", "reason"} and never a stack trace."""
    bad: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/enrolments", {"json": {"request": "a.b.c"}}),
        ("POST", "/api/enrolments", {"data": b"\xff"}),
        ("POST", "/api/enrolments", {"json": {}}),
        ("POST", "/api/introductions", {"json": {"chain": ["%%%"]}}),
        ("POST", "/api/introductions", {"json": {"chain": [base64.b64encode(b"x").decode()]}}),
        ("POST", "/api/session", {"json": {"token": "x"}}),
        ("POST", "/api/events", {"json": {}}),
        ("GET", "/api/enrolments/nobody", {}),
        ("DELETE", "/api/node", {}),
        ("PUT", "/api/files/manifests/x", {"json": {"manifest": {}}}),
    ]
    for method, path, options in bad:
        answer = office.citizen(method, path, **options)
        assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text)
        assert answer.json().keys() == {"error", "reason"}, path
        assert answer.json()["reason"], path
