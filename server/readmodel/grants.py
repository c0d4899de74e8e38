"""The roles and units that each database gives, folded when first asked for and again when it changes."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence

from replication.errors import NotFound
from replication.store import Store
from server.dossier import units
from server.dossier.event import StoredEvent
from server.dossier.proofs import NOTHING, Evidence
from server.dossier.roles import Grants, fold_grants
from server.intake.places import REGISTRY
from server.readmodel.documents import read_events
from server.readmodel.evidence import LogTimes
from server.readmodel.tables import Tables

GRANT_TYPES = ("role.granted", "role.confirmed", "role.revoked", "unit.described")
_KEPT = 16  # a commune has one, a province reads one at a time


class GrantsCache:
    """Grants by database. Enrolments are left out: names are in table `names`.

    Events never go away, so their number tells whether a folded answer is still good, whichever process wrote them.
    """

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables
        self._lock = threading.Lock()
        self.log: LogTimes | None = None
        self._known: OrderedDict[str, tuple[int, Grants]] = OrderedDict()

    def of(self, database: str, connection: sqlite3.Connection | None = None) -> Grants:
        """Return what the grants in `database` say; of `registry`, the descriptions of units.

        `connection` is the follower's, which sees rows that are not committed yet.
        """
        ids = self._event_ids(database, connection)
        with self._lock:
            known = self._known.get(database)
            if known is not None and known[0] == len(ids):
                self._known.move_to_end(database)
                return known[1]
        grants = self._fold(database, ids)
        with self._lock:
            self._known[database] = (len(ids), grants)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return grants

    def _event_ids(self, database: str, connection: sqlite3.Connection | None) -> list[str]:
        sql = "SELECT doc_id FROM events WHERE database = ? AND type IN (?, ?, ?, ?)"
        arguments = (database, *GRANT_TYPES)
        rows = connection.execute(sql, arguments).fetchall() if connection else self._tables.rows(sql, arguments)
        return [row["doc_id"] for row in rows]

    def _fold(self, database: str, ids: list[str]) -> Grants:
        try:
            opened = self._store.open(database)
        except NotFound:
            return Grants()
        events = [held.stored for held in read_events(opened, ids)]
        return fold_grants(events, self._times(database, events))

    def _times(self, database: str, events: Sequence[StoredEvent]) -> Evidence:
        """Return the proven times of the unit's own role events. What was copied from a unit above came here when its
        people first acted here, and that unit's log did not: its issuer's time stands."""
        owner = units.unit_of_database(database)
        if self.log is None or owner is None:
            return NOTHING
        own = [stored.id for stored in events if stored.event.unit == owner]
        proven = {each: self.log.earliest(database, each) for each in own}
        return Evidence({each: found.at for each, found in proven.items() if found is not None})

    def forget(self, database: str) -> None:
        """Fold anew at the next question: proofs arrived."""
        with self._lock:
            self._known.pop(database, None)

    def units(self) -> Grants:
        """Return what the registry says about units."""
        return self.of(REGISTRY)
