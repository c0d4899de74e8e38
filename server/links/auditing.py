"""The daily audit of a link: while all is quiet, both sides' databases are compared whole and what differs is mended.

When the next one is due is kept in `node.db`, a day after the last give or take a tenth, so that the communes of a
province do not all ask at once. Files are compared only while the link's rules let files go: mending them carries them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from replication.audit import AuditReport, Stopped, audit
from replication.errors import ReplicationError, StoreError
from replication.replicator import Pair
from server.links.state import LinkState

_LOG = logging.getLogger(__name__)

EVERY = timedelta(days=1)
AFTER_FAULT = timedelta(hours=1)
SPREAD = 0.1


class Auditor:
    """Audits the pairs of one link, each time in a thread of its own. `random` is in [0, 1), `now` in UTC."""

    def __init__(self, state: LinkState, now: Callable[[], datetime], random: Callable[[], float]) -> None:
        self._state = state
        self._now = now
        self._random = random
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before: datetime | None = None  # what could not be written down

    def tend(self, pairs: Sequence[Pair]) -> bool:
        """With the link quiet: audit `pairs` if it is time. Tell whether an audit was begun."""
        if self._thread is not None and self._thread.is_alive():
            return False
        due = self._state.facts().get("audit_due")
        if due is None:  # a link just made has just compared everything there is
            self._set_due(EVERY)
            return False
        if self._now() < (self._not_before or datetime.fromisoformat(due)):
            return False
        self._stop.clear()
        self._thread = threading.Thread(target=self.run, args=(pairs,), name="audit", daemon=True)
        self._thread.start()
        return True

    def run(self, pairs: Sequence[Pair]) -> list[AuditReport]:
        """Audit now, in this thread, and note what was found. Returns the reports of those that went through."""
        reports: list[AuditReport] = []
        differing = 0
        try:
            for pair, both_ways in _once_each(pairs):
                report = audit(pair.source, pair.target, both_ways=both_ways, stop=self._stop)
                reports.append(report)
                # What goes one way may well have more where it ends: a node's own certificate in its `registry`.
                differing += len({*report.missing, *(report.extra if both_ways else ())})
        except Stopped:
            return reports
        except ReplicationError as exc:
            _LOG.warning("the audit could not be finished, it is tried again in an hour: %s", exc)
            self._set_due(AFTER_FAULT)
            return reports
        self._note(reports, differing)
        return reports

    def stop(self) -> None:
        """End an audit that is under way; returns when it has."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _note(self, reports: Sequence[AuditReport], differing: int) -> None:
        mended = sum(len(report.repaired) for report in reports) >= differing and all(r.complete for r in reports)
        if differing:
            how = "brought over" if mended else "not all brought over"
            _LOG.warning("the audit found %d documents that one side lacked, %s", differing, how)
        self._set_due(
            EVERY if mended or not differing else AFTER_FAULT,
            audit_at=self._now().isoformat(timespec="seconds"),
            audit_differing=str(differing),
            audit_mended="yes" if mended else "no",
        )

    def _set_due(self, after: timedelta, **facts: str) -> None:
        """Note when the next is due, with what was found. Where a full disk forbids that it is known here at least:
        each audit costs bytes, and one that stayed due would begin at every look."""
        due = self._now() + after * (1 + SPREAD * (2 * self._random() - 1))
        self._not_before = due
        try:
            self._state.set_facts(audit_due=due.isoformat(timespec="seconds"), **facts)
        except StoreError as exc:
            _LOG.warning("when the next audit is due cannot be noted: %s", exc)
        else:
            self._not_before = None


def _once_each(pairs: Sequence[Pair]) -> list[tuple[Pair, bool]]:
    """Return the pairs that bring documents here, each with whether its database also goes the other way.

    Those are the ones whose target is behind this node's door; what the other side lacks goes through its own.
    """
    outward = {pair.source.name for pair in pairs if pair.source.endpoint is None}
    return [(pair, pair.source.name in outward) for pair in pairs if pair.source.endpoint is not None]
