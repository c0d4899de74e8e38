"""Drafts: the event somebody is about to sign, built by the node, with the statement to show beside it.

The node fills in what it alone knows: the official code, the due time, the heads of the stream. A draft changes
nothing but the sequence of codes; only the signed event counts, and it is checked like any other.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from server.api.speaker import Speaker
from server.api.statements import Subject, again_statement, build_statement, review_statement
from server.dossier import units
from server.dossier.codes import code_prefix
from server.dossier.dossier import Dossier
from server.dossier.due import compute_due
from server.dossier.event import EventId, StoredEvent, build_event, event_id, is_dossier_stream, parse_event
from server.dossier.fold import fold
from server.dossier.rules import IRREVERSIBLE
from server.dossier.states import Text
from server.dossier.times import format_time
from server.errors import Clash, NotAllowed, NotReady, Refused
from server.node.assembly import Node
from server.readmodel.model import Story

# Which of the fields a page sends go into the body of which type. The event format checks what is in them.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "dossier.submitted": ("procedure", "channel", "applicant", "form", "delivery", "on_behalf"),
    "dossier.accepted": ("note",),
    "dossier.refused": ("reason",),
    "dossier.forwarded": ("to", "note"),
    "dossier.supplement_requested": ("items", "reason"),
    "dossier.supplemented": ("note", "form"),
    "dossier.withdrawn": ("reason",),
    "dossier.stopped": ("reason",),
    "dossier.resolved": ("outcome", "summary"),
    "dossier.returned": ("method", "receiver"),
    "dossier.commented": ("text",),
    "dossier.conflict_resolved": ("chosen", "reason"),
    "dossier.act_reviewed": ("of", "decision", "reason"),
}
WITH_FILES: Final = frozenset({"dossier.submitted", "dossier.supplemented", "dossier.resolved"})


class Worth(Protocol):
    """What revocation lists are worth at an instant; `reason` says why not, and what to do."""

    @property
    def provisional(self) -> bool: ...
    @property
    def reason(self) -> Text | None: ...


class Trust(Protocol):
    """What drafts ask of `server.trust.TrustState`."""

    def freshness(self, database: str, at: datetime) -> Worth:
        """Return what the revocation lists that `database` holds are worth at `at`."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """An event ready to be signed, and what its signer declares with it."""

    event: dict[str, Any]
    statement: Text

    def value(self) -> dict[str, Any]:
        """The JSON object of the API."""
        return {"event": self.event, "statement": self.statement.value()}


def draft_event(node: Node, speaker: Speaker, stream: str, type: str, fields: Mapping[str, Any]) -> Draft:
    """Return the draft of a dossier's next event by the speaker, who may see the dossier.

    Raises `Refused` naming the field that is wrong, and `Clash` with the fold's own reason if the event could not
    count in the dossier as it stands.
    """
    if type not in FIELDS:
        raise Refused("schema", f"no drafts are made of {type[:60]!a}; known are {', '.join(FIELDS)}", member="type")
    if type == "dossier.submitted":
        return _draft_submission(node, speaker, stream, fields)
    story = node.model.story(stream)
    check_trust(node, story.row.database, type)
    body = _body(type, fields)
    if type == "dossier.accepted":
        body |= _acceptance(node, story.dossier, fields)
    event = _event(node, speaker, story.row.unit, stream, type, story.dossier.heads, body, fields)
    _check_counts(node, speaker, story, event)
    about = _subject(node, story.dossier)
    if type == "dossier.act_reviewed":
        return Draft(event, _review_statement(node, story.dossier, body, about))
    return Draft(event, build_statement(type, body, about, _papers(event)))


def draft_approval(node: Node, speaker: Speaker, thumbprint: str, *, again: str = "") -> Draft:
    """Return the draft of the `enrol.approved` by which an official approves an enrolment; `again` is the URN of
    somebody known whose next key it is. Raises as `People.approval_body` does."""
    stream = units.unit_stream(node.unit)
    node.model.follower.catch_up(node.database)
    body = node.people.approval_body(thumbprint, approver=speaker.urn, again=again)
    heads = node.model.queries.heads(node.database, stream)
    event = _event(node, speaker, node.unit, stream, "enrol.approved", heads, body, {})
    statement = build_statement("enrol.approved", body, Subject("", "", Text("", "")), 0)
    return Draft(event, again_statement(statement) if again else statement)


def draft_unit_event(
    node: Node, speaker: Speaker, type: str, body: dict[str, Any], statement: Text, *, unit: str = ""
) -> Draft:
    """Return the draft of an event of a unit's own stream, this node's unless one below it is named. Raises `Refused`
    for a body that is not of its form."""
    unit = unit or node.unit
    stream = units.unit_stream(unit)
    heads = node.model.queries.heads(units.database_name(unit), stream)
    return Draft(_event(node, speaker, unit, stream, type, heads, body, {}), statement)


def _review_statement(node: Node, dossier: Dossier, body: Mapping[str, Any], about: Subject) -> Text:
    """The statement names the act: a leader signs for what it says as if they had taken the step."""
    held = next(entry.stored.event for entry in dossier.timeline if entry.id == body["of"])
    author = node.model.queries.name_of(held.actor) or held.actor
    return review_statement(
        body,
        about,
        author,
        build_statement(held.type, held.body, about, sum(1 for file in held.files if not file.preview_of)),
    )


def _draft_submission(node: Node, speaker: Speaker, stream: str, fields: Mapping[str, Any]) -> Draft:
    """A dossier taken in at the counter: an official files for somebody who stands there."""
    if not speaker.in_office:
        raise NotAllowed("at the counter officials file; phones build their own submissions")
    if not is_dossier_stream(stream):
        raise Refused("schema", "a new dossier's stream is a lower-case UUIDv7", member="stream")
    if node.model.queries.dossier(stream) is not None:
        raise Clash("Hồ sơ này đã được nộp / this dossier was filed already")
    body = {"channel": "counter", "delivery": "counter", "form": {}} | _body("dossier.submitted", nested(fields))
    on_behalf, files = body.get("on_behalf"), _files("dossier.submitted", fields)
    if isinstance(on_behalf, dict) and not on_behalf.get("scan") and files:
        on_behalf["scan"] = files[0].get("sha256")  # a desk's form brings one file: the scan
    if isinstance(on_behalf, dict) and on_behalf.get("how") == "fingerprint" and not on_behalf.get("witness"):
        reason = "Điểm chỉ phải có người làm chứng; hãy ghi họ tên người đó / a fingerprint needs a witness; name them"
        raise Refused("schema", reason, member="on_behalf.witness")
    procedure = node.model.catalogue().procedure(str(body.get("procedure", "")))
    if procedure is None:
        reason = "Danh mục ở đây không có thủ tục này / this procedure is not in the catalogue"
        raise Refused("schema", reason, member="procedure")
    event = _event(node, speaker, node.unit, stream, "dossier.submitted", (), body, fields)
    about = Subject(_short(stream), body["applicant"]["name"], procedure.name)
    return Draft(event, build_statement("dossier.submitted", body, about, _papers(event)))


def _papers(event: Mapping[str, Any]) -> int:
    """Return how many papers an event brings; their previews are no papers of their own."""
    return sum(1 for file in event["files"] if "preview_of" not in file)


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with "applicant.name" as {"applicant": {"name": …}}: a page's form has flat names.

    Raises `Refused` where "applicant" is there as well and is no object.
    """
    found: dict[str, Any] = {name: value for name, value in fields.items() if "." not in name}
    for name, value in fields.items():
        group, _, member = name.partition(".")
        if member and value not in (None, ""):
            if not isinstance(found.setdefault(group, {}), dict):
                raise Refused("schema", f'"{group[:60]}" is an object', member=group[:60])
            found[group][member] = value
    return found


