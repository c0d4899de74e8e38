"""An erasure as a folder: nothing of the dossier, and everything that shows what was erased and by whose word, or why
it was not.

    events/01-role.granted.json …      by which right the two voices spoke
    events/NN-erasure.proposed.json    the order: every event and file by its hash
    events/NN-erasure.confirmed.json   the second voice
    events/NN-erasure.withdrawn.json   who took it back, or …-erasure.refused.json: who refused, and why
    events/NN-erasure.done.json …      the nodes' word that they did it
    erased/001.tlogproof …             of each erased event: that this node's log held, and still holds, its hash
    erasure.json                       what it comes to, for reading; it proves nothing

The rest is as in the export of a dossier (`folder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from server.dossier import units
from server.dossier.erasing import TYPES, Erasure
from server.dossier.granting import ROLE_TYPES
from server.dossier.units import is_subject_urn
from server.errors import Clash
from server.export.logproofs import LogProofs
from server.export.proofs import ProofSource
from server.export.readme import Kind, section
from server.export.writing import Written, finish, new_folder, put_json, write_events, write_proof
from server.node.assembly import Node
from server.readmodel.documents import HeldEvent, read_events

FOLDER: Final = "erased"


def find_erased(node: Node, stream: str) -> Erasure | None:
    """Return the erasure by which a dossier is gone from this node, None if it is not."""
    if node.model.queries.dossier(stream) is not None:
        return None
    found = [each for each in node.erasures.all() if each.dossier == stream and each.confirmed]
    return next((each for each in found if node.erasing.is_done(each.id)), None)


def find_settled(node: Node, proposal: str) -> Erasure:
    """Return the erasure proposed by an event, once it was stopped or carried out here. Raises `Missing`, `Clash`."""
    found = node.erasures.get(proposal)
    if not found.is_stopped and not node.erasing.is_done(found.id):
        raise Clash("this erasure is neither stopped nor carried out here yet; the dossier itself can be exported")
    return found


def export_erasure(node: Node, erasure: Erasure, out: Path, proofs: Sequence[ProofSource]) -> Written:
    """Write the evidence of an erasure into the new folder `out`. Raises `Clash` if it exists, `Missing` for a
    certificate that is not here."""
    database = units.database_name(erasure.unit)
    with new_folder(out) as folder:
        evidence = write_events(node, database, _events(node, database, erasure), folder, proofs)
        source = LogProofs(node)
        for number, event in enumerate(() if erasure.is_stopped else erasure.events, 1):
            write_proof(source, database, event, folder / FOLDER / f"{number:03d}")
        put_json(folder / "erasure.json", asdict(erasure))
        about = [each.about for each in proofs if (folder / each.folder).exists()]
        if (folder / FOLDER).exists():
            about.append(section("erased"))
        kind: Kind = "stopped" if erasure.is_stopped else "erasure"
        certificates = finish(node, database, evidence, folder, kind, about)
        return Written(len(evidence), 0, certificates, 0 if erasure.is_stopped else len(erasure.events))


def _events(node: Node, database: str, erasure: Erasure) -> list[HeldEvent]:
    """Return what the erasure rests on: the role events of its voices, the order, the confirmation, what stopped it,
    the nodes' words."""
    held = _of_types(node, database, TYPES)
    order = [each for each in held if each.stored.id == erasure.id]
    second = [each for each in held if each.stored.id == erasure.confirmed]
    stop = [each for each in held if erasure.stop is not None and each.stored.id == erasure.stop.id]
    words = {(each.node, each.at) for each in erasure.done}
    done = [
        each
        for each in held
        if each.stored.event.type == "erasure.done"
        and each.stored.event.body["of"] == erasure.id
        and (each.stored.event.actor, each.stored.event.at) in words
    ]
    stopper = erasure.stop.actor if erasure.stop is not None else ""
    voices = {each for each in (erasure.proposer, erasure.confirmer, stopper) if is_subject_urn(each)}
    roles = select_roles(_of_types(node, database, ROLE_TYPES), voices)
    return [*_sorted(roles), *order, *second, *stop, *_sorted(done)]


def select_roles(events: Iterable[HeldEvent], subjects: Iterable[str]) -> list[HeldEvent]:
    """Return the role events about some people, and about those who gave them their roles, and so on."""
    every, known, found = list(events), set[str](), list[HeldEvent]()
    open_ = set(subjects)
    while open_:
        about = [each for each in every if each.stored.event.body["subject"] in open_]
        found += about
        known |= open_
        open_ = {each.stored.event.actor for each in about if is_subject_urn(each.stored.event.actor)} - known
    return found


def _of_types(node: Node, database: str, types: Iterable[str]) -> list[HeldEvent]:
    queries = node.model.queries
    ids = [each for type in types for each in queries.streams_of_type(type).get(database, [])]
    return read_events(node.store.open(database), ids)


def _sorted(events: Iterable[HeldEvent]) -> list[HeldEvent]:
    return sorted(events, key=lambda each: (each.stored.event.at, each.stored.id))
