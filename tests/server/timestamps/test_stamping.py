"""Events are signed now and stamped later; every tier computes the same proven time from the tokens that travel."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crypto.errors import UntrustedChain
from replication.document import Doc, DocId
from replication.store import AllDocsQuery
from server.api import create_app
from server.cli import main
from server.dossier.checks import Wrong
from server.dossier.trustpolicy import check, parse_policy
from server.erasure.filesweep import purge_documents
from server.errors import NotReady, Refused
from server.home import Home
from server.intake.source import Source
from server.timestamps.asking import Authority
from server.timestamps.documents import build_timestamp, parse_timestamp
from server.trust.policy import default_body
from server.verify import verify_home


def event_id(doc: Doc) -> str:
    return doc.id.rpartition(":")[2]


def stamp(node: Any, tsa: Any, database: str = "") -> Any:
    authority = Authority(tsa.url, node.policies.newest(datetime.now(UTC)).time_authorities)
    try:
        return node.stamper.run(database or node.database, authority)
    finally:
        authority.close()


def tokens(node: Any) -> list[str]:
    rows = node.store.open(node.database).all_docs(AllDocsQuery(start="tst:", end="tst:~")).rows
    return [row.id for row in rows]


def test_a_token_is_an_earlier_proof_than_a_clock_that_runs_ahead(tiers, tsa, take, name_authorities) -> None:
    """The commune's log says tomorrow; the authority says now, and that counts."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    [doc] = take(commune)
    before = commune.proofs.earliest(commune.database, event_id(doc))

    done = stamp(commune, tsa)

    found = commune.proofs.earliest(commune.database, event_id(doc))
    assert (done.stamped, done.left) == (1, 0)
    assert (before.by, found.by, found.origin) == ("log", "timestamp", "TSA mẫu")
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=1) < before.at - found.at
    assert commune.model.proofs(doc.id.partition(":")[0], commune.database).proven_at(event_id(doc)) == found.at


def test_an_event_that_was_erased_while_it_waited_holds_up_no_other(tiers, tsa, take, name_authorities) -> None:
    """The authority was out of reach for months, and a dossier's time was over: what is left is stamped."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    gone, doc = take(commune, 2)
    assert commune.stamper.waiting(commune.database) == 2
    purge_documents(commune.store.open(commune.database), [gone.id])

    done = stamp(commune, tsa)

    assert (done.stamped, done.left, tsa.asked) == (1, 0, 1)
    assert commune.proofs.earliest(commune.database, event_id(doc)).by == "timestamp"


@pytest.mark.parametrize("order", ["events first", "tokens first", "policy last"])
def test_every_tier_proves_the_same_whatever_came_first(
    tiers, tsa, take, name_authorities, carry, order, make_node, make_homes
) -> None:
    """Token before its event, token before the policy: stored, and proven when the rest is there."""
    province, commune = tiers
    district = make_node(make_homes()["H41.12"])
    name_authorities(province, commune, entries=[tsa.entry()])
    docs = take(commune, 2)
    stamp(commune, tsa)
    here = {each.id: commune.proofs.earliest(commune.database, event_id(each)) for each in docs}

    if order != "policy last":
        carry(province, district, "registry")
    if order == "tokens first":
        assert carry(commune, district, commune.database, keep=lambda each: each.startswith(("tst:", "cert:"))) == []
        assert district.proofs.earliest(commune.database, event_id(docs[0])) is None
    assert carry(commune, district, commune.database) == []
    if order == "policy last":
        assert district.proofs.earliest(commune.database, event_id(docs[0])) is None
        carry(province, district, "registry")

    assert {each.id: district.proofs.earliest(commune.database, event_id(each)) for each in docs} == here


def test_stamping_that_was_cut_off_goes_on_where_it_stood(tiers, tsa, take, name_authorities) -> None:
    """What was stamped stays stamped and is not asked for again."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    take(commune, 5)
    tsa.refuse_after = 2

    with pytest.raises(NotReady, match="503"):
        stamp(commune, tsa)
    assert len(tokens(commune)) == 2
    tsa.refuse_after = 10**9
    done = stamp(commune, tsa)

    assert (done.stamped, done.left, len(tokens(commune))) == (3, 0, 5)
    assert stamp(commune, tsa).stamped == 0
    assert tsa.asked == 6  # five tokens and the refusal


