"""What a link is given to do: one database to bring into another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replication.document import DocId
from replication.peers import Peer
from replication.replicator.identity import Direction
from replication.replicator.state import CheckpointState


@dataclass(frozen=True, slots=True)
class Pair:
    """What to replicate. Smaller `priority` goes first on a shared link. `state` None keeps notes in memory only.

    `express` names documents to carry ahead of the feed, most wanted first. It is called in the thread of the run when
    those named before are through, and after `Link.wake`; ids the source does not have are passed over.
    """

    source: Peer
    target: Peer
    state: CheckpointState
    priority: int = 0
    create_target: bool = True
    express: Callable[[], Sequence[DocId]] | None = None

    @property
    def direction(self) -> Direction:
        """A pull brings documents from elsewhere to us; everything else is a push."""
        return "pull" if self.source.endpoint is not None and self.target.endpoint is None else "push"

    @property
    def label(self) -> str:
        return f"{self.source.label} → {self.target.label}"
