"""`/api/people`: taking away a person's keys, and inviting them to make the next one."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, jsonify

from crypto.crl import COMPROMISE_GRACE
from server.api.bodies import member, read_draft_request
from server.api.drafting import Draft, draft_unit_event
from server.api.speaker import Speaker, Speakers
from server.api.statements import show_time, show_time_en
from server.dossier import units
from server.dossier.body import LOST
from server.dossier.revoking import TYPE
from server.dossier.states import Text
from server.dossier.times import parse_time
from server.errors import Clash, Missing, NotAllowed, Refused, ServerError
from server.node.assembly import Node

_LOG = logging.getLogger(__name__)

HOW: Final = {
    "lost": Text("mất điện thoại", "the telephone is lost"),
    "stolen": Text("bị lấy cắp điện thoại", "the telephone was stolen"),
    "destroyed": Text(
        "điện thoại hỏng hẳn hoặc đã xóa sạch dữ liệu", "the telephone is broken for good, or its data were wiped"
    ),
    "ended": Text("không dùng khóa này nữa", "the key is no longer used"),
}
TOLD: Final = {
    "counter": Text(
        "người này đến trực tiếp, tôi đã kiểm tra giấy tờ tùy thân", "they came in person and I checked their papers"
    ),
    "phone": Text(
        "người này gọi điện, tôi đã hỏi và câu trả lời khớp với hồ sơ lưu",
        "they called; I asked, and the answers agreed with our records",
    ),
    "office": Text("cơ quan tự phát hiện", "the office found out by itself"),
}


def people_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("people", __name__)

    @blueprint.post("/people/drafts")
    def draft() -> Response:
        speaker = speakers.official()
        type, fields = read_draft_request()
        if type != TYPE:
            raise Refused("schema", f"no drafts are made of {type[:60]!a}", member="type")
        return jsonify(draft_revocation(node, speaker, fields).value())

    @blueprint.post("/people/<subject>/invitations")
    def invite(subject: str) -> tuple[Response, int]:
        speaker = speakers.official()
        name = node.model.queries.name_of(subject)
        if not name:
            raise Missing("Không có người này ở đây / nobody is known here under this id")
        _, code = node.people.invite(name, kind_of(node, subject), subject, maker=speaker.urn)
        return jsonify(activation=code, name=name), 201

    return blueprint


def draft_revocation(node: Node, speaker: Speaker, fields: dict[str, Any]) -> Draft:
    """Return the draft of the `enrol.revoked` about a person, with what it will mean in its statement.

    Raises `NotAllowed` without the right, `Clash` for the speaker's own key or somebody without one, `Missing`, and
    `Refused` naming a field that is wrong.
    """
    subject, how, told, reason = (member(fields, each, str) for each in ("subject", "how", "told", "reason"))
    since = str(fields.get("since") or "")
    body = node.revoking.build_body(subject, how=how, told=told, reason=reason, since=since)
    if f"sha256-{speaker.who.fingerprint}" in body["certificates"]:
        raise Clash(
            "Đây là khóa anh/chị đang dùng để ký. Nhờ một cán bộ khác ghi nhận / this is the key you sign with; ask"
            " another official to record it"
        )
    if speaker.unit != node.unit or not speaker.in_office:
        raise NotAllowed(
            f"Chỉ cán bộ của {node.unit} thu hồi được khóa / keys are taken away by officials of {node.unit}"
        )
    if how not in HOW or told not in TOLD:
        raise Refused("schema", "say how the key was lost and how the office learned of it", member="how")
    name = node.model.queries.name_of(subject) or subject
    doubted = 0
    if how in LOST:
        begins = parse_time(since) if since else node.clock.now() - COMPROMISE_GRACE
        doubted = count_doubted(node, body, begins)
    return draft_unit_event(node, speaker, TYPE, body, _statement(name, body, doubted))


def _statement(name: str, body: dict[str, Any], doubted: int) -> Text:
    how, told, count = HOW[body["how"]], TOLD[body["told"]], len(body["certificates"])
    vi = f"Tôi ghi nhận {name}: {how.vi}; {told.vi}. Thu hồi {count} chứng thư đang dùng. Việc này không thể hoàn tác."
    en = f"I record of {name}: {how.en}; {told.en}. {count} certificates are revoked. This cannot be undone."
    if body.get("since"):
        vi += f" Khóa có thể bị người khác dùng từ {show_time(body['since'])}."
        en += f" The key may have been misused since {show_time_en(body['since'])}."
    if doubted:
        when = (
            Text("từ lúc đó", "since then") if body.get("since") else Text("trong 24 giờ qua", "in the last 24 hours")
        )
        vi += f" {doubted} việc đã ký {when.vi} sẽ được giữ lại chờ lãnh đạo xem xét."
        en += f" {doubted} acts signed {when.en} are held for a leader."
    return Text(f"{vi} Lý do: {body['reason']}", f"{en} Reason: {body['reason']}")


def count_doubted(node: Node, body: dict[str, Any], since: datetime) -> int:
    """Return how many events this node first took after `since` were signed under the certificates of an order."""
    count = 0
    for name in (each for each in node.store.names() if units.unit_of_database(each) and not each.startswith("f-")):
        for certificate in body["certificates"]:
            signed = node.model.people.events_by(certificate.removeprefix("sha256-"), name)
            admissions = (node.admissions.of(name, each) for each in signed)
            count += sum(each is not None and each.admitted >= since for each in admissions)
    return count


def kind_of(node: Node, subject: str) -> str:
    """Return as what somebody's next device is to be enrolled: "official" for a desk, "citizen" for every telephone."""
    found = node.people.enrolments.of_subject(subject)
    return "official" if found is not None and found.kind == "official" else "citizen"


def carry_out(node: Node) -> bool:
    """Put on the list what was ordered. Returns whether it is done: without the CA's key it waits, and the desk says
    so."""
    try:
        node.revoking.carry_out()
    except ServerError as exc:
        _LOG.warning("what was ordered revoked waits for the CA key: %s", exc)
        return False
    return True
