"""When two nodes meet over a link: each tells the other what it has, if there is anything to tell.

    POST /api/bundles/acknowledgements   `server.bundles.acks`; the answer is the other side's

That is when they meet for the first time (each must know which store the other keeps, to find in its own notes what
the link carries), when either keeps another store than it did, and while a bundle is unconfirmed on either side. So an
idle link stays idle.
"""

from __future__ import annotations

import logging
from typing import Any

from replication.bundle import BundleError
from replication.errors import ReplicationError
from server.bundles import acks, keys
from server.bundles.exporting import node_tokens, tree_verifier
from server.bundles.ledger import Ledger
from server.errors import NotAllowed, Refused
from server.links.meeting import Acquaintance, Ask
from server.links.state import FarStores
from server.node.assembly import Node

_LOG = logging.getLogger(__name__)
ROUTE = "/api/bundles/acknowledgements"


def attach(node: Node) -> None:
    """Have this node's key published, and acknowledgements exchanged whenever it meets a neighbour."""
    try:
        keys.ensure_published(node)
    except (Refused, ReplicationError) as exc:
        _LOG.warning("the key for bundles could not be published yet: %s", exc)

    def on_met(there: Acquaintance, ask: Ask) -> None:
        exchange(node, there, ask)

    node.sync.on_met = on_met


def exchange(node: Node, there: Acquaintance, ask: Ask) -> int:
    """Tell a neighbour what came by stick, and hear the same from it; returns how many of our bundles it confirmed.

    A neighbour that knows nothing of this, or an answer that does not hold, changes nothing and stops nothing.
    """
    ledger = Ledger(node.db, node.store.uuid)
    is_known = ledger.has_met(there.unit, FarStores(node.db).of(there.unit))
    if is_known and not ledger.has_news(there.unit) and not ledger.awaits(there.unit):
        return 0
    said = acks.build_acknowledgement(node, ledger, there.unit)
    try:
        answer = ask("POST", ROUTE, acks.sign_acknowledgement(node, node_tokens(node), said, there.unit))
        unit, heard = acks.verify_acknowledgement(node, tree_verifier(node), answer)
        if unit != there.unit:
            raise BundleError(f"{there.unit} answers with an acknowledgement of {unit}")
    except ReplicationError as exc:
        _LOG.info("%s took no acknowledgement of bundles: %s", there.unit, exc)
        return 0
    ledger.told(unit, said.at)
    ledger.met(unit, heard.store)
    return acks.hear(node, ledger, unit, heard)


def answer(node: Node, speaker: str, fields: Any) -> dict[str, Any]:
    """Take an acknowledgement from the node of unit `speaker`, and return ours. Raises `Refused`, `NotAllowed`."""
    try:
        unit, heard = acks.verify_acknowledgement(node, tree_verifier(node), fields)
    except BundleError as exc:
        raise Refused("malformed", str(exc)) from exc
    if unit != speaker:
        raise NotAllowed(f"the node of {speaker} brings an acknowledgement of {unit}")
    ledger = Ledger(node.db, node.store.uuid)
    acks.hear(node, ledger, unit, heard)
    said = acks.build_acknowledgement(node, ledger, unit)
    ledger.told(unit, said.at)
    ledger.met(unit, heard.store)
    return acks.sign_acknowledgement(node, node_tokens(node), said, unit)
