"""A CA's next key: asked for over the link or on a stick, both chains good meanwhile, nobody notices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from server.api import create_app
from server.dossier.documents import certificate_doc
from server.errors import Clash, Refused, TooMany
from server.home import Home
from server.intake.source import Source
from server.node.assembly import Node
from server.node.servertls import ServerTls
from server.pki import requests as unit_requests
from server.pki.authority import CRL_LIFE, Authority
from server.pki.generations import finish_root, generation_of, is_root, roll_root, trust_root
from server.pki.request import build_request, build_rollover_request, is_vouched_for, parse_request

PROVINCE, DISTRICT, COMMUNE = "H41", "H41.12", "H41.12.03"


def _names(home):
    return [each.subject.rfc4514_string() for each in home.chain()]


@pytest.fixture
def homes(make_homes):
    return make_homes()


def _chain_docs(home, *more):
    return [certificate_doc(each.public_bytes(Encoding.DER)) for each in (*home.chain(), *more)]


def test_a_unit_asks_over_the_link_and_a_person_there_approves(tram, serve, homes, tmp_path):
    """`request --send`, digits by telephone, `approve`, `fetch`: no stick; the approval is on record first."""
    node, url = serve(homes[DISTRICT])
    commune = tmp_path / "new"
    tram("init", commune, "--unit", "H41.12.09", "--name", "Xã Mới", "--parent", url)

    status, said, _ = tram("ca", "request", commune, "--send")
    code = said.splitlines()[-1].removeprefix("code: ")
    assert status == 0
    assert tram("ca", "fetch", commune)[0] == 1  # nobody has approved yet
    assert "H41.12.09  Xã Mới" in tram("ca", "pending", homes[DISTRICT].path)[1]
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    assert tram("ca", "approve", homes[DISTRICT].path, "H41.12.09")[0] == 1  # no digits, no certificate
    assert tram("ca", "approve", homes[DISTRICT].path, "H41.12.09", "--code", wrong)[0] == 1
    assert tram("ca", "approve", homes[DISTRICT].path, "H41.12.09", "--code", code)[0] == 0
    assert tram("ca", "fetch", commune)[0] == 0

    assert Authority.open(Home.open(commune)).unit == "H41.12.09"
    node.model.follower.catch_up()
    stream = node.model.queries.event_ids("unit.h41-12")
    held = node.model.events("unit.h41-12", node.database)
    approvals = [each.stored.event for each in held if each.stored.event.type == "ca.approved"]
    assert stream
    assert [(event.body["unit"], event.body["generation"]) for event in approvals] == [("H41.12.09", 1)]
    assert "nothing waits" in tram("ca", "pending", homes[DISTRICT].path)[1]


def test_a_unit_asks_over_the_trees_own_tls(tram, make_node, homes, tmp_path):
    """A new home, which knows no root, is told to name the certificate it means; one that knows the tree needs nothing.
    Whoever else answers there is refused."""

    def serve_tls(unit):
        node = make_node(homes[unit])
        url = node.start(create_app(node), sync=False, tls=ServerTls(homes[unit], (), lambda: datetime.now(UTC)))
        return url.rstrip("/"), tram("link", "thumbprint", homes[unit].path / "certs" / "tls.pem")[1].strip()

    (url, pin), (beside, wrong) = serve_tls(DISTRICT), serve_tls(COMMUNE)
    commune = tmp_path / "new"
    tram("init", commune, "--unit", "H41.12.09", "--parent", url)

    status, _, complaint = tram("ca", "request", commune, "--send")
    assert (status, "--pin" in complaint) == (1, True)
    assert tram("ca", "request", commune, "--send", "--pin", wrong)[0] == 1
    status, said, _ = tram("ca", "request", commune, "--send", "--pin", pin)
    assert status == 0
    code = said.splitlines()[-1].removeprefix("code: ")
    assert tram("ca", "approve", homes[DISTRICT].path, "H41.12.09", "--code", code)[0] == 0
    assert tram("ca", "fetch", commune, "--pin", pin)[0] == 0

    assert tram("ca", "rollover", commune, "--send")[0] == 0
    assert tram("ca", "approve", homes[DISTRICT].path, "H41.12.09")[0] == 0
    status, _, complaint = tram("ca", "fetch", commune, "--from", beside)
    assert (status, "a unit above H41.12.09" in complaint) == (1, True)
    assert tram("ca", "fetch", commune)[0] == 0
    assert generation_of(Home.open(commune)) == 2


def test_a_refused_request_says_why(tram, serve, homes, tmp_path):
    """The unit below reads the reason; the key cannot be approved afterwards."""
    node, url = serve(homes[DISTRICT])
    commune = tmp_path / "new"
    tram("init", commune, "--unit", "H41.12.09", "--parent", url)
    code = tram("ca", "request", commune, "--send")[1].splitlines()[-1].removeprefix("code: ")

    refusal = ("ca", "refuse", homes[DISTRICT].path, "H41.12.09", "--code", code, "--reason", "xã đã sáp nhập")
    assert tram(*refusal)[0] == 0

    status, _, complaint = tram("ca", "fetch", commune)
    assert status == 1
    assert "sáp nhập" in complaint
    now = node.clock.now()
    with pytest.raises(Clash):
        node.unit_requests.approve(parse_request(build_request(Home.open(commune), now)).thumbprint, now)


def test_requests_of_other_branches_and_floods_are_refused(make_node, homes, monkeypatch, tmp_path):
    """A unit outside the branch is told where to ask; strangers cannot fill the list."""
    from server.home import Engine, Settings

    district = make_node(homes[DISTRICT])
    now = district.clock.now()
    monkeypatch.setattr(unit_requests, "MAX_PENDING", 2)

    def request(unit):
        home = Home.create(tmp_path / unit, Settings(unit, unit, Engine(), None, ""))
        return build_request(home, now)

    with pytest.raises(Refused, match="does not lie below"):
        district.unit_requests.ask(request("H41.13"), now)
    first = request("H41.12.07")
    district.unit_requests.ask(first, now)
    district.unit_requests.ask(request("H41.12.08"), now)
    with pytest.raises(TooMany):
        district.unit_requests.ask(request("H41.12.09"), now)
    assert district.unit_requests.ask(first, now).state == "pending"


def test_a_commune_rolls_over_and_people_keep_working(tram, serve, homes, make_node, key_pool, helpers):
    """New key, new name "G2", no digits needed since the old key vouches; old and new certificates both hold at the
    district, and the old CA keeps publishing its list."""
    commune = make_node(homes[COMMUNE])
    before = helpers.issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, before.certificate)
    commune.close()
    district, url = serve(homes[DISTRICT])
    district.copier.ensure_database("u-h41-12-03")
    chain = _chain_docs(homes[COMMUNE], before.certificate)
    assert not any(r.error for r in district.intake.admit("u-h41-12-03", chain, source=Source("peer", "test")))

    assert tram("ca", "rollover", homes[COMMUNE].path, "--send", url)[0] == 0
    assert "the unit's present CA key" in tram("ca", "pending", homes[DISTRICT].path)[1]
    assert tram("ca", "approve", homes[DISTRICT].path, COMMUNE)[0] == 0
    assert tram("ca", "fetch", homes[COMMUNE].path, "--from", url)[0] == 0

    home = Home.open(homes[COMMUNE].path)
    assert "H41.12.03 CA G2 " in _names(home)[0]
    assert generation_of(home) == 2
    commune = Node(home)
    after = helpers.issue_person(Authority.open(home), key_pool())
    commune.copier.ensure_certificate(commune.database, after.certificate)
    assert commune.crls.refresh() == 2  # both generations
    docs = [
        *_chain_docs(home, commune.signer.certificate, after.certificate),
        before.sign(helpers.submission(COMMUNE, before)),
        after.sign(helpers.submission(COMMUNE, after)),
    ]
    there = district.intake.admit("u-h41-12-03", docs, source=Source("peer", "test"))
    here = commune.intake.admit("u-h41-12-03", docs, source=Source("peer", "test"))
    assert [result.error for result in (*there, *here)] == [None] * 2 * len(docs)

    retired = Authority.generations(home)[1]
    assert commune.crls.newest(retired.certificate).next_update < retired.certificate.not_valid_after_utc
    ends = [each.not_valid_after_utc for each in (before.certificate, commune.log.key.certificate)]
    assert commune.directory.last_end_below(retired.certificate) == max(ends)

    from server.cli.ca import revoke_by_name

    assert revoke_by_name(commune, before.urn, lost=False) == 1  # by the old key's own list
    event = before.sign(helpers.submission(COMMUNE, before))
    result = commune.intake.admit("u-h41-12-03", [event], source=Source("peer", "test"))[0]
    assert result.error is not None
    assert "revoked" in result.error.reason
    commune.close()


def test_a_key_the_present_one_did_not_vouch_for_is_no_rollover(make_node, homes, tmp_path):
    """Somebody with another key who says that he is the commune needs the digits like everybody."""
    from server.home import Engine, Settings

    district = make_node(homes[DISTRICT])
    docs = _chain_docs(homes[COMMUNE])
    district.copier.ensure_database("u-h41-12-03")
    district.intake.admit("u-h41-12-03", docs, source=Source("peer", "test"))
    now = district.clock.now()
    thief = Home.create(tmp_path / "thief", Settings(COMMUNE, "x", Engine(), None, ""))
    genuine = district.unit_requests.ask(build_rollover_request(homes[COMMUNE], now), now)
    stolen = parse_request(build_request(thief, now))

    forged = is_vouched_for(
        type(stolen)(stolen.unit, stolen.name, stolen.public_key, stolen.code, 2, genuine.request.previous),
        [homes[COMMUNE].chain()[0]],
    )

    assert genuine.vouched
    assert not forged
    assert not district.unit_requests.ask(build_request(thief, now), now).vouched


def test_an_install_that_was_cut_short_can_be_run_again(tram, homes, tmp_path):
    """The old key is kept before the new one takes its place; a power cut in between loses neither."""
    answer = tmp_path / "answer"
    tram("ca", "rollover", homes[COMMUNE].path, tmp_path / "request")
    code = parse_request((tmp_path / "request").read_bytes()).code
    assert tram("ca", "sign", homes[DISTRICT].path, tmp_path / "request", answer, "--code", code)[0] == 0
    home = Home.open(homes[COMMUNE].path)
    old = home.ca_key().public_key()
    home.keep_retired(unit_mark := home.chain()[0].subject.rfc4514_string()[-8:], home.chain())
    home.promote_next_ca_key()  # and here the power went

    assert tram("ca", "install", home.path, answer)[0] == 0

    assert [each.certificate.public_key() for each in Authority.generations(home)] == [home.ca_key().public_key(), old]
    assert home.retired_marks() == [unit_mark]


def test_a_root_rolls_over_and_nodes_that_trust_the_old_one_go_on(homes, make_node, key_pool, helpers, tram):
    """The old root certifies the new one; nodes below follow that link until they trust it by themselves."""
    province = make_node(homes[PROVINCE])
    province.copier.ensure_certificate("registry", province.signer.certificate)
    before = province.signer.certificate
    province.close()
    new_root = roll_root(homes[PROVINCE], province.clock._now())
    assert is_root(homes[PROVINCE])
    assert "H41 root G2 " in new_root.subject.rfc4514_string()

    province = make_node(homes[PROVINCE])
    assert province.signer.certificate != before
    commune = make_node(homes[COMMUNE])
    docs = _chain_docs(homes[PROVINCE], province.signer.certificate)
    event = province.signer.sign(
        stream="unit.h41",
        type="unit.described",
        at=province.clock.now(),
        body={"code": "H41", "name": "Tỉnh", "tier": "province", "from": "2026-01-01T00:00:00Z"},
    )
    results = commune.intake.admit("registry", [*docs, event], source=Source("peer", "test"))
    assert [result.error for result in results] == [None] * len(results)

    stranger = _self_signed(keys.generate_p384())
    with pytest.raises(Refused, match="no root this home trusts"):
        trust_root(homes[COMMUNE], stranger, commune.directory.certificates_of_authorities(), commune.clock.now())
    commune.close()
    pem = homes[COMMUNE].path / "root.pem"
    pem.write_bytes(new_root.public_bytes(Encoding.PEM))
    assert tram("ca", "trust", homes[COMMUNE].path, pem)[0] == 0
    assert tram("ca", "trust", homes[COMMUNE].path, pem)[0] == 1  # already
    assert len(Home.open(homes[COMMUNE].path).anchors()) == 2

    finish_root(homes[PROVINCE], province.clock.now())
    assert homes[PROVINCE].chain() == homes[PROVINCE].anchors() == [new_root]
    province = make_node(homes[PROVINCE])
    commune = make_node(Home.open(homes[COMMUNE].path))
    later = province.signer.sign(
        stream="unit.h41",
        type="unit.described",
        at=province.clock.now() + timedelta(seconds=2),
        body={"code": "H41", "name": "Tỉnh mới", "tier": "province", "from": "2026-02-01T00:00:00Z"},
    )
    docs = [certificate_doc(province.signer.certificate.public_bytes(Encoding.DER)), later]
    assert [r.error for r in commune.intake.admit("registry", docs, source=Source("peer", "test"))] == [None, None]


def _self_signed(key):
    from datetime import UTC, datetime

    from crypto.certificates import build_root

    now = datetime.now(UTC)
    root = build_root(
        name="H41 root G2",
        key=key,
        not_before=now,
        not_after=now + timedelta(days=9),
        serial=x509.random_serial_number(),
        unit="H41",
    )
    return root.public_bytes(Encoding.PEM)


def test_a_running_node_is_not_rolled_over_beneath_itself(tram, serve, homes):
    """It holds the chain it began with; the command says to stop it first."""
    serve(homes[PROVINCE])

    status, _, complaint = tram("ca", "rollover", homes[PROVINCE].path)

    assert status == 1
    assert "stop that one first" in complaint


def test_a_retired_key_signs_one_last_list_when_its_last_certificate_has_ended(homes, make_node, key_pool, helpers):
    """That list lasts as long as the CA itself, so nothing goes stale, and no more are owed."""
    begun = make_node(homes[DISTRICT]).clock.now()
    roll_root(homes[PROVINCE], begun)
    later = begun + timedelta(days=500)
    province = make_node(homes[PROVINCE], now=lambda: later)
    present, retired = Authority.generations(homes[PROVINCE])
    assert province.directory.last_end_below(retired.certificate) is not None  # the link certificate lives on
    assert province.crls.refresh() == 2
    assert province.crls.newest(retired.certificate).next_update == later.replace(microsecond=0) + CRL_LIFE

    last = province.crls.issue(retired, life=province.crls.life_of(retired, later + timedelta(days=3650)))
    assert last.next_update_utc == retired.certificate.not_valid_after_utc
    assert not province.crls.is_due(retired.certificate, later + timedelta(days=4000))
    assert province.crls.is_due(present.certificate, later + timedelta(days=8))
