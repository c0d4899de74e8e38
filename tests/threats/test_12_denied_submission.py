"""Threat 12: a citizen denies having filed. Signature, approval of the key and the log speak without this program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from crypto.certificates import certificate_to_pem
from crypto.event import fingerprint_of
from server.cli.export import proof_sources
from server.export.folder import export_dossier
from server.trust.issuance import VALID

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the denial is judged with openssl alone")


@pytest.fixture
def exported(office: Any, tmp_path: Path) -> Path:
    """What a citizen filed, as the folder a court is handed."""
    stream = office.file()
    office.node.model.follower.catch_up()
    export_dossier(office.node, stream, tmp_path / "out", proof_sources(office.node))
    return tmp_path / "out"


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_openssl_says_whose_key_signed_the_very_words(office: Any, exported: Path) -> None:
    """The text, the signature and the certificate are enough; another's certificate does not fit."""
    script = (
        "openssl x509 -in signatures/01.pem -noout -pubkey > key && "
        "openssl dgst -sha256 -verify key -signature signatures/01.sig signatures/01.txt"
    )
    assert run(exported, script).returncode == 0
    signer = x509.load_pem_x509_certificate((exported / "signatures" / "01.pem").read_bytes())
    assert fingerprint_of(signer) == office.citizen.person.fingerprint

    node = office.node.signer.certificate
    (exported / "signatures" / "01.pem").write_bytes(certificate_to_pem(node).encode())
    assert run(exported, script).returncode != 0


def test_the_approval_of_the_key_at_the_counter_is_on_record(office: Any) -> None:
    """Who checked the papers signed that this key is this person's, before it was certified."""
    office.record(office.citizen)
    office.node.model.follower.catch_up()

    judged = office.node.issuance.judge(office.node.database, office.citizen.person.fingerprint)

    assert judged is VALID
