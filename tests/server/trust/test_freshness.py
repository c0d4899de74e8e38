"""Revocation lists: issued weekly, numbers that rise, and what a stale one means for trust."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto.crl import Revocation
from server.cli import main
from server.dossier.documents import certificate_doc, crl_doc
from server.errors import Missing, Refused
from server.intake.source import Source
from server.pki.authority import CRL_LIFE, Authority
from server.pki.revocation import ISSUE_EVERY
from server.trust import TrustState
from server.trust.rejudging import Rejudging
from server.trust.words import verdict_text

HOUR = timedelta(hours=1)


def _doc(crl):
    return crl_doc(crl.public_bytes(Encoding.DER))


def _all_lists(homes, station):
    """Lists of all three tiers in the commune's database, made at the station's time."""
    for number, unit in enumerate(homes, 1):
        crl = Authority.open(homes[unit]).issue_crl([], number=number, now=station.now[0])
        assert station.put(_doc(crl)) == ""


@pytest.fixture
def homes(make_homes):
    return make_homes()


@pytest.fixture
def station(homes, make_station):
    return make_station(homes["H41.12.03"])


def test_trust_is_provisional_once_a_list_has_lapsed(homes, station):
    """Fresh within its thirty days, a warning ten days before the end, provisional after it, with what to do."""
    trust = TrustState(station.directory)
    _all_lists(homes, station)
    start = station.now[0]

    fresh = trust.freshness(station.database, start + timedelta(days=5))
    soon = trust.freshness(station.database, start + timedelta(days=25))
    stale = trust.freshness(station.database, start + CRL_LIFE + HOUR)

    assert (fresh.provisional, fresh.soon, fresh.reason) == (False, False, None)
    assert (soon.provisional, soon.soon) == (False, True)
    assert stale.provisional
    assert "Đồng bộ" in stale.reason.vi
    assert "lapsed" in stale.reason.en
    assert {each.status for each in fresh.authorities} == {"fresh"}
    assert len(fresh.authorities) == 3


def test_a_ca_that_never_published_a_list_is_waited_for_as_long_as_one_lives(homes, station):
    """A new tree works at once; a list that is withheld from the start does not stay unnoticed."""
    trust = TrustState(station.directory)

    assert not trust.freshness(station.database, station.now[0] + timedelta(days=20)).provisional
    missing = trust.freshness(station.database, station.now[0] + CRL_LIFE + timedelta(days=1))

    assert missing.provisional
    assert {each.status for each in missing.authorities} == {"missing"}


def test_one_lapsed_unit_does_not_hold_up_the_tiers_above(homes, make_station):
    """Only the CAs from a database's own unit upward count: a commune cut off for months stops itself alone."""
    district = make_station(homes["H41.12"])
    for each in homes["H41.12.03"].chain():
        assert district.put(certificate_doc(each.public_bytes(Encoding.DER))) == ""
    later = district.now[0] + timedelta(days=60)
    for unit in ("H41", "H41.12"):
        crl = Authority.open(homes[unit]).issue_crl([], number=2, now=later)
        assert district.put(_doc(crl)) == ""

    assert not TrustState(district.directory).freshness("u-h41-12", later + HOUR).provisional


def test_a_list_that_is_newer_and_numbered_lower_is_refused(commune):
    """Numbers only rise: an old number on a new list would bring revoked certificates back to life."""
    at = commune.now[0]
    serial = 2**80
    seventh = commune.authority.issue_crl([Revocation(serial, at)], number=7, now=at)
    earlier = commune.authority.issue_crl([], number=5, now=at - HOUR)
    rolled_back = commune.authority.issue_crl([], number=6, now=at + HOUR)
    twin = commune.authority.issue_crl([], number=7, now=at + HOUR)

    assert commune.put(_doc(seventh)) == ""
    assert commune.put(_doc(rolled_back)).startswith("crl_rollback")
    assert commune.put(_doc(twin)).startswith("crl_rollback")
    assert commune.put(_doc(earlier)) == ""  # late, not rolled back: it changes no answer
    newest = commune.directory.crls(commune.database).of(commune.authority.certificate.subject.public_bytes())[0]
    assert newest.number == 7
    assert {held.code for held in commune.quarantine.all()} == {"crl_rollback"}


def test_a_store_that_forgot_a_list_is_noticed(homes, station, make_station):
    """node.db remembers the highest number: a restored store with an older list is provisional, not trusted."""
    _all_lists(homes, station)
    crl = station.authority.issue_crl([], number=900_000_000, now=station.now[0] + HOUR)
    with station.db.transaction() as connection:  # what learning it would have left behind
        connection.execute("UPDATE crl_numbers SET number = 900000000 WHERE number = 3")

    before = TrustState(station.directory).freshness(station.database, station.now[0])
    assert station.put(_doc(crl)) == ""
    after = TrustState(station.directory).freshness(station.database, station.now[0])

    assert before.provisional
    assert "sao lưu" in before.reason.vi
    assert not after.provisional


def test_a_number_that_fits_no_column_is_refused(commune):
    """A CRL number of 160 bits is legal in RFC 5280 and none of ours."""
    crl = commune.authority.issue_crl([], number=1 << 100, now=commune.now[0])

    assert commune.put(_doc(crl)).startswith("bad_crl")


