"""What the desk's pages show, made from values: no request, no store, no clock but the one handed in.

Each `build_` returns plain dicts for one template. Text comes from `Translator`; names of people and procedures are
passed in, because they live in other streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.api.statements import on_behalf_text
from server.desk.translate import Translator, bytes_text, time_text
from server.dossier import states
from server.dossier.dossier import Conflict, Dossier, DossierFile, Entry
from server.dossier.notices import build_notice
from server.dossier.states import MOVE_OF, Text
from server.papers.verdict import PaperVerdict

TAGS = {
    states.NEW: "tag--info",
    states.RECEIVED: "tag--info",
    states.PROCESSING: "tag--wait",
    states.WAITING_PAPERS: "tag--wait",
    states.WAITING_FEE: "tag--wait",
    states.DONE: "tag--good",
    states.RETURNED: "tag--good",
    states.REFUSED: "tag--bad",
    states.WITHDRAWN: "tag--bad",
    states.STOPPED: "tag--bad",
}
PAPER_TAGS = {
    "valid": "tag--good",
    "invalid": "tag--bad",
    "indeterminate": "tag--wait",
    "unsigned": "tag--info",
    "unchecked": "tag--wait",
}
ENDED = frozenset({states.REFUSED, states.WITHDRAWN, states.STOPPED, states.DONE, states.RETURNED})
DANGEROUS = frozenset({"dossier.refused", "dossier.stopped"})

# In the order an official works through them; `dossier.commented` is always possible and comes last.
ACTIONS = (
    "dossier.accepted",
    "dossier.forwarded",
    "dossier.resolved",
    "dossier.returned",
    "dossier.supplement_requested",
    "dossier.refused",
    "dossier.stopped",
)
FIELDS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "dossier.accepted": (("note", "text", False),),
    "dossier.forwarded": (("to", "text", True), ("note", "text", False)),
    "dossier.resolved": (("outcome", "select", True), ("summary", "textarea", True), ("result", "file", False)),
    "dossier.returned": (("method", "select", True), ("receiver", "text", True)),
    "dossier.supplement_requested": (("items", "textarea", True), ("reason", "text", True)),
    "dossier.refused": (("reason", "textarea", True),),
    "dossier.stopped": (("reason", "textarea", True),),
    "dossier.commented": (("text", "textarea", True),),
}
OPTIONS = {"outcome": ("granted", "rejected"), "method": ("counter", "post", "online")}
_PREFIX = {"outcome": "outcome", "method": "delivery"}


@dataclass(frozen=True, slots=True)
class Known:
    """What a dossier's page needs from outside its stream.

    `names` maps actor URNs to people's names, `present` each file's content id to the bytes that are here, `seals` each
    event id to "valid" or "indeterminate", `papers` the content ids of PDFs that were checked to what came out.
    `procedure_name`, `answers` (label and value of each) and `parts` (names of
    components) are in the reader's language.
    """

    procedure_name: str
    answers: Sequence[Mapping[str, str]]
    parts: Mapping[str, str]
    names: Mapping[str, str]
    present: Mapping[str, int]
    seals: Mapping[str, str]
    papers: Mapping[str, PaperVerdict]
    log: tuple[str, bool] = ("", False)  # what the log keeps of the filing, and whether that is alarming


def build_dossier(dossier: Dossier, known: Known, t: Translator, now: datetime) -> dict[str, Any]:
    """Return what `desk/dossier.html` and `desk/slip.html` show of one dossier."""
    return {
        "stream": dossier.stream,
        "code": dossier.code,
        "procedure": dossier.procedure,
        "procedure_name": known.procedure_name,
        "applicant": dossier.applicant.get("name", ""),
        "status_name": t.of(dossier.status_name),
        "tag": TAGS.get(dossier.status, "tag--info"),
        "facts": _facts(dossier, t, now, known.log),
        "files": [_file(file, known, t) for file in dossier.files],
        "form": known.answers,
        "news": build_notice(dossier),
        "timeline": [_step(entry, known, t) for entry in dossier.timeline],
        "held": [_held(entry, known, t) for entry in dossier.held],
        "conflicts": [_conflict(conflict, dossier, known, t) for conflict in dossier.open_conflicts],
    }


def build_actions(
    dossier: Dossier, t: Translator, *, at_owner: bool, needs_due: bool, waits: Callable[[str], Text | None]
) -> list[dict[str, Any]]:
    """Return the steps an official may take now. Officials of tiers above may comment (`at_owner` False).

    `needs_due`: no rule sets the procedure's time, so receiving it asks for one. `waits` says why a type of step has to
    wait for fresh revocation lists.
    """
    if not dossier.submission:
        return []
    possible = [name for name in ACTIONS if at_owner and dossier.status in MOVE_OF[name].sources]
    return [
        _action(name, t, needs_due) | {"waits": t.of(why) if (why := waits(name)) else ""}
        for name in (*possible, "dossier.commented")
    ]


def is_late(status: int, due: str, now: datetime) -> bool:
    """Say whether a dossier that is still worked on has passed its due time."""
    return bool(due) and status not in ENDED and datetime.fromisoformat(due) < now


def _action(name: str, t: Translator, needs_due: bool) -> dict[str, Any]:
    asked = FIELDS[name] + ((("due", "datetime", True),) if needs_due and name == "dossier.accepted" else ())
    fields = [
        {
            "name": field,
            "kind": kind,
            "required": required,
            "label": t(f"field.{field}"),
            "value": "",
            "options": [{"value": word, "label": t(f"{_PREFIX[field]}.{word}")} for word in OPTIONS.get(field, ())],
        }
        for field, kind, required in asked
    ]
    return {"type": name, "label": t(f"action.{name}"), "fields": fields, "dangerous": name in DANGEROUS}


def _facts(dossier: Dossier, t: Translator, now: datetime, log: tuple[str, bool]) -> list[dict[str, Any]]:
    receipt = next((r for r in dossier.receipts if r.of == dossier.submission), None)
    values: list[tuple[str, str, bool]] = [
        ("fact.unit", dossier.unit, False),
        ("fact.procedure", dossier.procedure, False),
        ("fact.submitted", time_text(dossier.submitted_at), False),
        ("fact.channel", t(f"channel.{dossier.channel}") if dossier.channel else "", False),
        ("fact.on_behalf", _behalf(dossier, t), False),
        ("fact.receipt", time_text(receipt.at) if receipt else t("fact.receipt.none"), receipt is None),
        ("fact.log", *log),
        ("fact.due", time_text(dossier.due), is_late(dossier.status, dossier.due, now)),
        ("fact.phone", dossier.applicant.get("phone", ""), False),
        ("fact.delivery", t(f"delivery.{dossier.delivery}") if dossier.delivery else "", False),
        ("fact.outcome", _outcome(dossier, t), False),
    ]
    return [{"label": t(key), "value": value, "late": late} for key, value, late in values if value]


def _behalf(dossier: Dossier, t: Translator) -> str:
    said = on_behalf_text(dossier.on_behalf)
    return t.of(said) if said else ""


def _outcome(dossier: Dossier, t: Translator) -> str:
    if dossier.outcome is None:
        return dossier.decision.text if dossier.decision else ""
    return f"{t(f'outcome.{dossier.outcome.word}')}: {dossier.outcome.text}"


def _file(file: DossierFile, known: Known, t: Translator) -> dict[str, Any]:
    present = known.present.get(file.ref.sha256, 0)
    size = bytes_text(file.ref.size)
    complete = present >= file.ref.size
    preview = file.preview
    return {
        "sha256": file.ref.sha256,
        "label": known.parts.get(file.ref.part, file.ref.name),
        "is_image": file.ref.type.startswith("image/"),
        "result": file.kind == "result",
        "size": file.ref.size,
        "present": present,
        "complete": complete,
        "paper": _paper(file, known, t),
        "preview": preview.sha256 if preview and known.present.get(preview.sha256, 0) >= preview.size else "",
        "detail": size if complete else t("files.partial", present=bytes_text(present), size=size),
    }


def _paper(file: DossierFile, known: Known, t: Translator) -> dict[str, Any] | None:
    """Return what a result PDF's signatures are worth, None for any other file."""
    if file.kind != "result" or file.ref.type != "application/pdf":
        return None
    verdict = known.papers.get(file.ref.sha256)
    if verdict is None:
        return {"tag": "tag--wait", "text": t("paper.checking"), "signatures": []}
    return {"tag": PAPER_TAGS[verdict.status], "text": t.of(verdict.text()), "signatures": _signatures(verdict, t)}


