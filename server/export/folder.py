"""One dossier as a folder that proves itself to somebody who has neither a node nor this program.

    README.txt                    what this is, and how to check it with OpenSSL or any JOSE tool
    root.pem                      the root; compare its fingerprint with the one the province publishes
    dossier.json                  what the events come to, for reading; it proves nothing
    events/01-dossier.submitted.json   each event as flattened JWS (RFC 7515 §7.2.2) with its chain in `x5c`
    crls/<fingerprint>.crl        revocation lists of the issuers, DER
    files/sha256-….jpg            each file under its own hash

Names are made here: nothing somebody typed becomes a path.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from crypto.certificates import certificate_to_pem, parse_certificate
from crypto.event import fingerprint_of, to_jws
from replication.document import DocId
from server.dossier import units
from server.dossier.event import is_dossier_stream
from server.dossier.order import arrange
from server.errors import Clash, Missing
from server.home import write_atomically
from server.node.assembly import Node
from server.readmodel.documents import HeldEvent
from server.readmodel.model import Story

_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "application/pdf": ".pdf"}


@dataclass(frozen=True, slots=True)
class Written:
    """How much an export holds."""

    events: int
    files: int
    certificates: int


def export_dossier(node: Node, dossier: str, out: Path) -> Written:
    """Write the dossier with this stream id or official code into the new folder `out`.

    Raises `Missing` for a dossier or a file that is not here whole, `Clash` if `out` exists or two bear the code.
    """
    story = node.model.story(_stream(node, dossier))
    if out.exists():
        raise Clash(f"{out} exists; an export goes into a new folder")
    for folder in (out / "events", out / "crls", out / "files"):
        folder.mkdir(parents=True)
    certificates = _write_events(node, story, out)
    _write_crls(node, story.row.database, certificates, out)
    files = _write_files(node, story, out)
    roots = "".join(certificate_to_pem(root) for root in node.home.anchors())
    write_atomically(out / "root.pem", roots.encode("ascii"), 0o644)
    text = json.dumps(story.dossier.value(), ensure_ascii=False, indent=1)
    write_atomically(out / "dossier.json", text.encode(), 0o644)
    write_atomically(out / "README.txt", _README.encode(), 0o644)
    return Written(len(story.events), files, len(certificates))


def _stream(node: Node, dossier: str) -> str:
    if is_dossier_stream(dossier):
        return dossier
    found = node.model.queries.by_code(dossier)
    if not found:
        raise Missing(f"no dossier here has the code or stream id {dossier[:64]}")
    if len(found) > 1:
        raise Clash(f"{dossier} is the code of {len(found)} dossiers; give the stream id: {found[0].stream}, …")
    return found[0].stream


def _write_events(node: Node, story: Story, out: Path) -> dict[str, x509.Certificate]:
    """Write the events in causal order. Returns the certificates used, by fingerprint, signers and issuers."""
    by_id = {held.stored.id: held for held in story.events}
    used: dict[str, x509.Certificate] = {}
    for number, stored in enumerate(arrange([held.stored for held in story.events]).events, 1):
        held = by_id[stored.id]
        chain = _chain(node, story.row.database, held)
        used |= {fingerprint_of(certificate): certificate for certificate in chain}
        envelope = json.loads(node.store.open(story.row.database).get(DocId(held.doc_id)).body)
        jws = json.dumps(to_jws(envelope, chain), indent=1)
        write_atomically(out / "events" / f"{number:02d}-{stored.event.type}.json", jws.encode(), 0o644)
    return used


def _chain(node: Node, database: str, held: HeldEvent) -> list[x509.Certificate]:
    der = node.directory.leaf(database, held.fingerprint)
    if der is None:
        raise Missing(f"the certificate of {held.stored.event.actor} is not here; run tram verify")
    return [parse_certificate(each) for each in (der, *node.directory.path(database, der))]


def _write_crls(node: Node, database: str, certificates: dict[str, x509.Certificate], out: Path) -> None:
    issuers = {certificate.issuer.public_bytes() for certificate in certificates.values()}
    for issuer in issuers:
        for crl in node.directory.crls(database).of(issuer)[:1]:
            write_atomically(out / "crls" / f"{crl.fingerprint}.crl", crl.der, 0o644)


def _write_files(node: Node, story: Story, out: Path) -> int:
    named = {ref.sha256: (ref, held) for held in story.events for ref in held.stored.event.files}
    for sha256, (ref, held) in named.items():
        unit = units.parse_unit_code(held.stored.event.unit)
        manifest = node.files.manifest(unit, ref.manifest)
        if manifest is None:
            raise Missing(f"the file {ref.name} has not arrived at this node yet; sync first")
        data = b"".join(node.files.read(unit, manifest))
        write_atomically(out / "files" / (sha256 + _ENDINGS.get(ref.type, "")), data, 0o644)
    return len(named)


_README = """Hồ sơ điện tử, trích xuất kèm bằng chứng.
An electronic dossier, exported with its evidence.

events/    mỗi sự kiện là một chữ ký JWS (RFC 7515), kèm chuỗi chứng thư trong "x5c"
           each event is a JWS (RFC 7515), flattened JSON, with its certificate chain in "x5c"
files/     mỗi tệp mang tên là mã băm SHA-256 (base64url) của chính nó
           each file is named by its own SHA-256 in base64url
root.pem   chứng thư gốc: so sánh dấu vân tay với dấu vân tay do tỉnh công bố
           the root certificate: compare its fingerprint with the one the province publishes

Kiểm tra / Check:
    tram verify THIS-FOLDER --root ROOT-FROM-THE-PROVINCE.pem
or with any JOSE library: flattened JWS verify, ES256, key of x5c[0]; then
    openssl verify -x509_strict -purpose any -CAfile root.pem -untrusted CHAIN.pem LEAF.pem

Chữ ký này là niêm phong kỹ thuật của hệ thống. Giá trị pháp lý theo quy định của tỉnh.
These signatures are the system's technical seal; their legal weight is what the province's rules give them.
"""
