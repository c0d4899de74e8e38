"""What keeps the log's surroundings up: proofs from what came, pages of what was taken."""

from __future__ import annotations

from collections.abc import Sequence

from server.errands import Errand, for_each
from server.log.proofs import Proofs
from server.log.publishing import Publisher

LOOK_EVERY_S = 60.0


class LogKeeper:
    """The errand "log". `notice` may be called from any thread."""

    def __init__(self, proofs: Proofs, publisher: Publisher) -> None:
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
                self._proofs.catch_up()
        finally:
            self._publisher.publish()  # our own leaves need no other's database
