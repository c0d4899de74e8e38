"""`/api/dossiers`: lists for the desk, one dossier as JSON, drafts of what comes next."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from server.api.bodies import member, read_json
from server.api.drafting import draft_event
from server.api.speaker import Speaker, Speakers
from server.dossier import units
from server.dossier.states import STATUSES
from server.errors import Refused
from server.node.assembly import Node
from server.readmodel.model import Story
from server.readmodel.queries import DossierFilter, DossierRow
from server.trust.signing import signing_doubts
from server.trust.words import verdict_text


def dossiers_blueprint(node: Node, speakers: Speakers) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("dossiers", __name__, url_prefix="/dossiers")

    @blueprint.get("")
    def listing() -> Response:
        speakers.official()
        page = node.model.queries.dossiers(_filter(node.unit), limit=_number("limit", 50), offset=_number("offset", 0))
        return jsonify(total=page.total, offset=page.offset, rows=[row_value(row) for row in page.rows])

    @blueprint.get("/<stream>")
    def one(stream: str) -> Response:
        speaker = speakers.current()
        speakers.dossier_row(stream, speaker)
        return jsonify(story_value(node, node.model.story(stream), speaker))

    @blueprint.post("/<stream>/drafts")
    def draft(stream: str) -> Response:
        speaker = speakers.current()
        fields = read_json()
        type = member(fields, "type", str)
        if type != "dossier.submitted":
            speakers.dossier_row(stream, speaker)
        draft = draft_event(node, speaker, stream, type, member(fields, "fields", dict))
        return jsonify(draft.value() | {"warnings": _warnings(node, speaker, draft.event["unit"])})

    return blueprint


def row_value(row: DossierRow) -> dict[str, Any]:
    """Return the JSON object of one line of a list."""
    status = STATUSES.get(row.status)
    return asdict(row) | {"status_name": status.name.value() if status else None}


def story_value(node: Node, story: Story, speaker: Speaker) -> dict[str, Any]:
    """Return the JSON object of one dossier: the fold, what has arrived, doubts, and the names of who acted.

    Names of officials go to everybody who may see the dossier; an official who acts for the public has one.
    """
    actors = {held.stored.event.actor for held in story.events}
    return story.dossier.value() | {
        "progress": {
            "files_total": story.row.files_total,
            "files_here": story.row.files_here,
            "bytes_total": story.row.bytes_total,
            "bytes_here": story.row.bytes_here,
        },
        "verdicts": _verdicts(node, story),
        "names": {actor: name for actor in sorted(actors) if (name := node.model.queries.name_of(actor))},
        "papers": {
            name: verdict.value() for name, verdict in node.papers.of(f.ref for f in story.dossier.files).items()
        },
        "mine": story.dossier.owner == speaker.urn,
    }


def _warnings(node: Node, speaker: Speaker, unit: str) -> list[dict[str, str]]:
    """Return what will be doubtful about a signature made now, to be shown beside what is signed."""
    doubts = signing_doubts(
        node.directory,
        node.trust,
        node.issuance,
        database=units.database_name(unit),
        fingerprint=speaker.who.fingerprint,
        at=node.clock.now(),
    )
    return [each.value() for each in doubts]


def _verdicts(node: Node, story: Story) -> list[dict[str, Any]]:
    """Return what is doubtful about signatures, with its sentence; a doubt of the read model's own comes first."""
    known = {each.event: (each.status, each.reason) for each in story.verdicts}
    doubts = {event: (each.status, each.reason) for event, each in node.issuance.doubts(story).items()}
    return [
        {"event": event, "status": status, "reason": reason, "text": verdict_text(status, reason).value()}
        for event, (status, reason) in (doubts | known).items()
    ]


def _filter(unit: str) -> DossierFilter:
    asked = request.args
    statuses = tuple(_whole(name, "status") for name in asked.getlist("status"))
    wanted = asked.get("unit", unit)
    return DossierFilter(
        unit=wanted if units.is_within(wanted, unit) else unit,
        statuses=statuses,
        text=asked.get("q", ""),
        due_before=asked.get("due_before", ""),
        procedure=asked.get("procedure", ""),
        incomplete=asked.get("incomplete") == "1",
        conflicting=asked.get("conflicting") == "1",
        held=asked.get("held") == "1",
        newest=asked.get("order") == "newest",
    )


def _number(name: str, default: int) -> int:
    return _whole(request.args.get(name, str(default)), name)


def _whole(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused("schema", f'"{name}" is a whole number', member=name)
    return int(text)
