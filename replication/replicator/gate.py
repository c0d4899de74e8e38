"""Who decides when a pair may carry documents: hours, budgets, a person who paused the link."""

from __future__ import annotations

from typing import Protocol

from replication.replicator.pair import Pair


class Gate(Protocol):
    """One for a whole link, called in the thread of its run only: it must answer at once.

    A closed gate holds back the documents of that pair. What is under way arrives, the feed of a store of ours is read
    on, notes and logs are kept; nothing is dropped.
    """

    def waits_s(self, pair: Pair) -> float:
        """Return 0.0 when documents may go now, else the seconds until asking again; `inf` is until `Link.wake`."""

    def carried(self, pair: Pair, bytes_out: int, bytes_in: int) -> None:
        """Hear of bytes that travelled for the pair since the last call: HTTP with all heads, lost ones too."""