def _body(type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of the body among `fields`; what was left empty is left out."""
    body = {name: fields[name] for name in FIELDS[type] if fields.get(name) not in (None, "", [])}
    if isinstance(body.get("items"), str):  # a text area: one paper a line
        body["items"] = [line.strip() for line in body["items"].splitlines() if line.strip()]
    return body


def _acceptance(node: Node, dossier: Dossier, fields: Mapping[str, Any]) -> dict[str, str]:
    """Return code and due time. The code is given out durably here, and stays the dossier's if asked again."""
    if dossier.code:
        code = dossier.code
        raise Clash(f"Hồ sơ này đã được tiếp nhận, mã {code} / this dossier was accepted as {code}")
    now = node.clock.now()
    signed = node.model.queries.highest_code(code_prefix(node.unit, now))
    return {
        "due": _due(node, dossier, fields),
        "code": node.numbering.allocate(dossier.stream, node.unit, now, signed=signed),
    }


def _due(node: Node, dossier: Dossier, fields: Mapping[str, Any]) -> str:
    procedure = node.model.catalogue().procedure(dossier.procedure)
    if procedure is not None:
        calendar = node.model.catalogue().calendar
        difficult = node.home.settings.difficult_area
        due = compute_due(procedure.time, node.clock.now(), calendar, difficult_area=difficult)
        if due.at is not None:
            return format_time(due.at)
    chosen = fields.get("due")
    if not isinstance(chosen, str) or not chosen:
        raise Refused(
            "schema",
            "Chưa có quy định thời hạn cho thủ tục này; hãy chọn giờ hẹn trả / no rule here sets a time for this"
            " procedure; choose when the result is due",
            member="due",
        )
    return chosen


def _event(
    node: Node,
    speaker: Speaker,
    unit: str,
    stream: str,
    type: str,
    heads: tuple[str, ...],
    body: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    now = node.clock.now()
    return build_event(
        stream=stream,
        type=type,
        unit=unit,
        actor=speaker.urn,
        at=format_time(now),
        nonce=secrets.token_bytes(16),
        prev=heads,
        body=body,
        files=_files(type, fields),
        after=node.proofs.heads.newest(unit, now),
    )


def _files(type: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the references to files that an event of `type` brings. Raises `Refused`."""
    files = fields.get("files", []) if type in WITH_FILES else []
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise Refused("schema", '"files" is a list of file references', member="files")
    return files


def _check_counts(node: Node, speaker: Speaker, story: Story, event: dict[str, Any]) -> None:
    """Raise `Clash` with the fold's reason if the event would not count now."""
    # An official of a tier above is judged by the grants in the dossier's own database: bring them there first.
    node.copier.ensure_credentials(story.row.database, speaker.who.fingerprint)
    node.model.follower.catch_up(story.row.database)
    stored = StoredEvent(EventId(event_id(event)), parse_event(event))
    dossier = fold(
        [*(held.stored for held in story.events), stored], node.model.grants(story.row.database), story.proofs
    )
    entry = next(each for each in dossier.timeline if each.id == stored.id)
    if entry.state == "not_applied" and entry.reason is not None:
        raise Clash(f"{entry.reason.vi} / {entry.reason.en}")


def check_trust(node: Node, database: str, type: str) -> None:
    """Raise `NotReady` for a step that cannot be taken back while trust is provisional: a certificate may have been
    revoked without this node knowing."""
    waits = why_waiting(node.trust, database, type, node.clock.now())
    if waits is not None:
        raise NotReady(f"{waits.vi} / {waits.en}")


def why_waiting(trust: Trust, database: str, type: str, at: datetime) -> Text | None:
    """Return why a step of this type has to wait for fresh revocation lists, None if it does not."""
    if type not in IRREVERSIBLE:
        return None
    found = trust.freshness(database, at)
    if not found.provisional or found.reason is None:
        return None
    return Text(
        f"Bước này không thể rút lại nên phải chờ. {found.reason.vi}",
        f"This step cannot be taken back, so it has to wait. {found.reason.en}",
    )


def _subject(node: Node, dossier: Dossier) -> Subject:
    procedure = node.model.catalogue().procedure(dossier.procedure)
    name = procedure.name if procedure else Text(dossier.procedure, dossier.procedure)
    return Subject(dossier.code or _short(dossier.stream), dossier.applicant.get("name", ""), name)


def _short(stream: str) -> str:
    """Return the end of a stream id, which is the random part: enough to tell two dossiers on a desk apart."""
    return "…" + stream[-8:]
