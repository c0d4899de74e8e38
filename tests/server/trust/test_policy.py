"""The trust policy as data, and signatures of other authorities judged by it: RSA under a public CA, dates, weight."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from crypto import base64url, jcs
from crypto.errors import BadSignature, CryptoError, Malformed, UntrustedChain
from server.cli import main
from server.dossier.documents import certificate_doc
from server.errors import Refused
from server.intake.source import Source
from server.trust.policy import default_body, verify_statement

pytest.importorskip("pyhanko_certvalidator", reason="pyhanko-certvalidator comes with the extra pdf")

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.fixture(scope="module")
def public_ca():
    """A public CA with RSA keys, an official's certificate under it and its list: nothing of it is our profile."""

    class Ca:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        holder = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        root: x509.Certificate
        leaf: x509.Certificate
        list_of: Any

    def build(subject, public, ca):
        usage = x509.KeyUsage(not ca, not ca, False, False, False, ca, ca, False, False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(Ca.key.public_key())
        return (
            x509.CertificateBuilder(_name("CA công cộng"), _name(subject), public, x509.random_serial_number())
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(NOW + 300 * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(authority, critical=False)
            .sign(Ca.key, hashes.SHA256())
        )

    Ca.root = build("CA công cộng", Ca.key.public_key(), True)
    Ca.leaf = build("Trần Văn Nam", Ca.holder.public_key(), False)
    Ca.list_of = lambda serials=(): _list(Ca, serials)
    return Ca


def _list(ca, serials):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.root.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + 20 * DAY)
        .add_extension(x509.CRLNumber(4), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _policy(ca, **changes):
    times = {"from": "2026-01-01T00:00:00Z"}
    anchor = {
        "name": "CA công cộng mẫu",
        "kind": "public",
        "certificate": base64.b64encode(ca.root.public_bytes(Encoding.DER)).decode(),
        "types": ["dossier.submitted"],
        "legal": True,
        "basis": "Luật 20/2023/QH15, Điều 22",
        **times,
    }
    algorithms = [{"alg": alg, **times} for alg in ("ES256", "PS256", "RS256")]
    return default_body() | {"algorithms": algorithms, "anchors": [*default_body()["anchors"], anchor | changes]}


def _jws(ca, event, alg="RS256", **header):
    protected = base64url.encode(jcs.canonical({"alg": alg, **header}))
    payload = base64url.encode(jcs.canonical(event))
    data = f"{protected}.{payload}".encode()
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
    signature = ca.holder.sign(data, pss if alg == "PS256" else padding.PKCS1v15(), hashes.SHA256())
    x5c = [base64.b64encode(ca.leaf.public_bytes(Encoding.DER)).decode()]
    fields = {"protected": protected, "payload": payload, "signature": base64url.encode(signature)}
    return json.dumps(fields | {"header": {"x5c": x5c}}).encode()


@pytest.fixture
def event(citizen, helpers):
    return helpers.submission("H41.12.03", citizen)


def _parsed(body):
    from server.dossier.trustpolicy import check, parse_policy

    check(body)
    return parse_policy(body)


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_rsa_under_a_public_ca_counts_where_the_policy_says_so(public_ca, event, alg):
    """Who signed, under what, and the ground of the legal weight, in Vietnamese."""
    found = verify_statement(
        _jws(public_ca, event, alg), policy=_parsed(_policy(public_ca)), at=NOW, crls=[public_ca.list_of()]
    )

    assert "Trần Văn Nam" in found.signer.subject
    assert "Điều 22" in found.weight.vi
    assert found.event == event


def test_without_a_claim_of_weight_it_is_a_technical_seal(public_ca, event):
    """The program never says more than the province has configured."""
    policy = _parsed(_policy(public_ca, legal=False, basis=""))

    found = verify_statement(_jws(public_ca, event), policy=policy, at=NOW, crls=[public_ca.list_of()])

    assert found.weight.vi.startswith("Dấu kỹ thuật")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"types": ["dossier.resolved"]}, "no outside anchor for dossier.submitted"),
        ({"until": "2026-02-01T00:00:00Z"}, "no outside anchor"),
        ({"from": "2099-01-01T00:00:00Z"}, "no outside anchor"),
    ],
)
def test_an_anchor_counts_for_its_types_and_dates_alone(public_ca, event, changes, said):
    """Before, after, or for another kind of event it is as if it were not there."""
    with pytest.raises(Refused, match=said):
        verify_statement(
            _jws(public_ca, event), policy=_parsed(_policy(public_ca, **changes)), at=NOW, crls=[public_ca.list_of()]
        )


