"""One dossier as a folder that proves itself to somebody who has neither a node nor this program.

    README.md                     what this is, and how to check it with openssl and any JOSE tool (`readme`)
    SHA256SUMS                    of everything else here
    root.pem                      the root; compare its fingerprint with the one the province publishes
    dossier.json                  what the events come to, for reading; it proves nothing
    events/01-dossier.submitted.json   each event as flattened JWS (RFC 7515 §7.2.2) with its chain in `x5c`
    events/01-dossier.submitted.txt    its payload: the very bytes that were signed
    signatures/01.txt …           the same for the openssl command (`evidence`)
    crls/<fingerprint>.crl        revocation lists of the issuers, DER; all of them in crls.pem
    files/sha256-….jpg            each file under its own hash
    <kind>/01.…                   further proofs, where the node has any (`proofs`)

Names are made here: nothing somebody typed becomes a path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509

from crypto.certificates import certificate_to_pem, parse_certificate
from crypto.event import parse_signed_event, to_jws
from replication.document import DocId
from server.dossier import units
from server.dossier.event import is_dossier_stream
from server.dossier.order import arrange
from server.errors import Clash, Missing
from server.export.evidence import (
    Evidence,
    is_covered,
    is_revoked,
    newest_crls,
    write_crls,
    write_signatures,
    write_sums,
)
from server.export.proofs import ProofSource
from server.export.readme import Contents, build_readme
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


def export_dossier(node: Node, dossier: str, out: Path, proofs: Sequence[ProofSource] = ()) -> Written:
    """Write the dossier with this stream id or official code into the new folder `out`.

    The folder appears whole or not at all. Raises `Missing` for a dossier or a file that is not here whole, `Clash` if
    `out` exists or two dossiers bear the code.
    """
    story = node.model.story(_stream(node, dossier))
    if out.exists():
        raise Clash(f"{out} exists; an export goes into a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        folder = Path(beside) / "export"
        written = _write(node, story, folder, proofs)
        folder.replace(out)
    return written


def _write(node: Node, story: Story, out: Path, proofs: Sequence[ProofSource]) -> Written:
    for folder in ("events", "crls", "files", "signatures"):
        (out / folder).mkdir(parents=True)
    database, now = story.row.database, node.clock.now()
    evidence = _write_events(node, story, out, proofs)
    chains = [each.chain for each in evidence]
    crls = newest_crls(chains, list(node.directory.crls(database)))
    write_crls(out, crls)
    write_signatures(out, evidence)
    files = _write_files(node, story, out)
    _put(out / "root.pem", "".join(certificate_to_pem(root) for root in node.home.anchors()))
    _put(out / "dossier.json", json.dumps(story.dossier.value(), ensure_ascii=False, indent=1))
    sound = {
        each.number
        for each in evidence
        if each.is_valid_at(now) and is_covered(each.chain, crls, now) and not is_revoked(each.chain, crls)
    }
    dated = [each.number for each in evidence if each.is_valid_at(each.held_since)]
    contents = Contents(
        made=now,
        dated=dated,
        checkable=[each.number for each in evidence if each.number in sound],
        doubtful=[each.number for each in evidence if each.number not in sound.intersection(dated)],
        proofs=[each.about for each in proofs if (out / each.folder).exists()],
    )
    _put(out / "README.md", build_readme(contents))
    write_sums(out)
    return Written(len(evidence), files, len({each for chain in chains for each in chain}))


def _put(path: Path, text: str) -> None:
    write_atomically(path, text.encode(), 0o644)


def _stream(node: Node, dossier: str) -> str:
    if is_dossier_stream(dossier):
        return dossier
    found = node.model.queries.by_code(dossier)
    if not found:
        raise Missing(f"no dossier here has the code or stream id {dossier[:64]}")
    if len(found) > 1:
        raise Clash(f"{dossier} is the code of {len(found)} dossiers; give the stream id: {found[0].stream}, …")
    return found[0].stream


def _write_events(node: Node, story: Story, out: Path, proofs: Sequence[ProofSource]) -> list[Evidence]:
    """Write the events in causal order, and what else proves something about them."""
    by_id = {held.stored.id: held for held in story.events}
    database = story.row.database
    found: list[Evidence] = []
    for number, stored in enumerate(arrange([held.stored for held in story.events]).events, 1):
        held = by_id[stored.id]
        chain = _chain(node, database, held)
        envelope = json.loads(node.store.open(database).get(DocId(held.doc_id)).body)
        fields = {name: envelope[name] for name in ("event", "signatures")}
        admission = node.admissions.of(database, held.doc_id)
        since = admission.admitted if admission else node.clock.now()
        each = Evidence(f"{number:02d}", parse_signed_event(fields), tuple(chain), since)
        jws = to_jws(fields, chain)
        jws["header"]["etsiU"] += [element for source in proofs for element in source.unsigned(database, stored.id)]
        stem = out / "events" / f"{each.number}-{stored.event.type}"
        _put(stem.with_name(stem.name + ".json"), json.dumps(jws, indent=1))
        write_atomically(stem.with_name(stem.name + ".txt"), each.signed.payload, 0o644)
        _write_proofs(out, each.number, database, stored.id, proofs)
        found.append(each)
    return found


def _write_proofs(out: Path, number: str, database: str, event: str, proofs: Sequence[ProofSource]) -> None:
    for source in proofs:
        for ending, data in source.files(database, event).items():
            (out / source.folder).mkdir(exist_ok=True)
            write_atomically(out / source.folder / f"{number}.{ending}", data, 0o644)


def _chain(node: Node, database: str, held: HeldEvent) -> list[x509.Certificate]:
    """Return the signer's certificate and its issuers, the anchor last."""
    der = node.directory.leaf(database, held.fingerprint)
    if der is None:
        raise Missing(f"the certificate of {held.stored.event.actor} is not here; run tram verify")
    chain = [parse_certificate(each) for each in (der, *node.directory.path(database, der))]
    anchors = [root for root in node.directory.anchors.roots if root.subject == chain[-1].issuer]
    return [*chain, *(root for root in anchors if root not in chain)]


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
