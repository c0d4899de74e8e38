"""`/api/erasures`: the erasures proposed, who has done them, whose own dossier went, drafts of the events that order
them; of those that stop one, `erasurestops`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from flask import Blueprint, Response, jsonify

from server.api.bodies import member, read_draft_request
from server.api.drafting import Draft, check_trust, draft_unit_event
from server.api.erasurestops import draft_stop, spoken
from server.api.speaker import Speaker, Speakers
from server.dossier.erasing import STOPS, Erasure
from server.dossier.states import Text
from server.dossier.times import format_time
from server.dossier.units import is_subject_urn, unit_of_node, unit_stream
from server.errors import Clash, NotAllowed, Refused
from server.node.assembly import Node


def erasures_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("erasures", __name__)

    @blueprint.get("/erasures")
    def listing() -> Response:
        speakers.official()
        node.model.follower.catch_up(node.database)
        return jsonify(erasures=[erasure_value(node, each) for each in node.erasures.all()])

    @blueprint.get("/erasures/mine")
    def mine() -> Response:
        speaker = speakers.current()
        return jsonify(
            erasures=[told_value(node, each) for each in node.erasures.all() if _is_told(node, speaker, each)]
        )

    @blueprint.post("/erasures/drafts")
    def draft() -> Response:
        return jsonify(draft_erasure_event(node, speakers.official(), *read_draft_request()).value())

    return blueprint


def erasure_value(node: Node, erasure: Erasure) -> dict[str, Any]:
    """Return the JSON object of an erasure: what was ordered, by whom, who has done it, whether here, who stopped it.

    `state` is "proposed", "confirmed", "executed" once a node has erased, or how it ended: "withdrawn", "refused".
    """
    return asdict(erasure) | {
        "state": state_of(erasure),
        "done_here": node.erasing.is_done(erasure.id),
        "doubt": node.erasures.doubt(erasure) if erasure.is_ordered else "",
    }


def state_of(erasure: Erasure) -> str:
    """Return how far an erasure is, in one word."""
    if erasure.is_stopped and erasure.stop is not None:
        return erasure.stop.kind
    return "executed" if erasure.is_executed else "confirmed" if erasure.confirmed else "proposed"


def told_value(node: Node, erasure: Erasure) -> dict[str, Any]:
    """Return what somebody whose dossier was erased is told: by whom and on what basis, with names."""
    found = {name: getattr(erasure, name) for name in ("id", "dossier", "basis", "rule", "ended", "confirmed_at")}
    return found | {"proposer": _name(node, erasure.proposer), "confirmer": _name(node, erasure.confirmer)}


def _is_told(node: Node, speaker: Speaker, erasure: Erasure) -> bool:
    return bool(erasure.confirmed) and node.feed.sees(speaker.urn, f"{unit_stream(erasure.unit)}:{erasure.id}")


def _name(node: Node, actor: str) -> str:
    """Return a person's name, or what a node's unit is called; "" for somebody nobody here knows by name."""
    unit = unit_of_node(actor)
    if unit is None:
        return node.model.queries.name_of(actor)
    described = node.model.units().describe(unit, format_time(node.clock.now()))
    return described.name if described else unit


def draft_erasure_event(node: Node, speaker: Speaker, type: str, fields: dict[str, Any]) -> Draft:
    """Return the draft of an erasure event by a leader, or of a withdrawal by who proposed it.

    Raises `NotAllowed` for anybody else, `NotReady` while trust is provisional (to stop an erasure nobody has to wait),
    `Clash` for one that could not count, `Missing`, and `Refused` as the door would or naming a field that is wrong.
    """
    if type in STOPS:
        return draft_stop(node, speaker, type, member(fields, "of", str), str(fields.get("reason") or ""))
    now = format_time(node.clock.now())
    if not node.model.grants(node.database).holds(speaker.urn, "leader", node.unit, now):
        raise NotAllowed(
            "Chỉ lãnh đạo đơn vị hoặc cấp trên được đề nghị và xác nhận tiêu hủy / erasures are proposed and confirmed"
            " by leaders of the unit or above"
        )
    if type not in ("erasure.proposed", "erasure.confirmed"):
        raise Refused("schema", f"no drafts are made of {type[:60]!a}", member="type")
    node.model.follower.catch_up(node.database)
    check_trust(node, node.database, type)
    if type == "erasure.proposed":
        return _proposal(node, speaker, fields)
    return _confirmation(node, speaker, member(fields, "of", str))


def _proposal(node: Node, speaker: Speaker, fields: dict[str, Any]) -> Draft:
    body = node.erasures.proposal(
        member(fields, "dossier", str),
        basis=member(fields, "basis", str),
        rule=str(fields.get("rule") or ""),
        ended=str(fields.get("ended") or ""),
    )
    what, ended = spoken(node, body["dossier"]), date.fromisoformat(body["ended"][:10])
    counts = (len(body["events"]), len(body["files"]))
    statement = Text(
        f"Tôi đề nghị tiêu hủy hồ sơ {what} ({counts[0]} sự kiện, {counts[1]} tệp) đã hết thời hạn lưu trữ từ"
        f" {ended:%d/%m/%Y}. Quy tắc: {body['rule']}. Căn cứ: {body['basis']}. Việc tiêu hủy không thể hoàn tác và"
        " chỉ thực hiện khi người thứ hai xác nhận.",
        f"I propose to erase dossier {what} ({counts[0]} events, {counts[1]} files), whose retention ended on"
        f" {ended.isoformat()}. Rule: {body['rule']}. Basis: {body['basis']}. It cannot be undone, and is done once a"
        " second person confirms it.",
    )
    return draft_unit_event(node, speaker, "erasure.proposed", body, statement)


def _confirmation(node: Node, speaker: Speaker, of: str) -> Draft:
    found = waiting(node, of)
    if speaker.urn == found.proposer:
        raise Clash(
            "Người đề nghị không tự xác nhận được; cần người khác / who proposed an erasure does not confirm it"
        )
    counts, what = (len(found.events), len(found.files)), spoken(node, found.dossier)
    statement = Text(
        f"Tôi xác nhận tiêu hủy vĩnh viễn hồ sơ {what} ({counts[0]} sự kiện, {counts[1]} tệp) ở mọi cấp."
        f" Căn cứ: {found.basis}. Việc này không thể hoàn tác.",
        f"I confirm that dossier {what} ({counts[0]} events, {counts[1]} files) is erased for good on every"
        f" tier. Basis: {found.basis}. This cannot be undone.",
    )
    return draft_unit_event(node, speaker, "erasure.confirmed", {"of": of}, statement)


def waiting(node: Node, of: str) -> Erasure:
    """Return an erasure of this unit that waits for a second voice. Raises `Missing`, `Clash`."""
    found = node.erasures.get(of)
    if found.unit != node.unit:
        raise Clash(
            f"Hồ sơ thuộc {found.unit}; việc xác nhận thực hiện ở đó / this dossier belongs to {found.unit}; its"
            " erasure is confirmed there"
        )
    if found.is_stopped:
        raise Clash(
            "Đề nghị này đã được rút hoặc bị từ chối; cần thì lập đề nghị mới / this proposal was withdrawn or refused;"
            " a new one may be made"
        )
    if found.confirmed:
        raise Clash("Đề nghị này đã được xác nhận / this erasure was confirmed already")
    return found


def say_proposal(node: Node, stream: str, *, basis: str, rule: str, ended: str) -> None:
    """Propose an erasure by the node's word. Raises as `draft_erasure_event` does."""
    check_trust(node, node.database, "erasure.proposed")
    node.people.say("erasure.proposed", node.erasures.proposal(stream, basis=basis, rule=rule, ended=ended))


def say_confirmation(node: Node, of: str) -> Erasure:
    """Confirm by the node's word what a leader proposed. Raises `Clash` for what the node proposed itself."""
    check_trust(node, node.database, "erasure.confirmed")
    found = waiting(node, of)
    if not is_subject_urn(found.proposer):
        raise Clash("this erasure was proposed at the console, so a leader has to confirm it on the desk")
    node.people.say("erasure.confirmed", {"of": of})
    return found