def test_a_serving_node_issues_its_list_every_week(homes, make_node):
    """At first and then weekly, into its own database and the registry; numbers rise also within one hour."""
    node = make_node(homes["H41.12.03"])
    authority = Authority.open(node.home)

    assert node.crls.refresh() == 1
    first = node.crls.newest(authority.certificate)
    assert node.crls.refresh() == 0
    assert not node.crls.is_due(authority.certificate, first.this_update + ISSUE_EVERY - HOUR)
    assert node.crls.is_due(authority.certificate, first.this_update + ISSUE_EVERY)
    node.crls.issue(authority)

    second = node.crls.newest(authority.certificate)
    assert second.number == first.number + 1
    for name in (node.database, "registry"):
        assert node.directory.crls(name).of(second.issuer)[0].number == second.number


def test_a_locked_ca_key_is_complained_of_and_nothing_else_stops(homes, serve, helpers):
    """Without the key the node serves on; the keeper says why no list came."""
    (homes["H41.12.03"].path / "keys" / "ca.key").unlink()

    node, _ = serve(homes["H41.12.03"])

    assert "CA key" in helpers.wait_until(lambda: node.crl_keeper.complaint)
    assert all(each.status().alive for each in node.errands)


def test_a_ca_revoked_by_its_parent_takes_its_people_with_it(homes, make_node, key_pool, helpers):
    """A stolen commune server: the district revokes its CA, and what its people signed since is doubted."""
    commune = make_node(homes["H41.12.03"])
    person = helpers.issue_person(Authority.open(commune.home), key_pool())
    commune.copier.ensure_certificate(commune.database, person.certificate)
    district = make_node(homes["H41.12"])
    district.copier.ensure_database("u-h41-12-03")
    chain = [certificate_doc(c.public_bytes(Encoding.DER)) for c in (*commune.home.chain(), person.certificate)]
    results = district.intake.admit("u-h41-12-03", chain, source=Source("peer", "test"))
    assert [result.error for result in results] == [None] * 4

    with pytest.raises(Missing):
        _revoke(district, "H41.13")
    assert _revoke(district, "H41.12.03") == 1

    event = person.sign(helpers.submission("H41.12.03", person))
    result = district.intake.admit("u-h41-12-03", [event], source=Source("peer", "test"))[0]
    assert result.error is not None
    assert "revoked" in result.error.reason
    with pytest.raises(Refused, match="issued this certificate"):
        district.crls.revoke({person.fingerprint: "u-h41-12-03"})


def _revoke(node, name):
    from server.cli.ca import revoke_by_name

    return revoke_by_name(node, name, lost=False)


def test_events_taken_under_a_stale_list_are_judged_again_when_a_fresh_one_comes(homes, station, key_pool, helpers):
    """`crl_stale` goes away by itself; the sentence for people says that it will."""
    person = station.enrol(key_pool)
    _all_lists(homes, station)
    station.now[0] += CRL_LIFE + timedelta(days=1)
    event = person.sign(helpers.submission(station.home.unit, person))
    assert station.put(event) == ""
    rejudging = Rejudging(station.store, station.directory, station.admissions)
    stale = station.admissions.of(station.database, event.id).verdict
    assert (stale.status, stale.reason) == ("valid", "crl_stale")
    assert "sẽ kiểm tra lại" in verdict_text(stale.status, stale.reason).vi

    assert rejudging.clear_stale(station.database) == 0
    for number, unit in enumerate(homes, 10):
        crl = Authority.open(homes[unit]).issue_crl([], number=number, now=station.now[0])
        assert station.put(_doc(crl)) == ""

    assert rejudging.clear_stale(station.database) == 1
    assert station.admissions.of(station.database, event.id).verdict.reason == ""


def test_the_command_issues_a_list_for_a_key_in_a_safe(homes, capsys):
    """`tram ca crl --days 300`: the keeper leaves it alone until it nears its end; absurd lives are refused."""
    home = homes["H41.12.03"]

    assert main(["ca", "crl", str(home.path), "--days", "300"]) == 0
    assert "0 revoked" in capsys.readouterr().out
    assert main(["ca", "crl", str(home.path), "--days", "4000"]) == 1
    assert "400 days" in capsys.readouterr().err
    for words in ("99999999999", "0x10", ""):
        with pytest.raises(SystemExit, match="2"):
            main(["ca", "crl", str(home.path), "--days", words])
        assert "write it like 300" in capsys.readouterr().err


def test_a_lost_key_doubts_the_day_before_it_was_reported(homes, make_node, key_pool, helpers):
    """Key compromise: whoever found the phone may have signed before anybody noticed."""
    node = make_node(homes["H41.12.03"])
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)

    assert main(["ca", "revoke", str(node.home.path), person.urn, "--lost-key"]) == 0

    issuer = Authority.open(node.home).certificate.subject.public_bytes()
    node.directory.crls(node.database)  # as the running node had it: the command is another process
    crl = make_node(node.home).directory.crls(node.database).of(issuer)[0]
    entry = crl.entries.get_revoked_certificate_by_serial_number(person.certificate.serial_number)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
