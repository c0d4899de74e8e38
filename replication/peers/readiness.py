"""Waiting for sockets whatever their numbers: `select` takes none above 1023, and a node of a province with a hundred
databases has that many files open."""

from __future__ import annotations

import selectors
from collections.abc import Iterable
from typing import Protocol


class HasFileno(Protocol):
    """A socket, or something that stands for one."""

    def fileno(self) -> int: ...


# No descriptor of its own, unlike epoll: a selector lives for one wait. Windows has no poll, and no such limit.
_Selector: type[selectors.SelectSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


def wait_ready(reads: Iterable[HasFileno], writes: Iterable[HasFileno], timeout_s: float) -> tuple[set[int], set[int]]:
    """Return the numbers of those that can be read, and of those that can be written, once there are any or time is up.

    0 looks and does not wait. Raises `ValueError` for a socket that is closed.
    """
    wanted: dict[int, int] = {}
    for waited, event in ((reads, selectors.EVENT_READ), (writes, selectors.EVENT_WRITE)):
        for each in waited:
            wanted[each.fileno()] = wanted.get(each.fileno(), 0) | event
    with _Selector() as selector:
        for number, events in wanted.items():
            selector.register(number, events)
        found = [(key.fd, events) for key, events in selector.select(max(0.0, timeout_s))]
    readable = {number for number, events in found if events & selectors.EVENT_READ}
    return readable, {number for number, events in found if events & selectors.EVENT_WRITE}
