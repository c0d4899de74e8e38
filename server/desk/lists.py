"""What the desk's lists show: the queue of dossiers, devices that wait. Made from values, like `view`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from server.desk.translate import Translator, time_text
from server.desk.view import TAGS, is_late
from server.dossier import states
from server.dossier.states import STATUSES
from server.enrolment import Enrolment
from server.readmodel.queries import DossierFilter, DossierRow

PAGE_ROWS = 50

# In the order an official works: what is new first. "late", "held" and "all" are cuts across the others.
QUEUES: Mapping[str, tuple[int, ...]] = {
    "new": (states.NEW,),
    "accepted": (states.RECEIVED,),
    "processing": (states.PROCESSING, states.WAITING_FEE),
    "waiting": (states.WAITING_PAPERS,),
    "done": (states.DONE,),
    "returned": (states.RETURNED,),
    "closed": (states.REFUSED, states.WITHDRAWN, states.STOPPED),
    "late": (),
    "held": (),
    "all": (),
}
DEFAULT_QUEUE = "new"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for the queue asked for, cleaned: an unknown queue is the first, an offset never negative."""

    queue: str
    text: str
    offset: int


def parse_asked(values: Mapping[str, str]) -> Asked:
    """Return what the query string asks for. A search without a named queue looks through all of them."""
    text = values.get("q", "").strip()[:200]
    queue = values.get("queue", "")
    if queue not in QUEUES:
        queue = "all" if text else DEFAULT_QUEUE
    offset = values.get("offset", "")
    return Asked(queue, text, int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 9 else 0)


def build_filter(asked: Asked, unit: str, now: str) -> DossierFilter:
    """Return the question for the read model. `now` is RFC 3339."""
    newest = asked.queue in ("all", "returned", "closed")
    due_before = now if asked.queue == "late" else ""
    statuses = () if asked.text else QUEUES[asked.queue]
    return DossierFilter(
        unit=unit, statuses=statuses, text=asked.text, due_before=due_before, newest=newest, held=asked.queue == "held"
    )


def build_tabs(asked: Asked, counts: Mapping[int, int], late: int, held: int, t: Translator) -> list[dict[str, Any]]:
    """Return the queues with how many dossiers each holds."""
    totals = {name: sum(counts.get(status, 0) for status in statuses) for name, statuses in QUEUES.items()}
    totals |= {"late": late, "held": held, "all": sum(counts.values())}
    return [
        {
            "href": f"/desk?{urlencode({'queue': name})}",
            "label": t(f"queue.{name}"),
            "count": totals[name],
            "here": name == asked.queue and not asked.text,
        }
        for name in QUEUES
    ]


def build_rows(
    rows: Iterable[DossierRow], procedure_name: Callable[[str], str], t: Translator, now: datetime
) -> list[dict[str, Any]]:
    """Return the lines of the queue's table."""
    return [
        {
            "stream": row.stream,
            "code": row.code,
            "applicant": row.applicant,
            "procedure_name": procedure_name(row.procedure),
            "status_name": t.of(STATUSES[row.status].name) if row.status in STATUSES else "",
            "tag": TAGS.get(row.status, "tag--info"),
            "files_text": _files_text(row, t),
            "due_text": time_text(row.due) or t("col.due.none"),
            "waits": "" if row.due or not row.submitted_at else t("col.due.filed", at=time_text(row.submitted_at)),
            "late": is_late(row.status, row.due, now),
        }
        for row in rows
    ]


def _files_text(row: DossierRow, t: Translator) -> str:
    if not row.files_total:
        return t("files.count.none")
    return t("files.count", present=row.files_here, total=row.files_total)


def build_enrolments(
    requests: Iterable[Enrolment], choices_of: Callable[[Enrolment], list[dict[str, str]]]
) -> list[dict[str, Any]]:
    """Return the devices that wait; the six digits in two groups, as they are read aloud. `choices_of` tells whose next
    key a request may be."""
    shown = [(request, choices_of(request)) for request in requests]
    return [
        {
            "choices": choices,
            "same": any(each["same"] for each in choices),
            "thumbprint": request.thumbprint,
            "name": request.name,
            "phone": request.private.get("phone", ""),
            "code_text": f"{request.code[:3]} {request.code[3:]}",
            "when": time_text(request.asked),
        }
        for request, choices in shown
    ]
