"""Heads of logs between nodes: a child offers its own, a parent asks for it (`server.log.gossip`)."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, jsonify, request

from crypto import base64url
from crypto.logcert import log_origin
from server.api.bodies import member, read_json
from server.api.speaker import Speakers
from server.dossier import units
from server.dossier.times import format_time
from server.errors import Missing, NotAllowed, Refused
from server.log.offers import answer_value, offer_value, parse_offer
from server.node.assembly import Node
from server.pki.documents import der_to_base64
from server.tokens import Principal

MAX_OFFER_BYTES = 16 * 1024
MAX_HEADS_BYTES = 256 * 1024


def logs_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return `POST /log/checkpoints`, `GET /log/checkpoint`, `GET` and `POST /log/known`, `GET /log`, and what phones
    check proofs with."""
    blueprint = Blueprint("logs", __name__)

    def neighbour() -> Principal:
        who = speakers.current().who
        if who.kind != "node":
            raise NotAllowed("heads are exchanged between nodes; send a node's token")
        return who

    @blueprint.post("/log/checkpoints")
    def offered() -> Response:
        who = neighbour()
        offer = parse_offer(read_json(limit_bytes=MAX_OFFER_BYTES))
        return jsonify(answer_value(node.witness.consider(who.unit, offer)))

    @blueprint.get("/log/checkpoint")
    def asked() -> Response:
        who = neighbour()
        if who.unit == node.unit or not units.is_within(node.unit, who.unit):
            raise NotAllowed(f"the units above {node.unit} witness its log")
        head = node.log.head()
        old = _number("old", "0", 12)
        if head.state == "waiting":
            return jsonify(waiting=head.generation)
        if _number("generation", str(head.generation), 4) != head.generation:
            old = 0  # the asker knows an earlier log, of which this one proves nothing
        offer = node.gossip.build_offer(min(old, head.size))
        return jsonify(offer_value(offer) if offer is not None else {})

    @blueprint.get("/log/known")
    def known() -> Response:
        who = neighbour()
        generation = _number("generation", "1", 4)
        return jsonify(answer_value(node.witness.known(log_origin(who.unit, generation))))

    @blueprint.post("/log/known")
    def told() -> Response:
        who = neighbour()
        node.gossip.hear(who.unit, member(read_json(limit_bytes=MAX_HEADS_BYTES), "heads", list))
        return jsonify(ok=True)

    @blueprint.get("/log")
    def newest() -> Response:
        head = node.log.head()
        return jsonify(origin=node.log.origin(), size=head.size, note=head.note, key=node.log.key.fingerprint)

    @blueprint.get("/log/signers")
    def signers() -> Response:
        """The certificates under which this log is signed and cosigned; names are for people, nothing rests on them."""
        own = node.log.key.certificate
        held = node.proofs.signers.certificates(node.unit)
        ders = dict.fromkeys([own.public_bytes(Encoding.DER)] if own is not None else []) | dict.fromkeys(
            der for _, der in held
        )
        now, described = format_time(node.clock.now()), node.model.units()
        known = {unit: described.describe(unit, now) for unit in units.path_of(node.unit)}
        names = {unit: each.name for unit, each in known.items() if each is not None}
        return jsonify(certificates=[der_to_base64(each) for each in ders], names=names)

    @blueprint.get("/log/consistency")
    def consistency() -> Response:
        """That a head of the log grew out of an earlier one: what a receipt fixed has not been rewritten since."""
        generation, old, new = (_number(name, "", 12) for name in ("generation", "old", "new"))
        size = next((each.size for each in node.log.heads() if each.generation == generation), 0)
        if not 0 < old <= new <= size:
            raise Missing(f"the log has no heads of {old} and {new} leaves in generation {generation}")
        proof = node.log.tree(generation).consistency_proof(old, new)
        return jsonify(proof=[base64url.encode(each) for each in proof])

    return blueprint


def _number(name: str, default: str, digits: int) -> int:
    """Return a number from the query. Raises `Refused("schema")`."""
    value = request.args.get(name, default)
    if not value.isascii() or not value.isdigit() or len(value) > digits:
        raise Refused("schema", f'"{name}" is a whole number of at most {digits} digits', member=name)
    return int(value)
