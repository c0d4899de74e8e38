"""An export is checked with the very commands its README gives, by openssl and by JOSE libraries of others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from server.cli import main
from server.cli.export import proof_sources
from server.dossier.documents import crl_doc
from server.errors import Clash
from server.export.folder import export_dossier
from server.intake.source import Source
from server.pki.authority import Authority

ROOT = Path(__file__).resolve().parents[3]
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("openssl", "sha256sum", "basenc", "sh"))),
    reason="openssl and GNU coreutils are what the README's commands need",
)


def _blocks(folder: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def _run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def filed(office, helpers):
    """The office with a dossier of two papers that has its receipt; (office, stream)."""
    reference = office.citizen.put_file(JPEG)
    stream = office.file(files=[reference])
    helpers.wait_until(lambda: office.citizen.get(f"/api/dossiers/{stream}").json()["received"])
    return office, stream


@pytest.fixture
def exported(filed, tmp_path):
    """The dossier's export, with a list of every CA above it."""
    office, stream = filed
    _lists(office.node)
    export_dossier(office.node, stream, tmp_path / "out", proof_sources(office.node))
    return tmp_path / "out"


def _lists(node, revoked=()):
    from server.home import Home

    for number, (unit, mine) in enumerate((("h41", ()), ("h41-12", ()), ("h41-12-03", revoked)), 900_000_000):
        crl = Authority.open(Home.open(node.home.path.parent / unit)).issue_crl(
            list(mine), number=number, now=node.clock.now()
        )
        doc = crl_doc(crl.public_bytes(Encoding.DER))
        assert node.intake.admit(node.database, [doc], source=Source("peer", "test"))[0].error is None


def test_the_commands_of_the_readme_hold_with_openssl_alone(exported):
    """Every shell block of the README runs to its end: sums, names, signatures, paths, revocation."""
    blocks = _blocks(exported, "sh")

    assert len(blocks) == 6
    for block in blocks:
        done = _run(exported, block)
        assert (done.returncode, done.stderr) == (0, ""), (block, done)
    events = len(list((exported / "events").glob("*.json")))
    assert _run(exported, blocks[2]).stdout.count("Verified OK") == events == 2


@pytest.mark.parametrize("spoil", ["file", "payload", "signature", "certificate", "json"])
def test_the_commands_of_the_readme_find_what_was_altered(exported, spoil):
    """One byte of a paper, of the signed text, of a signature, another's certificate: some block says so."""
    paths = {
        "file": next((exported / "files").iterdir()),
        "payload": exported / "signatures" / "01.txt",
        "signature": exported / "signatures" / "01.sig",
        "json": next((exported / "events").glob("01-*.json")),
    }
    if spoil == "certificate":
        shutil.copy(exported / "signatures" / "02.pem", exported / "signatures" / "01.pem")
    else:
        data = bytearray(paths[spoil].read_bytes())
        place = data.index(b'"payload": "') + 20 if spoil == "json" else len(data) - 2
        data[place] ^= 1
        paths[spoil].write_bytes(data)
    failing = [i for i, block in enumerate(_blocks(exported, "sh")) if _run(exported, block).returncode]
    assert failing

    # An attacker who mends the sums as well is still found, by what the signatures say.
    _run(exported, "find . -type f ! -name SHA256SUMS | sed 's,^./,,' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS")
    failing = [i for i, block in enumerate(_blocks(exported, "sh")) if _run(exported, block).returncode]
    assert failing
    assert main(["verify", str(exported)]) == 1


def test_the_script_of_the_readme_holds_with_npm_jose(exported, node_modules):
    """The JavaScript block, saved and run as it says, with the npm package jose."""
    (exported / "check.mjs").write_text(_blocks(exported, "js")[0])
    (exported / "node_modules").symlink_to(node_modules)
    command = ["node", "check.mjs"]

    good = subprocess.run(command, cwd=exported, capture_output=True, text=True, check=False, timeout=60)
    (event,) = (exported / "events").glob("01-*.json")
    jws = json.loads(event.read_text())
    event.write_text(json.dumps(jws | {"payload": jws["payload"][:-1] + ("A" if jws["payload"][-1] != "A" else "B")}))
    bad = subprocess.run(command, cwd=exported, capture_output=True, text=True, check=False, timeout=60)

    assert good.returncode == 0, good.stderr
    assert "01-dossier.submitted.json dossier.submitted" in good.stdout
    assert bad.returncode != 0
    assert "signature verification failed" in bad.stderr


