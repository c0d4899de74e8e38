"""The path check: every forged, widened, misplaced or outdated chain is refused with its reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto import certificates, chain, crl, jws, keys
from crypto.chain import ChainCache, TrustAnchors, Verdict
from crypto.errors import BadSignature, CryptoError, Malformed, TooLarge, UntrustedChain
from tests.crypto.paths import DAY, NOW, crl_of, reason_of, verify

ID = "00112233445566778899aabbccddeeff"


def crafted_leaf(
    province: Any, under: Any, *, without: tuple[type[x509.ExtensionType], ...] = (), **replaced: x509.ExtensionType
) -> Any:
    """Return a leaf such as our own builder never makes: extensions left out or replaced, signed by `under`."""
    key = keys.generate_p256()
    usage = province.official.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    dns, urn = certificates.person_dns(ID, "H41.12.03"), certificates.subject_urn(ID)
    extensions: dict[str, tuple[x509.ExtensionType, bool]] = {
        "basic": (x509.BasicConstraints(ca=False, path_length=None), True),
        "usage": (usage, True),
        "purposes": (x509.ExtendedKeyUsage([certificates.DOCUMENT_SIGNING]), False),
        "names": (x509.SubjectAlternativeName([x509.DNSName(dns), x509.UniformResourceIdentifier(urn)]), False),
    }
    extensions.update({name: (value, extensions.get(name, (None, True))[1]) for name, value in replaced.items()})
    public_key = replaced.pop("public_key", None) or key.public_key()
    extensions.pop("public_key", None)
    builder = (
        x509.CertificateBuilder()
        .issuer_name(under.certificate.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ID)]))
        .public_key(public_key)  # type: ignore[arg-type]  # one that a test may not load
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(under.key.public_key()), critical=False)
    )
    for value, critical in extensions.values():
        if not isinstance(value, without):
            builder = builder.add_extension(value, critical=critical)
    return type(under)(builder.sign(under.key, hashes.SHA256()), key)


def names_extension(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


def test_a_person_and_a_node_are_verified_up_to_the_root(province: Any) -> None:
    """What comes back: names, unit, key, the whole path and the window in which it holds."""
    person, node = verify(province, province.official), verify(province, province.node)

    assert (person.kind, person.subject_urn, person.unit) == ("person", f"urn:tram:subject:{ID}", "H41.12.03")
    assert (node.kind, node.subject_urn, node.unit) == ("node", "urn:tram:node:h41-12-03", "H41.12.03")
    assert person.public_key == province.official.key.public_key()
    assert [c.subject for c in person.chain] == [
        holder.certificate.subject for holder in (province.official, province.commune, province.district, province.root)
    ]
    assert (person.not_before, person.not_after) == (NOW - 10 * DAY, NOW + 300 * DAY)
    assert chain.judge(person, at=NOW) == Verdict("valid", "crl_unknown")


@pytest.mark.parametrize("tiers", [1, 2, 5, 8])
def test_any_number_of_tiers_leads_to_the_root(issuing: Any, tiers: int) -> None:
    """A commune straight under the province, or five levels between: nothing is hard-coded."""
    root = issuing.root()
    above, unit = [root], "H41"
    for level in range(tiers - 1):
        unit += f".{level}"
        above.append(issuing.ca(above[-1], unit))
    leaf = issuing.leaf(above[-1], unit)

    signer = chain.verify_chain(
        leaf.der, [holder.der for holder in above], anchors=TrustAnchors([root.certificate]), at=NOW
    )

    assert (signer.unit, len(signer.chain)) == (unit, tiers + 1)


def test_the_anchor_may_be_one_of_several_or_an_intermediate(province: Any, issuing: Any) -> None:
    """Two roots side by side; and a pinned district, for whoever trusts no more than that."""
    anchors = TrustAnchors([issuing.root().certificate, province.root.certificate])
    pinned = TrustAnchors([province.district.certificate])

    assert verify(province, province.official, anchors=anchors)
    assert len(verify(province, province.official, anchors=pinned).chain) == 3
    with pytest.raises(ValueError, match="no trust anchor"):
        TrustAnchors([])


# --- attack 2: a forged commune CA -----------------------------------------------------------------------------------


def test_attack_2_forged_chain_with_the_same_names_is_refused(province: Any, issuing: Any) -> None:
    """The same distinguished names all the way up, under the attacker's own root."""
    root = issuing.root()
    district = issuing.ca(root, "H41.12")
    commune = issuing.ca(district, "H41.12.03")
    leaf = issuing.leaf(commune, "H41.12.03")

    assert reason_of(province, leaf, commune, district, root) == "forged_issuer"
    assert reason_of(province, leaf, province.commune, province.district) == "forged_issuer"
    assert reason_of(province, leaf, commune, province.district) == "forged_issuer"


