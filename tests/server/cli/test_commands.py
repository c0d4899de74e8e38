"""The `tram` command as people use it: homes, files on a stick, people, links, serving and being killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import requests

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300


def told(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(label)).removeprefix(label).strip()


@pytest.fixture
def province(tram, tmp_path):
    """The home of a root."""
    assert tram("init", tmp_path / "p", "--unit", "H41", "--name", "Tỉnh mẫu")[0] == 0
    return tmp_path / "p"


@pytest.fixture
def commune(tram, province, tmp_path):
    """The home of a commune certified by the province: the whole way over files."""
    home, request, answer = tmp_path / "c", tmp_path / "request", tmp_path / "answer"
    assert tram("init", home, "--unit", "H41.12.03", "--parent", "http://127.0.0.1:9")[0] == 0
    code = told(tram("ca", "request", home, request)[1], "code:")
    assert tram("ca", "sign", province, request, answer, "--code", code)[0] == 0
    assert tram("ca", "install", home, answer)[0] == 0
    return home


def test_a_request_is_signed_only_with_the_digits_its_office_reads_out(tram, province, tmp_path):
    """A file that was swapped on the way has other digits; without digits nothing is signed."""
    home, request, answer = tmp_path / "c", tmp_path / "request", tmp_path / "answer"
    tram("init", home, "--unit", "H41.12.03")
    code = told(tram("ca", "request", home, request)[1], "code:")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    assert tram("ca", "sign", province, request, answer, "--code", wrong)[0] == 1
    assert tram("ca", "sign", province, request, answer)[0] == 1
    assert not answer.exists()
    status, _, error = tram("serve", home, "--port", "0")
    assert status == 1
    assert "tram ca request" in error


def test_an_answer_for_another_key_is_not_installed(tram, province, commune, tmp_path):
    """A chain that does not fit this home's CA key changes nothing."""
    other, request, answer = tmp_path / "o", tmp_path / "r2", tmp_path / "a2"
    tram("init", other, "--unit", "H41.12.04")
    code = told(tram("ca", "request", other, request)[1], "code:")
    tram("ca", "sign", province, request, answer, "--code", code)
    before = (commune / "certs" / "chain.pem").read_bytes()

    status, _, error = tram("ca", "install", commune, answer)

    assert status == 1
    assert "another CA key" in error
    assert (commune / "certs" / "chain.pem").read_bytes() == before


def test_a_unit_signs_only_below_itself(tram, province, tmp_path):
    """The province of H41 signs nothing for H55."""
    home, request = tmp_path / "x", tmp_path / "request"
    tram("init", home, "--unit", "H55.01")
    code = told(tram("ca", "request", home, request)[1], "code:")

    status, _, error = tram("ca", "sign", province, request, tmp_path / "answer", "--code", code)

    assert (status, "does not lie below H41" in error) == (1, True)


def test_people_and_roles_are_added_listed_and_taken_away(tram, commune):
    """An invitation prints a subject and a code; roles are there at once and gone at once."""
    _, out, _ = tram("user", "add", commune, "--name", "Trần Văn Nam", "--role", "official")
    subject = told(out, "subject:")
    assert len(told(out, "activation:")) == 14

    assert tram("role", "grant", commune, subject, "leader")[0] == 0
    _, listed, _ = tram("role", "list", commune)
    assert listed.count("Trần Văn Nam") == 2
    assert tram("role", "revoke", commune, subject, "official", "--reason", "Chuyển công tác")[0] == 0
    _, listed, _ = tram("user", "list", commune)
    assert "leader" in listed
    assert "official" not in listed


def test_links_are_added_paused_and_listed(tram, commune):
    """The parent named at init is a link; more can be added; a wrong address is refused."""
    tram("link", "add", commune, "usb", "http://127.0.0.1:9/", "--child")
    tram("link", "pause", commune, "usb")

    _, out, _ = tram("link", "list", commune)
    rows = [line.split() for line in out.splitlines()[1:]]

    assert [row[:4] for row in rows] == [
        ["parent", "parent", "http://127.0.0.1:9", "well"],
        ["usb", "child", "http://127.0.0.1:9", "paused"],
    ]
    assert tram("link", "add", commune, "x", "ftp://somewhere")[0] == 1
    assert tram("link", "pause", commune, "nobody")[0] == 1


