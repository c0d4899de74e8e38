"""The same certificates and revocation lists, judged by Python and by the phone's own code: they say the same."""

from __future__ import annotations

import json
import random
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import crl, keys
from crypto.chain import judge, verify_chain, verify_claim
from crypto.errors import CryptoError, UntrustedChain

HERE = Path(__file__).resolve().parent
NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
COMPROMISED = x509.ReasonFlags.key_compromise

pytestmark = pytest.mark.node


@dataclass(frozen=True)
class Case:
    """A signature under `leaf`, the lists at hand, and what is known of its time."""

    name: str
    leaf: bytes
    lists: tuple[bytes, ...]
    claimed: datetime = NOW - 2 * DAY
    proven: datetime | None = None
    now: datetime = NOW

    def value(self) -> dict[str, Any]:
        return {
            "leaf": b64encode(self.leaf).decode(),
            "lists": [b64encode(each).decode() for each in self.lists],
            "claimed": self.claimed.isoformat(),
            "proven": self.proven.isoformat() if self.proven else None,
            "now": self.now.isoformat(),
        }


Ask = Callable[[list[Case]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(node_command: str, province: Any) -> Ask:
    """A function that has the phone's code judge cases."""
    authorities = [each.der for each in (province.commune, province.district, province.root)]

    def run(cases: list[Case]) -> list[dict[str, Any]]:
        value = {
            "authorities": [b64encode(each).decode() for each in authorities],
            "cases": [each.value() for each in cases],
        }
        request = json.dumps(value).encode()
        done = subprocess.run([node_command, HERE / "crl.mjs"], input=request, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    return run


def python_lists(case: Case, province: Any) -> list[str]:
    """Which of the lists can be read, and which of the CAs signed each, in the phone's words."""
    found = []
    for der in case.lists:
        try:
            parsed = crl.parse_crl(der)
        except CryptoError:
            found.append("refused: MalformedDer")
            continue
        issuers = (province.commune, province.district, province.root)
        found.append("".join(str(int(crl.is_issued_by(parsed, each.certificate))) for each in issuers))
    return found


def python_verdict(case: Case, province: Any) -> list[str]:
    """What the server's rule says: the path for the time that is proven, and of what was revoked the author's claim."""
    parsed = []
    for der in case.lists:
        try:
            parsed.append(crl.parse_crl(der))
        except CryptoError:
            continue
    at = case.proven or case.now
    try:
        verdict = judge(_signer(case, province, at, parsed), at=at)
    except UntrustedChain as exc:
        verdict = judge(exc, at=at)
    if verdict.reason == "revoked":
        try:
            verify_claim(case.leaf, province.intermediates, anchors=province.anchors, claimed=case.claimed, crls=parsed)
        except UntrustedChain:
            return ["invalid", "revoked"]
        return ["indeterminate", "revoked"]
    # The server takes what came while a list was stale and says so; nothing there waits for a person's eye.
    return ["indeterminate" if verdict.reason.startswith("crl_") else verdict.status, verdict.reason]


def _signer(case: Case, province: Any, at: datetime, lists: list[crl.Crl]) -> Any:
    return verify_chain(case.leaf, province.intermediates, anchors=province.anchors, at=at, crls=lists)


def make_list(
    holder: Any, *revoked: crl.Revocation, number: int = 10, made: datetime = NOW - DAY, life: timedelta = 30 * DAY
) -> bytes:
    """The DER of a list of `holder`."""
    built = crl.build_crl(
        holder.certificate, holder.key, number=number, revoked=revoked, this_update=made, next_update=made + life
    )
    return built.public_bytes(Encoding.DER)


def odd_list(holder: Any, *, number: int | None = 10, entry: Any = None, signer: Any = None, **more: Any) -> bytes:
    """The DER of a list with further `extensions` as (value, critical), signed by `signer` if one is named."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(holder.certificate.subject)
    builder = builder.last_update(NOW - DAY).next_update(NOW + 29 * DAY)
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=more.get("critical_number", False))
    for value, critical in more.get("extensions", ()):
        builder = builder.add_extension(value, critical=critical)
    if entry is not None:
        builder = builder.add_revoked_certificate(entry)
    key = signer or holder.key
    return builder.sign(key, crl.signing_hash(key)).public_bytes(Encoding.DER)


def odd_entry(serial: int, *extensions: tuple[x509.ExtensionType, bool]) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 3 * DAY)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.build()


def good_cases(province: Any) -> list[Case]:
    """Lists as our CAs make them, and every kind of time."""
    leaf, serial = province.node.der, province.node.certificate.serial_number
    above = (make_list(province.district), make_list(province.root))
    plain = make_list(province.commune, crl.Revocation(serial, NOW - DAY))
    lost = make_list(province.commune, crl.Revocation(serial, NOW - DAY, COMPROMISED))
    known = make_list(province.commune, crl.Revocation(serial, NOW - DAY, COMPROMISED, NOW - 5 * DAY))
    other = make_list(province.commune, crl.Revocation(serial + 1, NOW - 9 * DAY))
    lapsed = make_list(province.commune, made=NOW - 40 * DAY)
    of_ca = make_list(province.district, crl.Revocation(province.commune.certificate.serial_number, NOW - DAY))
    mine = make_list(province.commune)
    return [
        Case("nothing revoked", leaf, (mine, *above)),
        Case("another certificate revoked", leaf, (other, *above)),
        Case("no list of one CA", leaf, (mine, above[1])),
        Case("no list at all", leaf, ()),
        Case("a lapsed list", leaf, (lapsed, *above)),
        Case("a lapsed list that reaches the proven time", leaf, (lapsed, *above), proven=NOW - 10 * DAY),
        Case("a list in its last second", leaf, (mine, *above), now=NOW + 29 * DAY),
        Case("a list a second later", leaf, (mine, *above), now=NOW + 29 * DAY + SECOND),
        Case("revoked, claimed before", leaf, (plain, *above)),
        Case("revoked, claimed in that second", leaf, (plain, *above), claimed=NOW - DAY),
        Case("revoked, claimed a second before", leaf, (plain, *above), claimed=NOW - DAY - SECOND),
        Case("revoked, proven before", leaf, (plain, *above), proven=NOW - DAY - SECOND),
        Case("revoked, proven in that second", leaf, (plain, *above), proven=NOW - DAY),
        Case("lost, proven a day before the report", leaf, (lost, *above), proven=NOW - 2 * DAY),
        Case("lost, proven two days before the report", leaf, (lost, *above), proven=NOW - 2 * DAY - SECOND),
        Case("lost long ago, proven in between", leaf, (known, *above), proven=NOW - 3 * DAY),
        Case("lost long ago, proven before", leaf, (known, *above), proven=NOW - 5 * DAY - SECOND),
        Case("lost, claimed after the report", leaf, (known, *above), claimed=NOW - SECOND),
        Case("the CA revoked from above", leaf, (mine, of_ca, above[1])),
        Case("the CA revoked from above, proven before", leaf, (mine, of_ca, above[1]), proven=NOW - 3 * DAY),
    ]


def bad_cases(province: Any) -> list[Case]:
    """Lists that count for nothing, or for less than they seem to; what stands beside them decides."""
    leaf, serial = province.node.der, province.node.certificate.serial_number
    commune, above = province.commune, (make_list(province.district), make_list(province.root))
    gone = crl.Revocation(serial, NOW - 3 * DAY)
    revoking, clean = make_list(commune, gone, number=12), make_list(commune, number=11)
    point = [x509.UniformResourceIdentifier("http://h41.example/crl")]
    flags: dict[str, Any] = {
        "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "only_contains_attribute_certs": False,
    }  # fmt: skip
    indirect = x509.IssuingDistributionPoint(full_name=point, indirect_crl=True, **flags)
    foreign = x509.CertificateIssuer([x509.DirectoryName(province.district.certificate.subject)])
    huge = crl.MAX_CRL_BYTES + 1
    return [
        Case("a lower number does not hide a higher one", leaf, (clean, revoking, *above)),
        Case("in either order", leaf, (revoking, clean, *above)),
        Case("signed by a stranger", leaf, (odd_list(commune, signer=keys.generate_p256()), *above)),
        Case("signed by a sibling key, revoking", leaf, (_resigned(commune, gone, province.official.key), *above)),
        Case("in the name of another CA", leaf, (_resigned(province.district, gone, commune.key), *above)),
        Case("a delta list", leaf, (odd_list(commune, extensions=[(x509.DeltaCRLIndicator(3), True)]), *above)),
        Case("an indirect list", leaf, (odd_list(commune, extensions=[(indirect, True)]), *above)),
        Case("a critical extension nobody knows", leaf, (odd_list(commune, extensions=[(_unknown(), True)]), *above)),
        Case("the same, not critical", leaf, (odd_list(commune, extensions=[(_unknown(), False)]), *above)),
        Case("a critical number", leaf, (odd_list(commune, critical_number=True), *above)),
        Case("no number", leaf, (odd_list(commune, number=None), *above)),
        Case("the highest number", leaf, (odd_list(commune, number=(1 << 63) - 1), *above)),
        Case("a number too high", leaf, (odd_list(commune, number=1 << 63), *above)),
        Case("an entry about another issuer", leaf, (_with_entry(commune, serial, foreign, True), *above)),
        Case("an entry with what nobody knows", leaf, (_with_entry(commune, serial, _unknown(), True), *above)),
        Case("the same, not critical", leaf, (_with_entry(commune, serial, _unknown(), False), *above)),
        Case("huge", leaf, (make_list(commune) + bytes(huge), *above)),
        Case("a byte more", leaf, (make_list(commune) + b"\0", *above)),
        Case("cut short", leaf, (make_list(commune)[:-1], *above)),
        Case("no list but a certificate", leaf, (commune.der, *above)),
        Case("empty", leaf, (b"", *above)),
    ]  # fmt: skip


def _with_entry(holder: Any, serial: int, value: x509.ExtensionType, critical: bool) -> bytes:
    return odd_list(holder, entry=odd_entry(serial, (value, critical)))


def _unknown() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def _resigned(holder: Any, revocation: crl.Revocation, key: ec.EllipticCurvePrivateKey) -> bytes:
    entry = odd_entry(revocation.serial)
    return odd_list(holder, entry=entry, signer=key)


def assert_agree(cases: list[Case], said: list[dict[str, Any]], province: Any) -> None:
    expected = [(each.name, python_lists(each, province), python_verdict(each, province)) for each in cases]
    assert [(each.name, one["lists"], one["verdict"]) for each, one in zip(cases, said, strict=True)] == expected


def test_phones_and_python_agree_on_lists_as_they_should_be(ask: Ask, province: Any) -> None:
    """Revoked, lost, lapsed and missing, for every kind of time; every verdict there is comes up."""
    cases = good_cases(province)
    said = ask(cases)
    assert_agree(cases, said, province)
    assert {tuple(each["verdict"]) for each in said} == {
        ("valid", ""),
        ("invalid", "revoked"),
        ("indeterminate", "revoked"),
        ("indeterminate", "crl_stale"),
        ("indeterminate", "crl_unknown"),
    }


def test_phones_and_python_agree_on_lists_that_must_not_count(ask: Ask, province: Any) -> None:
    """Forged, renumbered, partial, unreadable and huge ones: refused by both, and none revokes or clears anything."""
    cases = bad_cases(province)
    said = ask(cases)
    assert_agree(cases, said, province)
    refused = [each.name for each, one in zip(cases, said, strict=True) if one["lists"][0].startswith("refused")]
    assert len(refused) == 13
    verdicts = {each.name: tuple(one["verdict"]) for each, one in zip(cases, said, strict=True)}
    assert verdicts["a lower number does not hide a higher one"] == ("invalid", "revoked")
    assert verdicts["in either order"] == ("invalid", "revoked")
    assert verdicts["signed by a sibling key, revoking"] == ("indeterminate", "crl_unknown")


def test_phones_and_python_agree_on_lists_with_a_changed_byte(ask: Ask, province: Any) -> None:
    """Every second byte in turn: wherever it is changed, the list stops counting for both."""
    leaf, serial = province.node.der, province.node.certificate.serial_number
    whole = make_list(province.commune, crl.Revocation(serial, NOW - DAY, COMPROMISED, NOW - 2 * DAY))
    draw = random.Random(20261122)
    cases = []
    for at in range(0, len(whole), 2):
        changed = bytearray(whole)
        changed[at] ^= 1 << draw.randrange(8)
        cases.append(Case(f"byte {at}", leaf, (bytes(changed),)))

    said = ask(cases)

    assert {tuple(each["verdict"]) for each in said} == {("indeterminate", "crl_unknown")}
    assert all(python_verdict(each, province) == ["indeterminate", "crl_unknown"] for each in cases)


def test_a_list_of_twenty_thousand_entries_is_searched_by_both(ask: Ask, province: Any) -> None:
    """The last entry is found; nothing about the size is refused below the bound."""
    serial = province.node.certificate.serial_number
    entries = [crl.Revocation((1 << 150) + i, NOW - 9 * DAY) for i in range(20_000)]
    long = make_list(province.commune, *entries, crl.Revocation(serial, NOW - DAY))
    case = Case("long", province.node.der, (long, make_list(province.district), make_list(province.root)))
    assert 600_000 < len(long) < crl.MAX_CRL_BYTES

    assert ask([case])[0]["verdict"] == python_verdict(case, province) == ["indeterminate", "revoked"]