def _signatures(verdict: PaperVerdict, t: Translator) -> list[str]:
    said = []
    for each in verdict.signatures:
        when = t("paper.stamped" if each.stamped else "paper.claimed", at=time_text(each.at)) if each.at else ""
        whole = t("paper.whole" if each.whole else "paper.part")
        said.append(" · ".join(filter(None, (each.signer, t("paper.issuer", name=each.issuer), when, whole))))
    return said


def _step(entry: Entry, known: Known, t: Translator) -> dict[str, Any]:
    event = entry.stored.event
    seal = known.seals.get(entry.id, "indeterminate")
    return {
        "label": t(f"event.{event.type}"),
        "at": entry.shown_at,
        "when": time_text(entry.shown_at),
        "times": _times(entry, t),
        "stale": t("story.stale") if entry.stale else "",
        "state": entry.state,
        "reviewed": _reviewed(entry, known, t),
        "who": known.names.get(event.actor, event.actor),
        "text": _said(event.body),
        "behalf": t.of(said) if (said := on_behalf_text(event.body.get("on_behalf"))) else "",
        "applied": entry.applied,
        "reason": t.of(entry.reason) if entry.reason else "",
        "seal": t(f"seal.{seal}"),
    }


def _times(entry: Entry, t: Translator) -> str:
    """Return what is to be said about the time shown: the author's claim where it cannot be right, or no proof yet."""
    time = entry.time
    if time is None or not (time.differs or time.provisional):
        return ""
    if not time.differs:
        return t("time.at_latest" if time.proven else "time.provisional")
    if not time.proven:
        return t("time.before_checkpoint", at=time_text(time.not_before), claimed=time_text(time.claimed))
    return t("time.differs", at=time_text(time.claimed))


