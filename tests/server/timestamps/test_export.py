"""Proofs of time in an export: what openssl and our verifier make of the log's proof, a cosignature and a token."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crypto import base64url
from server.cli import main
from server.cli.export import proof_sources
from server.export.folder import export_dossier
from server.intake.source import Source
from server.log.pages import build_cosigned
from server.timestamps.asking import Authority


@pytest.fixture
def exported(make_homes, make_node, tsa, take, name_authorities, carry, tmp_path) -> Path:
    """The third of five dossiers of a commune, stamped, under a head that the district cosigned."""
    homes = make_homes()
    province, district, commune = (make_node(homes[unit]) for unit in ("H41", "H41.12", "H41.12.03"))
    name_authorities(province, commune, entries=[tsa.entry()])
    docs = take(commune, 5)
    authority = Authority(tsa.url, commune.policies.newest(datetime.now(UTC)).time_authorities)
    commune.stamper.run(commune.database, authority)
    authority.close()
    cosign(commune, district, carry)
    export_dossier(commune, docs[2].id.partition(":")[0], tmp_path / "out", proof_sources(commune))
    return tmp_path / "out"


def cosign(commune: Any, district: Any, carry: Any) -> None:
    carry(commune, district, commune.database, keep=lambda each: each.startswith("cert:"))
    district.copier.ensure_certificate(commune.database, district.log.key.certificate)
    note = district.log.key.cosign(commune.log.head().note, datetime.now(UTC))
    doc = build_cosigned(log=commune.log.key.fingerprint, witness=district.log.key.fingerprint, note=note)
    [result] = district.intake.admit(commune.database, [doc], source=Source("local", district.signer.urn))
    assert result.error is None
    commune.publisher.publish(everything=True)
    carry(district, commune, commune.database)


def failing(folder: Path) -> list[str]:
    """Return what the README's shell blocks that fail begin with."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    done = [
        subprocess.run(["sh", "-c", each], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
        for each in blocks
    ]
    return [block.partition("\n")[0] for block, each in zip(blocks, done, strict=True) if each.returncode]


def test_openssl_and_our_verifier_hold_every_proof(exported, capsys) -> None:
    """Inclusion, the head's signature, the cosignature and the token, by the README's own commands and by ours."""
    assert failing(exported) == []
    assert main(["verify", str(exported)]) == 0
    said = capsys.readouterr().out
    for line in ("log proofs: 1 checked", "cosignatures: 1 checked", "time-stamps: 1 checked"):
        assert line in said
    [event] = (exported / "events").glob("*.json")
    [element] = json.loads(event.read_text())["header"]["etsiU"]
    assert list(json.loads(base64url.decode(element))["sigTst"]["tstTokens"][0]) == ["val"]


def test_a_changed_proof_is_found_by_both(exported, tmp_path) -> None:
    """One byte of any part of a proof, and the sums mended: openssl and our verifier say so."""
    mend = "find . -type f ! -name SHA256SUMS | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS"
    log = [f"log/01.{each}" for each in ("leaf", "path", "text", "sig", "witness", "witness-sig", "tlogproof")]
    for name in (*log, "timestamps/01.tsr", "timestamps/01.txt"):
        folder = tmp_path / name.replace("/", "-")
        shutil.copytree(exported, folder)
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
        subprocess.run(["sh", "-c", mend], cwd=folder, check=True)

        assert main(["verify", str(folder)]) == 1, name
        if name != "log/01.tlogproof":  # openssl reads the parts, not the whole
            assert failing(folder), name
