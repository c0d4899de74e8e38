"""What a path is worth once somebody in it is revoked, and for claims from before it began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from crypto import chain, crl, keys
from crypto.chain import ChainCache, Verdict
from crypto.errors import UntrustedChain
from tests.crypto.paths import DAY, NOW, crl_of, reason_of, verify


def test_attack_11_signing_after_the_revocation_is_indeterminate(province: Any) -> None:
    """Proven before the revocation: valid. Proven only later: nobody can tell, so a person decides."""
    revocation = crl.Revocation(province.official.certificate.serial_number, NOW, x509.ReasonFlags.superseded)
    crls = [crl_of(province.commune, revocation), crl_of(province.district), crl_of(province.root)]

    before = verify(province, province.official, at=NOW - timedelta(seconds=1), crls=crls)

    assert chain.judge(before, at=NOW - timedelta(seconds=1)) == Verdict("valid")
    with pytest.raises(UntrustedChain) as refused:
        verify(province, province.official, at=NOW, crls=crls)
    assert refused.value.reason_code == "revoked"
    assert chain.judge(refused.value, at=NOW) == Verdict("indeterminate", "revoked")
    assert verify(province, province.node, crls=crls)


def test_a_claim_before_the_day_of_revocation_is_in_doubt_and_not_refused(province: Any) -> None:
    """A key lost two days ago and revoked today: what claims yesterday may be the thief's or its owner's."""
    serial, lost = province.official.certificate.serial_number, NOW - 2 * DAY
    revocation = crl.Revocation(serial, NOW, x509.ReasonFlags.key_compromise, lost)
    lists = [crl_of(holder) for holder in (province.root, province.district)]
    known = [*lists, crl_of(province.commune, revocation, at=NOW)]

    def claim(at: datetime) -> chain.VerifiedSigner:
        leaf, above = province.official.der, province.intermediates
        return chain.verify_claim(leaf, above, anchors=province.anchors, claimed=at, crls=known)

    assert reason_of(province, province.official, at=NOW - DAY, crls=known) == "revoked"
    doubted = claim(NOW - DAY)
    assert (doubted.revoked_at, doubted.revoked_on) == (lost, NOW)
    with pytest.raises(UntrustedChain) as refused:
        claim(NOW)
    assert refused.value.reason_code == "revoked"


def test_a_claim_from_before_the_certificates_counts_as_one_from_when_they_began(province: Any, issuing: Any) -> None:
    """The signature names the leaf by its hash: it was made later than the clock says. Past its end, nothing helps."""
    young = issuing.ca(province.district, "H41.12.05", not_before=NOW - 2 * DAY)
    leaf = issuing.leaf(young, "H41.12.05", not_after=NOW)
    above = [young.der, province.district.der]
    cache = ChainCache()

    def claim(at: datetime, below: Any = leaf) -> chain.VerifiedSigner:
        return chain.verify_claim(below.der, above, anchors=province.anchors, claimed=at, cache=cache)

    signer = claim(datetime(1970, 1, 1, tzinfo=UTC))

    assert signer.not_before == NOW - 2 * DAY
    assert claim(NOW - 5 * DAY) is claim(NOW - DAY) is signer
    with pytest.raises(UntrustedChain) as refused:
        claim(NOW + timedelta(seconds=1))
    assert refused.value.reason_code == "expired"
    never = issuing.leaf(young, "H41.12.05", not_after=NOW - 3 * DAY)
    with pytest.raises(UntrustedChain) as refused:
        claim(NOW - 5 * DAY, never)
    assert refused.value.reason_code in ("not_yet_valid", "expired")


def test_a_claim_between_two_certificates_of_a_ca_is_not_taken_back_to_the_first(province: Any, issuing: Any) -> None:
    """An instant at which the path held, before the claim, proves nothing: only what began after it may count."""
    first = issuing.ca(province.district, "H41.12.05", not_before=NOW - 40 * DAY, not_after=NOW - 5 * DAY)
    again = first.key.public_key()
    second = issuing.ca(province.district, "H41.12.05", public_key=again, not_before=NOW - 2 * DAY)
    leaf = issuing.leaf(first, "H41.12.05", not_before=NOW - 30 * DAY)
    above = [second.der, first.der, province.district.der]

    signer = chain.verify_claim(leaf.der, above, anchors=province.anchors, claimed=NOW - 3 * DAY)

    assert signer.not_before == NOW - 2 * DAY


def test_a_revoked_ca_takes_its_leaves_along(province: Any) -> None:
    """The district revoked the commune CA: its people no longer sign."""
    revocation = crl.Revocation(province.commune.certificate.serial_number, NOW - DAY)

    assert reason_of(province, province.official, crls=[crl_of(province.district, revocation)]) == "revoked"


def test_forged_and_outnumbered_crls_count_for_nothing(province: Any, issuing: Any) -> None:
    """A CRL of the right name under a wrong key, with any number, neither revokes nor hides a revocation."""
    serial = province.official.certificate.serial_number
    stranger = type(province.commune)(province.commune.certificate, keys.generate_p256())
    forged_revocation = crl_of(stranger, crl.Revocation(serial, NOW - DAY), number=99)
    forged_pardon = crl_of(stranger, number=100)
    true = crl_of(province.commune, crl.Revocation(serial, NOW - DAY), number=2)
    older = crl_of(province.commune, number=1)

    assert verify(province, province.official, crls=[forged_revocation])
    assert reason_of(province, province.official, crls=[forged_pardon, true, older]) == "revoked"


def test_a_stale_or_missing_crl_makes_the_answer_provisional(province: Any) -> None:
    """Past nextUpdate events are still accepted, and the verdict says so; so it does where a CRL is missing."""
    crls = [crl_of(holder) for holder in (province.root, province.district, province.commune)]

    signer = verify(province, province.official, at=NOW + 31 * DAY, crls=crls)

    assert signer.freshness(NOW + 30 * DAY) == "fresh"
    assert chain.judge(signer, at=NOW + 31 * DAY) == Verdict("valid", "crl_stale")
    assert verify(province, province.official, crls=crls[1:]).freshness(NOW) == "unknown"
