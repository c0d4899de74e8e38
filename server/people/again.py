"""Whether somebody who has had a key here may be given another, and on whose word."""

from __future__ import annotations

from collections.abc import Callable

from server.clocks.clock import NodeClock
from server.dossier import units
from server.dossier.granting import CONFIRMING, NEEDS_SECOND
from server.dossier.revoking import KnownKey, why_no_new_key
from server.dossier.states import Text
from server.dossier.times import format_time
from server.dossier.units import is_within
from server.people.revoking import Revoking
from server.readmodel.model import ReadModel

WhyNot = Callable[[str, str], Text | None]


class Again:
    """The question for one node's unit: called with a subject and whoever approves (URNs), it says why not."""

    def __init__(self, *, unit: str, model: ReadModel, revoking: Revoking, clock: NodeClock) -> None:
        self._unit = unit
        self._model = model
        self._revoking = revoking
        self._clock = clock

    def __call__(self, subject: str, approver: str) -> Text | None:
        """Return why `approver` may not let in another key of `subject`, None if they may."""
        keys = [KnownKey(key.fingerprint, self._revoking.in_force(key)) for key in self._revoking.keys_of(subject)]
        now = format_time(self._clock.now())
        grants = self._model.grants(units.database_name(self._unit))
        others = (
            grant
            for grant in grants.holding(now)
            if grant.role in CONFIRMING and grant.subject != subject and is_within(self._unit, grant.unit)
        )
        return why_no_new_key(
            keys,
            self._revoking.of(subject),
            approver,
            holds_role=not NEEDS_SECOND.isdisjoint(grants.roles(subject, self._unit, now)),
            may_second=approver != subject and grants.may_confirm(approver, self._unit, now),
            is_alone=next(others, None) is None,
        )
