"""What we export is checked by the openssl command alone: signature, chain, revocation list."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import algorithms, base64url, certificates, crl, jws, keys

NOW = datetime(2026, 11, 21, 7, 12, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def openssl(openssl_command: str, tmp_path: Path) -> Any:
    """A function that runs openssl in a fresh folder and returns (exit status, everything it said)."""

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([openssl_command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_openssl_verifies_an_exported_signature(
    openssl: Any, tmp_path: Path, province: Any, event: dict[str, Any]
) -> None:
    """Only what stands in the exported JWS is used: payload, protected, signature and the first of x5c."""
    holder = province.official
    envelope = jws.sign_event(event, key=holder.key, certificate=holder.certificate, iat=1780279384)
    exported = jws.to_jws(envelope, [holder.certificate, province.commune.certificate])
    leaf = x509.load_der_x509_certificate(b64decode(exported["header"]["x5c"][0]))
    (tmp_path / "key.pem").write_bytes(keys.public_to_pem(leaf.public_key()))  # type: ignore[arg-type]  # P-256
    (tmp_path / "signature").write_bytes(algorithms.der_from_raw(base64url.decode(exported["signature"])))
    signing_input = f"{exported['protected']}.{exported['payload']}"
    for name, text in (("good", signing_input), ("bad", signing_input[:-1])):
        (tmp_path / name).write_text(text)
    command = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]

    assert openssl(*command, "good") == (0, "Verified OK\n")
    assert openssl(*command, "bad")[0] == 1


def test_openssl_verifies_the_chain_and_honours_our_crls(openssl: Any, tmp_path: Path, province: Any) -> None:
    """Strict X.509 rules, name constraints and CRLs of every CA, at a stated time; then the same leaf revoked."""
    holders = (province.root, province.district, province.commune)
    for name, holder in (("leaf", province.official), ("node", province.node), ("root", province.root)):
        (tmp_path / f"{name}.pem").write_text(certificates.certificate_to_pem(holder.certificate))
    chain = [certificates.certificate_to_pem(holder.certificate) for holder in holders[1:]]
    (tmp_path / "chain.pem").write_text("".join(chain))
    revocation = crl.Revocation(province.official.certificate.serial_number, NOW - DAY, x509.ReasonFlags.superseded)
    for name, revoked in (("clean", []), ("revoked", [revocation])):
        lists = [
            crl.build_crl(
                holder.certificate,
                holder.key,
                number=1,
                revoked=revoked if holder is province.commune else [],
                this_update=NOW - DAY,
                next_update=NOW + 30 * DAY,
            )
            for holder in holders
        ]
        (tmp_path / f"{name}.crl").write_bytes(b"".join(made.public_bytes(Encoding.PEM) for made in lists))
    command = ["verify", "-x509_strict", "-purpose", "any", "-crl_check_all", "-attime", str(int(NOW.timestamp()))]
    command += ["-CAfile", "root.pem", "-untrusted", "chain.pem", "-CRLfile"]

    assert openssl(*command, "clean.crl", "leaf.pem") == (0, "leaf.pem: OK\n")
    assert openssl(*command, "clean.crl", "node.pem") == (0, "node.pem: OK\n")
    status, said = openssl(*command, "revoked.crl", "leaf.pem")
    assert status != 0
    assert "certificate revoked" in said


def test_openssl_reads_our_encrypted_keys(openssl: Any, tmp_path: Path) -> None:
    """PKCS #8 under a passphrase, opened by another program."""
    key = keys.generate_p256()
    (tmp_path / "key.pem").write_bytes(keys.private_to_pem(key, b"secret"))

    status, said = openssl("pkey", "-in", "key.pem", "-passin", "pass:secret", "-pubout")

    assert (status, said.encode()) == (0, keys.public_to_pem(key.public_key()))
    assert openssl("pkey", "-in", "key.pem", "-passin", "pass:wrong", "-pubout")[0] != 0
