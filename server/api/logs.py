"""Heads of logs between nodes: a child offers its own, a parent asks for it (`server.log.gossip`)."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from crypto.logcert import log_origin
from server.api.bodies import read_json
from server.api.speaker import Speakers
from server.dossier import units
from server.errors import NotAllowed, Refused
from server.log.gossip import answer_value, offer_value, parse_offer
from server.node.assembly import Node
from server.tokens import Principal

MAX_OFFER_BYTES = 16 * 1024


def logs_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return `POST /log/checkpoints`, `GET /log/checkpoint`, `GET /log`."""
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
        old = request.args.get("old", "0")
        if not old.isascii() or not old.isdigit() or len(old) > 12:
            raise Refused("schema", '"old" is the number of leaves you have cosigned')
        head = node.log.head()
        offer = node.gossip.build_offer(int(old) if int(old) <= head.size else head.size)
        return jsonify(offer_value(offer) if offer is not None else {})

    @blueprint.get("/log/known")
    def known() -> Response:
        who = neighbour()
        generation = request.args.get("generation", "1")
        if not generation.isascii() or not generation.isdigit() or not 1 <= len(generation) <= 4:
            raise Refused("schema", '"generation" is a small number')
        return jsonify(answer_value(node.witness.known(log_origin(who.unit, int(generation)))))

    @blueprint.get("/log")
    def newest() -> Response:
        head = node.log.head()
        return jsonify(origin=node.log.origin(), size=head.size, note=head.note, key=node.log.key.fingerprint)

    return blueprint
