"""A small province of real certificates, and the vector sets that others wrote."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import certificates, keys
from crypto.certificates import Issuer
from crypto.chain import TrustAnchors

ROOT = Path(__file__).resolve().parents[2]
FOREIGN_VECTORS = ROOT.parent / "shared" / "vectors"

NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SUBJECT = "00112233445566778899aabbccddeeff"


def der(certificate: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Holder:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: keys.PrivateKey

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.certificate, self.key)

    @property
    def der(self) -> bytes:
        return der(self.certificate)


@dataclass(frozen=True)
class Province:
    """Root → district → commune, one official and one node under the commune."""

    root: Holder
    district: Holder
    commune: Holder
    official: Holder
    node: Holder

    @property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors([self.root.certificate])

    @property
    def intermediates(self) -> list[bytes]:
        return [self.district.der, self.commune.der]


class Issuing:
    """Makes certificates with short calls; every argument of the real builders can be overridden."""

    def root(self, name: str = "H41 Root", key: keys.PrivateKey | None = None, **changes: Any) -> Holder:
        key = key or keys.generate_p384()
        span = {"not_before": NOW - 100 * DAY, "not_after": NOW + 7000 * DAY, "serial": x509.random_serial_number()}
        return Holder(certificates.build_root(name=name, key=key, **{**span, **changes}), key)

    def ca(self, under: Holder, unit: str, **changes: Any) -> Holder:
        key = keys.generate_p256()
        arguments: dict[str, Any] = {
            "name": f"{unit} CA",
            "public_key": key.public_key(),
            "unit": unit,
            "not_before": NOW - 50 * DAY,
            "not_after": NOW + 1000 * DAY,
            "serial": x509.random_serial_number(),
        }
        return Holder(certificates.build_ca(under.issuer, **{**arguments, **changes}), key)

    def leaf(self, under: Holder, unit: str, **changes: Any) -> Holder:
        key = keys.generate_p256()
        arguments: dict[str, Any] = {
            "kind": "person",
            "public_key": key.public_key(),
            "unit": unit,
            "subject_id": SUBJECT,
            "not_before": NOW - 10 * DAY,
            "not_after": NOW + 300 * DAY,
            "serial": x509.random_serial_number(),
        }
        return Holder(certificates.build_leaf(under.issuer, **{**arguments, **changes}), key)


@pytest.fixture(scope="session")
def issuing() -> Issuing:
    return Issuing()


@pytest.fixture(scope="session")
def province(issuing: Issuing) -> Province:
    root = issuing.root()
    district = issuing.ca(root, "H41.12", path_length=1)
    commune = issuing.ca(district, "H41.12.03", path_length=0)
    official = issuing.leaf(commune, "H41.12.03")
    node = issuing.leaf(commune, "H41.12.03", kind="node", subject_id="")
    return Province(root, district, commune, official, node)


@pytest.fixture
def event() -> dict[str, Any]:
    """An event such as a village produces; a fresh one for each test, which may spoil it."""
    return {
        "v": 1,
        "stream": "01937c2e-5b7a-7d1a-8f00-0123456789ab",
        "type": "dossier.submitted",
        "unit": "H41.12.03",
        "actor": f"urn:tram:subject:{SUBJECT}",
        "at": "2026-11-21T07:12:09Z",
        "prev": [],
        "after": "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "nonce": "AAECAwQFBgcICQoLDA0ODw",
        "body": {"procedure": "1.001193", "fields": {"hoTen": "Nguyễn Thị Ánh", "noiSinh": "xã Bản Díu"}},
        "files": [
            {"sha256": "sha256-" + "A" * 43, "size": 184213, "type": "image/jpeg", "name": "giấy chứng sinh.jpg"}
        ],
    }


@pytest.fixture(scope="session")
def foreign_vectors() -> Path:
    if not FOREIGN_VECTORS.is_dir():
        pytest.skip(f"the vector sets of others are not here: {FOREIGN_VECTORS}")
    return FOREIGN_VECTORS


@pytest.fixture(scope="session")
def node_command() -> str:
    command = shutil.which("node")
    if command is None:
        pytest.skip("Node.js is not installed, so WebCrypto cannot be asked")
    return command


@pytest.fixture(scope="session")
def openssl_command() -> str:
    command = shutil.which("openssl")
    if command is None:
        pytest.skip("the openssl command is not installed")
    return command
