"""`/api/roles`: who holds which role here, what waits for a second person, drafts of role events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from flask import Blueprint, Response, jsonify

from server.api.bodies import member, read_draft_request
from server.api.drafting import Draft, draft_unit_event
from server.api.speaker import Speaker, Speakers
from server.dossier.granting import PendingGrant
from server.dossier.states import Text
from server.dossier.times import format_time
from server.errors import Clash, Missing, NotAllowed, Refused
from server.node.assembly import Node

ROLE_NAMES: Final[Mapping[str, Text]] = {
    "official": Text("cán bộ, công chức", "official"),
    "leader": Text("lãnh đạo", "leader"),
    "helper": Text("thành viên tổ công nghệ số cộng đồng", "helper of the community digital team"),
    "admin": Text("quản trị", "administrator"),
}


def roles_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("roles", __name__)

    @blueprint.get("/roles")
    def listing() -> Response:
        speakers.official()
        pending = node.people.pending()
        now = format_time(node.clock.now())
        people = node.model.grants(node.database).people(node.unit, now)
        return jsonify(roles=[asdict(each) for each in people], pending=[asdict(each) for each in pending])

    @blueprint.post("/roles/drafts")
    def draft() -> Response:
        return jsonify(draft_role_event(node, speakers.official(), *read_draft_request()).value())

    return blueprint


def draft_role_event(node: Node, speaker: Speaker, type: str, fields: dict[str, Any]) -> Draft:
    """Return the draft of a role event by a leader or admin. Raises `NotAllowed` for anybody else, `Clash` for one that
    could not count, `Missing` for a grant that does not wait, `Refused` naming a field that is wrong."""
    grants, now = node.model.grants(node.database), format_time(node.clock.now())
    if not grants.may_confirm(speaker.urn, node.unit, now):
        raise NotAllowed(
            "Chỉ lãnh đạo hoặc quản trị của đơn vị hay cấp trên được phân quyền / roles are proposed, confirmed and"
            " taken back by leaders and admins of the unit or above"
        )
    if type == "role.granted":
        return _proposal(node, speaker, fields, now)
    if type == "role.confirmed":
        return _confirmation(node, speaker, member(fields, "of", str))
    if type == "role.revoked":
        return _revocation(node, speaker, fields)
    raise Refused("schema", f"no drafts are made of {type[:60]!a}", member="type")


def _proposal(node: Node, speaker: Speaker, fields: dict[str, Any], now: str) -> Draft:
    subject, role = member(fields, "subject", str), member(fields, "role", str)
    if subject == speaker.urn:
        raise Clash("Không ai tự giao nhiệm vụ cho mình; cần người khác đề nghị / nobody gives themselves a role")
    name = fields.get("name") or node.model.queries.name_of(subject)
    body = {"subject": subject, "name": name, "role": role, "from": fields.get("from") or now}
    if fields.get("until"):
        body["until"] = fields["until"]
    said = _named(role)
    statement = Text(
        f"Tôi đề nghị giao cho {name} nhiệm vụ {said.vi} tại {node.unit}. Việc giao có hiệu lực khi người thứ hai xác"
        " nhận.",
        f"I propose {name} as {said.en} at {node.unit}. It takes effect once a second person confirms it.",
    )
    return draft_unit_event(node, speaker, "role.granted", body, statement)


def _confirmation(node: Node, speaker: Speaker, of: str) -> Draft:
    found = _waiting(node, of)
    if speaker.urn in (found.proposer, found.subject):
        raise Clash(
            "Người đề nghị và người được giao không tự xác nhận được; cần một lãnh đạo hoặc quản trị khác"
            " / neither who proposed it nor who gets it confirms a role"
        )
    said = _named(found.role)
    statement = Text(
        f"Tôi xác nhận giao cho {found.name} nhiệm vụ {said.vi} tại {found.unit}.",
        f"I confirm {found.name} as {said.en} at {found.unit}.",
    )
    return draft_unit_event(node, speaker, "role.confirmed", {"of": of, "subject": found.subject}, statement)


def _revocation(node: Node, speaker: Speaker, fields: dict[str, Any]) -> Draft:
    subject, role, reason = (member(fields, name, str) for name in ("subject", "role", "reason"))
    node.people.check_somebody_is_left(subject, role)
    name, said = node.model.queries.name_of(subject) or subject, _named(role)
    statement = Text(
        f"Tôi chấm dứt nhiệm vụ {said.vi} của {name} tại {node.unit}. Lý do: {reason}",
        f"I end the role of {name} as {said.en} at {node.unit}. Reason: {reason}",
    )
    body = {"subject": subject, "role": role, "reason": reason}
    return draft_unit_event(node, speaker, "role.revoked", body, statement)


def _waiting(node: Node, of: str) -> PendingGrant:
    found = next((each for each in node.people.pending() if each.event == of), None)
    if found is None:
        raise Missing("Không có đề nghị phân quyền nào đang chờ với mã này / no role waits under this id")
    return found


def _named(role: str) -> Text:
    return ROLE_NAMES.get(role, Text(role, role))
