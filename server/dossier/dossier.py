"""A dossier as people see it: what `fold` makes of a stream's events. Values only.

`value()` of each gives the JSON object that the API hands out; docs/formats/event.md, "Folded", describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from server.dossier.event import EventId, FileRef, StoredEvent, StreamId, file_value, to_value
from server.dossier.proofs import EventTime
from server.dossier.states import STATUSES, Text

EntryState = Literal["applied", "not_applied", "held", "waiting", "disputed", "set_aside", "overtaken"]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a leader decided about an act that was held: `decision` is adopted or discarded."""

    event: EventId
    actor: str
    at: str
    decision: str
    reason: str

    def value(self) -> dict[str, Any]:
        return {
            "event": self.event,
            "actor": self.actor,
            "at": self.at,
            "decision": self.decision,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the dossier's story, in causal order, with what became of it.

    `applied`: it counts. `not_applied`: it was never possible, or its author may not. `held`: its author's rights may
    have ended before it was made; a leader is to see it (`reviewed` once one has). `waiting`: an event it builds on has
    not arrived. `disputed`: it stands against a parallel decision, or builds on one that does. `set_aside`: the
    settled conflict went the other way. `overtaken`: a parallel event had already moved the dossier on. All but
    `applied` say why in `reason`. `stale`: an irreversible step taken on a revocation list that was out of date.
    """

    id: EventId
    stored: StoredEvent
    state: EntryState
    reason: Text | None = None
    time: EventTime | None = None
    reviewed: Reviewed | None = None
    stale: bool = False

    @property
    def shown_at(self) -> str:
        """The time to show: the proven one where there is one, else the author's claim."""
        return self.time.shown if self.time else self.stored.event.at

    @property
    def applied(self) -> bool:
        """Whether the event counts."""
        return self.state == "applied"

    def value(self) -> dict[str, Any]:
        reason = self.reason.value() if self.reason else None
        return {
            "id": self.id,
            "event": to_value(self.stored.event),
            "state": self.state,
            "reason": reason,
            "time": self.time.value() if self.time else None,
            "reviewed": self.reviewed.value() if self.reviewed else None,
            "stale": self.stale,
        }


@dataclass(frozen=True, slots=True)
class DossierFile:
    """A file of the dossier: which event brought it, who, when. `kind`: submission, supplement or result.

    `preview` is the small picture of it that the same event names, None if there is none.
    """

    ref: FileRef
    kind: str
    event: EventId
    actor: str
    at: str
    preview: FileRef | None = None

    def value(self) -> dict[str, Any]:
        return {**file_value(self.ref), "kind": self.kind, "event": self.event, "actor": self.actor, "at": self.at}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A node's statement that it holds every byte of what the event `of` brought."""

    of: EventId
    event: EventId
    node: str
    at: str
    bytes: int

    def value(self) -> dict[str, Any]:
        return {"of": self.of, "event": self.event, "node": self.node, "at": self.at, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class Request:
    """Papers that an official asked for; `answered` is the event that brought them, empty while nothing came."""

    event: EventId
    items: tuple[str, ...]
    reason: str
    actor: str
    at: str
    answered: str
    answered_at: str

    def value(self) -> dict[str, Any]:
        return {
            "event": self.event,
            "items": list(self.items),
            "reason": self.reason,
            "actor": self.actor,
            "at": self.at,
            "answered": self.answered,
            "answered_at": self.answered_at,
        }


@dataclass(frozen=True, slots=True)
class Conflict:
    """Parallel events that cannot both stand. `events` are the sides; `settled_by` is empty while it is open.

    `kind` is "decision" or "submission". `fields` says what differs: member of the body → event id → value.
    `undone` are decisions about this conflict that contradict each other and so settled nothing.
    """

    kind: str
    events: tuple[EventId, ...]
    fields: Mapping[str, Mapping[str, Any]]
    settled_by: str = ""
    chosen: str = ""
    undone: tuple[EventId, ...] = ()

    def value(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "events": list(self.events),
            "fields": {name: dict(values) for name, values in self.fields.items()},
            "settled_by": self.settled_by,
            "chosen": self.chosen,
            "undone": list(self.undone),
        }


@dataclass(frozen=True, slots=True)
class Note:
    """Something an official or the applicant wrote, with who and when: a comment, a refusal, an outcome."""

    event: EventId
    actor: str
    at: str
    text: str
    word: str = ""

    def value(self) -> dict[str, Any]:
        return {"event": self.event, "actor": self.actor, "at": self.at, "text": self.text, "word": self.word}


@dataclass(frozen=True, slots=True)
class States:
    """The four independent fields: `business` a code from 1 (0: nothing yet), the others words of `states`."""

    business: int = 0
    money: str = "not_recorded"
    handover: str = "with_applicant"
    sync: str = "unknown"

    def value(self) -> dict[str, Any]:
        status = STATUSES.get(self.business)
        return {
            "business": self.business,
            "word": status.word if status else "none",
            "name": (status.name if status else Text("Chưa có hồ sơ", "No dossier yet")).value(),
            "money": self.money,
            "handover": self.handover,
            "sync": self.sync,
        }


@dataclass(frozen=True, slots=True)
class Dossier:
    """The state of one stream.

    `unit` owns it; `owner` is the author of the submission that counts. `form` and `files` include what supplements
    brought. `on_behalf` is filled where somebody else signed for the applicant, who signed on paper. `code` and `due`
    are empty until an official accepted. `decision` is the newest refusal, stop or withdrawal that counts; `outcome`
    the result (`word` is granted or rejected). `heads` is what a new event's `prev` names. `missing` are events that
    others name and that are not here yet.
    """

    stream: StreamId
    states: States
    heads: tuple[EventId, ...]
    missing: tuple[EventId, ...]
    timeline: tuple[Entry, ...]
    unit: str = ""
    submission: str = ""
    owner: str = ""
    procedure: str = ""
    channel: str = ""
    delivery: str = ""
    submitted_at: str = ""
    applicant: Mapping[str, str] = field(default_factory=dict)
    on_behalf: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: tuple[DossierFile, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    unreceipted: tuple[EventId, ...] = ()
    code: str = ""
    due: str = ""
    accepted_at: str = ""
    accepted_by: str = ""
    forwarded_to: str = ""
    requests: tuple[Request, ...] = ()
    decision: Note | None = None
    outcome: Note | None = None
    returned: Note | None = None
    comments: tuple[Note, ...] = ()
    conflicts: tuple[Conflict, ...] = ()

    @property
    def status(self) -> int:
        """The business code, 0 while no submission is here."""
        return self.states.business

    @property
    def status_name(self) -> Text:
        """The name of the business status."""
        status = STATUSES.get(self.status)
        return status.name if status else Text("Chưa có hồ sơ", "No dossier yet")

    @property
    def is_received(self) -> bool:
        """Whether a node holds every byte of the submission."""
        return any(receipt.of == self.submission for receipt in self.receipts)

    @property
    def held(self) -> tuple[Entry, ...]:
        """The acts that wait for a leader."""
        return tuple(entry for entry in self.timeline if entry.state == "held")

    @property
    def open_conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts nobody has settled."""
        return tuple(conflict for conflict in self.conflicts if not conflict.settled_by)

    def value(self) -> dict[str, Any]:
        """The JSON object of the dossier."""
        return {
            "stream": self.stream,
            "unit": self.unit,
            "status": self.states.value(),
            "submission": self.submission,
            "owner": self.owner,
            "procedure": self.procedure,
            "channel": self.channel,
            "delivery": self.delivery,
            "submitted_at": self.submitted_at,
            "received": self.is_received,
            "applicant": dict(self.applicant),
            "on_behalf": dict(self.on_behalf) or None,
            "form": dict(self.form),
            "files": [file.value() for file in self.files],
            "receipts": [receipt.value() for receipt in self.receipts],
            "unreceipted": list(self.unreceipted),
            "code": self.code,
            "due": self.due,
            "accepted_at": self.accepted_at,
            "accepted_by": self.accepted_by,
            "forwarded_to": self.forwarded_to,
            "requests": [request.value() for request in self.requests],
            "decision": self.decision.value() if self.decision else None,
            "outcome": self.outcome.value() if self.outcome else None,
            "returned": self.returned.value() if self.returned else None,
            "comments": [comment.value() for comment in self.comments],
            "conflicts": [conflict.value() for conflict in self.conflicts],
            "timeline": [entry.value() for entry in self.timeline],
            "heads": list(self.heads),
            "missing": list(self.missing),
        }
