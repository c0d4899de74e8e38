"""What keeps the log and its surroundings up: leaves that are owed, proofs from what came, pages of what was taken."""

from __future__ import annotations

from collections.abc import Sequence

from server.clocks.clock import NodeClock
from server.errands import Errand, for_each
from server.log.log import NodeLog
from server.log.proofs import Proofs
from server.log.publishing import Publisher

LOOK_EVERY_S = 60.0


class LogKeeper:
    """The errand "log". `notice` may be called from any thread."""

    def __init__(self, log: NodeLog, clock: NodeClock, proofs: Proofs, publisher: Publisher) -> None:
        self._log = log
        self._clock = clock
        self._proofs = proofs
        self._publisher = publisher
        self.errand = Errand("log", self._look, every_s=LOOK_EVERY_S)

    def notice(self, database: str) -> None:
        """Say that a database was written to."""
        self.errand.notice(database)

    def _look(self, told: Sequence[str]) -> None:
        try:
            if told:
                for_each(told, self._proofs.catch_up)
            else:
                self._log.reconcile(self._clock.now())  # a full disk came after the store's step, and before the log's
                self._proofs.catch_up()
        finally:
            self._publisher.publish()  # our own leaves need no other's database