def test_attack_2_chain_to_an_unknown_root_is_refused(province: Any, issuing: Any) -> None:
    """Another root's name, a missing intermediate, a self-made root sent along."""
    root = issuing.root("Evil Root")
    commune = issuing.ca(root, "H41.12.03", name="Evil CA")
    leaf = issuing.leaf(commune, "H41.12.03")

    assert reason_of(province, leaf, commune, root) == "unknown_issuer"
    assert reason_of(province, province.official, province.district) == "unknown_issuer"


def _unchecked_ca(under: Any, suffixes: list[str] | None, **changes: Any) -> Any:
    """Return a CA under `under` with any name constraints at all: what a careless or bribed parent might sign."""
    key = keys.generate_p256()
    usage = under.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    builder = (
        x509.CertificateBuilder()
        .issuer_name(under.certificate.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Careless CA")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(under.key.public_key()), critical=False)
    )
    if suffixes is not None:
        names = changes.get("names") or [x509.DNSName(suffix) for suffix in suffixes]
        constraints = x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None)
        builder = builder.add_extension(constraints, critical=changes.get("critical", True))
    return type(under)(builder.sign(under.key, hashes.SHA256()), key)


def test_attack_2_real_ca_naming_another_commune_is_refused(province: Any) -> None:
    """The commune CA of 03 signs a leaf for 99: its own builder refuses, so this one is made by hand."""
    names = names_extension(
        x509.DNSName(f"{ID}.99.12.h41.tram.internal"), x509.UniformResourceIdentifier(f"urn:tram:subject:{ID}")
    )

    assert reason_of(province, crafted_leaf(province, province.commune, names=names)) == "name_constraint"


@pytest.mark.parametrize(
    "suffixes",
    [
        ["99.12.h41.tram.internal"],
        ["h41.tram.internal"],
        ["13.h41.tram.internal", "12.h41.tram.internal"],
        ["tram.internal"],
        [".12.h41.tram.internal"],
        None,
    ],
)
def test_attack_2_ca_with_widened_or_missing_constraints_is_refused(
    province: Any, issuing: Any, suffixes: list[str] | None
) -> None:
    """A CA under the district that claims a sibling, the province, two branches, everything, or says nothing."""
    district = issuing.ca(province.root, "H41.13")
    careless = _unchecked_ca(district, suffixes)
    leaf = crafted_leaf(province, careless)

    assert reason_of(province, leaf, careless, district) == "name_constraint"


def test_attack_2_unconstrained_ca_under_the_root_is_refused(province: Any) -> None:
    """Even where no name is out of place: a CA without a branch could certify the whole country."""
    careless = _unchecked_ca(province.root, None)

    assert reason_of(province, crafted_leaf(province, careless), careless) == "name_constraint"


