"""Acknowledgements: what we tell a unit we have of its bundles, and what we believe when it tells us.

They travel in every bundle back, inside its signed manifest, and over a link in one exchange when two nodes meet for
the first time, or with something to tell. What links carried is part of what we have.

    POST /api/bundles/acknowledgements   {"statement": <compact JWS>, "acknowledgement": {…}}, both ways

The statement ("tram-bundle-ack+jwt") says from, to and the hash of the acknowledgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crypto import jcs
from crypto.hashing import sha256_id
from replication.bundle import Acknowledgement, BadBundle, Signer, Verifier, parse_acknowledgement
from replication.bundle.acknowledgement import MAX_MISSING, MAX_STORES, Have
from replication.bundle.envelope import parse_json
from replication.document import DocId
from replication.store import AllDocsQuery
from server.bundles import bylink
from server.bundles.ledger import Ledger
from server.bundles.positions import with_links
from server.dossier.times import format_time
from server.node.assembly import Node

TYPE: Final = "tram-bundle-ack+jwt"
MAX_BYTES: Final = 2 * 1024 * 1024


def build_acknowledgement(node: Node, ledger: Ledger, unit: str) -> Acknowledgement:
    """Return what this node has of the bundles of `unit`, and which chunks files here are waiting for."""
    missing: dict[str, tuple[DocId, ...]] = {}
    left = MAX_MISSING
    for name in sorted(node.sync.pairing.shared(unit)):
        if name.startswith("f-") and left:
            chunks = _awaited(node, name, left)
            left -= len(chunks)
            missing |= {name: chunks} if chunks else {}
    return Acknowledgement(
        store=node.store.uuid,
        at=format_time(node.clock.now()),
        have=_have(node, ledger, unit),
        bundles=tuple(ledger.whole_bundles(unit)),
        missing=missing,
    )


def _awaited(node: Node, name: str, limit: int) -> tuple[DocId, ...]:
    """Return chunks that files wait for. The read model may be behind: what came meanwhile is not asked for."""
    chunks = node.model.queries.awaited_chunks(name, limit)
    if not chunks:
        return ()
    rows = node.store.open(name).all_docs(AllDocsQuery(keys=chunks)).rows
    return tuple(row.id for row in rows if row.rev is None or row.deleted)


def hear(node: Node, ledger: Ledger, unit: str, said: Acknowledgement) -> int:
    """Take the proven word of the node of `unit`. Returns how many bundles are acknowledged newly."""
    far = bylink.read_far(node, said.store, bylink.sent_to(node, unit))
    return ledger.hear(unit, said, far.seqs, format_time(node.clock.now()))


def _have(node: Node, ledger: Ledger, unit: str) -> dict[str, dict[str, Have]]:
    """Return how far each store of `unit` has come here, by sticks and over links."""
    have, said = ledger.have(unit), ledger.said(unit)
    if said is not None:
        have[said.store] = have.pop(said.store, {})  # the last: the one it keeps now
    names = bylink.taken_from(node, unit)
    joined = {
        store: with_links(known, bylink.read_near(node, store, names))
        for store, known in list(have.items())[-MAX_STORES:]
    }
    return {store: known for store, known in joined.items() if known}


def sign_acknowledgement(node: Node, signer: Signer, said: Acknowledgement, to: str) -> dict[str, Any]:
    """Return an acknowledgement with the statement that carries its signature."""
    value = said.value()
    statement = {"from": node.unit, "to": to, "at": said.at, "acknowledgement": sha256_id(jcs.canonical(value))}
    return {"statement": signer.sign(jcs.canonical(statement), TYPE), "acknowledgement": value}


def verify_acknowledgement(node: Node, verifier: Verifier, fields: Any) -> tuple[str, Acknowledgement]:
    """Return (unit, what its node has), once its signature is proven and it is meant for us. Raises `BadBundle`."""
    if not isinstance(fields, Mapping) or fields.keys() != {"statement", "acknowledgement"}:
        raise BadBundle('an acknowledgement has the members "statement" and "acknowledgement"')
    signed = verifier.verify(str(fields["statement"]), TYPE)
    statement = parse_json(signed.payload, 4096, 1)
    said = parse_acknowledgement(fields["acknowledgement"])
    if not isinstance(statement, dict) or statement.get("from") != signed.sender:
        raise BadBundle(f"the acknowledgement says it is from another node than that of {signed.sender}, who signed it")
    if statement.get("to") != node.unit:
        raise BadBundle(f"the acknowledgement is for {str(statement.get('to'))[:40]!a}, this node is {node.unit}")
    if statement.get("acknowledgement") != sha256_id(jcs.canonical(said.value())):
        raise BadBundle("the acknowledgement is not the one that was signed")
    return signed.sender, said
