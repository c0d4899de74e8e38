"""The erasures a node knows of, the dossiers whose time is over, and proposing and confirming by the node's word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from crypto import strictjson
from crypto.errors import CryptoError
from replication.errors import NotFound
from server import data
from server.dossier import units
from server.dossier.body import MAX_ERASED_EVENTS, MAX_ERASED_FILES
from server.dossier.erasing import TYPES, Erasure, settle_erasures
from server.dossier.retention import Rule, find_rule, parse_rules
from server.dossier.states import REFUSED, RETURNED, STOPPED, WITHDRAWN
from server.dossier.times import format_time, parse_time
from server.errors import Clash, Missing, Refused
from server.home import Home, read_bounded
from server.intake.verdict import Admissions
from server.node.clock import NodeClock
from server.readmodel.documents import read_events
from server.readmodel.model import ReadModel
from server.readmodel.queries import MOST_ROWS, DossierFilter, DossierRow

CLOSED: Final = (REFUSED, WITHDRAWN, STOPPED, RETURNED)
RULES_FILE: Final = "retention.json"
_MAX_RULES_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A closed dossier. `rule` None: no rule knows how long it is kept. `ends` None: for ever, or not known."""

    row: DossierRow
    closed: date
    rule: Rule | None
    ends: date | None

    def is_over(self, today: date) -> bool:
        """Say whether a rule says that its time is over."""
        return self.ends is not None and self.ends <= today


class Orders:
    """What one node knows of erasures. Only the owning unit proposes."""

    def __init__(self, *, home: Home, model: ReadModel, admissions: Admissions, clock: NodeClock) -> None:
        self._home = home
        self._model = model
        self._admissions = admissions
        self._clock = clock

    # Erasures

    def all(self) -> tuple[Erasure, ...]:
        """Return the erasures of every unit whose dossiers this node holds, oldest first."""
        names = {name for type in TYPES for name in self._model.queries.streams_of_type(type)}
        found = [each for name in sorted(names) for each in self.of(name)]
        return tuple(sorted(found, key=lambda each: (each.proposed_at, each.id)))

    def of(self, database: str) -> tuple[Erasure, ...]:
        """Return the erasures in one database."""
        owner = units.unit_of_database(database)
        ids = [each for type in TYPES for each in self._model.queries.streams_of_type(type).get(database, [])]
        if owner is None or not ids:
            return ()
        try:
            opened = self._model.open(database)
        except NotFound:
            return ()
        events = [held.stored for held in read_events(opened, ids)]
        proofs = self._model.proofs(units.unit_stream(owner), database)
        return settle_erasures(events, self._model.grants(database), proofs)

    def count(self) -> int:
        """Return how many events there are about erasures: another number means that there is something new."""
        return sum(len(ids) for type in TYPES for ids in self._model.queries.streams_of_type(type).values())

    def get(self, of: str) -> Erasure:
        """Return the erasure proposed by the event `of`. Raises `Missing`."""
        found = next((each for each in self.all() if each.id == of), None)
        if found is None:
            raise Missing("Không có đề nghị tiêu hủy nào với mã này / no erasure was proposed under this id")
        return found

    def doubt(self, erasure: Erasure) -> str:
        """Return why this node cannot be sure of a confirmed erasure's signatures, "" if it can: "revoked", "expired",
        "not_yet_valid" or "crl_stale". What cannot be taken back waits until it can."""
        database, stream = units.database_name(erasure.unit), units.unit_stream(erasure.unit)
        for event in (erasure.id, erasure.confirmed):
            admission = self._admissions.of(database, f"{stream}:{event}")
            if admission is not None and (admission.verdict.status != "valid" or admission.verdict.reason):
                return admission.verdict.reason
        return ""

    # Retention

    def rules(self) -> tuple[Rule, ...]:
        """Return the retention rules: the home's own file if there is one, else those of the program. Raises
        `Refused`."""
        path = self._home.path / RULES_FILE
        return read_rules(path) if path.exists() else parse_rules(data.retention())

    def closed(self) -> Iterator[Kept]:
        """Yield this unit's closed dossiers for which no erasure is proposed, those known longest over first."""
        proposed = {each.dossier for each in self.of(units.database_name(self._home.unit))}
        rules = self.rules()
        found = [self._kept(row, rules) for row in self._closed_rows() if row.stream not in proposed]
        yield from sorted(found, key=lambda kept: (kept.ends is None, kept.ends or kept.closed, kept.row.stream))

    def _closed_rows(self) -> Iterator[DossierRow]:
        offset = 0
        while True:
            wanted = DossierFilter(unit=self._home.unit, statuses=CLOSED)
            page = self._model.queries.dossiers(wanted, limit=MOST_ROWS, offset=offset)
            yield from (row for row in page.rows if row.unit == self._home.unit)
            offset += MOST_ROWS
            if offset >= page.total:
                return

    def _kept(self, row: DossierRow, rules: tuple[Rule, ...]) -> Kept:
        closed = parse_time(row.updated_at).date()
        rule = find_rule(rules, row.procedure, closed)
        return Kept(row, closed, rule, rule.ends(closed) if rule else None)

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
        if any(each.dossier == stream for each in self.of(database)):
            raise Clash("Hồ sơ này đã có đề nghị tiêu hủy / the erasure of this dossier was proposed already")
        kept = self._kept(story.row, self.rules())
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


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the retention rules in a file. Raises `Refused` naming it."""
    try:
        value = strictjson.parse(read_bounded(path, _MAX_RULES_BYTES), max_bytes=_MAX_RULES_BYTES, max_depth=8)
    except CryptoError as exc:
        raise Refused("schema", f"{path}: {exc}") from exc
    return parse_rules(value)
