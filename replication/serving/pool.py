"""Workers that multiply while all are busy and end when they have been spare for a while.

A waiting feed keeps its worker for minutes, so the number of workers follows the number of readers.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from typing import Any

from cheroot.workers import threadpool

_log = logging.getLogger(__name__)
# cheroot's worker ends when its queue gives it this very object.
_END = threadpool._SHUTDOWNREQUEST  # type: ignore[attr-defined]  # cheroot's stubs leave it out


class Pool:
    """The queue of connections with something to read, and the workers at it."""

    def __init__(self, server: Any, *, least: int, most: int, spare_s: float) -> None:
        self.server = server
        self.min, self.max = least, most
        self._spare_s = spare_s
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._free = 0  # workers at the queue, less what already lies in it
        self.served = 0  # turns of a connection at a worker
        self._is_short = False  # of threads, which has been told
        self._stopped = False

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self._workers)

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return max(0, self._free)

    def start(self) -> None:
        """Start the workers that always stand ready."""
        with self._lock:
            for _ in range(self.min):
                self._add()

    def _add(self) -> None:
        worker = _Worker(self.server)
        worker.start()
        self._workers.add(worker)
        self._free += 1

    def put(self, conn: Any) -> None:
        """Queue a connection, and add a worker where none is free for it."""
        with self._lock:
            if self._free <= 0 and len(self._workers) < self.max and not self._stopped:
                self._try_to_add()
            self._free -= 1
        self._queue.put(conn)

    def _try_to_add(self) -> None:
        """Add a worker, unless the system has no thread to give: then those there are take one after another."""
        try:
            self._add()
        except RuntimeError as error:
            if not self._is_short:
                _log.error("%d workers, and no more: %s; requests wait for one another", len(self._workers), error)
            self._is_short = True
        else:
            self._is_short = False

    def get(self) -> Any:
        """Return the next connection for a worker, or the sign that it should end."""
        while True:
            try:
                return self._queue.get(timeout=self._spare_s)
            except queue.Empty:
                with self._lock:
                    if self._free > 0 and len(self._workers) > self.min:
                        self._free -= 1
                        return _END

    def release(self) -> None:
        """Count a worker that is done with its connection as free again."""
        with self._lock:
            self._free += 1
            self.served += 1

    def forget(self, worker: threading.Thread) -> None:
        """Count a worker that has ended no more."""
        with self._lock:
            self._workers.discard(worker)

    def stop(self, timeout: float | None = 5) -> None:
        """End every worker: those that wait at once, the others with their request, and at last by force."""
        with self._lock:
            self._stopped = True
            workers = list(self._workers)
        for _ in workers:
            self._queue.put(_END)
        deadline = time.monotonic() + (timeout or 0)
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for worker in workers:
            if worker.is_alive() and (conn := worker.conn) is not None:
                _shut(conn.socket)
        for worker in workers:
            worker.join(1)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("a connection was closed already: %s", error)


class _Worker(threadpool.WorkerThread):
    """A worker that tells its pool when it is free. A daemon: a request that hangs must not keep the process."""

    def __init__(self, server: Any) -> None:
        self._conn: Any = None
        super().__init__(server)  # type: ignore[no-untyped-call]  # cheroot's own has no types
        self.daemon = True

    @property
    def conn(self) -> Any:
        """The connection at work, or None. cheroot sets it as the first and unsets it as the last step of a request."""
        return self._conn

    @conn.setter
    def conn(self, value: Any) -> None:
        was, self._conn = self._conn, value
        if was is not None and value is None:
            self.server.requests.release()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.server.stats["Worker Threads"].pop(self.name, None)
            self.server.requests.forget(self)
