"""Whether a target that says nothing of its life still stands where it stood: a plain CouchDB, asked after each cut.

`GET /db` tells when the database was made and how far it has got. One made anew, or with a lower number than before,
has lost what it acknowledged. One that was set back and has been written to beyond that number since looks the same;
the daily audit finds what it lacks (decision 0175).
"""

from __future__ import annotations

from replication.errors import LinkError, StoreError
from replication.peers import Peer, Summary
from replication.peers.pending import Pending
from replication.replicator.checkpoint import seq_number


class Footing:
    """`turn` asks once for each connection, `reap` takes the answer."""

    def __init__(self, target: Peer) -> None:
        self._target = target
        self._asked: Pending[Summary] | None = None
        self._before: Summary | None = None
        self._is_due = True
        self.is_lost = False

    def connected(self) -> None:
        """The connection is a new one: ask on it."""
        self._is_due = True

    @property
    def is_sure(self) -> bool:
        """Has the target answered on this connection?"""
        return not self._is_due and self._asked is None

    def turn(self) -> bool:
        """Ask if it is time. Tell whether it was asked."""
        endpoint = self._target.endpoint
        if not self._is_due or self._asked is not None or endpoint is None or endpoint.life.is_told:
            return False
        self._is_due = False
        self._asked = self._target.summary()
        return True

    def reap(self) -> bool:
        """Take the answer if it has come. Tell whether it has; `is_lost` says what it means."""
        if self._asked is None or not self._asked.done:
            return False
        asked, self._asked = self._asked, None
        try:
            found = asked.result()
        except (LinkError, StoreError):
            return True  # who writes there meets the same fault, and tells it
        self.is_lost = self._before is not None and _is_other(self._before, found)
        self._before = found
        return True


def _is_other(before: Summary, now: Summary) -> bool:
    return before.born != now.born or seq_number(now.update_seq) < seq_number(before.update_seq)