def _reviewed(entry: Entry, known: Known, t: Translator) -> str:
    if entry.reviewed is None:
        return ""
    review = entry.reviewed
    who = known.names.get(review.actor, review.actor)
    return t(f"review.{review.decision}.by", who=who, when=time_text(review.at), reason=review.reason)


def _held(entry: Entry, known: Known, t: Translator) -> dict[str, Any]:
    return _step(entry, known, t) | {"id": entry.id, "actor": entry.stored.event.actor}


def _said(body: Mapping[str, Any]) -> str:
    """Return what the author wrote in words, whichever member holds it."""
    texts: Sequence[str] = [str(body[name]) for name in ("to", "reason", "summary", "text", "note") if body.get(name)]
    items = [str(item) for item in body.get("items", ())]
    return " · ".join([*items, *texts])


def _value(name: str, value: Any, t: Translator) -> str:
    """Return a member of an event's body as the desk shows it elsewhere."""
    if value in (None, "", [], ()):
        return t("conflict.none")
    if name in _PREFIX:
        return t(f"{_PREFIX[name]}.{value}")
    if name == "due":
        return time_text(str(value))
    return " · ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _conflict(conflict: Conflict, dossier: Dossier, known: Known, t: Translator) -> dict[str, Any]:
    entries = {entry.id: entry.stored.event for entry in dossier.timeline}
    sides = [
        {
            "id": event,
            "who": known.names.get(entries[event].actor, entries[event].actor),
            "when": time_text(entries[event].at),
        }
        for event in conflict.events
    ]
    fields = [
        {"label": t(f"field.{name}"), "values": [_value(name, values.get(event), t) for event in conflict.events]}
        for name, values in conflict.fields.items()
        if f"field.{name}" in t  # "type" is the line above them; what no form asks for has no name an official knows
    ]
    kinds = {"label": t("col.state"), "values": [t(f"event.{entries[event].type}") for event in conflict.events]}
    return {"sides": sides, "fields": [kinds, *fields]}
