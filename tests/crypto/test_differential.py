"""Our path check against an independent RFC 5280 validator, on chains made to be good or bad in a known way.

The second validator is pyhanko-certvalidator in "require" mode, reached through `server.trust.foreign`. Hypothesis
draws a tree of two to four tiers and one defect; where the two are to differ, `STRICTER` says why ours refuses.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, note, settings
from hypothesis import strategies as st

from crypto import keys
from crypto.certificates import Issuer, build_ca, build_crl, build_leaf, build_root
from crypto.chain import TrustAnchors, VerifiedSigner, judge, verify_chain
from crypto.crl import Revocation, parse_crl
from crypto.errors import CryptoError
from server.trust.foreign import verify_foreign_chain

pytest.importorskip("pyhanko_certvalidator", reason="pyhanko-certvalidator comes with the extra pdf")

AT = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)
UNITS = ["H41", "H41.12", "H41.12.03", "H41.12.03.7"]
SUBJECT = "00112233445566778899aabbccddeeff"

DEFECTS = [
    "none",
    "expired leaf",
    "leaf not yet valid",
    "expired ca",
    "forged leaf",
    "forged ca",
    "path too long",
    "revoked leaf",
    "revoked later",
    "revoked ca",
    "stale list",
    "list of a stranger",
    "no list",
    "outside its branch",
    "ca as leaf",
    "critical extension nobody knows",
    "leaf without dns name",
    "unconfined ca",
    "rsa leaf",
]
# Ours refuses, RFC 5280 does not: the profile of docs/decisions/0033.
STRICTER = {
    "leaf without dns name": "without one the constraints of its CAs would bind nothing",
    "unconfined ca": "every CA but the root certifies one branch",
    "rsa leaf": "people and nodes of our own tree sign with P-256",
}


@cache
def _key(number: int) -> Any:
    return keys.generate_p256()


@lru_cache(maxsize=1)
def _rsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Chain:
    """Leaf first, root last, with the keys that made them and one list per CA."""

    certificates: list[x509.Certificate]
    keys: list[Any]
    lists: list[x509.CertificateRevocationList]


def _times(defect: bool) -> dict[str, Any]:
    return {"not_before": AT - 90 * DAY, "not_after": AT - DAY if defect else AT + 90 * DAY}


def build(tiers: int, defect: str, serial: int) -> Chain:
    """Return a chain of `tiers` CAs and a person, with one defect."""
    root_key = _key(0)
    root = build_root(name="H41 root", key=root_key, unit="H41", serial=serial, **_times(False))
    certificates, made = [root], [root_key]
    for depth in range(1, tiers):
        unit, key = UNITS[depth], _key(depth)
        spoilt = depth == 1
        signer = Issuer(certificates[0], _key(9) if defect == "forged ca" and spoilt else made[0])
        ca = build_ca(
            signer,
            name=f"{unit} CA",
            public_key=key.public_key(),
            unit=f"{UNITS[depth - 1]}.99" if defect == "outside its branch" and depth == tiers - 1 else unit,
            path_length=0 if defect == "path too long" and spoilt else None,
            serial=serial + depth,
            **_times(defect == "expired ca" and spoilt),
        )
        if defect == "unconfined ca" and spoilt:
            ca = _without(ca, x509.NameConstraints, made[0])
        certificates.insert(0, ca)
        made.insert(0, key)
    leaf = _leaf(certificates[0], made[0], UNITS[tiers - 1], defect, serial + 50)
    chain = Chain([leaf, *certificates], made, [])
    return replace(chain, lists=_lists(chain, defect))


def _leaf(issuer: x509.Certificate, key: Any, unit: str, defect: str, serial: int) -> x509.Certificate:
    signer = Issuer(issuer, _key(9) if defect == "forged leaf" else key)
    times = _times(defect == "expired leaf")
    if defect == "leaf not yet valid":
        times["not_before"] = AT + DAY
    if defect == "ca as leaf":
        return build_ca(signer, name="x", public_key=_key(5).public_key(), unit=unit, serial=serial, **times)
    if defect == "outside its branch":
        # The builder itself refuses: a CA that had been told the wrong unit would sign this.
        signer = Issuer(_without(issuer, x509.NameConstraints, key), key)
    leaf = build_leaf(
        signer, kind="person", public_key=_key(5).public_key(), unit=unit, subject_id=SUBJECT, serial=serial, **times
    )
    if defect == "critical extension nobody knows":
        return _rebuilt(
            leaf, key, add=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\5\0")
        )
    if defect == "leaf without dns name":
        return _without(leaf, x509.SubjectAlternativeName, key)
    if defect == "rsa leaf":
        return _rebuilt(leaf, key, public_key=_rsa().public_key())
    return leaf


def _without(certificate: x509.Certificate, kind: type[x509.ExtensionType], key: Any) -> x509.Certificate:
    return _rebuilt(certificate, key, drop=kind)


def _rebuilt(
    certificate: x509.Certificate, key: Any, *, drop: Any = None, add: Any = None, public_key: Any = None
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        public_key or certificate.public_key(),
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    for each in certificate.extensions:
        if drop is None or not isinstance(each.value, drop):
            builder = builder.add_extension(each.value, each.critical)
    if add is not None:
        builder = builder.add_extension(add, critical=True)
    return builder.sign(key, hashes.SHA256())


def _lists(chain: Chain, defect: str) -> list[x509.CertificateRevocationList]:
    found = []
    for place, (issuer, key) in enumerate(zip(chain.certificates[1:], chain.keys, strict=True)):
        below = chain.certificates[place].serial_number
        first, last = place == 0, place == len(chain.keys) - 1
        at = {"revoked later": AT + DAY}.get(defect, AT - 2 * DAY)
        named = (first and defect in ("revoked leaf", "revoked later")) or (last and defect == "revoked ca")
        if first and defect == "no list":
            continue
        found.append(
            build_crl(
                issuer,
                _key(9) if first and defect == "list of a stranger" else key,
                number=7,
                revoked=[Revocation(below, at)] if named else [],
                this_update=AT - 40 * DAY if defect == "stale list" and first else AT - DAY,
                next_update=AT - DAY if defect == "stale list" and first else AT + 29 * DAY,
            )
        )
    return found


def ours(chain: Chain) -> bool:
    """Whether our check vouches for the signer at `AT`, lists included: plainly valid, nothing stale or unknown."""
    ders = [each.public_bytes(Encoding.DER) for each in chain.certificates]
    outcome: VerifiedSigner | CryptoError
    try:
        outcome = verify_chain(
            ders[0],
            ders[1:-1],
            anchors=TrustAnchors(chain.certificates[-1:]),
            at=AT,
            crls=[parse_crl(each.public_bytes(Encoding.DER)) for each in chain.lists],
        )
    except CryptoError as exc:
        outcome = exc
    verdict = judge(outcome, at=AT)
    return (verdict.status, verdict.reason) == ("valid", "")


def theirs(chain: Chain) -> bool:
    """Whether the other validator does."""
    ders = [each.public_bytes(Encoding.DER) for each in chain.certificates]
    try:
        verify_foreign_chain(
            ders[0],
            ders[1:-1],
            anchors=chain.certificates[-1:],
            at=AT,
            crls=[each.public_bytes(Encoding.DER) for each in chain.lists],
        )
    except CryptoError:
        return False
    return True


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "pyhanko_certvalidator")


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_judged_as_it_must_be_by_both(defect: str) -> None:
    """Good chains pass and every defect fails, in both; the profile's own rules in ours alone."""
    chain = build(3, defect, 2**70)

    assert ours(chain) is (defect in ("none", "revoked later"))
    assert theirs(chain) is (ours(chain) or defect in STRICTER)


@settings(max_examples=60)
@given(
    tiers=st.integers(1, 4), defect=st.sampled_from(DEFECTS), serial=st.integers(2**64, 2**120), second=st.booleans()
)
def test_two_validators_agree_on_made_chains(tiers: int, defect: str, serial: int, second: bool) -> None:
    """Any depth, any defect, a second clean list beside the first or not: the verdicts are the same."""
    if tiers == 1 and defect in ("expired ca", "forged ca", "path too long", "unconfined ca", "outside its branch"):
        defect = "none"  # there is no CA below the root to spoil
    if tiers == 2 and defect == "path too long":
        defect = "none"  # path length 0 allows leaves
    chain = build(tiers, defect, serial)
    if second and chain.lists:  # an older list of the same CA, which must not hide the newer one
        issuer, key = chain.certificates[1], chain.keys[0]
        older = build_crl(issuer, key, number=3, revoked=[], this_update=AT - 60 * DAY, next_update=AT - 30 * DAY)
        chain.lists.insert(0, older)
    note(f"{tiers} tiers, {defect}")

    assert ours(chain) or not theirs(chain) or defect in STRICTER
    assert theirs(chain) or not ours(chain)