def test_a_link_is_given_hours_and_limits_and_shown_with_them(tram, commune):
    """What is named changes and the rest stays; nonsense is refused with an example; a removed link is gone."""
    status, out, _ = tram("link", "set", commune, "parent", "--files-hours", "20:00-06:00", "--daily", "128M")
    assert (status, "daily 128M, files-hours 20:00-06:00" in out) == (0, True)
    tram("link", "set", commune, "parent", "--previews-daily", "8M")
    _, out, _ = tram("link", "set", commune, "parent", "--daily", "none")
    assert "previews-daily 8M, files-hours 20:00-06:00" in out

    _, shown, _ = tram("link", "show", commune, "parent")
    assert "files-hours 20:00-06:00" in shown
    assert "may travel now" in shown
    status, _, error = tram("link", "set", commune, "parent", "--files-hours", "tonight")
    assert (status, "20:00-06:00" in error) == (1, True)
    assert tram("link", "set", commune, "parent")[0] == 1
    assert tram("link", "set", commune, "nobody", "--daily", "1M")[0] == 1
    assert tram("link", "remove", commune, "parent")[0] == 0
    assert tram("link", "show", commune, "parent")[0] == 1


def test_the_sample_is_published_once_and_at_the_root_alone(tram, province, commune):
    """Loading again publishes nothing; a commune is told who publishes."""
    first, second = (tram("load-sample", province)[1] for _ in range(2))

    assert int(first.split()[1]) > 30
    assert second.startswith("published 0 ")
    assert tram("load-sample", commune)[0] == 1


def test_a_directory_that_is_no_home_is_named(tram, tmp_path):
    """The message says what to do."""
    status, _, error = tram("doctor", tmp_path)

    assert status == 1
    assert "tram init" in error


def _start(home):
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", str(home), "--port", "0", "--no-sync"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "serves" in line, process.wait()
    return process, line.rpartition(" ")[2].strip().rstrip("/")


def test_serving_ends_cleanly_and_only_once_per_home(tram, commune):
    """SIGTERM ends with 0; a second server on the same home is refused while the first runs."""
    process, url = _start(commune)
    try:
        assert requests.get(url + "/api/node", timeout=60).json()["unit"] == "H41.12.03"
        status, _, error = tram("serve", commune, "--port", "0", "--no-sync")
        assert (status, "served by another process" in error) == (1, True)
    finally:
        process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    process.stdout.close()


def test_killing_the_node_loses_nothing_that_was_acknowledged(tram, commune, key_pool, helpers):
    """kill -9 right after an acknowledgement: after the next start everything is there and gets its receipt, once."""
    from server.home import Home
    from server.node.assembly import Node
    from server.pki.authority import Authority

    node = Node(Home.open(commune))
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    node.close()
    streams = []
    for _ in range(3):
        process, url = _start(commune)
        client = helpers.Client(url, "urn:tram:node:h41-12-03", person)
        event = helpers.submission("H41.12.03", person, files=[client.put_file(JPEG)])
        answer = client.post("/api/events", person.envelope(event))
        process.kill()  # nobody gets time to tidy up
        assert answer.status_code == 201
        process.wait(60)
        process.stdout.close()
        streams.append(event["stream"])

    process, url = _start(commune)
    try:
        client = helpers.Client(url, "urn:tram:node:h41-12-03", person)
        for stream in streams:
            dossier = helpers.wait_until(
                lambda stream=stream: (d := client.get(f"/api/dossiers/{stream}").json())["received"] and d
            )
            assert len(dossier["receipts"]) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
    status, out, _ = tram("verify", commune)
    assert (status, out.splitlines()[-1]) == (0, "all of it holds")


def test_the_read_model_can_be_thrown_away(tram, commune, key_pool, helpers):
    """`tram rebuild` computes the same lists from the store."""
    from server.home import Home
    from server.intake.source import Source
    from server.node.assembly import Node
    from server.pki.authority import Authority
    from server.readmodel.queries import DossierFilter

    node = Node(Home.open(commune))
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    docs = [person.sign(helpers.submission("H41.12.03", person)) for _ in range(20)]
    node.intake.admit(node.database, docs, source=Source("peer", "x"))
    node.model.follower.catch_up()
    before = node.model.queries.dossiers(DossierFilter(text="nguyen anh"))
    node.close()

    assert tram("rebuild", commune)[0] == 0

    node = Node(Home.open(commune))
    after = node.model.queries.dossiers(DossierFilter(text="nguyen anh"))
    node.close()
    assert before.total == after.total == 20
    assert {row.stream for row in before.rows} == {row.stream for row in after.rows}