def test_a_policy_that_drops_an_authority_takes_the_worth_of_its_tokens(tiers, tsa, take, name_authorities) -> None:
    """With a stolen key old times can be signed; and an authority that comes back counts again."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    [doc] = take(commune)
    stamp(commune, tsa)
    told: list[set[str]] = []
    commune.proofs.listen(lambda _, ids, checkpoint: told.append(ids))

    name_authorities(province, commune, entries=[])
    assert commune.proofs.earliest(commune.database, event_id(doc)).by == "log"
    name_authorities(province, commune, entries=[tsa.entry(name="TSA nữa")])

    assert commune.proofs.earliest(commune.database, event_id(doc)).origin == "TSA nữa"
    assert told
    assert all(ids == {event_id(doc)} for ids in told)


def test_a_token_counts_only_within_the_dates_of_its_authority(tiers, tsa, take, name_authorities) -> None:
    """Ended yesterday: what it says today proves nothing, and it is not stored."""
    province, commune = tiers
    ended = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    name_authorities(province, commune, entries=[tsa.entry(until=ended)])
    take(commune)

    with pytest.raises(UntrustedChain):
        stamp(commune, tsa)
    assert tokens(commune) == []


def test_a_token_of_another_event_proves_nothing(tiers, tsa, take, name_authorities) -> None:
    """The token is good, and about something else: it waits for ever, and `tram verify` says how many do."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    first, second = take(commune, 2)
    stamp(commune, tsa)
    opened = commune.store.open(commune.database)
    found = next(p for p in (parse_timestamp(opened.get(DocId(e)).body) for e in tokens(commune)) if p.of == first.id)
    true = commune.proofs.earliest(commune.database, event_id(second))
    forged = build_timestamp(second.id, found.token.der)

    [result] = commune.intake.admit(commune.database, [forged], source=Source("peer", "test"))
    commune.proofs.catch_up(commune.database)

    assert result.error is None
    assert commune.proofs.earliest(commune.database, event_id(second)) == true
    path = commune.home.path
    commune.close()
    report = verify_home(path)
    assert report.checked["time-stamps"] == 2
    assert any("1 time-stamps prove nothing" in note for note in report.notes)
    assert report.problems == []


def test_a_signature_dressed_otherwise_on_the_way_is_still_stamped(tsa) -> None:
    """From (r, s) anybody makes (r, n - s); the token is about either."""
    from server.timestamps.token import _P256_ORDER, build_imprint, is_about, parse_token

    authority = Authority(tsa.url, parse_policy(default_body() | {"tsa": [tsa.entry()]}).time_authorities)
    signature = bytes(range(1, 65))
    token = parse_token(authority.fetch(signature).der)
    authority.close()
    other = signature[:32] + (_P256_ORDER - int.from_bytes(signature[32:])).to_bytes(32)

    assert token.imprint == build_imprint(signature)
    assert is_about(token, signature)
    assert is_about(token, other)
    assert not is_about(token, bytes(64 - 1) + b"\x01")


def test_nonsense_for_an_answer_is_told_and_nothing_is_stored(tiers, tsa, take, name_authorities) -> None:
    """A cached answer, a captive portal's page, a megabyte, a refusal with words."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    take(commune, 2)
    rejection = bytes.fromhex("300730050201023000")
    for answer in (b"<html>login</html>", bytes(10**6), rejection):
        tsa.answers = lambda _, answer=answer: answer
        with pytest.raises(NotReady):
            stamp(commune, tsa)
    assert tokens(commune) == []

    first: list[bytes] = []
    tsa.answers = lambda query: (first.append(tsa.reply(query)) if not first else None) or first[0]
    with pytest.raises(NotReady, match="another question"):
        stamp(commune, tsa)
    assert len(tokens(commune)) == 1


def test_the_door_takes_time_stamps_from_nodes_and_of_the_form_alone(tiers, tsa, take, name_authorities) -> None:
    """A person's, one with a wrong name, one that is no token, one for the registry: refused by name."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    [doc] = take(commune)
    stamp(commune, tsa)
    good = commune.store.open(commune.database).get(DocId(tokens(commune)[0]))
    other = build_timestamp(doc.id, parse_timestamp(good.body).token.der[:-1] + b"\x00")
    renamed = Doc(DocId("tst:sha256-" + "A" * 43), good.rev, good.path, False, good.body, {})

    def put(each: Doc, database: str = "", kind: Any = "peer") -> str:
        [result] = province.intake.admit(database or commune.database, [each], source=Source(kind, "x"))
        return "" if result.error is None else result.error.reason.partition(":")[0]

    province.copier.ensure_database(commune.database)
    assert put(build_timestamp(doc.id, b"no token")) == "malformed"
    assert put(build_timestamp("no event", parse_timestamp(good.body).token.der)) == "malformed"
    assert put(renamed) == "bad_id"
    assert put(good, kind="person") == "wrong_database"
    assert put(good, database="registry") == "wrong_database"
    assert put(build_timestamp(doc.id, bytes(20_000))) == "too_large"
    assert put(other) in ("", "malformed")  # a damaged signature is found when it is judged
    assert put(good) == ""