def test_an_algorithm_whose_time_is_over_is_refused(public_ca, event):
    """RS256 until last year: the signature is good and does not count."""
    body = _policy(public_ca)
    body["algorithms"] = [
        {"alg": "ES256", "from": "2026-01-01T00:00:00Z"},
        {"alg": "RS256", "from": "2020-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
    ]
    with pytest.raises(Refused, match="allows ES256 at"):
        verify_statement(_jws(public_ca, event), policy=_parsed(body), at=NOW, crls=[public_ca.list_of()])


def test_forged_revoked_and_unlisted_signers_are_refused(public_ca, event):
    """Another payload, a revoked certificate, no list at hand, another certificate in the header, an extension."""
    policy, good = _parsed(_policy(public_ca)), _jws(public_ca, event)
    other = json.loads(_jws(public_ca, event | {"at": "2026-01-01T00:00:00Z"}))
    swapped = json.dumps(other | {"signature": json.loads(good)["signature"]}).encode()
    attempts = [
        (swapped, [public_ca.list_of()], BadSignature),
        (good, [public_ca.list_of([public_ca.leaf.serial_number])], UntrustedChain),
        (good, [], UntrustedChain),
        (_jws(public_ca, event, **{"x5t#S256": "A" * 43}), [public_ca.list_of()], UntrustedChain),
        (_jws(public_ca, event, crit=["b64"], b64=False), [public_ca.list_of()], Malformed),
        (b"{}", [], Malformed),
    ]
    for data, crls, error in attempts:
        with pytest.raises(error):
            verify_statement(data, policy=policy, at=NOW, crls=crls)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "own"},
        {"basis": " "},
        {"certificate": base64.b64encode(b"no certificate").decode()},
        {"types": []},
        {"legal": "yes"},
    ],
)
def test_a_policy_that_claims_too_much_is_not_published(public_ca, change):
    """Legal weight without a ground, or for our own seal; an anchor that is no CA's certificate."""
    from server.dossier.checks import Wrong

    with pytest.raises((Wrong, CryptoError)):
        _parsed(_policy(public_ca, **change))


def test_the_root_publishes_and_every_tier_follows(public_ca, make_homes, make_node, tmp_path, capsys):
    """`tram trust publish` at the root; below, the same policy is in force once it has come; nobody else may."""
    homes = make_homes()
    (tmp_path / "policy.json").write_text(json.dumps(_policy(public_ca), ensure_ascii=False))

    assert main(["trust", "publish", str(homes["H41.12.03"].path), str(tmp_path / "policy.json")]) == 1
    assert main(["trust", "publish", str(homes["H41"].path), str(tmp_path / "policy.json")]) == 0
    province, commune = make_node(homes["H41"]), make_node(homes["H41.12.03"])
    assert commune.policies.at(NOW).algorithms_at(NOW) == {"ES256"}  # the default, until it comes
    source = province.store.open("registry")
    from replication.store import AllDocsQuery, GetRequest

    ids = [row.id for row in source.all_docs(AllDocsQuery()).rows if not row.id.startswith("crl:")]
    docs = [doc for docs in source.bulk_get([GetRequest(each) for each in ids]) for doc in docs]
    results = commune.intake.admit("registry", docs, source=Source("peer", "urn:tram:node:h41"))
    assert [result.error for result in results] == [None] * len(results)
    commune.model.follower.catch_up()

    assert commune.policies.at(NOW).algorithms_at(NOW) == {"ES256", "PS256", "RS256"}
    capsys.readouterr()
    assert main(["trust", "show", str(commune.home.path)]) == 0
    said = capsys.readouterr().out
    assert "CA công cộng mẫu" in said
    assert "Điều 22" in said


def test_of_two_policies_of_one_second_every_node_follows_the_same(make_homes, make_node):
    """The one whose event has the larger hash, whichever came first."""
    homes = make_homes()
    province, commune = make_node(homes["H41"]), make_node(homes["H41.12.03"])
    at = province.clock.now()
    es256 = {"alg": "ES256", "from": "2026-01-01T00:00:00Z"}
    both = [
        province.signer.sign(
            stream="policy.trust", type="policy.trust", at=at, body=default_body() | {"algorithms": each}
        )
        for each in ([es256], [es256, es256 | {"alg": "RS256"}])
    ]
    certificates = [certificate_doc(each.public_bytes(Encoding.DER)) for each in homes["H41"].chain()]
    own = certificate_doc(province.signer.certificate.public_bytes(Encoding.DER))

    for node, order in ((province, both), (commune, both[::-1])):
        for doc in (*certificates, own, *order):
            [result] = node.intake.admit("registry", [doc], source=Source("peer", "urn:tram:node:h41"))
            assert result.error is None, result.error
    chosen = max(both, key=lambda doc: doc.id)
    expected = {"ES256"} if chosen is both[0] else {"ES256", "RS256"}

    for node in (province, commune):
        assert node.policies.newest(at).algorithms_at(at) == expected


def test_the_command_judges_a_statement(public_ca, make_homes, tmp_path, capsys, event):
    """`tram trust verify`: signer, anchor, event, weight; a policy without outside anchors says so."""
    homes = make_homes()
    for name, data in (("policy.json", json.dumps(_policy(public_ca)).encode()), ("jws", _jws(public_ca, event))):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "crl").write_bytes(public_ca.list_of())
    command = ["trust", "verify", str(homes["H41"].path), str(tmp_path / "jws"), "--crl", str(tmp_path / "crl")]

    assert main(command) == 1
    assert "no outside anchor" in capsys.readouterr().err
    assert main(["trust", "publish", str(homes["H41"].path), str(tmp_path / "policy.json")]) == 0
    assert main(command) == 0
    assert "Trần Văn Nam" in capsys.readouterr().out
