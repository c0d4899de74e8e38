"""Waking a thread that waits in `select`."""

from __future__ import annotations

import socket
import threading

from replication.peers.readiness import wait_ready


class Alarm:
    """Rung from any thread; `select` on it sees it readable until `silence`. Silent while closed, opened again by
    `open`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: tuple[socket.socket, socket.socket] | None = None

    def open(self) -> None:
        with self._lock:
            if self._ends is None:
                self._ends = socket.socketpair()
                for end in self._ends:
                    end.setblocking(False)

    def fileno(self) -> int:
        """The number for `select`. Raises `RuntimeError` while closed."""
        if self._ends is None:
            raise RuntimeError("the alarm is closed")
        return self._ends[0].fileno()

    def ring(self) -> None:
        """End the wait of whoever waits now, or next."""
        with self._lock:
            if self._ends is not None:
                try:
                    self._ends[1].send(b"!")
                except BlockingIOError:
                    return  # so many rings wait already that one more says nothing

    def silence(self) -> None:
        """Take back all rings so far."""
        if self._ends is not None:
            try:
                self._ends[0].recv(4096)
            except BlockingIOError:
                return  # nobody rang

    def wait(self, timeout_s: float) -> None:
        """Return when rung, or after `timeout_s`."""
        wait_ready([self], [], timeout_s)
        self.silence()

    def close(self) -> None:
        with self._lock:
            for end in self._ends or ():
                end.close()
            self._ends = None
