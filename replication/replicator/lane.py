"""A second connection to a source, for documents somebody waits for while a long stretch of its feed fills the first.

HTTP/1.1 answers in order: whatever is asked for on the first connection comes behind the stretch. The two share the
line while both carry something, which is what is wanted here (decision 0177).
"""

from __future__ import annotations

import time

from replication.errors import LinkError
from replication.peers import Endpoint, HttpPeer, Peer

# It is opened by the thread that serves the first connection, whose kernel holds what comes meanwhile.
CONNECT_S = 5.0
RETRY_S = 30.0


class Lane:
    """Opened when it is needed, closed when nobody waits any more. `main` is the first connection's endpoint."""

    def __init__(self, main: Endpoint, database: str) -> None:
        self._main = main
        self._database = database
        self._line: Endpoint | None = None
        self._peer: Peer | None = None
        self._not_before = 0.0

    @property
    def line(self) -> Endpoint | None:
        """The second connection while it stands."""
        return self._line if self._line is not None and self._line.connected else None

    def open(self, now: float) -> Peer | None:
        """Return the database over the second connection; None where there was none to be had lately."""
        if now < self._not_before:
            return None
        if self._line is None or self._peer is None:
            self._line = self._main.sibling(stall_s=self._main.options.stall_s, connect_timeout_s=CONNECT_S)
            self._peer = HttpPeer(self._line, self._database)
        try:
            self._line.connect()
        except LinkError:
            self._give_up()
            return None
        self._line.account = self._main.account
        return self._peer

    def pump(self) -> None:
        """Move what can be moved. A cut is no news: the first connection meets it too, or goes on alone."""
        if (line := self.line) is not None:
            try:
                line.pump(0.0)
            except LinkError:
                self._give_up()

    def _give_up(self) -> None:
        self._not_before = time.monotonic() + RETRY_S
        self.close()

    def close(self) -> None:
        """End it; what was asked for on it is broken."""
        if self._line is not None:
            self._line.close()
        self._line = self._peer = None
