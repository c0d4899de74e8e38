"""The erasures a node knows of, the dossiers whose time is over, and proposing and confirming by the node's word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.body import MAX_ERASED_EVENTS, MAX_ERASED_FILES
from server.dossier.erasing import TYPES, Erasure, settle_erasures
from server.dossier.event import StoredEvent
from server.dossier.times import format_time, parse_time
from server.erasure.keeping import CLOSED, Keeping, Kept
from server.errors import Clash, Missing, Refused
from server.home import Home
from server.intake.verdict import Admissions
from server.readmodel.documents import HeldEvent, read_events
from server.readmodel.model import ReadModel


class Orders:
    """What one node knows of erasures. Only the owning unit proposes."""

    def __init__(self, *, home: Home, model: ReadModel, admissions: Admissions, clock: NodeClock) -> None:
        self._home = home
        self._model = model
        self._admissions = admissions
        self._clock = clock
        self.keeping = Keeping(home, model)

    # Erasures

    def all(self) -> tuple[Erasure, ...]:
        """Return the erasures of every unit whose dossiers this node holds, oldest first."""
        names = {name for type in TYPES for name in self._model.queries.streams_of_type(type)}
        found = [each for name in sorted(names) for each in self.of(name)]
        return tuple(sorted(found, key=lambda each: (each.proposed_at, each.id)))

    def of(self, database: str, more: Iterable[StoredEvent] = ()) -> tuple[Erasure, ...]:
        """Return the erasures in one database, as they would be with `more` events in it."""
        ids = [each for type in TYPES for each in self._model.queries.streams_of_type(type).get(database, [])]
        events, grants, proofs = self._model.unit_events(database, ids)
        return settle_erasures([*events, *more], grants, proofs)

    def count(self) -> int:
        """Return how many events there are about erasures: another number means that there is something new."""
        return sum(len(ids) for type in TYPES for ids in self._model.queries.streams_of_type(type).values())

    def get(self, of: str) -> Erasure:
        """Return the erasure proposed by the event `of`. Raises `Missing`."""
        found = next((each for each in self.all() if each.id == of), None)
        if found is None:
            raise Missing("Không có đề nghị tiêu hủy nào với mã này / no erasure was proposed under this id")
        return found

    def evidence(self, erasure: Erasure) -> list[HeldEvent]:
        """Return the two events that order an erasure, as they are held here."""
        database, stream = units.database_name(erasure.unit), units.unit_stream(erasure.unit)
        return read_events(
            self._model.open(database), [f"{stream}:{event}" for event in (erasure.id, erasure.confirmed) if event]
        )

    def doubt(self, erasure: Erasure) -> str:
        """Return why this node does not carry out a confirmed erasure yet, "" if it does.

        "revoked", "expired", "not_yet_valid" or "crl_stale": its signatures are in doubt here, and what cannot be taken
        back waits. "not_logged": the unit's node has neither erased nor been seen to log the word of one of the two
        persons, so nobody else says that they were in office then. "old_store": `tram migrate` left a store in which
        the dossier would remain, unseen.
        """
        if self._home.settings.old_engine is not None:
            return "old_store"
        database, stream = units.database_name(erasure.unit), units.unit_stream(erasure.unit)
        for event in (erasure.id, erasure.confirmed):
            admission = self._admissions.of(database, f"{stream}:{event}")
            if admission is not None and (admission.verdict.status != "valid" or admission.verdict.reason):
                return admission.verdict.reason
        return "" if self._is_vouched_for(erasure) else "not_logged"

    def _is_vouched_for(self, erasure: Erasure) -> bool:
        """Say whether the owning unit's node stands for the time of both orders, by its log or by having erased. An
        order that came here past it, by stick, has the time its author claims: not enough for what is never undone."""
        if any(each.node == units.node_urn(erasure.unit) for each in erasure.done):
            return True
        database, stream = units.database_name(erasure.unit), units.unit_stream(erasure.unit)
        proofs = self._model.proofs(stream, database)
        voices = ((erasure.id, erasure.proposer), (erasure.confirmed, erasure.confirmer))
        return all(proofs.is_logged(event) for event, actor in voices if units.is_subject_urn(actor))

    # Retention

    def proposed(self) -> list[str]:
        """Return the dossiers of this unit whose erasure is proposed, confirmed or done, and was not stopped."""
        found = self.of(units.database_name(self._home.unit))
        return sorted({each.dossier for each in found if not each.is_stopped})

    def closed(self) -> Iterator[Kept]:
        """Yield this unit's closed dossiers for which no erasure is proposed, those known longest over first."""
        yield from self.keeping.all(self._clock.now().date(), self.proposed())

    def proposal(self, stream: str, *, basis: str, rule: str = "", ended: str = "") -> dict[str, Any]:
        """Return the body of the `erasure.proposed` for a dossier of this unit: every event and file it has here.

        Where a retention rule knows the procedure, `rule` and `ended` come from it; where none does, a person has to
        say both. Raises `Missing`; `Clash` for a dossier that is not closed, not this unit's, proposed already or to be
        kept; `Refused` for what is left unsaid or too large.
        """
        story = self._model.story(stream)
        if story.row.unit != self._home.unit:
            raise Clash(f"this dossier belongs to {story.row.unit}; its office proposes its erasure")
        if story.row.status not in CLOSED:
            raise Clash("Hồ sơ chưa kết thúc nên không thể tiêu hủy / this dossier is not closed, so it is kept")
        database = units.database_name(self._home.unit)
        if any(each.dossier == stream and not each.is_stopped for each in self.of(database)):
            raise Clash("Hồ sơ này đã có đề nghị tiêu hủy / the erasure of this dossier was proposed already")
        kept = self.keeping.judge(story.row)
        ended, rule = self._period(kept, ended, rule)
        manifests = {file.manifest for held in story.events for file in held.stored.event.files}
        if len(story.events) > MAX_ERASED_EVENTS or len(manifests) > MAX_ERASED_FILES:
            raise Refused(
                "too_large",
                f"{len(story.events)} events and {len(manifests)} files; one erasure names at most"
                f" {MAX_ERASED_EVENTS} and {MAX_ERASED_FILES}",
            )
        return {
            "dossier": stream,
            "basis": basis,
            "rule": rule,
            "ended": ended,
            "events": sorted(held.stored.id for held in story.events),
            "files": sorted(manifests),
        }

    def _period(self, kept: Kept, ended: str, rule: str) -> tuple[str, str]:
        """Return when retention ended and by which rule. What a rule knows nobody overrides."""
        now = self._clock.now()
        if kept.rule is not None:
            if not kept.is_over(now.date()):
                until = kept.ends.isoformat() if kept.ends else "mãi mãi / for ever"
                said = kept.rule.words()
                raise Clash(f"Hồ sơ phải được lưu đến {until} / this dossier is kept until {until}: {said}")
            assert kept.ends is not None
            return format_time(datetime(kept.ends.year, kept.ends.month, kept.ends.day, tzinfo=now.tzinfo)), (
                kept.rule.words()
            )
        if not ended or not rule:
            raise Refused(
                "schema",
                "no rule here says how long this procedure's dossiers are kept; say by which one its time is over, and"
                " since when",
                member="rule" if not rule else "ended",
            )
        if parse_time(ended) > now:
            raise Clash("Thời hạn lưu trữ chưa hết / its retention has not ended yet")
        return ended, rule
