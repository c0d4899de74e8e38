"""What is exported of an erasure that was stopped: why the dossier is still there, in a form that proves itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from server.cli import main
from server.cli.export import proof_sources
from server.errors import Clash
from server.export.folder import export_dossier
from tests.server.erasure.conftest import COMMUNE

WHY = "Chọn nhầm hồ sơ"
SUMS = "find . -type f ! -name SHA256SUMS | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS"
TOOLS = ("openssl", "sha256sum", "basenc", "sh")


@pytest.fixture
def exported(offices, tmp_path):
    """The evidence of an erasure that a leader confirmed and refused before anything went; (node, erasure, folder)."""
    node, erasure = offices.commune, offices.order()
    heads = node.model.queries.heads(node.database, "unit.h41-12-03")
    offices.act("leader", "unit.h41-12-03", "erasure.refused", {"of": erasure.id, "reason": WHY}, heads)
    out = tmp_path / "out"
    export_dossier(node, erasure.id, out, proof_sources(node))
    return node, erasure, out


def run(folder, script):
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def verify(folder, capsys):
    """Return (status, lines) of `tram verify`."""
    capsys.readouterr()
    return main(["verify", str(folder)]), capsys.readouterr().out.splitlines()


def remove(folder, pattern):
    for path in folder.glob(pattern):
        number = path.name.partition("-")[0]
        path.unlink()
        for other in (*folder.glob(f"signatures/{number}.*"), *folder.glob(f"log/{number}.*")):
            other.unlink()


def alter(folder, pattern, before, after):
    [path] = folder.glob(pattern)
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after, 1))


def test_it_says_who_stopped_the_erasure_and_why_and_verifies_alone(exported, capsys):
    """Proposal, confirmation, refusal and the rights of those who signed; no hash of the dossier is claimed erased."""
    node, erasure, out = exported
    kinds = [each.stem.partition("-")[2] for each in sorted((out / "events").glob("*.json"))]
    assert [kind for kind in kinds if kind.startswith("erasure.")] == [
        "erasure.proposed",
        "erasure.confirmed",
        "erasure.refused",
    ]
    assert not (out / "erased").exists()
    assert json.loads((out / "erasure.json").read_text())["stop"]["reason"] == WHY
    status, lines = verify(out, capsys)
    assert status == 0, lines
    assert any("nothing is erased by it" in line and WHY in line for line in lines)
    assert any("whether a node had erased before" in line for line in lines)  # its word may have been left out here

    assert main(["export", str(node.home.path), erasure.dossier, str(out.parent / "dossier")]) == 0
    assert f"{erasure.id} OUT" in capsys.readouterr().out
    assert main(["verify", str(node.home.path)]) == 0
    assert any(WHY in line for line in capsys.readouterr().out.splitlines())


def test_a_proposal_nobody_confirmed_is_evidence_too(offices, tmp_path, capsys):
    """The proposal and its withdrawal, by the node alone; that no second voice was there is no fault."""
    node, erasure = offices.commune, offices.propose()
    node.people.say("erasure.withdrawn", {"of": erasure.id, "reason": WHY})
    export_dossier(node, erasure.id, tmp_path / "out", proof_sources(node))
    status, lines = verify(tmp_path / "out", capsys)
    assert status == 0, lines
    assert any("withdrawn by urn:tram:node:h41-12-03" in line for line in lines)


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="the README's commands need openssl and GNU coreutils")
def test_the_commands_of_its_readme_hold(exported):
    """Every shell block runs to its end with nothing of ours."""
    _, _, out = exported
    text = (out / "README.md").read_text()
    assert "đã chấm dứt" in text
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        done = run(out, block)
        assert (done.returncode, done.stderr) == (0, ""), (block, done)


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (lambda folder: remove(folder, "events/*-role.*"), "nobody with the right to it has confirmed this"),
        (lambda folder: remove(folder, "events/*-erasure.proposed.*"), "0 orders of erasure"),
        (
            lambda folder: alter(folder, "events/*-erasure.refused.json", b'"signature": "', b'"signature": "A'),
            "erasure.refused.json: ",
        ),
        (
            lambda folder: alter(folder, "events/*-erasure.refused.json", b'"payload": "ey', b'"payload": "eY'),
            "erasure.refused.json: ",
        ),
    ],
)
def test_tampering_is_named_even_when_the_sums_are_mended(exported, capsys, tamper, named):
    """A refusal without the right, of nothing, or altered is no evidence."""
    _, _, out = exported
    tamper(out)
    run(out, SUMS)
    status, lines = verify(out, capsys)
    assert status == 1
    assert any(line.startswith("BAD: ") and named in line for line in lines), lines


def test_what_is_not_settled_yet_has_no_evidence_to_export(offices, tmp_path):
    """A proposal that waits is neither stopped nor carried out; the error says so."""
    erasure = offices.propose()
    with pytest.raises(Clash, match="neither stopped nor carried out"):
        export_dossier(offices.made.nodes[COMMUNE], erasure.id, tmp_path / "out")
