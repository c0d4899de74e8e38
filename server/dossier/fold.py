"""A heap of signed events becomes one dossier.

`fold` is a function of the set of events, the grants and the proofs alone: not of the order they arrived in, the road
they came by, or the node that computes it. Nothing is dropped: every event is in the timeline with what became of it.

Rights are judged at the proven time of an event (`proofs.event_times`); where nothing proves one, at the time its
author claims, and the entry says that this is provisional.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from server.dossier import rules
from server.dossier.dossier import (
    Conflict,
    Dossier,
    DossierFile,
    Entry,
    EntryState,
    Note,
    Receipt,
    Request,
    Reviewed,
    States,
)
from server.dossier.event import EventId, StoredEvent
from server.dossier.order import Order, arrange, bits
from server.dossier.proofs import NOTHING, STALE, Proofs, event_times
from server.dossier.roles import Grants
from server.dossier.states import (
    DONE,
    REFUSED,
    RETURNED,
    STOPPED,
    WAITING_PAPERS,
    WITHDRAWN,
    Text,
)
from server.dossier.view import EMPTY, Open, View, Views

_FILING = {"dossier.submitted": "submission", rules.SUPPLEMENTED: "supplement", "dossier.resolved": "result"}


def fold(events: Iterable[StoredEvent], grants: Grants, proofs: Proofs = NOTHING) -> Dossier:
    """Return the dossier that a stream's events make. `grants` come from `roles.fold_grants` over the unit's database,
    `proofs` from what the database holds beside the stream: logs, time-stamps, certificates and revocation lists.

    Raises ValueError if there are no events or they belong to several streams: that is the caller's mistake.
    """
    order = arrange(events)
    streams = {stored.event.stream for stored in order.events}
    if len(streams) != 1:
        raise ValueError(f"a dossier is the fold of one stream, got events of {len(streams)}")
    return _Folding(order, grants, proofs).dossier()


class _Folding:
    """One fold under way: the order, the reasons found so far, and the view of the whole."""

    def __init__(self, order: Order, grants: Grants, proofs: Proofs) -> None:
        self.order = order
        self.proofs = proofs
        self.times = event_times(order, proofs)
        self.views = Views(order)
        self.reasons: dict[int, Text] = {}
        for i, stored in enumerate(order.events):
            if not order.waiting >> i & 1:
                self._judge(i, stored, grants)
        self.view: View = self.views.whole() if order.heads else EMPTY
        everything = (1 << len(order.events)) - 1 & ~order.waiting
        self.dropped = self.views.dropped(everything)
        self.valid = [i for i in bits(everything & ~self.dropped) if not (i in self.reasons or i in self.views.held)]

    def _judge(self, i: int, stored: StoredEvent, grants: Grants) -> None:
        view = self.views.before(i)
        time = self.times[i]
        is_office = rules.is_office(stored.event, grants, time.shown)
        in_doubt = rules.is_certificate_in_doubt(stored.id, time, self.proofs)
        reason = rules.why_not(i, view, self.order, self.views, is_office=is_office)
        held = rules.why_held(stored.event, grants, time, reason, in_doubt=in_doubt)
        if held is not None and self._would_count(i, view):
            self.views.hold(i, view, held)
        elif reason is None and in_doubt:  # a review: another leader can make it
            self.reasons[i] = rules.HELD_CERTIFICATE
            self.views.pass_over(i, view)
        elif reason is None:
            self.views.admit(i, view, is_office=is_office)
        else:
            self.reasons[i] = reason
            self.views.pass_over(i, view)

    def _would_count(self, i: int, view: View) -> bool:
        return rules.why_not(i, view, self.order, self.views, is_office=True) is None

    def dossier(self) -> Dossier:
        """Put the parts together."""
        order, view = self.order, self.view
        first = order.events[0].event
        parts: dict[str, Any] = {
            "stream": first.stream,
            "states": States(view.status, handover=self._handover()),
            "heads": order.heads,
            "missing": order.missing,
            "timeline": tuple(self._entry(i) for i in range(len(order.events))),
            "conflicts": tuple(self._conflicts()),
        }
        if view.root >= 0:
            parts |= self._filing() | self._processing()
        return Dossier(**parts)

    def _entry(self, i: int) -> Entry:
        stored = self.order.events[i]
        stale = stored.event.type in rules.IRREVERSIBLE and self.proofs.doubt_of(stored.id) == STALE
        reviewed = self._review(i) if i in self.views.held else None
        if self.views.stands_for(i) != i:  # a review is shown as made; what it adopted says what became of that
            state, reason = self._review_state(i)
        else:
            state, reason = self._state(i)
        return Entry(stored.id, stored, state, reason, self.times[i], reviewed, stale)

    def _state(self, i: int) -> tuple[EntryState, Text | None]:
        """Return what became of the event at an index, and why unless it counts."""
        bit, view = 1 << i, self.view
        if self.order.waiting & bit:
            return "waiting", rules.WAITING
        if i in self.reasons:
            return "not_applied", self.reasons[i]
        if i in self.views.held:
            return self._held_state(i)
        if view.set_aside & bit:
            return "set_aside", rules.SET_ASIDE
        if view.disputed & bit:
            return "disputed", rules.DISPUTED
        if view.overtaken & bit:
            return "overtaken", rules.OVERTAKEN
        return "applied", None

    def _review_state(self, i: int) -> tuple[EntryState, Text | None]:
        if self.dropped >> i & 1:
            return "overtaken", rules.REVIEWED_OTHERWISE
        return "applied", None

    def _held_state(self, i: int) -> tuple[EntryState, Text | None]:
        review = self._newest_review(i)
        if review < 0:
            return "held", self.views.held[i]
        if self.views.stands_for(review) == review:
            return "not_applied", rules.DISCARDED
        return self._state(review)

    def _newest_review(self, held: int) -> int:
        """Return the index of the review that settled a held act, -1 if none has."""
        reviews = self.views.reviews_of(held) & ~self.dropped
        return next(bits(reviews), -1)

    def _review(self, held: int) -> Reviewed | None:
        review = self._newest_review(held)
        if review < 0:
            return None
        stored = self.order.events[review]
        body = stored.event.body
        return Reviewed(stored.id, stored.event.actor, self.times[review].shown, body["decision"], body["reason"])

    def _filing(self) -> dict[str, Any]:
        """What was filed: the submission, and what supplements added. Later in order wins, field by field."""
        root = self._at(self.view.root)
        body = root.event.body
        filings = [i for i in self._that(rules.SUPPLEMENTED) if self._adds(i)]
        form = dict(body["form"])
        for i in filings:
            form |= self._at(i).event.body.get("form", {})
        receipts = self._receipts()
        receipted = {receipt.of for receipt in receipts}
        filed = [root.id, *(self._at(i).id for i in filings)]
        return {
            "unit": root.event.unit,
            "submission": root.id,
            "owner": root.event.actor,
            "procedure": body["procedure"],
            "channel": body["channel"],
            "delivery": body["delivery"],
            "submitted_at": self._time(root),
            "applicant": dict(body["applicant"]),
            "on_behalf": dict(body.get("on_behalf", {})),
            "form": form,
            "files": tuple(self._files()),
            "receipts": receipts,
            "unreceipted": tuple(name for name in filed if name not in receipted),
        }

    def _processing(self) -> dict[str, Any]:
        """What the office did with it."""
        accepted = self._at(self.view.accepted) if self.view.accepted >= 0 else None
        forwarded = self._newest("dossier.forwarded")
        last = {REFUSED: "refused", WITHDRAWN: "withdrawn", STOPPED: "stopped"}.get(self.view.status)
        returned = self._newest("dossier.returned")
        return {
            "code": accepted.event.body["code"] if accepted else "",
            "due": accepted.event.body["due"] if accepted else "",
            "accepted_at": self._time(accepted) if accepted else "",
            "accepted_by": accepted.event.actor if accepted else "",
            "forwarded_to": forwarded.event.body["to"] if forwarded else "",
            "requests": tuple(self._requests()),
            "decision": self._note(self._newest(f"dossier.{last}"), "reason", last) if last else None,
            "outcome": self._note(self._newest("dossier.resolved"), "summary", "", "outcome"),
            "returned": self._note(returned, "receiver", "", "method"),
            "comments": tuple(self._written(self._at(i), "text") for i in self._that(rules.COMMENTED)),
        }

    def _handover(self) -> str:
        status = self.view.status
        if status == DONE:
            return "result_waiting"
        if status == RETURNED:
            return "returned"
        if status in (REFUSED, WITHDRAWN, STOPPED):
            return "closed"
        if self.view.accepted < 0:
            return "with_applicant"
        return "forwarded" if self._newest("dossier.forwarded") else "at_desk"

    def _adds(self, i: int) -> bool:
        """Say whether a supplement belongs to the submission that counts. A disputed decision does not undo it."""
        return self.views.judged[i] == self.view.root and not self.view.set_aside >> i & 1

    def _files(self) -> Iterator[DossierFile]:
        for i in self.valid:
            stored = self._at(i)
            kind = _FILING.get(stored.event.type)
            counts = self.view.stepped >> i & 1 or (kind == "supplement" and self._adds(i))
            if kind and counts:
                previews = {ref.preview_of: ref for ref in stored.event.files if ref.preview_of}
                for ref in stored.event.files:
                    if not ref.preview_of:
                        preview = previews.get(ref.sha256)
                        yield DossierFile(ref, kind, stored.id, stored.event.actor, self._time(stored), preview)

    def _receipts(self) -> tuple[Receipt, ...]:
        return tuple(
            Receipt(s.event.body["of"], s.id, s.event.actor, self._time(s), s.event.body["bytes"])
            for s in map(self._at, self._that(rules.RECEIPT))
        )

    def _requests(self) -> Iterator[Request]:
        """Papers asked for. A parallel second request adds to the first, as long as the dossier waits for papers."""
        answers = [i for i in bits(self.view.stepped) if self._at(i).event.type == rules.SUPPLEMENTED]
        for i in self._that("dossier.supplement_requested"):
            if not (
                self.view.stepped >> i & 1 or (self.view.overtaken >> i & 1 and self.view.status == WAITING_PAPERS)
            ):
                continue
            stored = self._at(i)
            answer = next((self._at(a) for a in answers if self.order.past[a] >> i & 1), None)
            yield Request(
                stored.id,
                tuple(stored.event.body["items"]),
                stored.event.body["reason"],
                stored.event.actor,
                self._time(stored),
                answer.id if answer else "",
                self._time(answer) if answer else "",
            )

    def _conflicts(self) -> Iterator[Conflict]:
        for conflict in self.view.open:
            yield self._open(conflict)
        undone = 0
        for conflict in self.view.open:
            undone |= conflict.undone
        for i, resolution in self.views.resolutions.items():
            if not undone >> i & 1 and self.view.set_aside & resolution.losers == resolution.losers:
                sides = [self._at(j) for j in bits(resolution.sides)]
                chosen = self._at(resolution.chosen).id
                yield Conflict(resolution.kind, _ids(sides), _differences(sides), self._at(i).id, chosen)

    def _open(self, conflict: Open) -> Conflict:
        sides = [self._at(i) for i in bits(conflict.sides)]
        undone = _ids([self._at(i) for i in bits(conflict.undone)])
        return Conflict(conflict.kind, _ids(sides), _differences(sides), undone=undone)

    def _that(self, kind: str) -> list[int]:
        """The indexes of the events of a type that count or counted in their own past, in order."""
        return [i for i in self.valid if self._at(i).event.type == kind]

    def _newest(self, kind: str) -> StoredEvent | None:
        """The last event of a type that took its step."""
        found = [i for i in bits(self.view.stepped) if self._at(i).event.type == kind]
        return self._at(found[-1]) if found else None

    def _at(self, i: int) -> StoredEvent:
        """The event at an index; of a review that adopts, the act it adopted."""
        return self.order.events[self.views.stands_for(i)]

    def _time(self, stored: StoredEvent) -> str:
        """The time to show of an event: the proven one where there is one."""
        return self.times[self.order.index[stored.id]].shown

    def _note(self, stored: StoredEvent | None, text: str, word: str = "", word_from: str = "") -> Note | None:
        return self._written(stored, text, word, word_from) if stored else None

    def _written(self, stored: StoredEvent, text: str, word: str = "", word_from: str = "") -> Note:
        body = stored.event.body
        said = body[word_from] if word_from else word
        return Note(stored.id, stored.event.actor, self._time(stored), body[text], said)


def _ids(events: list[StoredEvent]) -> tuple[EventId, ...]:
    return tuple(stored.id for stored in events)


def _differences(sides: list[StoredEvent]) -> dict[str, dict[str, Any]]:
    """Return what the sides say differently: "type" and the members of their bodies → event id → value."""
    said = {stored.id: {"type": stored.event.type, **stored.event.body} for stored in sides}
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(["type", *sorted({name for members in said.values() for name in members})]):
        values: dict[str, Any] = {side: members.get(name) for side, members in said.items()}
        first, *others = values.values()
        if any(other != first for other in others):
            found[name] = values
    return found
