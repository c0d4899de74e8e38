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

from collections.abc import Sequence
from pathlib import Path

from server.dossier import units
from server.dossier.event import is_dossier_stream
from server.dossier.order import arrange
from server.errors import Clash, Missing
from server.export.erasure import export_erasure, find_erased, find_settled
from server.export.proofs import ProofSource
from server.export.writing import Written, finish, new_folder, put_json, write_events
from server.home import write_atomically
from server.node.assembly import Node
from server.readmodel.model import Story

_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "application/pdf": ".pdf"}


def export_dossier(node: Node, dossier: str, out: Path, proofs: Sequence[ProofSource] = ()) -> Written:
    """Write the dossier with this stream id or official code into the new folder `out`; of one that was erased, the
    evidence of its erasure (`erasure`). By the id of a proposal to erase: the evidence of what became of that.

    The folder appears whole or not at all. Raises `Missing` for a dossier or a file that is not here whole, `Clash` if
    `out` exists or two dossiers bear the code.
    """
    if dossier.startswith("sha256-"):
        return export_erasure(node, find_settled(node, dossier), out, proofs)
    stream = _stream(node, dossier)
    erased = find_erased(node, stream)
    if erased is not None:
        return export_erasure(node, erased, out, proofs)
    story = node.model.story(stream)
    with new_folder(out) as folder:
        return _write(node, story, folder, proofs)


def _write(node: Node, story: Story, out: Path, proofs: Sequence[ProofSource]) -> Written:
    (out / "files").mkdir()
    by_id = {held.stored.id: held for held in story.events}
    order = arrange([held.stored for held in story.events])
    if order.missing:
        raise Missing(f"{len(order.missing)} events that others build on have not arrived at this node yet; sync first")
    evidence = write_events(node, story.row.database, [by_id[each.id] for each in order.events], out, proofs)
    files = _write_files(node, story, out)
    put_json(out / "dossier.json", story.dossier.value())
    about = [each.about for each in proofs if (out / each.folder).exists()]
    certificates = finish(node, story.row.database, evidence, out, "dossier", about)
    return Written(len(evidence), files, certificates)


def _stream(node: Node, dossier: str) -> str:
    if is_dossier_stream(dossier):
        return dossier
    found = node.model.queries.by_code(dossier)
    if not found:
        raise Missing(
            f"no dossier here has the code or stream id {dossier[:64]}; one that was erased is known by its stream id"
            " alone: tram erase status"
        )
    if len(found) > 1:
        raise Clash(f"{dossier} is the code of {len(found)} dossiers; give the stream id: {found[0].stream}, …")
    return found[0].stream


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
