"""Which databases of a store have files open: each takes handles and page caches, and a store may hold thousands."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

AWAKE = 128  # databases with open connections, at most a few MiB each


class Restful(Protocol):
    """What can close what it does not use at the moment."""

    def rest(self) -> None: ...


class Roster:
    """The databases that opened connections, in the order in which they last did."""

    def __init__(self, most: int = AWAKE) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._awake: OrderedDict[Restful, None] = OrderedDict()

    def note(self, database: Restful) -> list[Restful]:
        """Note that a database opens a connection; return those that should rest for it."""
        with self._lock:
            self._awake[database] = None
            self._awake.move_to_end(database)
            return [self._awake.popitem(last=False)[0] for _ in range(len(self._awake) - self._most)]

    def forget(self, database: Restful) -> None:
        """Take a database off that is closed."""
        with self._lock:
            self._awake.pop(database, None)
