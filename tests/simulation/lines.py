"""Lines between neighbours: the real replicator through the real door, over a line that may go at any document."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from replication.errors import NotAPeer
from replication.peers import LocalPeer
from replication.replicator import DatabaseState, Link, Pair
from server.bundles import online
from server.dossier import units
from server.intake.guard import GuardedDatabase
from server.intake.places import REGISTRY
from server.intake.source import Source
from server.links.meeting import Acquaintance
from server.links.state import FarStores
from server.node.assembly import Node
from server.pki.documents import to_base64
from tests.replication.cutline import FarPeer, Line


class Call:
    """Asks a node above through its own HTTP interface, with the tokens it takes, without a socket in between."""

    def __init__(self, lower: Node, upper: Node, app: Flask) -> None:
        self._client: FlaskClient = app.test_client()
        chain = [to_base64(each) for each in (lower.signer.certificate, *lower.home.chain())]
        self._client.post("/api/introductions", json={"chain": chain})
        self._headers = {"Authorization": f"Bearer {lower.signer.token(upper.signer.urn, upper.clock.now())}"}

    def ask(self, method: str, target: str, value: Any = None) -> Any:
        """Return the JSON it answers (`server.log.gossip.Caller`)."""
        answer = self._client.open(target, method=method, json=value, headers=self._headers)
        if answer.status_code >= 400:
            raise NotAPeer(f"{target} answers {answer.status_code} {answer.text[:200]}")
        return answer.get_json()


def exchange(lower: Node, upper: Node, line: Line, app: Flask) -> None:
    """Replicate everything two neighbours share, both ways, events before files, until done or until the line dies.
    `app` is the upper one's HTTP interface.

    As in `server.links.sync`, both first tell what came by stick and which stores they keep; the lower one asks what it
    may have lost, and at the end has its log cosigned.
    """
    call = Call(lower, upper, app)
    there = Acquaintance(upper.unit, upper.signer.urn, upper.home.settings.name, ())
    online.exchange(lower, there, call.ask)
    lower.gossip.greet(upper.unit, call)
    FarStores(lower.db).note(upper.unit, upper.store.uuid)
    _replicate(upper, lower, line)
    if not line.dead.is_set():
        lower.gossip.visit(upper.unit, call)


def _replicate(upper: Node, lower: Node, line: Line) -> None:
    shared = sorted(_of_branch(upper, lower) | _of_branch(lower, lower), key=lambda name: (name[0] == "f", name))
    for name in shared:
        _carry(lower, upper, name, line)
        _carry(upper, lower, name, line)
    _carry(upper, lower, REGISTRY, line)


def _of_branch(node: Node, lower: Node) -> set[str]:
    names = node.store.names()
    return {name for name in names if (owner := units.unit_of_database(name)) and units.is_within(owner, lower.unit)}


def _carry(source: Node, target: Node, name: str, line: Line) -> None:
    if line.dead.is_set():
        return
    here, there = source.copier.ensure_database(name), target.copier.ensure_database(name)
    guarded = GuardedDatabase(there, target.intake, Source("peer", source.signer.urn))
    pair = Pair(LocalPeer(here, source.store.uuid), FarPeer(guarded, target.store.uuid, line), DatabaseState(here))
    Link([pair], random=lambda: 0.0).run(line.dead)