def test_attack_2_constraints_that_validators_ignore_are_refused(province: Any) -> None:
    """Non-critical, or on directory names: the library passes over some of these, so they are not accepted."""
    directory = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN")]))
    for careless in (
        _unchecked_ca(province.root, ["h41.tram.internal"], critical=False),
        _unchecked_ca(province.root, ["x"], names=[directory]),
        _unchecked_ca(province.root, ["x"], names=[directory], critical=False),
    ):
        leaf = crafted_leaf(province, careless)
        with pytest.raises(UntrustedChain):
            verify(province, leaf, careless)


def test_attack_2_constraint_on_the_anchor_itself_counts(issuing: Any) -> None:
    """A root made for H41 cannot certify H42, although RFC 5280 leaves anchors alone."""
    root = issuing.root(unit="H41")
    outside = _unchecked_ca(root, ["h42.tram.internal"])
    names = names_extension(x509.DNSName("h42.tram.internal"), x509.UniformResourceIdentifier("urn:tram:node:h42"))
    official = type(root)(issuing.leaf(root, "H41").certificate, root.key)
    leaf = crafted_leaf(_Like(official), outside, names=names)

    with pytest.raises(UntrustedChain) as refused:
        chain.verify_chain(leaf.der, [outside.der], anchors=TrustAnchors([root.certificate]), at=NOW)
    assert refused.value.reason_code == "name_constraint"


class _Like:
    """Just enough of a province for `crafted_leaf`."""

    def __init__(self, official: Any) -> None:
        self.official = official


def test_attack_2_leaf_without_dns_name_is_refused(province: Any) -> None:
    """Without one no name constraint would bind it; doubled or foreign names are refused as well."""
    dns = x509.DNSName(certificates.person_dns(ID, "H41.12.03"))
    urn = x509.UniformResourceIdentifier(certificates.subject_urn(ID))
    other = x509.UniformResourceIdentifier(certificates.subject_urn("0" * 32))
    for names in (
        [urn],
        [dns],
        [dns, dns, urn],
        [dns, urn, other],
        [dns, other],
        [dns, urn, x509.RFC822Name("a@b.invalid")],
        [dns, x509.UniformResourceIdentifier("https://evil.invalid")],
    ):
        leaf = crafted_leaf(province, province.commune, names=names_extension(*names))
        assert reason_of(province, leaf) == "not_a_signer"
    leaf = crafted_leaf(province, province.commune, without=(x509.SubjectAlternativeName,))
    assert reason_of(province, leaf) == "not_a_signer"


# --- who may sign ----------------------------------------------------------------------------------------------------


def test_a_ca_certificate_cannot_sign_documents(province: Any) -> None:
    """Not as it is, and not with a signer's names and purposes added."""
    assert reason_of(province, province.commune) == "not_a_signer"
    pretender = crafted_leaf(province, province.district, basic=x509.BasicConstraints(ca=True, path_length=None))
    assert reason_of(province, pretender) == "not_a_signer"


@pytest.mark.parametrize("missing", [x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage])
def test_a_leaf_that_leaves_its_purpose_open_cannot_sign(province: Any, missing: type[x509.ExtensionType]) -> None:
    """Absent does not mean allowed."""
    assert reason_of(province, crafted_leaf(province, province.commune, without=(missing,))) == "not_a_signer"


def test_a_leaf_for_another_purpose_cannot_sign(province: Any) -> None:
    """A plain TLS certificate, a certificate-signing key usage, a key on another curve."""
    tls = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    usage = province.commune.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    for changes in ({"purposes": tls}, {"usage": usage}, {"public_key": p384}):
        assert reason_of(province, crafted_leaf(province, province.commune, **changes)) == "not_a_signer"


def test_a_leaf_signed_by_a_leaf_is_refused(province: Any) -> None:
    """An official's key cannot issue certificates."""
    with pytest.raises(UntrustedChain):
        verify(
            province, crafted_leaf(province, province.official), province.official, province.commune, province.district
        )


