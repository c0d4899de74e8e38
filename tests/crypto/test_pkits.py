"""NIST PKITS (public-key infrastructure test suite, 2011) through the path checks: strict in both directions.

Three judges. `crypto.chain` takes nothing that has not our profile, so it must refuse every path of the suite. The
library below it is asked with the profile of leaves taken away: of 115 paths that must fail it lets 45 through, all for
what lists say, which it does not read. Our rules for lists find them, but for those in `UNSEEN`.
`server.trust.foreign`, for chains of other authorities, must refuse every path that must fail, and pass every one
that must pass but those in
`NARROWER`.

docs/conformance.md says the same in prose. A change of the library that moves one path shows here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from crypto.chain import TrustAnchors, verify_chain
from crypto.crl import is_revoked, may_sign_crls, parse_crl
from crypto.errors import CryptoError
from server.trust.foreign import verify_foreign_chain

vectors = pytest.importorskip("cryptography_vectors", reason="cryptography-vectors comes with the extra dev")
DATA = Path(vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2020, 1, 1, tzinfo=UTC)

# Must fail, and neither the library's path check nor our rules for lists see why.
UNSEEN = {
    "InvaliddeltaCRLTest4EE": "the revocation stands in a delta list; ours are none, and deltas are refused whole"
}

# Must pass, and are refused on purpose.
NARROWER = {
    "DSA keys are on no allow-list": ["DSASignaturesTest4"],
    "a CA certificate signs no documents": [
        "onlyContainsCACertsTest13",
        "pathLenConstraintTest8",
        "pathLenConstraintTest14",
    ],
}


# DSA keys that inherit their parameters: the library cannot load them at all.
UNREADABLE = {"DSAParametersInheritedCACert", "ValidDSAParameterInheritanceTest5EE"}

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


@dataclass(frozen=True)
class Suite:
    certificates: dict[str, bytes]
    by_name: dict[str, list[str]]
    crls: dict[str, list[bytes]]

    def around(self, name: str) -> tuple[list[bytes], list[bytes]]:
        """The certificates that could stand above a leaf, and the lists of everybody on the way, indirect ones too."""
        above: list[bytes] = []
        wanted = set(_names_in(_load(self.certificates[name])))
        seen: set[str] = set()
        while wanted - seen:
            folded = (wanted - seen).pop()
            seen.add(folded)
            for each in self.by_name.get(folded, []):
                above.append(self.certificates[each])
                wanted |= set(_names_in(_load(self.certificates[each])))
        return above, [crl for folded in seen for crl in self.crls.get(folded, [])]


def _load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _fold(name: x509.Name) -> str:
    """RFC 5280 §7.1, enough for the suite: letters and inner spaces do not distinguish names."""
    values = (re.sub(r"\s+", " ", str(each.value)).strip().casefold() for each in name)
    return "|".join(f"{each.oid.dotted_string}={value}" for each, value in zip(name, values, strict=True))


def _names_in(certificate: x509.Certificate) -> Iterator[str]:
    yield _fold(certificate.issuer)
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for point in points:
        for issuer in point.crl_issuer or ():
            if isinstance(issuer, x509.DirectoryName):
                yield _fold(issuer.value)


@pytest.fixture(scope="module")
def suite() -> Suite:
    certificates = {path.stem: path.read_bytes() for path in sorted((DATA / "certs").glob("*.crt"))}
    by_name: dict[str, list[str]] = {}
    for name, der in certificates.items():
        if name != "TrustAnchorRootCertificate" and name not in UNREADABLE:
            by_name.setdefault(_fold(_load(der).subject), []).append(name)
    crls: dict[str, list[bytes]] = {}
    for path in sorted((DATA / "crls").glob("*.crl")):
        data = path.read_bytes()
        crls.setdefault(_fold(x509.load_der_x509_crl(data).issuer), []).append(data)
    return Suite(certificates, by_name, crls)


def _leaves(suite: Suite, word: str) -> list[str]:
    found = [name for name in suite.certificates if name.startswith(word) and name.endswith("EE")]
    return [name for name in found if name not in UNREADABLE]


def _anchor(suite: Suite) -> x509.Certificate:
    return _load(suite.certificates["TrustAnchorRootCertificate"])


def _is_refused_by_profile(suite: Suite, name: str) -> bool:
    try:
        verify_chain(
            suite.certificates[name], suite.around(name)[0], anchors=TrustAnchors([_anchor(suite)]), at=AT, crls=()
        )
    except CryptoError:
        return True
    return False


def _library_path(suite: Suite, name: str) -> list[x509.Certificate] | None:
    """The path the library finds under our policy for CAs, whatever the leaf is; None if it finds none."""
    verifier = (
        PolicyBuilder()
        .store(Store([_anchor(suite)]))
        .time(AT.replace(tzinfo=None))
        .max_chain_depth(10)
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        return list(verifier.verify(_load(suite.certificates[name]), [*map(_load, suite.around(name)[0])]).chain)
    except VerificationError:
        return None


def _lists_object(suite: Suite, path: list[x509.Certificate]) -> bool:
    """Whether our rules for lists see that a path is not to be relied on: revoked, or no list that is fit and fresh."""
    for certificate, issuer in pairwise(path):
        fit = []
        for der in suite.crls.get(_fold(issuer.subject), []):
            try:
                crl = parse_crl(der)
            except CryptoError:
                continue
            key = issuer.public_key()
            assert isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey)
            same_name = crl.issuer == issuer.subject.public_bytes()
            # `is_issued_by` demands our own kind of key as well; the rest of it is asked here.
            if same_name and may_sign_crls(issuer) and crl.entries.is_signature_valid(key):
                fit.append(crl)
        newest = max(fit, key=lambda crl: crl.number, default=None)
        if newest is None or newest.next_update < AT or is_revoked(newest, certificate.serial_number, at=AT):
            return True
    return False


def test_no_path_of_another_profile_is_taken(suite: Suite) -> None:
    """All 222 leaves of the suite, good and bad, are refused where our own profile is asked for."""
    leaves = [name for name in suite.certificates if name.endswith("EE") and name not in UNREADABLE]

    assert len(leaves) == 222
    assert [name for name in leaves if not _is_refused_by_profile(suite, name)] == []


def test_what_the_library_cannot_judge_our_lists_do(suite: Suite) -> None:
    """Of 115 paths that must fail the library alone takes 45; with our rules for lists the table is what is left."""
    paths = {name: path for name in _leaves(suite, "Invalid") if (path := _library_path(suite, name)) is not None}

    assert len(_leaves(suite, "Invalid")) == 115
    assert len(paths) == 45
    assert {name for name, path in paths.items() if not _lists_object(suite, path)} == set(UNSEEN)


@pytest.mark.parametrize("word", ["Invalid", "Valid"])
def test_chains_of_other_authorities_are_judged_as_the_suite_demands(
    suite: Suite, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every must-fail fails; every must-pass passes but for those we refuse on purpose."""
    pytest.importorskip("pyhanko_certvalidator", reason="pyhanko-certvalidator comes with the extra pdf")
    caplog.set_level(logging.CRITICAL, "pyhanko_certvalidator")  # it logs every refused list of a refused path
    passed = set()
    for name in _leaves(suite, word):
        above, crls = suite.around(name)
        try:
            verify_foreign_chain(suite.certificates[name], above, anchors=[_anchor(suite)], at=AT, crls=crls)
        except CryptoError:
            continue
        passed.add(name)

    narrower = {f"Valid{name}EE" for names in NARROWER.values() for name in names}
    expected = set() if word == "Invalid" else set(_leaves(suite, "Valid")) - narrower
    assert passed == expected