def test_a_stamped_home_is_verified_and_a_token_under_a_false_name_is_found(tiers, tsa, take, name_authorities) -> None:
    """`tram verify` recomputes names, imprints and signatures, by the registry's policy, whoever wrote the store."""
    province, commune = tiers
    name_authorities(province, commune, entries=[tsa.entry()])
    docs = take(commune, 3)
    stamp(commune, tsa)
    path, opened = commune.home.path, commune.store.open(commune.database)
    good = opened.get(DocId(tokens(commune)[0]))
    assert verify_home(path).checked["time-stamps"] == 3
    assert verify_home(path).problems == []

    forged = build_timestamp(docs[0].id, parse_timestamp(good.body).token.der + b"x")
    opened.bulk_docs([replace(forged, id=DocId("tst:sha256-" + "A" * 43))], new_edits=False)

    assert [each.partition(": ")[2][:22] for each in verify_home(path).problems] == ["tst:sha256-AAAAAAAAAAA"]


def test_the_command_stamps_tells_and_remembers(tiers, tsa, take, name_authorities, capsys) -> None:
    """`tram timestamp`: what waits, stamping with figures, an authority the policy does not name, remembering."""
    province, commune = tiers
    take(commune, 2)
    home = str(commune.home.path)
    assert main(["timestamp", home]) == 0
    assert "2 events have no time-stamp" in capsys.readouterr().out

    assert main(["timestamp", home, "--tsa", tsa.url]) == 1
    assert "tram trust publish" in capsys.readouterr().err
    name_authorities(province, commune, entries=[tsa.entry()])
    assert main(["timestamp", home, "--tsa", tsa.url, "--remember"]) == 0
    assert "2 events stamped, 0 wait" in capsys.readouterr().out
    assert Home.open(commune.home.path).settings.tsa == tsa.url

    assert main(["timestamp", home, "--tsa", "ftp://x"]) == 1
    assert main(["timestamp", home, "--forget"]) == 0
    assert Home.open(commune.home.path).settings.tsa == ""


def test_a_serving_node_stamps_by_itself_what_comes(
    make_homes, make_node, tsa, take, name_authorities, helpers
) -> None:
    """Told of an authority once, it asks in the background, and stops at once when it is told to."""
    homes = make_homes()
    province, commune_home = make_node(homes["H41"]), homes["H41.12.03"]
    commune_home.with_settings(replace(commune_home.settings, tsa=tsa.url))
    commune = make_node(Home.open(commune_home.path))
    name_authorities(province, commune, entries=[tsa.entry()])
    [doc] = take(commune)
    commune.start(create_app(commune), sync=False)
    try:
        helpers.wait_until(lambda: commune.stamps.earliest(commune.database, _hash(doc)) is not None)
    finally:
        commune.stop()
    assert not [each for each in threading.enumerate() if each.name == "timestamps"]


def _hash(doc: Doc) -> bytes:
    from server.log.leaves import event_of_document

    return event_of_document(doc.id)


def test_an_authority_is_named_by_its_own_root(tsa) -> None:
    """A policy that names an intermediate is refused with what to do: the path would never end."""
    entry = tsa.entry()
    with pytest.raises(Wrong, match="self-signed root"):
        check(default_body() | {"tsa": [entry | {"certificate": entry["chain"][0]}]})
    body = default_body() | {"tsa": [entry]}
    check(body)
    assert [each.name for each in parse_policy(body).time_authorities] == ["TSA mẫu"]


def test_a_policy_without_authorities_asks_nobody() -> None:
    """The words say where to name one."""
    with pytest.raises(Refused, match="tram trust publish"):
        Authority("http://127.0.0.1:1/", ())