def test_a_path_longer_than_its_ca_allows_is_refused(province: Any, issuing: Any) -> None:
    """The commune CA has path length 0: a further CA below it counts for nothing."""
    below = issuing.ca(province.commune, "H41.12.03.1")
    leaf = issuing.leaf(below, "H41.12.03.1")

    assert reason_of(province, leaf, below, province.commune, province.district) == "bad_chain"


def test_an_unknown_critical_extension_is_refused(province: Any) -> None:
    """A certificate may say something that must be understood; then we say that we do not."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")

    assert reason_of(province, crafted_leaf(province, province.commune, surprise=unknown)) == "bad_chain"


# --- time ------------------------------------------------------------------------------------------------------------


def test_validity_is_judged_at_the_instant_asked_for(province: Any, issuing: Any) -> None:
    """Both ends are inside, a second beyond is not; also for a CA on the way and for the root."""
    leaf = province.official
    start, end = leaf.certificate.not_valid_before_utc, leaf.certificate.not_valid_after_utc
    second = timedelta(seconds=1)

    assert verify(province, leaf, at=start)
    assert verify(province, leaf, at=end)
    assert reason_of(province, leaf, at=start - second) == "not_yet_valid"
    assert reason_of(province, leaf, at=end + second) == "expired"
    short = issuing.ca(province.district, "H41.12.05", not_after=NOW)
    assert reason_of(province, issuing.leaf(short, "H41.12.05"), short, province.district, at=NOW + second) == "expired"
    root = issuing.root(not_after=NOW)
    below = issuing.leaf(root, "H41")
    with pytest.raises(UntrustedChain) as refused:
        chain.verify_chain(below.der, [], anchors=TrustAnchors([root.certificate]), at=NOW + second)
    assert refused.value.reason_code == "expired"
    with pytest.raises(ValueError, match="aware"):
        verify(province, leaf, at=datetime(2026, 11, 21))


# --- cache, bounds, verdicts -----------------------------------------------------------------------------------------


def test_the_cache_gives_the_same_answer_and_forgets_when_crls_change(province: Any) -> None:
    """Warm hits return the very same value; a new CRL, another instant or other anchors are looked at afresh."""
    cache = ChainCache()
    crls = crl.CrlSet([crl_of(province.commune)])
    serial = province.official.certificate.serial_number

    first = verify(province, province.official, cache=cache, crls=crls)

    assert verify(province, province.official, cache=cache, crls=crls) is first
    assert verify(province, province.official, cache=cache, crls=crl.CrlSet([crl_of(province.node)])) is not first
    revoking = crls.adding(crl_of(province.commune, crl.Revocation(serial, NOW), number=2))
    assert reason_of(province, province.official, cache=cache, crls=revoking) == "revoked"
    assert verify(province, province.official, cache=cache, crls=revoking, at=NOW - DAY).revoked_at == NOW
    assert reason_of(province, province.official, cache=cache, crls=revoking, at=NOW + DAY) == "revoked"
    assert reason_of(province, province.official, cache=cache, crls=crls, at=NOW + 400 * DAY) == "expired"
    assert verify(province, province.official, cache=cache, crls=crls)
    assert reason_of(province, province.official, cache=cache, crls=crls, at=NOW + 400 * DAY) == "expired"
    assert reason_of(province, province.official, cache=cache, crls=crls, at=NOW - 30 * DAY) == "not_yet_valid"
    other = TrustAnchors([province.commune.certificate])
    assert len(verify(province, province.official, cache=cache, anchors=other).chain) == 2


def test_the_cache_keeps_no_refusal_and_stays_small(province: Any, issuing: Any) -> None:
    """A leaf whose CA arrives later is verified then; a full cache drops the oldest entry."""
    cache = ChainCache(capacity=2)
    with pytest.raises(UntrustedChain):
        verify(province, province.official, province.district, cache=cache)

    leaves = [province.official, province.node, issuing.leaf(province.commune, "H41.12.03")]
    signers = [verify(province, leaf, cache=cache) for leaf in leaves]

    assert verify(province, leaves[2], cache=cache) is signers[2]
    assert verify(province, leaves[0], cache=cache) is not signers[0]


def test_attack_15_many_certificates_are_bounded(province: Any, issuing: Any) -> None:
    """A register of a thousand is looked through; namesakes made to cost signatures are refused."""
    strangers = [issuing.ca(province.root, f"H41.{n}").der for n in range(40)]
    namesakes = [issuing.ca(province.root, "H41.7", name="H41.12.03 CA").der for _ in range(40)]

    assert chain.verify_chain(
        province.official.der, [*strangers, *province.intermediates], anchors=province.anchors, at=NOW
    )
    for crowd in (namesakes, [bytes([n % 256, n // 256]) for n in range(2001)]):
        with pytest.raises(TooLarge):
            chain.verify_chain(province.official.der, crowd, anchors=province.anchors, at=NOW)
    with pytest.raises(Malformed):
        chain.verify_chain(b"\x30\x00", [], anchors=province.anchors, at=NOW)


def test_a_ca_certificate_from_others_is_checked_before_it_is_kept(province: Any, issuing: Any) -> None:
    """True CAs pass; forged, misplaced, unconstrained, over-long and expired ones do not, nor do leaves."""
    known = province.intermediates

    def reason(holder: Any, above: list[bytes], at: datetime = NOW) -> str:
        with pytest.raises(UntrustedChain) as refused:
            chain.verify_ca(holder.der, above, anchors=province.anchors, at=at)
        return refused.value.reason_code

    path = chain.verify_ca(province.commune.der, known, anchors=province.anchors, at=NOW)
    assert path == tuple(h.certificate for h in (province.commune, province.district, province.root))
    assert chain.verify_ca(province.root.der, [], anchors=province.anchors, at=NOW) == (province.root.certificate,)
    assert reason(province.commune, []) == "unknown_issuer"
    assert reason(issuing.ca(issuing.root(), "H41.12"), []) == "forged_issuer"
    assert reason(_unchecked_ca(province.root, None), []) == "name_constraint"
    assert reason(_unchecked_ca(province.district, ["13.h41.tram.internal"]), known) == "name_constraint"
    assert reason(issuing.ca(province.commune, "H41.12.03.1"), known) == "bad_chain"
    assert reason(province.official, known) == "bad_chain"
    assert reason(province.commune, known, NOW + 2000 * DAY) == "expired"


def test_verdicts_are_three_valued(province: Any) -> None:
    """What may still change is indeterminate; what is wrong for ever is invalid."""
    for code in ("unknown_issuer", "expired", "not_yet_valid", "revoked"):
        assert chain.judge(UntrustedChain("", code), at=NOW) == Verdict("indeterminate", code)
    for code in ("forged_issuer", "name_constraint", "not_a_signer", "bad_chain", "actor_mismatch"):
        assert chain.judge(UntrustedChain("", code), at=NOW) == Verdict("invalid", code)  # type: ignore[arg-type]  # as above
    errors: list[CryptoError] = [BadSignature("x"), Malformed("x")]
    assert [chain.judge(error, at=NOW) for error in errors] == [
        Verdict("invalid", "BadSignature"),
        Verdict("invalid", "Malformed"),
    ]


def test_the_actor_is_the_subject_of_the_certificate(province: Any, event: dict[str, Any]) -> None:
    """The whole chain of proof for one event: path, signature, actor."""
    holder = province.official
    envelope = jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=0)
    signer = verify(province, holder)

    signed = jws.parse_signed_event(envelope)
    jws.verify_event_signature(signed, signer=signer)

    assert chain.verify_actor(signer, signed.event["actor"]) == f"urn:tram:subject:{ID}"
    for actor in ("urn:tram:subject:" + "0" * 32, "", None, ID):
        with pytest.raises(UntrustedChain, match="signer"):
            chain.verify_actor(signer, actor)
