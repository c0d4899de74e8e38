"""Time-stamps in the background of a serving node that was told of an authority (`tram timestamp --remember`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from crypto.errors import CryptoError
from server.errors import ServerError
from server.timestamps.asking import Authority
from server.timestamps.stamping import Stamper

_LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
_AFTER_TROUBLE_S = 300.0  # out in the mountains an authority is out of reach for weeks; that is no reason to hurry


class StampKeeper:
    """Stamps what waits, every minute. `complaint` says why it could not. `connect` makes the authority anew."""

    def __init__(
        self,
        stamper: Stamper,
        database: str,
        connect: Callable[[], Authority],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`tell` hears the complaint of every look, "" when it went well."""
        self._tell = tell
        self._stamper = stamper
        self._database = database
        self._connect = connect
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.complaint = ""

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the question it is at; returns when it has ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._ended.wait(self._look()):
            continue

    def _look(self) -> float:
        """Stamp what waits. Returns the seconds until the next look."""
        try:
            authority = self._connect()
            try:
                self._stamper.run(self._database, authority, is_ended=self._ended.is_set)
            finally:
                authority.close()
        except (ServerError, CryptoError) as exc:
            if str(exc) != self.complaint:
                _LOG.warning("no time-stamps: %s", exc)
            self.complaint = str(exc)
            self._tell(self.complaint)
            return _AFTER_TROUBLE_S
        except Exception:
            if not self._ended.is_set():
                _LOG.exception("time-stamps wait; trying again")
            return _AFTER_TROUBLE_S
        self.complaint = ""
        self._tell("")
        return LOOK_EVERY_S