def test_an_export_stands_alone_and_shows_what_was_changed(tram, commune, key_pool, helpers, tmp_path):
    """A dossier as a folder verifies against the root; a changed event, a lost file, a foreign root do not."""
    import json
    import shutil

    from server.dossier.documents import chunk_doc, manifest_doc
    from server.dossier.manifest import build_manifest
    from server.home import Home
    from server.intake.source import Source
    from server.node.assembly import Node
    from server.pki.authority import Authority

    node = Node(Home.open(commune))
    person = helpers.issue_person(Authority.open(node.home), key_pool())
    node.copier.ensure_certificate(node.database, person.certificate)
    event = helpers.submission("H41.12.03", person, files=[helpers.file_reference(JPEG)])
    manifest, chunks = build_manifest(JPEG)
    source = Source("peer", "x")
    node.intake.admit(node.files_database, [*map(chunk_doc, chunks), manifest_doc(manifest)], source=source)
    node.intake.admit(node.database, [person.sign(event)], source=source)
    node.model.follower.catch_up()
    assert node.receipts.consider(event["stream"])
    node.close()
    out = tmp_path / "export"

    assert tram("export", commune, event["stream"], out)[0] == 0
    status, said, _ = tram("verify", out, "--root", commune / "certs" / "anchors.pem")

    assert (status, said.splitlines()[-1]) == (0, "all of it holds")
    assert (out / "files" / f"{manifest.sha256}.jpg").read_bytes() == JPEG
    assert len(list((out / "events").glob("*.json"))) == 2
    assert tram("export", commune, event["stream"], out)[0] == 1  # never over another folder
    for damage in ("event", "file", "root", "lost"):
        copy = tmp_path / damage
        shutil.copytree(out, copy)
        if damage == "event":
            path = next((copy / "events").glob("*.json"))
            fields = json.loads(path.read_text())
            fields["signature"] = "A" + fields["signature"][1:] if fields["signature"][0] != "A" else "B"
            path.write_text(json.dumps(fields))
        elif damage == "file":
            (copy / "files" / f"{manifest.sha256}.jpg").write_bytes(JPEG[:-1])
        elif damage == "lost":
            next(iter(sorted((copy / "events").iterdir()))).unlink()
        else:
            tram("init", tmp_path / "stranger", "--unit", "H41")
            shutil.copy(tmp_path / "stranger" / "certs" / "anchors.pem", copy / "root.pem")
        assert tram("verify", copy)[0] == 1, damage


def test_an_init_that_was_cut_short_is_finished_by_the_next(tram, tmp_path):
    """A root whose certificates were not written yet goes on with the key it had; a finished home is left alone."""
    home = tmp_path / "p"
    tram("init", home, "--unit", "H41")
    key = (home / "keys" / "ca.key").read_bytes()
    for name in ("node.pem", "chain.pem", "anchors.pem"):
        (home / "certs" / name).unlink()

    assert tram("init", home, "--unit", "H41")[0] == 0

    assert (home / "keys" / "ca.key").read_bytes() == key
    assert tram("doctor", home)[1].startswith("H41")
    assert tram("init", home, "--unit", "H41")[0] == 1


def test_the_node_speaks_tls_to_browsers(tram, commune, tmp_path, make_node):
    """With a certificate for its name the node answers over https, and its cookie is marked secure."""
    import ssl
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    from crypto.keys import generate_p256, private_to_pem
    from server.api import create_app
    from server.home import Home

    key = generate_p256()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = tmp_path / "tls.pem", tmp_path / "tls.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(private_to_pem(key))
    assert ssl.create_default_context(cafile=pem)
    node = make_node(Home.open(commune))

    url = node.start(create_app(node), sync=False, certificate=pem, key=key_pem)

    answer = requests.get(url.replace("127.0.0.1", "localhost") + "api/node", verify=str(pem), timeout=60)
    assert answer.json()["unit"] == "H41.12.03"
    assert url.startswith("https://")
    assert tram("serve", commune, "--certificate", pem)[0] == 1
