"""The roles and units that each database gives, folded when first asked for and again when it changes."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from replication.errors import NotFound
from replication.store import Store
from server.dossier import units
from server.dossier.proofs import Evidence
from server.dossier.roles import Grants, fold_grants
from server.intake.places import REGISTRY
from server.readmodel.documents import read_events
from server.readmodel.evidence import LogTimes, Reach
from server.readmodel.tables import Tables

GRANT_TYPES = ("role.granted", "role.confirmed", "role.revoked", "unit.described")
_KEPT = 16  # a commune has one, a province reads one at a time


@dataclass(frozen=True, slots=True)
class _RoleEvent:
    """A role event in the tables. `revoked` is when its signer's certificate stopped counting by a list, or None."""

    doc_id: str
    id: str
    revoked: str | None


@dataclass(frozen=True, slots=True)
class _Folded:
    """What role events came to. `reach` is how far our log went where it had yet to prove one of them, else None."""

    events: tuple[_RoleEvent, ...]
    grants: Grants
    reach: Reach | None


class GrantsCache:
    """Grants by database. Enrolments are left out: names are in table `names`.

    An answer is good as long as the tables hold the same role events under the same revocations, whichever process
    wrote them, and no proof has come since. Those of our own log nobody tells: an event is logged after it is stored.
    """

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables
        self._lock = threading.Lock()
        self._forgotten = 0  # how often proofs came: what was folded before that is not kept
        self.log: LogTimes | None = None
        self._known: OrderedDict[str, _Folded] = OrderedDict()

    def of(self, database: str, connection: sqlite3.Connection | None = None) -> Grants:
        """Return what the grants in `database` say; of `registry`, the descriptions of units.

        `connection` is the follower's, which sees rows that are not committed yet.
        """
        events, reach = self._events(database, connection), self._reach(database)
        with self._lock:
            forgotten = self._forgotten
            known = self._known.get(database)
            if known is not None and known.events == events and known.reach in (None, reach):
                self._known.move_to_end(database)
                return known.grants
        found = self._fold(database, events, reach)
        with self._lock:
            if self._forgotten == forgotten:
                self._known[database] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found.grants

    def changed_by_proofs(self, database: str, proven: Collection[str]) -> set[str]:
        """Fold anew from now on, since events (by id) were proven. Returns the subjects whose roles changed by it."""
        with self._lock:
            self._known.pop(database, None)
            self._forgotten += 1
        events = self._events(database)
        if not any(each.id in proven for each in events):
            return set()
        before = self._fold(database, events, self._reach(database), but_for=proven)
        return subjects_between(before.grants, self.of(database))

    def units(self) -> Grants:
        """Return what the registry says about units."""
        return self.of(REGISTRY)

    def _events(self, database: str, connection: sqlite3.Connection | None = None) -> tuple[_RoleEvent, ...]:
        sql = (
            "SELECT e.doc_id, e.id, n.at FROM events e LEFT JOIN endings n USING (database, fingerprint)"
            " WHERE e.database = ? AND e.type IN (?, ?, ?, ?) ORDER BY e.doc_id"
        )
        arguments = (database, *GRANT_TYPES)
        rows = connection.execute(sql, arguments).fetchall() if connection else self._tables.rows(sql, arguments)
        return tuple(_RoleEvent(*row) for row in rows)

    def _reach(self, database: str) -> Reach:
        return self.log.reach(database) if self.log else ()

    def _fold(
        self, database: str, events: tuple[_RoleEvent, ...], reach: Reach, but_for: Collection[str] = ()
    ) -> _Folded:
        try:
            opened = self._store.open(database)
        except NotFound:
            return _Folded(events, Grants(), None)
        stored = [held.stored for held in read_events(opened, [each.doc_id for each in events])]
        # A certificate that merely ran out was in the right hands: only a revocation says otherwise.
        ends = {each.id: datetime.fromisoformat(each.revoked) for each in events if each.revoked}
        # What was copied from a unit above came here when its people first acted here, and that unit's log did not: its
        # issuer's time stands.
        owner = units.unit_of_database(database)
        own = [each.id for each in stored if each.event.unit == owner and each.id not in but_for]
        times = self._times(database, own)
        grants = fold_grants(stored, Evidence(times, ends))
        return _Folded(events, grants, reach if reach and len(times) < len(own) else None)

    def _times(self, database: str, events: Sequence[str]) -> dict[str, datetime]:
        """Return the proven times of events (by id)."""
        if self.log is None:
            return {}
        proven = {each: self.log.earliest(database, each) for each in events}
        return {each: found.at for each, found in proven.items() if found is not None}


def subjects_between(before: Grants, after: Grants) -> set[str]:
    """Return the subjects whose roles are not the same."""
    subjects = before.by_subject.keys() | after.by_subject.keys()
    return {each for each in subjects if before.by_subject.get(each) != after.by_subject.get(each)}