@pytest.fixture
def node_modules():
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    if not (ROOT / "node_modules" / "jose").is_dir():
        pytest.skip("the npm package jose is not installed; make setup brings it")
    return ROOT / "node_modules"


def test_a_python_jose_library_agrees(exported):
    """joserfc, which shares no code with us, verifies every event under the first certificate of x5c."""
    joserfc_jws = pytest.importorskip("joserfc.jws", reason="joserfc comes with the extra dev")
    from joserfc.jwk import ECKey

    registry = joserfc_jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    for file in sorted((exported / "events").glob("*.json")):
        jws = json.loads(file.read_text())
        pem = f"-----BEGIN CERTIFICATE-----\n{jws['header']['x5c'][0]}\n-----END CERTIFICATE-----\n"
        done = subprocess.run(
            ["openssl", "x509", "-noout", "-pubkey"], input=pem, capture_output=True, text=True, check=True
        )
        bare = {name: jws[name] for name in ("payload", "protected", "signature")}
        found = joserfc_jws.deserialize_json(bare, ECKey.import_key(done.stdout), registry=registry)
        assert found.payload == file.with_suffix(".txt").read_bytes()


def test_tram_verify_holds_it_and_sees_every_changed_file(exported, capsys):
    """Our own verifier takes the whole folder, and names what was changed since, down to the README."""
    assert main(["verify", str(exported)]) == 0
    capsys.readouterr()

    (exported / "README.md").write_text("tin tôi đi")
    (exported / "thêm.txt").write_text("x")

    assert main(["verify", str(exported)]) == 1
    said = capsys.readouterr().out
    assert "README.md was changed" in said
    assert "is not listed" in said


def test_a_revoked_signer_is_named_for_a_person_and_the_rest_is_still_checkable(filed, tmp_path):
    """openssl knows no time of signature: what a list names is set apart in the README instead of failing the whole."""
    from crypto.crl import Revocation

    office, stream = filed
    serial = office.citizen.person.certificate.serial_number
    _lists(office.node, [Revocation(serial, office.node.clock.now() + timedelta(minutes=5))])
    export_dossier(office.node, stream, tmp_path / "out")

    readme = (tmp_path / "out" / "README.md").read_text()
    assert "Chữ ký 01:" in readme
    for block in _blocks(tmp_path / "out", "sh"):
        assert _run(tmp_path / "out", block).returncode == 0, block
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_an_export_appears_whole_or_not_at_all(filed, helpers, tmp_path):
    """A paper that is not here yet stops it before anything shows; a folder that exists is left alone."""
    from server.errors import Missing

    office, _ = filed
    other = bytes(reversed(JPEG))
    waiting = office.file(files=[helpers.file_reference(other, "giay-khac.jpg")])
    with pytest.raises(Missing, match="has not arrived"):
        export_dossier(office.node, waiting, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []

    (tmp_path / "out").mkdir()
    with pytest.raises(Clash):
        export_dossier(office.node, waiting, tmp_path / "out")


def test_a_dossier_of_which_events_are_still_on_their_way_is_no_evidence(filed, tmp_path):
    """What is here builds on an event that is not: nothing is written that the verifier would call incomplete."""
    from replication.document import DocId
    from server.errors import Missing

    office, stream = filed
    held = office.node.model.story(stream).events
    first = next(each for each in held if each.stored.event.type == "dossier.submitted")
    office.node.store.open(office.node.database).purge({DocId(first.doc_id): [first.rev]})

    with pytest.raises(Missing, match="1 events that others build on"):
        export_dossier(office.node, stream, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []
