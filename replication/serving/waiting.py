"""The loop that takes connections and watches those that are silent; no worker belongs to one before it speaks."""

from __future__ import annotations

import errno
import logging
import math
import selectors
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from cheroot.connections import ConnectionManager

_log = logging.getLogger(__name__)
# select(2) of Windows does not see a connection that is handed back while it waits, so it may not wait long.
LONGEST_SELECT_S = 0.05 if sys.platform == "win32" else math.inf
# The system has no file, or no memory, for another connection: one at its end has to free them, and that takes a while.
_SHORT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
SHORT_PAUSE_S = 0.25
SHORT_TOLD_S = 60.0


class Waiting(ConnectionManager):
    """cheroot's, by a clock that only goes forward, and with patience where the system is short of files."""

    _selector: Any  # the stubs leave it out

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._told = float("-inf")

    def stop(self) -> None:
        """End the loop, and return when it has ended."""
        self._stop_requested = True
        # cheroot's own way lets the loop wait in its selector for the rest of the interval: a quarter of a second
        # whenever a node stops, and for each of a thousand tests. Somebody calls, so the selector returns.
        listener = self.server.socket
        with socket.socket(listener.family) as caller, suppress(OSError):
            caller.settimeout(1)
            caller.connect(listener.getsockname())
        super().stop()

    def _run(self, interval_s: float) -> None:
        looked = time.monotonic()
        while not self._stop_requested:
            try:
                ready = self._selector.select(timeout=min(interval_s, LONGEST_SELECT_S))
            except OSError:
                self._remove_invalid_sockets()  # type: ignore[attr-defined]  # the stubs leave it out
                continue
            for number, conn in ready:
                if conn is self.server:
                    self._take()
                else:  # nobody watches it until its worker hands it back
                    self._selector.unregister(number)
                    self.server.process_conn(conn)
            now = time.monotonic()
            if now - looked > interval_s:
                self._expire(now - self.server.timeout)  # type: ignore[attr-defined]  # the stubs leave it out
                looked = now

    def _take(self) -> None:
        """Take a connection, which waits here for its first byte. Nothing of it is read yet, not even a greeting."""
        try:
            conn = self._from_server_socket(self.server.socket)  # type: ignore[attr-defined]  # the stubs leave it out
        except OSError as error:
            if error.errno not in _SHORT:
                raise
            self._wait_for_room(error)
            return
        if conn is not None:
            conn.last_used = time.monotonic()
            self._selector.register(conn.socket.fileno(), selectors.EVENT_READ, data=conn)

    def _wait_for_room(self, error: OSError) -> None:
        if time.monotonic() - self._told > SHORT_TOLD_S:
            self._told = time.monotonic()
            _log.error(
                "no connection can be taken (%s): %d are open; allow this program more files, or see who opens so many",
                error,
                self._num_connections,  # type: ignore[attr-defined]  # the stubs leave it out
            )
        self.server.stopping.wait(SHORT_PAUSE_S)
