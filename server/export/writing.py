"""What every export is made of: a folder that appears whole or not at all, events, lists, README, sums."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509

from crypto.certificates import certificate_to_pem, parse_certificate
from crypto.event import parse_signed_event, to_jws
from replication.document import DocId
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
from server.export.readme import Contents, Kind, build_readme
from server.home import write_atomically
from server.node.assembly import Node
from server.readmodel.documents import HeldEvent

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Written:
    """How much an export holds; `erased` counts the events of which only the hashes are left."""

    events: int
    files: int
    certificates: int
    erased: int = 0


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out` that takes its place when the block ends, and is gone if it raises. Raises `Clash` if
    `out` exists."""
    if out.exists():
        raise Clash(f"{out} exists; an export goes into a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        folder = Path(beside) / "export"
        for name in ("events", "crls", "signatures"):
            (folder / name).mkdir(parents=True)
        yield folder
        folder.replace(out)


def put_text(path: Path, text: str) -> None:
    """Write a text file."""
    write_atomically(path, text.encode(), _MODE)


def put_json(path: Path, value: Any) -> None:
    """Write a JSON file for people to read."""
    put_text(path, json.dumps(value, ensure_ascii=False, indent=1))


def write_events(
    node: Node, database: str, events: Sequence[HeldEvent], out: Path, proofs: Sequence[ProofSource]
) -> list[Evidence]:
    """Write events in the order given, and what else proves something about them. Raises `Missing` for a certificate
    that is not here."""
    found: list[Evidence] = []
    for number, held in enumerate(events, 1):
        chain = _chain(node, database, held)
        envelope = json.loads(node.store.open(database).get(DocId(held.doc_id)).body)
        fields = {name: envelope[name] for name in ("event", "signatures")}
        admission = node.admissions.of(database, held.doc_id)
        since = admission.admitted if admission else node.clock.now()
        each = Evidence(f"{number:02d}", parse_signed_event(fields), tuple(chain), since)
        jws = to_jws(fields, chain)
        event = held.stored.id
        jws["header"]["etsiU"] += [element for source in proofs for element in source.unsigned(database, event)]
        stem = out / "events" / f"{each.number}-{held.stored.event.type}"
        put_text(stem.with_name(stem.name + ".json"), json.dumps(jws, indent=1))
        write_atomically(stem.with_name(stem.name + ".txt"), each.signed.payload, _MODE)
        for source in proofs:
            write_proof(source, database, event, out / source.folder / each.number)
        found.append(each)
    return found


def write_proof(source: ProofSource, database: str, event: str, stem: Path) -> bool:
    """Write what a source has about an event under `stem`, with its endings. Returns whether there was anything."""
    found = source.files(database, event)
    for ending, data in found.items():
        stem.parent.mkdir(exist_ok=True)
        write_atomically(stem.with_name(f"{stem.name}.{ending}"), data, _MODE)
    return bool(found)


def finish(node: Node, database: str, evidence: Sequence[Evidence], out: Path, kind: Kind, about: Sequence[str]) -> int:
    """Write what is made of the events: signatures for openssl, lists, root, README, sums. `about` are the README's
    sections on further proofs. Returns how many certificates there are."""
    now = node.clock.now()
    chains = [each.chain for each in evidence]
    crls = newest_crls(chains, list(node.directory.crls(database)))
    write_crls(out, crls)
    write_signatures(out, evidence)
    put_text(out / "root.pem", "".join(certificate_to_pem(root) for root in node.home.anchors()))
    sound = {
        each.number
        for each in evidence
        if each.is_valid_at(now) and is_covered(each.chain, crls, now) and not is_revoked(each.chain, crls)
    }
    dated = [each.number for each in evidence if each.is_valid_at(each.held_since)]
    contents = Contents(
        kind=kind,
        made=now,
        dated=dated,
        checkable=[each.number for each in evidence if each.number in sound],
        doubtful=[each.number for each in evidence if each.number not in sound.intersection(dated)],
        proofs=about,
    )
    put_text(out / "README.md", build_readme(contents))
    write_sums(out)
    return len({each for chain in chains for each in chain})


def _chain(node: Node, database: str, held: HeldEvent) -> list[x509.Certificate]:
    """Return the signer's certificate and its issuers, the anchor last."""
    der = node.directory.leaf(database, held.fingerprint)
    if der is None:
        raise Missing(f"the certificate of {held.stored.event.actor} is not here; run tram verify")
    chain = [parse_certificate(each) for each in (der, *node.directory.path(database, der))]
    anchors = [root for root in node.directory.anchors.roots if root.subject == chain[-1].issuer]
    return [*chain, *(root for root in anchors if root not in chain)]
