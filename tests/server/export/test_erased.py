"""What is exported of an erased dossier: evidence of its erasure that proves itself, and nothing of the dossier."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from hashlib import sha256

import pytest

from server.cli import main
from server.cli.export import proof_sources
from server.errors import Missing
from server.export.folder import export_dossier

NAME = "Vàng Thị Mỷ Tuyệt Mật"
SUMS = "find . -type f ! -name SHA256SUMS | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS"


def run(folder, script):
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def blocks(folder):
    return re.findall(r"^```sh\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def exported(erased_dossier, tmp_path_factory):
    """The export of a dossier that two leaders had erased; (node, stream, folder). Made once, never changed."""
    node, stream = erased_dossier
    out = tmp_path_factory.mktemp("erased") / "out"
    export_dossier(node, stream, out, proof_sources(node))
    return node, stream, out


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the export to damage."""
    return shutil.copytree(exported[2], tmp_path / "copy")


def test_it_holds_the_orders_and_the_proofs_and_nothing_of_the_dossier(exported, capsys):
    """Order, confirmation, the node's word, the rights of both voices; of the dossier hashes alone; verify holds."""
    _, stream, out = exported
    kinds = sorted(each.stem.partition("-")[2] for each in (out / "events").glob("*.json"))
    order = json.loads((out / "erasure.json").read_text())

    assert kinds.count("erasure.proposed") == kinds.count("erasure.confirmed") == kinds.count("erasure.done") == 1
    assert "role.granted" in kinds
    assert {kind.partition(".")[0] for kind in kinds} == {"erasure", "role"}
    assert order["dossier"] == stream
    assert len(list((out / "erased").glob("*.tlogproof"))) == len(order["events"]) == 3
    for path in out.rglob("*"):
        assert not path.is_file() or NAME.encode() not in path.read_bytes(), path
    assert main(["verify", str(out)]) == 0
    said = capsys.readouterr().out
    assert "erased events: 3 checked" in said
    assert "1 nodes have signed that they did it" in said


@pytest.mark.skipif(
    not all(map(shutil.which, ("openssl", "sha256sum", "basenc", "sh"))),
    reason="openssl and GNU coreutils are what the README's commands need",
)
def test_the_commands_of_its_readme_hold_and_find_a_forged_leaf(exported, copy):
    """Every shell block runs to its end with nothing of ours; a leaf of something the order does not name is told."""
    _, _, out = exported
    for block in blocks(out):
        done = run(out, block)
        assert (done.returncode, done.stderr) == (0, ""), (block, done)

    leaf = copy / "erased" / "001.leaf"
    leaf.write_bytes(leaf.read_bytes().replace(b'"e":"sha256-', b'"e":"sha256-x', 1))
    run(copy, SUMS)
    failing = [done.stdout for block in blocks(copy) if (done := run(copy, block)).returncode]
    assert any("not named by the order" in said for said in failing)


def remove_confirmation(folder):
    for path in (*folder.glob("events/*-erasure.confirmed.*"),):
        number = path.name.partition("-")[0]
        path.unlink()
        for other in (*folder.glob(f"signatures/{number}.*"), *folder.glob(f"log/{number}.*")):
            other.unlink()


def remove_rights(folder):
    for path in folder.glob("events/*-role.*"):
        path.unlink()
    for number in {path.stem for path in folder.glob("signatures/*.txt")} - {
        path.name.partition("-")[0] for path in folder.glob("events/*")
    }:
        for other in (*folder.glob(f"signatures/{number}.*"), *folder.glob(f"log/{number}.*")):
            other.unlink()


def alter(pattern, before, after):
    def change(folder):
        [path] = folder.glob(pattern)
        data = path.read_bytes()
        assert before in data
        path.write_bytes(data.replace(before, after, 1))

    return change


def swap_leaf(folder):
    shutil.copy(folder / "erased" / "001.leaf", folder / "erased" / "002.leaf")


def foreign_proof(folder):
    """The log's proof about the order itself, passed off as one about an erased event."""
    [order] = folder.glob("events/*-erasure.proposed.json")
    for path in folder.glob(f"log/{order.name.partition('-')[0]}.*"):
        shutil.copy(path, folder / "erased" / f"001{path.suffix}")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (remove_confirmation, "nobody with the right to it has confirmed this"),
        (remove_rights, "had no right to"),
        (alter("events/*-erasure.done.json", b'"signature": "', b'"signature": "A'), "erasure.done.json: "),
        (alter("events/*-erasure.proposed.json", b'"payload": "ey', b'"payload": "eY'), "erasure.proposed.json: "),
        (alter("erased/002.tlogproof", b"extra ", b"extra e"), "erased/002.tlogproof: "),
        (swap_leaf, "erased/002.tlogproof: "),
        (foreign_proof, "erased/001.tlogproof: "),
    ],
)
def test_tampering_is_named_even_when_the_sums_are_mended(copy, capsys, tamper, named):
    """Whoever changes the evidence and computes the sums anew is found by signatures, rights and log proofs."""
    tamper(copy)
    run(copy, SUMS)

    assert main(["verify", str(copy)]) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD: ")]
    assert any(named in line for line in said), said


def test_a_dossier_nobody_knows_is_not_mistaken_for_an_erased_one(exported, tmp_path):
    """Only a carried out erasure stands in for a dossier; the error says how erased ones are found."""
    node, _, _ = exported
    with pytest.raises(Missing, match="tram erase status"):
        export_dossier(node, "H41.12.03-261121-0001", tmp_path / "out")
    with pytest.raises(Missing):
        export_dossier(node, "01937c2e-0000-7000-8000-000000000000", tmp_path / "out")


@pytest.mark.parametrize("place", [0, 1, 5, 200, 600])
def test_a_certificate_that_cannot_be_read_is_named(copy, capsys, place):
    """A character of a certificate is another one, whatever that makes of it: the file is named, the rest checked."""
    file = next((copy / "events").glob("*-erasure.proposed.json"))
    fields = json.loads(file.read_text())
    text = fields["header"]["x5c"][0]
    fields["header"]["x5c"][0] = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    file.write_text(json.dumps(fields))

    assert main(["verify", str(copy)]) == 1

    said = capsys.readouterr().out
    assert f"BAD: events/{file.name}" in said
    assert "events: " in said
    assert said.rstrip().endswith("this does not hold")


def test_the_sums_of_a_long_story_are_read(copy, capsys):
    """A dossier with hundreds of events has thousands of files about them; the list of their sums is read whole."""
    empty = sha256(b"").hexdigest()
    names = [f"log/{number:04d}-{'x' * 20}" for number in range(3000)]
    (copy / "log").mkdir(exist_ok=True)
    for name in names:
        (copy / name).touch()
    with (copy / "SHA256SUMS").open("a") as sums:
        sums.writelines(f"{empty}  {name}\n" for name in names)
    assert (copy / "SHA256SUMS").stat().st_size > 256 * 1024

    assert main(["verify", str(copy)]) == 0, capsys.readouterr().out
