"""A time-stamp authority of our own (`openssl ts -reply` behind a loopback HTTP server), and nodes that trust it."""

from __future__ import annotations

import base64
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from replication.document import Doc
from server.intake.source import Source
from server.node.publishing import publish
from server.trust.policy import STREAM, default_body

_CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Tsa:
    """Three certificates (root, intermediate, signer), an address, and how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.url = folder, 0, ""
        self.refuse_after = 10**9
        self.answers: Callable[[bytes], bytes] = self.reply
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
        self.root = _certificate("TSA root", keys[0], "TSA root", keys[0], ca=True)
        self.intermediate = _certificate("TSA intermediate", keys[1], "TSA root", keys[0], ca=True)
        self.signer = _certificate("TSA 1", keys[2], "TSA intermediate", keys[1], ca=False)
        folder.mkdir(exist_ok=True)
        (folder / "serial").write_text("01\n")
        (folder / "tsa.pem").write_bytes(self.signer.public_bytes(Encoding.PEM))
        key = keys[2].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "tsa.key").write_bytes(key)
        (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder))

    def reply(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query", "-out", "answer"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=30)
        return (self.folder / "answer").read_bytes()

    def entry(self, **changes: Any) -> dict[str, Any]:
        """What a trust policy says of it."""
        found = {
            "name": "TSA mẫu",
            "certificate": _base64(self.root),
            "chain": [_base64(self.intermediate)],
            "from": "2026-01-01T00:00:00Z",
        }
        return found | changes


def _base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii")


def _certificate(name: str, key: Any, issuer: str, issuer_key: Any, *, ca: bool) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(named(issuer), named(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=300))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Tsa]:
    """An authority that answers on loopback."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is what stamps here")
    found, turn = Tsa(tmp_path / "tsa"), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with turn:
                found.asked += 1
                if found.asked > found.refuse_after:
                    self.send_error(503)
                    return
                data = found.answers(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def take(helpers: Any, key_pool: Any) -> Callable[..., list[Doc]]:
    """Let somebody enrolled at a node file `count` dossiers there; returns the documents, admitted."""
    from server.pki.authority import Authority

    def admit(node: Any, count: int = 1) -> list[Doc]:
        person = helpers.issue_person(Authority.open(node.home), key_pool())
        node.copier.ensure_certificate(node.database, person.certificate)
        docs = [person.sign(helpers.submission(node.unit, person)) for _ in range(count)]
        results = node.intake.admit(node.database, docs, source=Source("peer", "test"))
        assert [each.error for each in results] == [None] * count
        node.model.follower.catch_up()
        return docs

    return admit


@pytest.fixture
def tiers(make_homes: Any, make_node: Any) -> Any:
    """Province and commune, open; the commune's clock runs a day ahead."""
    homes = make_homes()

    def ahead() -> datetime:
        return datetime.now(UTC) + timedelta(days=1)

    return make_node(homes["H41"]), make_node(homes["H41.12.03"], now=ahead)


@pytest.fixture
def name_authorities() -> Callable[..., None]:
    """Publish at the province a policy with these entries, newer than the one before, and bring it to other nodes."""
    days = count(1)

    def bring(province: Any, *others: Any, entries: list[dict[str, Any]]) -> None:
        body = default_body() | {"from": f"2026-02-{next(days):02d}T00:00:00Z", "tsa": entries}
        publish(province, [(STREAM, STREAM, province.unit, body)])
        for other in others:
            hand_over(province, other, "registry")

    return bring


def hand_over(giver: Any, taker: Any, database: str, keep: Callable[[str], bool] = lambda _: True) -> list[str]:
    """Bring a database's documents from one node to another, as a link does. Returns what was refused."""
    from replication.document import DocId
    from replication.store import AllDocsQuery, GetRequest

    opened = giver.store.open(database)
    ids = [row.id for row in opened.all_docs(AllDocsQuery()).rows if keep(row.id)]
    docs = [doc for found in opened.bulk_get([GetRequest(DocId(each)) for each in ids]) for doc in found]
    taker.copier.ensure_database(database)
    found = taker.intake.admit(database, docs, source=Source("peer", giver.signer.urn))
    taker.proofs.catch_up(database)
    taker.model.follower.catch_up()
    return [each.error.reason for each in found if each.error is not None]


@pytest.fixture
def carry() -> Callable[..., list[str]]:
    return hand_over
