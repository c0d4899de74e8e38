"""The thread that keeps the log's surroundings up: proofs from what came, pages of what was taken."""

from __future__ import annotations

import logging
import threading

from server.log.proofs import Proofs
from server.log.publishing import Publisher

_LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0


class LogKeeper:
    """`notice` may be called from any thread."""

    def __init__(self, proofs: Proofs, publisher: Publisher) -> None:
        self._proofs = proofs
        self._publisher = publisher
        self._wake = threading.Condition()
        self._dirty: set[str] = set()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def notice(self, database: str) -> None:
        """Say that a database was written to."""
        with self._wake:
            self._dirty.add(database)
            self._wake.notify_all()

    def _run(self) -> None:
        everything = True
        while True:
            with self._wake:
                if not everything:
                    self._wake.wait_for(lambda: self._dirty or self._stopped, LOOK_EVERY_S)
                if self._stopped:
                    return
                dirty, self._dirty = self._dirty, set()
            for name in [None] if everything or not dirty else sorted(dirty):
                self._safely(name)
            everything = False

    def _safely(self, database: str | None) -> None:
        try:
            self._proofs.catch_up(database)
            self._publisher.publish()
        except Exception:
            if not self._stopped:
                _LOG.exception("the log's pages wait; trying again with the next change")
