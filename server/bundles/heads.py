"""Heads of logs on sticks: ours goes up with every bundle, and what the unit above cosigned comes back as a document.

    commune ── bundle: documents, head + consistency proof ──► district     considers it as over a link
    commune ◄── bundle: documents, the cosigned checkpoint among them ──    proven like any other

Nothing here is believed: the witness checks the note as if it had come over a link, the intake the cosignature.
"""

from __future__ import annotations

from server.bundles import extras
from server.dossier import units
from server.log.sticks import export_notes, import_notes
from server.node.assembly import Node

NAME = "log-head"


def register_heads() -> None:
    """Have heads travel with every bundle. Called once, when bundles are first used by a program."""
    extras.register(NAME, give=_give, take=_take)


def _give(node: Node, unit: str) -> bytes | None:
    """Return our head for a unit above, None for others and when that unit has cosigned all of it."""
    if unit == node.unit or not units.is_within(node.unit, unit):
        return None
    node.proofs.catch_up(node.database)  # a node that only ever meets sticks may never have run
    cosigned = node.proofs.cosigned_size(node.log.origin(), unit)
    if node.gossip.build_offer(max(cosigned, node.gossip.cosigned_size(unit, node.log.origin()))) is None:
        return None
    return export_notes(node.gossip, unit, cosigned=cosigned)


def _take(node: Node, unit: str, data: bytes) -> None:
    """Consider the heads that came from `unit`. Raises `Refused` for what is none."""
    import_notes(node.witness, data)
